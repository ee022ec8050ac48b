"""Conditions of a Condition step; all of them must hold."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.dag.definition import StepFailure

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


def holds(condition: Mapping[str, Any]) -> bool:
    """Whether a condition holds.

    Args:
        condition: One of ``Arguments.Conditions``, without expressions.

    Raises:
        StepFailure: for an unknown kind of condition, or values that cannot be compared.
    """
    kind = str(condition.get("Type"))
    if kind in _ORDER:
        left, right = condition["LeftValue"], condition["RightValue"]
        if not _comparable(left, right):
            raise StepFailure(
                f"ClientError: Condition {kind} cannot compare {left!r} "
                f"({type(left).__name__}) with {right!r} ({type(right).__name__})."
            )
        return _ORDER[kind](left, right)
    if kind == "In":
        return condition["QueryValue"] in condition["Values"]
    if kind == "Not":
        # Version 3 of the SageMaker SDK writes Condition, version 2 Expression.
        return not holds(condition.get("Condition") or condition["Expression"])
    if kind == "Or":
        return any(holds(one) for one in condition["Conditions"])
    known = ", ".join((*_ORDER, "In", "Not", "Or"))
    raise StepFailure(f"ClientError: Unknown condition {kind!r}; known: {known}.")


def _comparable(left: Any, right: Any) -> bool:
    numbers = (int, float)
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool)
    if isinstance(left, numbers) and isinstance(right, numbers):
        return True
    return isinstance(left, str) and isinstance(right, str)
