"""Finds the line of a place in a template, when a finding has to be pointed at.

YAML mappings carry their lines (see yaml_reader). JSON is scanned once more, and only when there
are findings: the standard parser keeps no positions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlops_constructs.rules.engine.json_lines import Path, json_lines


class LinedDict(dict[str, Any]):
    """A mapping that knows the line (from 1) of each of its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class LinedList(list[Any]):
    """A sequence that knows the line (from 1) of each of its items."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def find_lines(document: Any, text: str, places: Iterable[Path]) -> dict[Path, int]:
    """The line (from 1) of each place; the line of the nearest place above it if it has none."""
    raw = {place: _raw_path(document, place) for place in places}
    if isinstance(document, LinedDict):
        return {place: _yaml_line(document, path) for place, path in raw.items()}
    found = json_lines(text, set(raw.values()))
    return {place: found[path] for place, path in raw.items()}


def _raw_path(document: Any, place: Path) -> Path:
    """The path in the document as written: through Fn::If, and as far as it goes."""
    value: Any = document
    path: Path = ()
    for key in place:
        step = _step(value, key, 0)
        if step is None:
            break
        taken, value = step
        path = (*path, *taken)
    return path


def _step(value: Any, key: str | int, depth: int) -> tuple[Path, Any] | None:
    if isinstance(value, dict):
        if key in value:
            return (key,), value[key]
        branches = value.get("Fn::If")
        if depth < 10 and isinstance(branches, list) and len(branches) == 3:
            for index in (1, 2):
                below = _step(branches[index], key, depth + 1)
                if below is not None:
                    return ("Fn::If", index, *below[0]), below[1]
    elif isinstance(value, list) and isinstance(key, int) and key < len(value):
        return (key,), value[key]
    return None


def _yaml_line(document: Any, path: Path) -> int:
    value, line = document, 1
    for key in path:
        if isinstance(value, LinedDict) and isinstance(key, str):
            line = value.lines.get(key, line)
        elif isinstance(value, LinedList) and isinstance(key, int):
            line = value.lines[key]
        value = value[key]
    return line
