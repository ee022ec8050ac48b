"""Statistical tests of one column against its reference, on sketches.

Each answers two questions: how likely is this on unchanged data (``p_value``), and how large is
the change (``effect``, from 0 to 1). All are written for the libraries of the older container.
Tails come from scipy.special: scipy.stats gives the same numbers, but takes half a millisecond for
each, which ten thousand columns feel, and for counts memory that grows with the rows.

A feature has one test of drift, made of few parts that see different things, each with a share of
the feature's error: most of it goes to the shift of the centre, the commonest drift, for which
normal scores lose nothing against the t-test on normal data and, being bounded, keep their rate on
any data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, lgamma, sqrt
from typing import Any

import numpy as np
from scipy import special  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from . import distances
from .sketch import Column, Numbers

_LEAST_EXPECTED = 8.0
#: How far a tail is tilted at most.
_STEEPEST = 64.0
#: Shares of a numeric feature's drift test: centre, spread, any difference.
_CENTRE, _SPREAD, _SHAPE = 0.6, 0.15, 0.25

#: Shares of a feature's error, for the tests that its kind has.
NUMERIC_SHARES = {"baseline_drift_check": 0.8, "range_check": 0.1, "completeness_check": 0.1}
TEXT_SHARES = {
    "baseline_drift_check": 0.8,
    "categorical_values_check": 0.1,
    "completeness_check": 0.1,
}


@dataclass(frozen=True)
class Change:
    """The outcome of one test.

    Attributes:
        feature: The column, or two with " ~ " between.
        check: The kind of check, in the service's words where it has one.
        p_value: The probability of such an outcome on unchanged data.
        effect: The size of the change, from 0 to 1.
        says: What was seen, in words.
        share: Which share of its feature's error it may use up.
        distances: How far the distributions are apart, in other measures.
    """

    feature: str
    check: str
    p_value: float
    effect: float
    says: str
    share: float = 1.0
    distances: Mapping[str, float] = field(default_factory=dict)


def numeric_drift(reference: Column, current: Column) -> Change:
    """Normal scores, squared normal scores and Kolmogorov-Smirnov, weighted Bonferroni.

    The effect is the largest gap between the two distribution functions.
    """
    before, now = reference.numbers, current.numbers
    assert before is not None  # noqa: S101  # the caller has looked
    assert now is not None  # noqa: S101  # as above
    places, table = _aligned(before.histogram(), now.histogram())
    sizes = table.sum(axis=1)
    curves = np.cumsum(table, axis=1) / sizes[:, None]
    gap = float(np.abs(curves[0] - curves[1]).max())
    effective = sizes[0] * sizes[1] / sizes.sum()
    pooled = table.sum(axis=0)
    ranks = (np.cumsum(pooled) - pooled / 2) / pooled.sum()
    scores = special.ndtri(ranks)
    p_value = min(
        _scores_test(table, scores) / _CENTRE,
        _scores_test(table, scores * scores) / _SPREAD,
        float(special.kolmogorov(gap * sqrt(effective))) / _SHAPE,
        1.0,
    )
    return Change(
        reference.name,
        "baseline_drift_check",
        p_value,
        gap,
        f"The distribution moved: largest gap {gap:.3f}, median {before.quantile(0.5):g} before "
        f"and {now.quantile(0.5):g} now, mean {before.mean:g} before and {now.mean:g} now",
        NUMERIC_SHARES["baseline_drift_check"],
        distances.of_numbers(table, _both(before, now, places), before.deviation),
    )


def category_drift(reference: Column, current: Column) -> Change:
    """Chi-square of the categories; the effect is the share of rows that changed known category.

    Categories that are too rare for the test are counted in groups, those that the reference never
    had among them: without these the rare ones would seem to lose rows, since known are those that
    happen to be in the reference, and the next sample happens to have others.
    """
    names = sorted(reference.texts)
    table = np.array(
        [
            [reference.texts[name] for name in names],
            [current.texts.get(name, 0) for name in names],
        ],
        dtype=float,
    )
    share = TEXT_SHARES["baseline_drift_check"]
    if len(names) < 2 or table[1].sum() == 0:  # one category cannot move
        return Change(reference.name, "baseline_drift_check", 1.0, 0.0, "Nothing to compare", share)
    shares = table / table.sum(axis=1, keepdims=True)
    difference = shares[1] - shares[0]
    effect = float(np.abs(difference).sum() / 2)
    most = names[int(np.argmax(np.abs(difference)))]
    unknown = current.unknown_names
    counts = {name: (0, count) for name, count in unknown.items()}
    counts |= {name: (n, current.texts.get(name, 0)) for name, n in reference.texts.items()}
    return Change(
        reference.name,
        "baseline_drift_check",
        _chi_square(  # in an order that does not tell which side has a name
            np.array([counts[name] for name in sorted(counts)], dtype=float).T,
            current.unknown - sum(unknown.values()),
        ),
        effect,
        f"Categories moved: {effect:.1%} of rows, most in {most[:40]!r} "
        f"({shares[0][names.index(most)]:.1%} before, {shares[1][names.index(most)]:.1%} now)",
        share,
        distances.of_categories(table),
    )


def unseen_categories(reference: Column, current: Column) -> Change:
    """Values that the reference never had.

    On unchanged data a name that occurs so many times in reference and current data together is as
    likely in any of their rows as in any other, so that how often one would occur in the current
    ones alone is known; and how many rows such names have together depends on how many are rare.
    """
    count, rows = current.unknown, current.present
    p_value = 1.0
    if count:
        sizes = [n + current.texts.get(name, 0) for name, n in reference.texts.items()]
        sizes += current.unknown_names.values()
        p_value = _only_new(count, sizes, reference.present, rows)
    unseen = current.unknown_names
    names = ", ".join(repr(name[:40]) for name in sorted(unseen, key=lambda n: -unseen[n])[:5])
    return Change(
        reference.name,
        "categorical_values_check",
        p_value,
        count / rows if rows else 0.0,
        f"{count} of {rows} values are unknown to the reference: {names}",
        TEXT_SHARES["categorical_values_check"],
    )


def outside_range(reference: Column, current: Column) -> Change:
    """Values below the reference's smallest or above its largest; exact for any distribution."""
    before, now = reference.numbers, current.numbers
    assert before is not None  # noqa: S101  # the caller has looked
    assert now is not None  # noqa: S101  # as above
    sizes = before.count, now.count
    p_value = min(
        1.0,
        2 * min(_exceedance(current.below, *sizes), _exceedance(current.above, *sizes)),
    )
    outside = current.below + current.above
    return Change(
        reference.name,
        "range_check",
        p_value,
        outside / now.count,
        f"{outside} of {now.count} values are outside {before.low:g} to {before.high:g}",
        NUMERIC_SHARES["range_check"],
    )


