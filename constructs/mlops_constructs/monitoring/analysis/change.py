"""Statistical tests of one column against its reference.

Each answers two questions: how likely is this on unchanged data (``p_value``), and how large is
the change (``effect``, from 0 to 1). All are written for the libraries of the older container.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .columns import Column, categories

_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Change:
    """The outcome of one test.

    Attributes:
        feature: The column.
        check: The kind of check, in the service's words where it has one.
        p_value: The probability of such an outcome on unchanged data.
        effect: The size of the change, from 0 to 1.
        says: What was seen, in words.
    """

    feature: str
    check: str
    p_value: float
    effect: float
    says: str


def numeric_drift(reference: Column, current: Column) -> Change:
    """Two-sample Kolmogorov-Smirnov; the effect is the largest gap between the two curves."""
    old, new = np.sort(reference.numbers), np.sort(current.numbers)
    points = np.concatenate([old, new])
    gap = float(
        np.max(
            np.abs(
                np.searchsorted(old, points, side="right") / len(old)
                - np.searchsorted(new, points, side="right") / len(new)
            )
        )
    )
    effective = max(1, round(len(old) * len(new) / (len(old) + len(new))))
    return Change(
        reference.name,
        "baseline_drift_check",
        float(stats.kstwo.sf(gap, effective)),
        gap,
        f"The distribution moved: largest gap {gap:.3f}, median {_median(old)} before and "
        f"{_median(new)} now",
    )


def category_drift(reference: Column, current: Column) -> Change:
    """Chi-square of the known categories; the effect is the share of rows that changed category.

    Categories that are too rare for the test (expected below 5) are counted together.
    """
    old, new = categories(reference), categories(current)
    names = sorted(old)
    table = np.array(
        [[old[name] for name in names], [new.get(name, 0) for name in names]], dtype=float
    )
    if len(names) < 2 or table[1].sum() == 0:  # one category cannot move
        return Change(reference.name, "baseline_drift_check", 1.0, 0.0, "Nothing to compare")
    shares = table / table.sum(axis=1, keepdims=True)
    difference = shares[1] - shares[0]
    effect = float(np.abs(difference).sum() / 2)
    most = names[int(np.argmax(np.abs(difference)))]
    return Change(
        reference.name,
        "baseline_drift_check",
        _chi_square(table),
        effect,
        f"Categories moved: {effect:.1%} of rows, most in {most!r} "
        f"({shares[0][names.index(most)]:.1%} before, {shares[1][names.index(most)]:.1%} now)",
    )


def unseen_categories(reference: Column, current: Column) -> Change:
    """Values that the reference never had.

    On unchanged data a new row is new with about the probability (values seen once) / rows (Good
    and Turing); the uncertainty of that estimate is taken into account (beta-binomial).
    """
    old, new = categories(reference), categories(current)
    unseen = {name: count for name, count in new.items() if name not in old}
    count, rows = sum(unseen.values()), current.present
    once = sum(1 for n in old.values() if n == 1)
    p_value = 1.0
    if count:
        p_value = float(
            stats.betabinom.sf(count - 1, rows, once + 1, max(1, reference.present - once))
        )
    names = ", ".join(repr(name[:40]) for name in sorted(unseen, key=lambda n: -unseen[n])[:5])
    return Change(
        reference.name,
        "categorical_values_check",
        p_value,
        count / rows if rows else 0.0,
        f"{count} of {rows} values are unknown to the reference: {names}",
    )


def outside_range(reference: Column, current: Column) -> Change:
    """Values below the reference's smallest or above its largest; exact for any distribution."""
    low, high = float(reference.numbers.min()), float(reference.numbers.max())
    below = int((current.numbers < low).sum())
    above = int((current.numbers > high).sum())
    sizes = len(reference.numbers), len(current.numbers)
    p_value = min(1.0, 2 * min(_exceedance(below, *sizes), _exceedance(above, *sizes)))
    return Change(
        reference.name,
        "range_check",
        p_value,
        (below + above) / sizes[1],
        f"{below + above} of {sizes[1]} values are outside {low:g} to {high:g}",
    )


def completeness(reference: Column, current: Column) -> Change:
    """Values that went missing: the exact hypergeometric test, one-sided."""
    old, new = reference.present + reference.missing, current.present + current.missing
    p_value = 1.0
    if current.missing:
        p_value = float(
            stats.hypergeom.sf(
                current.missing - 1, old + new, reference.missing + current.missing, new
            )
        )
    return Change(
        reference.name,
        "completeness_check",
        p_value,
        max(0.0, reference.completeness - current.completeness),
        f"{current.completeness:.1%} of values are present, {reference.completeness:.1%} before",
    )


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values: compared with a rate, they keep it for the whole family."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _exceedance(count: int, reference: int, current: int) -> float:
    """Probability that ``count`` or more new values exceed all old ones, if nothing changed."""
    if count == 0:
        return 1.0
    total = reference + current
    return exp(
        lgamma(current + 1)
        - lgamma(current - count + 1)
        + lgamma(total - count + 1)
        - lgamma(total + 1)
    )


def _chi_square(table: Any) -> float:
    expected = table.sum(axis=0) * (table.sum(axis=1) / table.sum()).min()
    rare = expected < _LEAST_EXPECTED
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:  # one category cannot move
        return 1.0
    return float(stats.chi2_contingency(table, correction=False)[1])


def _median(values: Any) -> str:
    return f"{float(np.median(values)):g}"
