"""Resolves intrinsic functions as far as the template alone allows, and no further."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from mlops_constructs.rules.engine.errors import MAX_DEPTH
from mlops_constructs.rules.engine.intrinsics import Intrinsics, attribute, encoded, interleaved
from mlops_constructs.rules.engine.values import ABSENT, MAYBE, UNKNOWN, Reference, Text, Unknown

ZONE: Final = "Fn::GetAZs"
"""Target of the reference that stands for one of the region's Availability Zones."""


class _Pieces:
    """What Fn::Split makes of a reference."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference


class Resolver(Intrinsics):
    """Resolves values of a template in one scenario."""

    def resolve(self, raw: Any, depth: int = 0) -> Any:
        """`raw` with its intrinsic functions resolved, absent members left out."""
        if isinstance(raw, dict):
            if depth > MAX_DEPTH:
                return MAYBE
            return self._mapping(raw, depth)
        if isinstance(raw, list):
            if depth > MAX_DEPTH:
                return MAYBE
            items = [self.resolve(item, depth + 1) for item in raw]
            return [item for item in items if item is not ABSENT]
        return ABSENT if raw is None else raw

    def _mapping(self, raw: dict[str, Any], depth: int) -> Any:
        if len(raw) == 1:
            name, operand = next(iter(raw.items()))
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(self, operand, depth + 1)
            if name.startswith("Fn::"):
                return MAYBE
        elif any(name.startswith(("Fn::Transform", "Fn::ForEach")) for name in raw):
            return MAYBE
        members = {}
        for name, value in raw.items():
            resolved = self.resolve(value, depth + 1)
            if resolved is not ABSENT:
                members[name] = resolved
        return members

    def _ref(self, operand: Any, _depth: int) -> Any:
        if not isinstance(operand, str):
            return UNKNOWN
        if operand == "AWS::NoValue":
            return ABSENT
        value = self._value_of(operand)
        return Reference(operand) if value is None else value

    def _get_att(self, operand: Any, _depth: int) -> Any:
        found = attribute(operand)
        return Reference(*found) if found else UNKNOWN

    def _if(self, operand: Any, depth: int) -> Any:
        branch = self._branch(operand)
        return MAYBE if branch is None else self.resolve(operand[branch], depth)

    def _join(self, operand: Any, depth: int) -> Any:
        if not isinstance(operand, list) or len(operand) != 2 or not isinstance(operand[0], str):
            return UNKNOWN
        parts = self.resolve(operand[1], depth)
        return _text(interleaved(operand[0], parts)) if isinstance(parts, list) else UNKNOWN

    def _sub(self, operand: Any, depth: int) -> Any:
        local: Any = {}
        if isinstance(operand, list) and len(operand) == 2:
            operand, local = operand[0], self.resolve(operand[1], depth)
        if not isinstance(operand, str) or not isinstance(local, dict):
            return UNKNOWN
        return _text(self._substituted(operand, local, depth))

    def _select(self, operand: Any, depth: int) -> Any:
        if not isinstance(operand, list) or len(operand) != 2:
            return UNKNOWN
        index, items = self.resolve(operand[0], depth), self.resolve(operand[1], depth)
        if isinstance(items, _Pieces):
            return Reference(items.reference.target, items.reference.attribute, part=True)
        if not isinstance(index, int | str) or not re.fullmatch(r"\d{1,6}", str(index)):
            return UNKNOWN
        if isinstance(items, Reference) and items.target == ZONE:
            return Reference(ZONE, f"{items.attribute}{index}")
        if isinstance(items, list) and MAYBE not in items and int(index) < len(items):
            return items[int(index)]
        return UNKNOWN

    def _split(self, operand: Any, depth: int) -> Any:
        if not isinstance(operand, list) or len(operand) != 2 or not isinstance(operand[0], str):
            return UNKNOWN
        text = self.resolve(operand[1], depth)
        if isinstance(text, Reference):
            return _Pieces(text)
        return text.split(operand[0]) if isinstance(text, str) and operand[0] else UNKNOWN

    def _find_in_map(self, operand: Any, depth: int) -> Any:
        if not isinstance(operand, list) or len(operand) not in (3, 4):
            return UNKNOWN
        value: Any = self._mappings
        for key in (self.resolve(part, depth) for part in operand[:3]):
            if not isinstance(key, str | int) or not isinstance(value, dict):
                return UNKNOWN
            value = value.get(str(key))
        return UNKNOWN if value is None else value

    def _zones(self, operand: Any, depth: int) -> Any:
        region = self.resolve(operand, depth)
        return Reference(ZONE, f"{region}:") if isinstance(region, str | Reference) else UNKNOWN

    def _base64(self, operand: Any, depth: int) -> Any:
        text = self.resolve(operand, depth)
        return encoded(text) if isinstance(text, str) else UNKNOWN

    def _json(self, operand: Any, depth: int) -> Any:
        value = self.resolve(operand, depth)
        try:
            return json.dumps(value) if isinstance(value, dict | list) else UNKNOWN
        except TypeError:  # something in it is known only at deployment
            return UNKNOWN

    def _at_deployment(self, _operand: Any, _depth: int) -> Any:
        return UNKNOWN

    def _perhaps(self, _operand: Any, _depth: int) -> Any:
        return MAYBE


def _text(pieces: list[Any]) -> Any:
    """The pieces as one string, or as a Text when some are known only at deployment."""
    parts: list[str | Reference | Unknown] = []
    for piece in pieces:
        if isinstance(piece, str | int | float):
            value: Any = str(piece).lower() if isinstance(piece, bool) else str(piece)
            if parts and isinstance(parts[-1], str):
                parts[-1] += value
                continue
        elif isinstance(piece, Text):
            parts.extend(piece.parts)
            continue
        elif isinstance(piece, Reference) or piece is UNKNOWN:
            value = piece
        else:
            return UNKNOWN
        parts.append(value)
    parts = [part for part in parts if part != ""]
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 else Text(tuple(parts))


_FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any, int], Any]]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::If": Resolver._if,
    "Fn::Join": Resolver._join,
    "Fn::Sub": Resolver._sub,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::GetAZs": Resolver._zones,
    "Fn::Base64": Resolver._base64,
    "Fn::ToJsonString": Resolver._json,
    "Fn::ImportValue": Resolver._at_deployment,
    "Fn::Cidr": Resolver._at_deployment,
    "Fn::Length": Resolver._at_deployment,
    "Fn::Transform": Resolver._perhaps,
}