def completeness(reference: Column, current: Column) -> Change:
    """Values that went missing: the exact hypergeometric test, one-sided."""
    old, new = reference.present + reference.missing, current.present + current.missing
    p_value = _hypergeometric(current.missing, old + new, reference.missing + current.missing, new)
    return Change(
        reference.name,
        "completeness_check",
        p_value,
        max(0.0, reference.completeness - current.completeness),
        f"{current.completeness:.1%} of values are present, {reference.completeness:.1%} before",
        TEXT_SHARES["completeness_check"],
    )


def holm(p_values: list[float], weights: list[float]) -> list[float]:
    """Holm's adjusted p-values with weights: compared with a rate, they keep it for the family.

    Holm (1979), A simple sequentially rejective multiple test procedure, section 3.
    """
    adjusted = [1.0] * len(p_values)
    left = sum(weights)
    largest = 0.0
    for index in sorted(range(len(p_values)), key=lambda at: p_values[at] / weights[at]):
        largest = max(largest, min(1.0, left * p_values[index] / weights[index]))
        adjusted[index] = largest
        left -= weights[index]
    return adjusted


def _both(before: Numbers, now: Numbers, places: Any) -> Any:
    """The values of bins that either side has; both lie around the same centre."""
    return np.clip(before.centres(places), min(before.low, now.low), max(before.high, now.high))


def _aligned(before: tuple[Any, Any], now: tuple[Any, Any]) -> tuple[Any, Any]:
    places = np.concatenate([before[0], now[0]])
    places.sort(kind="stable")
    places = places[np.concatenate([[True], places[1:] != places[:-1]])]
    table = np.zeros((2, len(places)))
    table[0, np.searchsorted(places, before[0])] = before[1]
    table[1, np.searchsorted(places, now[0])] = now[1]
    return places, table


def _scores_test(table: Any, scores: Any) -> float:
    """Two-sided test of a linear rank statistic, by its exact moments under permutation.

    With ties on one value the scores are skewed, and the normal tail would be too thin: Pearson's
    type III has the right third moment.
    """
    old, new = table.sum(axis=1).tolist()
    total = old + new
    pooled = table.sum(axis=0) / total
    centred = scores - np.vdot(pooled, scores)
    weighted = pooled * centred
    spread = weighted * centred
    variance = float(spread.sum())
    if variance <= 0 or total < 3:
        return 1.0
    shift = float(np.vdot(table[1], centred)) / new
    z = shift / sqrt(variance / new * old / (total - 1))
    skewness = float(np.vdot(spread, centred)) / variance**1.5
    skewness *= (old - new) * sqrt(total - 1) / ((total - 2) * sqrt(old * new))
    return min(1.0, 2 * min(_pearson3(z, skewness), _pearson3(-z, -skewness)))


def _pearson3(z: float, skewness: float) -> float:
    """Upper tail of Pearson's type III distribution with mean 0 and deviation 1."""
    if abs(skewness) < 1e-4:
        return float(special.ndtr(-z))
    shape = 4 / skewness**2
    place = shape + z * 2 / skewness
    if place <= 0:
        return float(skewness > 0)
    tail = special.gammaincc if skewness > 0 else special.gammainc
    return float(tail(shape, place))


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


