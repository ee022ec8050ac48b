"""What resolvers of intrinsic functions share, whatever each makes of what stays unknown."""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from mlops_constructs.rules.engine.conditions import OTHER, Conditions, Scenario

_PLACEHOLDER: Final = re.compile(r"\$\{([^}]{0,300})\}")


class Intrinsics(ABC):
    """Resolves values of a template in one scenario.

    Args:
        mappings: The Mappings section.
        conditions: The conditions.
        scenario: The values of the variables that the conditions depend on.
        known: What is known about parameters and pseudo parameters, by name.
    """

    def __init__(
        self,
        mappings: Mapping[str, Any],
        conditions: Conditions,
        scenario: Scenario,
        known: Mapping[str, str],
    ) -> None:
        self._mappings = mappings
        self._conditions = conditions
        self._scenario = scenario
        self._known = known

    @abstractmethod
    def _ref(self, operand: Any, depth: int) -> Any:
        """What Ref returns."""

    @abstractmethod
    def _get_att(self, operand: Any, depth: int) -> Any:
        """What Fn::GetAtt returns; the operand may be dotted text."""

    def _value_of(self, name: str) -> Any:
        """The value of a parameter; None when only the deployment knows it."""
        if name in self._known:
            return self._known[name]
        value = self._scenario.get(f"parameter:{name}", OTHER)
        return None if value == OTHER else value

    def _branch(self, operand: Any) -> int | None:
        """Which item of the operand of Fn::If counts; None when nobody can tell."""
        if not isinstance(operand, list) or len(operand) != 3 or not isinstance(operand[0], str):
            return None
        holds = self._conditions.evaluate(operand[0], self._scenario)
        return None if holds is None else 1 if holds else 2

    def _substituted(self, template: str, local: Mapping[str, Any], depth: int) -> list[Any]:
        """The pieces of the text of Fn::Sub, its placeholders resolved."""
        pieces: list[Any] = []
        end = 0
        for match in _PLACEHOLDER.finditer(template):
            pieces.append(template[end : match.start()])
            name = match.group(1).strip()
            if name.startswith("!"):
                pieces.append("${" + name[1:] + "}")
            elif name in local:
                pieces.append(local[name])
            else:
                pieces.append((self._get_att if "." in name else self._ref)(name, depth))
            end = match.end()
        return [*pieces, template[end:]]


def attribute(operand: Any) -> tuple[str, str] | None:
    """The logical id and the attribute that Fn::GetAtt names in either of its forms."""
    if isinstance(operand, str):
        operand = operand.split(".", 1)
    if (
        not isinstance(operand, list)
        or len(operand) < 2
        or not all(isinstance(part, str) for part in operand)
    ):
        return None
    return operand[0], ".".join(operand[1:])


def interleaved(separator: str, parts: list[Any]) -> list[Any]:
    """The pieces of the text that Fn::Join makes."""
    pieces: list[Any] = []
    for index, part in enumerate(parts):
        pieces.extend((separator, part) if index else (part,))
    return pieces


def encoded(text: str) -> str:
    """What Fn::Base64 makes of a text."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
