"""Requests that an endpoint captured: SageMaker's JSON Lines, one request a line.

The layout is that of the developer guide, "Data capture": ``captureData.endpointInput`` with
``data``, ``encoding`` (CSV, JSON or BASE64) and ``observedContentType``, and ``eventMetadata``
with ``inferenceTime``. A payload may hold several records.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .window import Window, parse_time

#: Keys under which serving stacks put their list of records.
_LISTS = ("instances", "inputs", "data", "records")
_FEW = 5


@dataclass
class Captured:
    """What was read.

    Attributes:
        rows: Records by column name.
        requests: How many requests were in the window.
        unreadable: How many of them were no records, or no capture at all.
        reasons: Why, for the first few.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    unreadable: int = 0
    reasons: list[str] = field(default_factory=list)

    def note(self, where: str, why: str) -> None:
        """Count an unreadable request."""
        self.unreadable += 1
        if len(self.reasons) < _FEW:
            self.reasons.append(f"{where}: {why}")


def read_capture(
    files: Iterable[tuple[str, bytes]], window: Window, columns: Sequence[str]
) -> Captured:
    """The records of the requests that were answered within the window.

    Args:
        files: Names and contents.
        window: Requests outside are skipped.
        columns: Names of values that come without names.
    """
    captured = Captured()
    for name, content in files:
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                _read_line(captured, f"{name}:{number}", line, window, columns)
    return captured


def _read_line(
    captured: Captured, where: str, line: bytes, window: Window, columns: Sequence[str]
) -> None:
    try:
        event = json.loads(line)
        part = event["captureData"]["endpointInput"]
        moment = parse_time(event["eventMetadata"]["inferenceTime"])
    except (ValueError, KeyError, TypeError):
        captured.requests += 1
        captured.note(where, "not a line of SageMaker's data capture")
        return
    if moment is not None and moment not in window:
        return
    captured.requests += 1
    try:
        captured.rows.extend(
            _named(record, columns) for record in _records(part["data"], part, columns)
        )
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        captured.note(where, f"{type(error).__name__}: {error}")


def _records(data: str, part: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    content_type = str(part.get("observedContentType", "")).lower()
    if part.get("encoding") == "BASE64":
        data = base64.b64decode(data, validate=True).decode("utf-8")
    if "jsonlines" in content_type or "x-ndjson" in content_type:
        return [_flat(json.loads(line)) for line in data.splitlines() if line.strip()]
    if part.get("encoding") == "JSON" or "json" in content_type:
        return _json_records(json.loads(data))
    if part.get("encoding") == "CSV" or "csv" in content_type:
        rows = [row for row in csv.reader(io.StringIO(data), strict=True) if row]
        if rows and [cell.strip() for cell in rows[0]] == list(columns):
            rows = rows[1:]
        return rows
    raise ValueError(f"content type {content_type or 'unknown'} holds no table")


def _json_records(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
            return [_zip(value["columns"], row) for row in value["data"]]
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return _json_records(value[key])
        return [_flat(value)]
    if isinstance(value, list):
        if value and not isinstance(value[0], (list, dict)):
            return [value]
        return [_flat(record) for record in value]
    raise ValueError(f"a payload of type {type(value).__name__} is no record")


def _flat(record: Any) -> Any:
    """A record without the envelope ``{"features": …}``."""
    if isinstance(record, dict) and list(record) == ["features"]:
        return record["features"]
    return record


def _named(record: Any, columns: Sequence[str]) -> dict[str, Any]:
    if isinstance(record, dict):
        return {
            str(name): json.dumps(value) if isinstance(value, (dict, list)) else value
            for name, value in record.items()
        }
    return _zip(columns, record)


def _zip(columns: Sequence[str], values: Any) -> dict[str, Any]:
    if not isinstance(values, list):
        raise TypeError(f"a {type(values).__name__} is no record")
    if len(values) != len(columns):
        raise ValueError(f"{len(values)} values for {len(columns)} columns")
    return dict(zip(columns, values))