def _only_new(count: int, sizes: list[int], reference: int, current: int) -> float:
    """Upper bound of the probability that so many rows have names that occur only there.

    It is 1 up to the mean, and Chernoff's bound for independent names beyond. They are not quite:
    where one has its rows, no other has, which only makes many at once less likely.

    Args:
        count: How many rows were seen.
        sizes: How often each name occurs in reference and current data together. Rows of names that
            are not told count as if each had a name of its own: then many are expected, not few.
        reference: Rows of the reference.
        current: Rows of the current data.
    """
    size, times = np.unique(np.array([1, *sizes], float), return_counts=True)
    total = reference + current
    times[0] += total - sum(sizes) - 1
    size, times = size[size <= current], times[size <= current]
    only = (
        special.gammaln(current + 1)
        - special.gammaln(current - size + 1)
        + special.gammaln(total - size + 1)
        - special.gammaln(total + 1)
    )
    other = np.log(-np.expm1(only))
    if count <= (times * size * np.exp(only)).sum():
        return 1.0
    low, high = 0.0, _STEEPEST
    for _ in range(40):  # the bound holds for every tilt; the tightest has this mean
        tilt = (low + high) / 2
        mean = (times * size * special.expit(only - other + size * tilt)).sum()
        low, high = (tilt, high) if mean < count else (low, tilt)
    log = (times * np.logaddexp(other, only + size * tilt)).sum() - tilt * count
    return exp(min(0.0, log))


def _hypergeometric(count: int, total: int, marked: int, drawn: int) -> float:
    """Probability of ``count`` or more marked ones among those drawn; 1 up to the mean.

    Beyond the mean terms only shrink, so that few are needed however many rows there are.
    """
    mean = drawn * (marked / total)
    if count <= mean:
        return 1.0
    spread = sqrt(mean * max(0.0, 1 - marked / total)) + 1
    last = min(marked, drawn, int(count + 20 * spread + 200))
    terms = np.arange(count, last + 1, dtype=float)
    log = (
        _log_choose(marked, terms)
        + _log_choose(total - marked, drawn - terms)
        - _log_choose(total, drawn)
    )
    return float(min(1.0, np.exp(log).sum()))


def _log_choose(among: Any, chosen: Any) -> Any:
    return (
        special.gammaln(among + 1)
        - special.gammaln(chosen + 1)
        - special.gammaln(among - chosen + 1)
    )


def _chi_square(table: Any, others: int = 0) -> float:
    """Exact for two categories; for more with the moments that chi-square has for small counts.

    Small expected counts widen the tail that decides. Variance: Haldane (1937), The exact value of
    the moments of the distribution of chi-square, Biometrika 29, of one sample of the pooled
    shares; the third moment as if cells were independent.

    Args:
        table: Counts of both sides, by category.
        others: Further current rows, of rare categories of which nobody counted each.
    """
    table = _grouped(table[:, table.sum(axis=0) > 0], others)
    categories = table.shape[1]
    if categories < 2:  # one category cannot move
        return 1.0
    sizes, pooled = table.sum(axis=1), table.sum(axis=0)
    total = float(sizes.sum())
    if categories == 2:
        tails = [
            _hypergeometric(int(table[1, at]), int(total), int(pooled[at]), int(sizes[1]))
            for at in (0, 1)
        ]
        return min(1.0, 2 * min(tails))
    expected = np.outer(sizes, pooled) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    shares = float(sizes[0] * sizes[1]) / total**2
    small = float((total / pooled).sum()) - categories**2 - 2 * categories + 2
    excess = max(0.0, small * (1 - 6 * shares) / (total * shares))
    variance = 2 * (categories - 1) + excess
    skewness = (8 * (categories - 1) + 22 * excess) / variance**1.5
    mean = (categories - 1) * total / (total - 1)
    return _pearson3((statistic - mean) / sqrt(variance), skewness)


def _grouped(table: Any, others: int) -> Any:
    """Rare categories in groups that are large enough, the commoner ones first.

    Two categories stay as they are. What decides is how often a category occurs on both sides
    together: which side has it must not, or chance would look like a change.
    """
    more = np.array([0, others])
    sizes = table.sum(axis=1) + more
    expected = table.sum(axis=0) * float((sizes / sizes.sum()).min())
    rare = expected < _LEAST_EXPECTED
    if others:
        return np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1) + more])
    if table.shape[1] < 3 or not rare.any():
        return table
    order = np.argsort(-expected, kind="stable")
    starts, held = [0], 0.0
    for at, size in enumerate(expected[order].tolist()):
        if held >= _LEAST_EXPECTED:
            starts.append(at)
            held = 0.0
        held += size
    if held < _LEAST_EXPECTED and len(starts) > 2:
        starts.pop()
    return np.add.reduceat(table[:, order], starts, axis=1)
