"""All checks of one run, and which of their findings are violations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import change
from .profiles import Profile
from .settings import Settings
from .sketch import Column

#: From here on a finding is critical: drift (effect), completeness (fall), other checks (share).
_CRITICAL_DRIFT = 0.2
_CRITICAL_FALL = 0.1
_CRITICAL_SHARE = 0.01

#: How much of the run's error rate the pairs of columns may use up; the features share the rest.
_PAIRS = 0.1


@dataclass(frozen=True)
class Violation:
    """One entry of ``constraint_violations.json``; the first three fields are the service's."""

    feature_name: str
    constraint_check_type: str
    description: str
    severity: str
    effect: float
    p_value: float | None = None


@dataclass
class Outcome:
    """What a run found.

    Attributes:
        violations: The most severe and largest first.
        drift: The drift of each compared feature, from 0 to 1.
        tests: Every statistical test, with its adjusted p-value.
    """

    violations: list[Violation] = field(default_factory=list)
    drift: dict[str, float] = field(default_factory=dict)
    tests: list[dict[str, Any]] = field(default_factory=list)

    def count(self, severity: str | None = None) -> int:
        """How many violations there are, of one severity or of all."""
        return sum(1 for found in self.violations if severity in (None, found.severity))


def check(reference: Profile, current: Profile, settings: Settings) -> Outcome:
    """Compare data of at least one row to the reference."""
    outcome = Outcome()
    tests: list[change.Change] = []
    for name, old in reference.columns.items():
        new = current.columns.get(name)
        if new is None:
            outcome.violations.append(
                Violation(name, "missing_column_check", "The column is missing", "critical", 1.0)
            )
            continue
        if new.wrong:
            outcome.violations.append(_wrong_type(new))
        tests += _tests_of(old, new)
    outcome.violations += [
        Violation(name, "extra_column_check", "The reference has no such column", "warning", 0.0)
        for name in sorted(current.extra)
    ]
    features = len({test.feature for test in tests})
    weights = [test.share * (1 - _PAIRS) / features for test in tests]
    floor = 0.0
    if len(current.columns) == len(reference.columns):  # samples have the same columns
        pair = reference.dependence.change(current.sample, settings.false_alarm_rate)
        if pair is not None:
            tests.append(pair[0])
            weights.append(_PAIRS)
            floor = 0.0 if pair[1] >= settings.correlation_floor else 2.0
    _judge(outcome, tests, weights, settings, floor)
    moved = {
        found.feature_name
        for found in outcome.violations
        if found.constraint_check_type == "baseline_drift_check"
    }
    outcome.violations = [  # what moved by itself also moves against the others
        found
        for found in outcome.violations
        if found.constraint_check_type != "correlation_check"
        or not moved.intersection(found.feature_name.split(" ~ "))
    ]
    outcome.violations.sort(key=lambda found: (found.severity, -found.effect, found.feature_name))
    return outcome


def unreadable(count: int, requests: int, reasons: list[str]) -> Violation:
    """The violation for requests that could not be read."""
    share = count / requests
    return Violation(
        "*",
        "capture_format_check",
        f"{count} of {requests} requests could not be read: {'; '.join(reasons)}",
        _severity(share, _CRITICAL_SHARE),
        share,
    )


def _tests_of(old: Column, new: Column) -> list[change.Change]:
    tests = [change.completeness(old, new)]
    if old.kind == "String":
        if old.texts and new.present and not old.free:
            tests += [change.category_drift(old, new), change.unseen_categories(old, new)]
    elif old.numbers is not None and new.numbers is not None:
        tests += [change.numeric_drift(old, new), change.outside_range(old, new)]
    return tests


def _judge(
    outcome: Outcome,
    tests: list[change.Change],
    weights: list[float],
    settings: Settings,
    pair_floor: float,
) -> None:
    floors = {
        "baseline_drift_check": settings.drift_floor,
        "completeness_check": settings.completeness_floor,
        "correlation_check": pair_floor,
    }
    critical = {
        "baseline_drift_check": _CRITICAL_DRIFT,
        "completeness_check": _CRITICAL_FALL,
        "correlation_check": _CRITICAL_DRIFT,
    }
    adjusted = change.holm([test.p_value for test in tests], weights)
    for test, p_value in zip(tests, adjusted):
        if test.check == "baseline_drift_check":
            outcome.drift[test.feature] = test.effect
        outcome.tests.append({**vars(test), "adjusted_p_value": p_value})
        if p_value <= settings.false_alarm_rate and test.effect >= floors.get(test.check, 0.0):
            outcome.violations.append(
                Violation(
                    test.feature,
                    test.check,
                    test.says,
                    _severity(test.effect, critical.get(test.check, _CRITICAL_SHARE)),
                    test.effect,
                    p_value,
                )
            )


def _wrong_type(column: Column) -> Violation:
    share = column.wrong / column.present
    return Violation(
        column.name,
        "data_type_check",
        f"{column.wrong} of {column.present} values are not of type {column.kind}",
        _severity(share, _CRITICAL_SHARE),
        share,
    )


def _severity(effect: float, critical: float) -> str:
    return "critical" if effect >= critical else "warning"
