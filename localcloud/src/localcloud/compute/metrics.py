"""Metrics that a training job prints: ``MetricDefinitions`` on its log."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localcloud.compute.outcome import JobFailure


class MetricCollector:
    """Keeps the last value of each metric, and tells each one.

    Args:
        definitions: The request's ``MetricDefinitions``: a name and a regular expression whose
            first group is the value.
        on_value: Told each value as it is printed.

    Raises:
        JobFailure: ``ClientError`` when an expression is no regular expression with a group.
    """

    def __init__(
        self,
        definitions: Sequence[Mapping[str, str]],
        on_value: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        self._on_value = on_value
        self._patterns: list[tuple[str, re.Pattern[str]]] = []
        self._last: dict[str, tuple[float, datetime]] = {}
        for definition in definitions:
            name, expression = definition["Name"], definition["Regex"]
            try:
                pattern = re.compile(expression)
            except re.error as error:
                raise JobFailure(
                    f"ClientError: The Regex of metric {name!r} is invalid: {error}."
                ) from error
            if pattern.groups == 0:
                raise JobFailure(
                    f"ClientError: The Regex of metric {name!r} captures nothing; put the value "
                    f"into a group, such as {name}=([0-9.]+)."
                )
            self._patterns.append((name, pattern))

    def collect(self, lines: Sequence[str]) -> None:
        """Look for every metric in these lines."""
        for line in lines:
            for name, pattern in self._patterns:
                for match in pattern.finditer(line):
                    try:
                        value = float(match[1])
                    except (TypeError, ValueError):
                        continue  # the service, too, leaves out what is no number
                    self._last[name] = (value, datetime.now(UTC))
                    self._on_value(name, value)

    def final(self) -> list[dict[str, Any]]:
        """``FinalMetricDataList``."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": timestamp}
            for name, (value, timestamp) in self._last.items()
        ]
