from __future__ import annotations

from typing import Any

import pytest

from localcloud.dag.conditions import holds
from localcloud.dag.definition import StepFailure


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


TRUE, FALSE = compare("Equals", 1, 1), compare("Equals", 1, 2)


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        (compare("Equals", "a", "a"), True),
        (compare("Equals", 1, 1.0), True),
        (compare("Equals", True, True), True),
        (compare("GreaterThan", 1, 1), False),
        (compare("GreaterThan", 1.5, 1), True),
        (compare("GreaterThanOrEqualTo", 1, 1), True),
        (compare("LessThan", 1, 1), False),
        (compare("LessThanOrEqualTo", 1, 1), True),
        ({"Type": "In", "QueryValue": "b", "Values": ["a", "b"]}, True),
        ({"Type": "In", "QueryValue": 3, "Values": [1, 2]}, False),
        ({"Type": "Not", "Condition": TRUE}, False),
        ({"Type": "Not", "Expression": FALSE}, True),
        ({"Type": "Or", "Conditions": [FALSE, TRUE]}, True),
        ({"Type": "Or", "Conditions": [FALSE, FALSE]}, False),
    ],
)
def test_operators(condition: dict[str, Any], outcome: bool) -> None:
    assert holds(condition) is outcome


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (compare("LessThan", "0.9", 0.9), r"cannot compare '0.9' \(str\) with 0.9 \(float\)"),
        (compare("Equals", True, 1), "cannot compare True"),
        ({"Type": "Xor"}, "Unknown condition 'Xor'; known: Equals"),
    ],
)
def test_what_cannot_be_compared(condition: dict[str, Any], said: str) -> None:
    with pytest.raises(StepFailure, match=said):
        holds(condition)
