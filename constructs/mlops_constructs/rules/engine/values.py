"""Values of a template after resolution, and the view of them that rules are written against.

CloudFormation knows some values only at deployment. Resolution leaves such a value as
`UNKNOWN` (given, but not readable here), `MAYBE` (perhaps not even given), a `Reference` (what
Ref or Fn::GetAtt returns) or a `Text` (a string with unknown or referring parts). A `Node` turns
all of that into answers that are certain: `text`, `number` and `flag` are None unless the value
is a literal, `absent` and `present` are both False when nobody can tell. So a rule that asks
only a Node never guesses, and never fails on a value of the wrong type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlops_constructs.rules.engine.template import Resource, Scope

_NUMBER: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?")


class Unknown:
    """A value that only the deployment knows."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        self.label = label

    def __repr__(self) -> str:
        return self.label


ABSENT: Final = Unknown("(absent)")
UNKNOWN: Final = Unknown("(known only at deployment)")
MAYBE: Final = Unknown("(perhaps absent)")


@dataclass(frozen=True, slots=True)
class Reference:
    """What Ref (attribute None) or Fn::GetAtt returns, or a piece of it.

    `target` is the logical id of a resource, the name of a parameter, or a pseudo parameter.
    `part` is True for a piece cut out with Fn::Select of Fn::Split, as when a name is taken out
    of an ARN.
    """

    target: str
    attribute: str | None = None
    part: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A string of which some parts are known only at deployment."""

    parts: tuple[str | Reference | Unknown, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule says about one place of a resource."""

    path: tuple[str | int, ...]
    message: str


Problems = Iterator[Problem]
"""What the predicate of a rule yields: nothing, when the resource is fine."""


def show(value: object, limit: int = 80) -> str:
    """`value` as a message may quote it: short, on one line."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text[: limit * 4].split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


class Node:
    """One place of a resource: its path and what is certain about its value."""

    __slots__ = ("path", "scope", "value")

    def __init__(self, value: Any, path: tuple[str | int, ...], scope: Scope) -> None:
        self.value = value
        self.path = path
        self.scope = scope

    def __repr__(self) -> str:
        return f"Node({format_path(self.path)}, {self.value!r})"

    def __getitem__(self, name: str) -> Node:
        """The member `name`; a dotted name goes down several levels."""
        value, path = self.value, self.path
        for key in name.split("."):
            path = (*path, key)
            value = _member(value, key)
        return Node(value, path, self.scope)

    # --- is it there? ---------------------------------------------------------------------------

    @property
    def absent(self) -> bool:
        """Certainly not given."""
        return self.value is ABSENT

    @property
    def present(self) -> bool:
        """Certainly given, whatever its value."""
        return self.value is not ABSENT and self.value is not MAYBE

    @property
    def empty(self) -> bool:
        """Certainly not given, or certainly given without content."""
        return self.value is ABSENT or (
            isinstance(self.value, str | list | dict) and not self.value
        )

    # --- literals -------------------------------------------------------------------------------

    @property
    def text(self) -> str | None:
        """The literal as text, as CloudFormation would hand it to the service."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value) if isinstance(self.value, int | float) else None

    @property
    def number(self) -> int | float | None:
        """The literal as a number; CloudFormation also takes numbers written as strings."""
        if isinstance(self.value, bool):
            return None
        if isinstance(self.value, int | float):
            return self.value
        if isinstance(self.value, str) and _NUMBER.fullmatch(self.value):
            return float(self.value) if "." in self.value else int(self.value)
        return None

    @property
    def flag(self) -> bool | None:
        """The literal as a boolean; CloudFormation also takes booleans written as strings."""
        if isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, str) and self.value.lower() in ("true", "false"):
            return self.value.lower() == "true"
        return None

    @property
    def fixed(self) -> bool:
        """Whether it is text that stays the same for the life of a stack."""
        parts = self.value.parts if isinstance(self.value, Text) else (self.value,)
        return all(
            part.target.startswith("AWS::")
            if isinstance(part, Reference)
            else isinstance(part, str)
            for part in parts
        )

    # --- members --------------------------------------------------------------------------------

    @property
    def items(self) -> list[Node]:
        """The elements of a list; none when it is absent, unknown or no list."""
        if not isinstance(self.value, list):
            return []
        return [Node(item, (*self.path, i), self.scope) for i, item in enumerate(self.value)]

    @property
    def fields(self) -> list[tuple[str, Node]]:
        """The members of an object; none when it is absent, unknown or no object."""
        if not isinstance(self.value, dict):
            return []
        return [(key, Node(v, (*self.path, key), self.scope)) for key, v in self.value.items()]

    @property
    def count(self) -> int | None:
        """How many elements or members there are; None when nobody can tell."""
        if self.value is ABSENT:
            return 0
        if isinstance(self.value, list | dict):
            members = self.value if isinstance(self.value, list) else self.value.values()
            return None if any(member is MAYBE for member in members) else len(self.value)
        return None

    # --- other resources ------------------------------------------------------------------------

    @property
    def reference(self) -> Reference | None:
        """The reference that is the value."""
        return self.value if isinstance(self.value, Reference) else None

    @property
    def target(self) -> Resource | None:
        """The resource of this template that the value refers to."""
        return self.scope.resource(self.value.target) if isinstance(self.value, Reference) else None

    def problem(self, message: str) -> Problem:
        """A problem at this place."""
        return Problem(self.path, message)

    def same_as(self, other: Node) -> bool:
        """Whether both are certainly the same value."""
        if self.text is not None:
            return self.text == other.text
        return self.reference is not None and self.reference == other.reference


def _member(value: Any, key: str) -> Any:
    """Member `key` of `value`: ABSENT when certainly missing, MAYBE when nobody can tell."""
    if isinstance(value, dict):
        return value.get(key, ABSENT)
    # A value of the wrong type is the schema's business, not a missing member.
    return ABSENT if value is ABSENT else MAYBE


def format_path(path: tuple[str | int, ...]) -> str:
    """`path` as findings print it: `Properties.ProductionVariants[0].VariantName`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
