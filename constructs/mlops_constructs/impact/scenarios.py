"""Puts the scenarios of two templates together.

A scenario gives the parameters that conditions compare a value each (see
`mlops_constructs.rules.engine.conditions`). Both templates are deployed with the same values, so
a scenario of the one goes only with those of the other that don't contradict it.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from mlops_constructs.rules.engine.conditions import OTHER, Scenario

_MOST_COMBINATIONS: Final = 4096


def joint_scenarios(before: list[Scenario], after: list[Scenario]) -> list[Scenario]:
    """The scenarios of two templates, put together where they agree."""
    if before == after:
        return after
    told = [{(k, v) for s in side for k, v in s.items()} for side in (before, after)]
    merged = (
        _merge(b, a, told[0], told[1])
        for b, a in itertools.islice(itertools.product(before, after), _MOST_COMBINATIONS)
    )
    return [scenario for scenario in merged if scenario is not None]


def _merge(
    before: Scenario, after: Scenario, of_before: set[Any], of_after: set[Any]
) -> Scenario | None:
    """Both scenarios as one; None if they contradict each other.

    "Something else" on one side agrees with a value of which that side knows nothing.
    """
    merged = dict(before)
    for name, value in after.items():
        here = merged.get(name, value)
        if here == value or (here == OTHER and (name, value) not in of_before):
            merged[name] = value
        elif not (value == OTHER and (name, here) not in of_after):
            return None
    return merged
