"""JSON documents that a run reads and writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .errors import AnalysisError
from .sources import open_source

#: Lists of more entries are written one entry a line.
_LONG = 500


def document(place: str, name: str) -> dict[str, Any]:
    """A JSON object in a file of a folder, or in a file; empty when no place was given.

    Raises:
        AnalysisError: If the file is not there, is no JSON, or holds no object.
    """
    if not place:
        return {}
    for file in open_source(place).everything():
        if Path(file.name).name in (name, Path(place).name if place.endswith(".json") else name):
            return parse(file.path.read_text(encoding="utf-8"), file.name)
    raise AnalysisError(f"{place} holds no {name}.")


def parse(text: str, name: str) -> dict[str, Any]:
    """A text as a JSON object.

    Raises:
        AnalysisError: If it is none, with the file's name.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AnalysisError(f"{name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise AnalysisError(f"{name}: got a {type(found).__name__}, not an object.")
    return found


def write_json(path: Path, content: Any) -> None:
    """Write a document that people can read; of long lists each entry is a line.

    What is no number in JSON, NaN and the infinities, becomes null.
    """
    path.write_text(_text(content) + "\n", encoding="utf-8")


def _text(content: Any) -> str:
    if not isinstance(content, dict):
        return _line(content)
    parts = []
    for name, value in content.items():
        if isinstance(value, list) and len(value) > _LONG:
            # Indented, the standard library writes about ten times as slowly.
            text = "[\n" + ",\n".join(f"  {_line(each)}" for each in value) + "\n ]"
        else:
            text = _line(value, 1).replace("\n", "\n ")
        parts.append(f" {json.dumps(str(name))}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}"


def _line(value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, indent=indent, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
