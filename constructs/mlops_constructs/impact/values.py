"""Values of a template after resolution, in a form in which equal means equal.

Scalars are text, as CloudFormation hands them on. What only the deployment knows keeps its
structure: an `Attribute` of a resource, an `Import` from another stack, a `Text` with such parts,
or the `Call` of a function.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """What Ref (name None) or Fn::GetAtt returns; target may also be a parameter."""

    target: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.target}.{self.name}" if self.name else self.target


@dataclass(frozen=True, slots=True)
class Import:
    """What Fn::ImportValue returns for an export."""

    export: str

    def __str__(self) -> str:
        return f"import of {self.export}"


@dataclass(frozen=True, slots=True)
class Text:
    """A string with parts that only the deployment knows."""

    parts: tuple[Any, ...]

    def __str__(self) -> str:
        return "".join(p if isinstance(p, str) else f"${{{p}}}" for p in self.parts)


@dataclass(frozen=True, slots=True)
class Call:
    """A function that only the deployment can carry out."""

    function: str
    operand: Any

    def __str__(self) -> str:
        return f"{self.function} {show(self.operand, 40)}"


Symbol = Attribute | Import | Text | Call


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()


def references(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Attribute | Import]]:
    """The attributes and imports in a value, with the places in the value where they count."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from references(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))
    elif isinstance(value, Attribute | Import):
        yield path, value
    elif isinstance(value, Text):
        for part in value.parts:
            yield from ((path, found) for _, found in references(part))
    elif isinstance(value, Call):
        yield from ((path, found) for _, found in references(value.operand))


def key_of(reference: Attribute | Import) -> str:
    """What a reference points at: a logical id, or the name of an export."""
    return reference.target if isinstance(reference, Attribute) else reference.export


def differences(old: Any, new: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any, Any]]:
    """The places where two values differ, as deep as they have the same structure."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        pairs = itertools.zip_longest(old, new, fillvalue=ABSENT)
        for index, (before, after) in enumerate(pairs):
            yield from differences(before, after, (*path, index))
    elif old != new:
        yield path, old, new


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What is at a path; of a list on the way, what is there in each item."""
    if not path or isinstance(value, Symbol):
        return value
    if isinstance(value, dict):
        return at(value.get(path[0], ABSENT), path[1:])
    return [at(item, path) for item in value] if isinstance(value, list) else ABSENT


def plain(value: Any) -> Any:
    """A value that JSON can write, for digests and messages."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Attribute):
        return {"Fn::GetAtt": [value.target, value.name]} if value.name else {"Ref": value.target}
    if isinstance(value, Import):
        return {"Fn::ImportValue": value.export}
    if isinstance(value, Text):
        return {"Fn::Join": ["", plain(value.parts)]}
    if isinstance(value, Call):
        return {value.function: plain(value.operand)}
    return value if isinstance(value, str) else None


def show(value: Any, limit: int = 60) -> str:
    """A value as a message quotes it: short, on one line, without control characters."""
    if value is ABSENT:
        return "(absent)"
    is_symbol = isinstance(value, Symbol)
    text = f"{value}" if is_symbol else json.dumps(plain(value), ensure_ascii=False)
    text = "".join(c if c.isprintable() else "?" for c in text[: limit * 4])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_path(path: Path_) -> str:
    """A path as messages print it: `ProductionVariants[0].ModelName`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
