"""Conditions of a template: which combinations of them can occur.

A condition is a formula over comparisons. A comparison of a parameter with literals makes that
parameter a variable whose values are those literals and "something else", so that IsProd and
IsDev, which compare the same parameter, are never both true. Any other comparison that the
template alone cannot decide is a variable of its own. A scenario gives every variable a value;
rules are run in each, so that each branch of an Fn::If is checked.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_SCENARIOS: Final = 64
"""Beyond it, combinations of more than two conditions are sampled."""

OTHER: Final = "\0other"
"""A value of a parameter that the template compares with nothing."""

Scenario = Mapping[str, Any]
"""Variable to value: "parameter:NAME" to a string, "comparison:JSON" to a boolean."""


class Conditions:
    """The Conditions section, evaluated in a scenario.

    Args:
        section: The section as written.
        parameters: The Parameters section as written.
        known: What is known about parameters and pseudo parameters, by name.
    """

    def __init__(
        self, section: Mapping[str, Any], parameters: Mapping[str, Any], known: Mapping[str, str]
    ) -> None:
        self._section = section
        self._parameters = parameters
        self._known = known

    def evaluate(self, name: str, scenario: Scenario) -> bool | None:
        """Whether the condition holds; None when nobody can tell."""
        return self._formula({"Condition": name}, scenario, frozenset())

    def scenarios(self, names: Iterable[str], limit: int = MAX_SCENARIOS) -> list[Scenario]:
        """The combinations that matter to these conditions, the default one first."""
        variables: dict[str, list[Any]] = {}
        for name in sorted(set(names)):
            self._collect({"Condition": name}, variables, set())
        choices = {name: self._order(name, values) for name, values in variables.items()}
        size = 1
        for values in choices.values():
            size *= len(values)
        if size <= limit:
            combinations = itertools.product(*choices.values())
            return [dict(zip(choices, values, strict=True)) for values in combinations]
        first = {name: values[0] for name, values in choices.items()}
        last = {name: values[-1] for name, values in choices.items()}
        sampled: list[Scenario] = [first, last]
        for name, values in choices.items():
            sampled.extend({**first, name: value} for value in values[1:])
            sampled.extend({**last, name: value} for value in values[:-1])
        return sampled[:limit]

    def _order(self, variable: str, values: list[Any]) -> list[Any]:
        """The values with the parameter's default first, and "something else" if it can be."""
        kind, _, name = variable.partition(":")
        if kind == "comparison":
            return values
        parameter = self._parameters.get(name)
        parameter = parameter if isinstance(parameter, dict) else {}
        allowed = parameter.get("AllowedValues")
        if isinstance(allowed, list):
            texts = {_literal(value) for value in allowed}
            values = [value for value in values if value in texts]
            if texts - set(values):
                values = [*values, OTHER]
        else:
            values = [*values, OTHER]
        default = _literal(parameter.get("Default"))
        first = default if default in values else OTHER
        return sorted(values, key=lambda value: value != first) or [OTHER]

    def _formula(self, formula: Any, scenario: Scenario, seen: frozenset[str]) -> bool | None:
        kind, operand = _function(formula)
        if kind == "Condition" and isinstance(operand, str):
            if operand in seen or operand not in self._section:
                return None
            return self._formula(self._section[operand], scenario, seen | {operand})
        if not isinstance(operand, list):
            return None
        if kind == "Fn::Equals":
            return self._equals(operand, scenario)
        inner = [self._formula(part, scenario, seen) for part in operand[:10]]
        if kind == "Fn::Not":
            return None if len(inner) != 1 or inner[0] is None else not inner[0]
        decisive = {"Fn::And": False, "Fn::Or": True}.get(kind)
        if decisive is None or decisive in inner:
            return decisive
        return None if None in inner else not decisive

    def _equals(self, operands: list[Any], scenario: Scenario) -> bool | None:
        variable, literal = self._comparison(operands)
        if variable is None:
            return literal if isinstance(literal, bool) else None
        value = scenario.get(variable)
        return None if value is None else bool(value == literal)

    def _comparison(self, operands: list[Any]) -> tuple[str | None, Any]:
        """The variable and the literal it is compared with; no variable: the result itself."""
        if len(operands) != 2:
            return None, None
        left, right = (self._operand(operand) for operand in operands)
        if isinstance(left, str) and isinstance(right, str):
            return None, left == right
        if left == right:
            return None, True
        for name, literal in ((left, right), (right, left)):
            if isinstance(name, tuple) and isinstance(literal, str):
                return f"parameter:{name[0]}", literal
        return f"comparison:{_canonical(operands)}", True

    def _operand(self, operand: Any) -> str | tuple[str] | list[str]:
        """A literal, the (name,) of a parameter, or the [text] of any other expression."""
        literal = _literal(operand)
        if literal is not None:
            return literal
        if isinstance(operand, dict) and len(operand) == 1 and isinstance(operand.get("Ref"), str):
            name = operand["Ref"]
            return self._known.get(name, (name,))
        return [_canonical(operand)]

    def _collect(self, formula: Any, variables: dict[str, list[Any]], seen: set[str]) -> None:
        kind, operand = _function(formula)
        if kind == "Condition":
            if isinstance(operand, str) and operand not in seen and operand in self._section:
                seen.add(operand)
                self._collect(self._section[operand], variables, seen)
        elif kind == "Fn::Equals" and isinstance(operand, list):
            variable, literal = self._comparison(operand)
            if variable is not None and variable.startswith("parameter:"):
                values = variables.setdefault(variable, [])
                if literal not in values:
                    values.append(literal)
            elif variable is not None:
                variables.setdefault(variable, [False, True])
        elif isinstance(operand, list):
            for part in operand[:10]:
                self._collect(part, variables, seen)


def _function(formula: Any) -> tuple[str, Any]:
    """The name and the operand of an intrinsic function."""
    if isinstance(formula, dict) and len(formula) == 1:
        name, operand = next(iter(formula.items()))
        return str(name), operand
    return "", None


def _literal(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)[:2000]
    except (RecursionError, ValueError):
        return "?"
