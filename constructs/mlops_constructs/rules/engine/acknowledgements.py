"""Findings that a CDK app has acknowledged, read from its cloud assembly.

The CDK writes what `Validations.of(construct).acknowledge(...)` was given into the metadata of
the construct, and an acknowledgement holds for everything below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Acknowledged = frozenset[tuple[str, str]]
"""Pairs of a logical id and a rule's id."""

PREFIX: Final = "mlops-constructs::"
"""What stands before a rule's id in an acknowledgement: the name of our plugin."""


def read_acknowledged(metadata: Mapping[str, Any]) -> Acknowledged:
    """The findings acknowledged in the metadata of a stack, which is keyed by construct path."""
    rules = {path: set(_rules(entries)) for path, entries in metadata.items()}
    rules = {path: found for path, found in rules.items() if found}
    if not rules:
        return frozenset()
    return frozenset(
        (logical_id, rule)
        for path, entries in metadata.items()
        for logical_id in _data(entries, "aws:cdk:logicalId")
        if isinstance(logical_id, str)
        for above, found in rules.items()
        if path == above or path.startswith(f"{above}/")
        for rule in found
    )


def _rules(entries: Any) -> Iterator[str]:
    for acknowledged in _data(entries, "aws:cdk:acknowledged-rules"):
        for rule in acknowledged if isinstance(acknowledged, dict) else ():
            if rule.startswith(PREFIX):
                yield rule.removeprefix(PREFIX)


def _data(entries: Any, kind: str) -> Iterator[Any]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("type") == kind:
            yield entry.get("data")
