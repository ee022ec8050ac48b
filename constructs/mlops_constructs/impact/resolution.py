"""Resolves the intrinsic functions of a template and keeps the structure of what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mlops_constructs.impact.values import ABSENT, Attribute, Call, Import, Text
from mlops_constructs.rules.engine.conditions import Conditions, Scenario
from mlops_constructs.rules.engine.errors import MAX_DEPTH, TemplateError
from mlops_constructs.rules.engine.intrinsics import Intrinsics, attribute, encoded, interleaved

# CloudFormation takes templates of 1 MB; a bomb of nested Fn::Sub would not stop there.
_MOST_TEXT: Final = 2_000_000
_MOST_PIECES: Final = 10_000


class Resolver(Intrinsics):
    """Resolves values and keeps what only the deployment knows, so that equal stays equal.

    Args:
        mappings, conditions, scenario, known: As for `Intrinsics`.
        parameters: What stands for the parameters that the stack around this one gives.
        nested: The nested stacks whose templates are known, by logical id.
    """

    def __init__(
        self,
        mappings: Mapping[str, Any],
        conditions: Conditions,
        scenario: Scenario,
        known: Mapping[str, str],
        *,
        parameters: Mapping[str, Import],
        nested: Mapping[str, str],
    ) -> None:
        super().__init__(mappings, conditions, scenario, known)
        self._parameters = parameters
        self._nested = nested

    def resolve(self, raw: Any, depth: int = 0) -> Any:
        """`raw` with its functions resolved, absent members left out.

        Raises:
            TemplateError: it is nested too deeply to be a template.
        """
        if depth > MAX_DEPTH:
            raise TemplateError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(raw, dict):
            if len(raw) == 1:
                name, operand = next(iter(raw.items()))
                function = _FUNCTIONS.get(name)
                if function is not None:
                    return function(self, operand, depth + 1)
                if name.startswith("Fn::"):
                    return Call(name, self.resolve(operand, depth + 1))
            members = {key: self.resolve(value, depth + 1) for key, value in raw.items()}
            return {key: value for key, value in members.items() if value is not ABSENT}
        if isinstance(raw, list):
            items = [self.resolve(item, depth + 1) for item in raw]
            return [item for item in items if item is not ABSENT]
        return scalar(raw)

    def _ref(self, operand: Any, depth: int) -> Any:
        if not isinstance(operand, str):
            return Call("Ref", self.resolve(operand, depth))
        if operand == "AWS::NoValue":
            return ABSENT
        value = self._value_of(operand)
        return self._parameters.get(operand, Attribute(operand)) if value is None else value

    def _get_att(self, operand: Any, depth: int) -> Any:
        found = attribute(operand)
        if found is None:
            return Call("Fn::GetAtt", self.resolve(operand, depth))
        target, name = found
        if target in self._nested and name.startswith("Outputs."):
            return output_of(self._nested[target], name.removeprefix("Outputs."))
        return Attribute(target, name)

    def _if(self, operand: Any, depth: int) -> Any:
        branch = self._branch(operand)
        if branch is None:
            return Call("Fn::If", self.resolve(operand, depth))
        return self.resolve(operand[branch], depth)

    def _join(self, operand: Any, depth: int) -> Any:
        resolved = self.resolve(operand, depth)
        if isinstance(resolved, list) and len(resolved) == 2 and isinstance(resolved[0], str):
            separator, parts = resolved
            if isinstance(parts, list):
                return text(interleaved(separator, parts))
        return Call("Fn::Join", resolved)

    def _sub(self, operand: Any, depth: int) -> Any:
        local: Any = {}
        template = operand
        if isinstance(operand, list) and len(operand) == 2:
            template, local = operand[0], self.resolve(operand[1], depth)
        if not isinstance(template, str) or not isinstance(local, dict):
            return Call("Fn::Sub", self.resolve(operand, depth))
        return text(self._substituted(template, local, depth))

    def _select(self, operand: Any, depth: int) -> Any:
        resolved = self.resolve(operand, depth)
        if isinstance(resolved, list) and len(resolved) == 2:
            index, items = resolved
            if isinstance(items, list) and isinstance(index, str) and _is_index(index):
                return (
                    items[int(index)] if int(index) < len(items) else Call("Fn::Select", resolved)
                )
        return Call("Fn::Select", resolved)

    def _split(self, operand: Any, depth: int) -> Any:
        resolved = self.resolve(operand, depth)
        if isinstance(resolved, list) and len(resolved) == 2 and resolved[0]:
            separator, value = resolved
            if isinstance(separator, str) and isinstance(value, str):
                return list(value.split(separator, _MOST_PIECES))
        return Call("Fn::Split", resolved)

    def _find_in_map(self, operand: Any, depth: int) -> Any:
        resolved = self.resolve(operand, depth)
        if isinstance(resolved, list) and len(resolved) == 3:
            value: Any = self._mappings
            for key in resolved:
                value = value.get(key) if isinstance(value, dict) and isinstance(key, str) else None
            if value is not None:
                return _literals(value)
        return Call("Fn::FindInMap", resolved)

    def _base64(self, operand: Any, depth: int) -> Any:
        resolved = self.resolve(operand, depth)
        return encoded(resolved) if isinstance(resolved, str) else Call("Fn::Base64", resolved)

    def _import(self, operand: Any, depth: int) -> Any:
        return Import(export_key(self.resolve(operand, depth)))


def output_of(stack: str, name: str) -> Import:
    """What stands for an output of a nested stack in the stack around it."""
    return Import(f"output {name} of nested stack {stack}")


def parameter_of(stack: str, name: str) -> Import:
    """What stands for a parameter of a nested stack in it."""
    return Import(f"parameter {name} of nested stack {stack}")


def export_key(name: Any) -> str:
    """The name of an export as text, with its unknown parts written out."""
    return name if isinstance(name, str) else f"{name}"


def scalar(value: Any) -> Any:
    """A scalar as text, as CloudFormation hands it on; null is nothing."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def text(pieces: list[Any]) -> Any:
    """The pieces as one string, or as a Text when the deployment has to fill it in."""
    parts: list[Any] = []
    length = 0
    for piece in pieces:
        for part in piece.parts if isinstance(piece, Text) else (piece,):
            if part is ABSENT or part == "":
                continue
            length += len(part) if isinstance(part, str) else 100
            if length > _MOST_TEXT:
                raise TemplateError(f"a text grows beyond {_MOST_TEXT:,} characters")
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
    if not parts:
        return ""
    single = parts[0] if len(parts) == 1 else None
    return single if isinstance(single, str | Attribute | Import) else Text(tuple(parts))


def _literals(value: Any) -> Any:
    """A value of a mapping: mappings hold no functions."""
    if isinstance(value, dict):
        return {key: _literals(member) for key, member in value.items()}
    return [_literals(item) for item in value] if isinstance(value, list) else scalar(value)


def _is_index(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 7


_FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any, int], Any]]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::If": Resolver._if,
    "Fn::Join": Resolver._join,
    "Fn::Sub": Resolver._sub,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::Base64": Resolver._base64,
    "Fn::ImportValue": Resolver._import,
}
