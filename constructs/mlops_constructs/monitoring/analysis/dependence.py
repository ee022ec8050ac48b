"""How columns hang together: the rank correlation of all pairs, in a sample of rows.

A shuffled join or a swapped field leaves every single distribution as it was. Numbers enter with
their ranks, a text column with one indicator for each of its commonest values.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .change import Change
from .sketch import Column, Sample

#: Rows that a comparison needs, and of which share a value must be to be followed.
_LEAST_ROWS = 100
_LEAST_SHARE = 0.1
_MOST_VALUES = 3
_DRAWS = 200
#: From here on the normal distribution is good enough in the tail that decides.
_LARGE = 5000
_SEED = 20240229


def correlation_change(
    columns: dict[str, Column], before: Sample, now: Sample, rate: float
) -> tuple[Change, float] | None:
    """The pair whose correlation changed most; None if there is nothing to compare.

    The null distribution of the largest of all pairs is taken from resampled reference rows, since
    pairs depend on each other and small samples have thick tails; for large samples it is
    Bonferroni's, as for what is no violation at ``rate`` anyway.
    """
    names, old, new = _features(columns, before, now)
    if len(names) < 2 or min(len(old), len(new)) < _LEAST_ROWS:
        return None
    pairs = np.triu_indices(len(names), 1)
    own = np.array([left[0] != right[0] for left, right in _pairs(names, pairs)])
    pairs = pairs[0][own], pairs[1][own]
    if not own.any():
        return None
    scores = _standard(_ranks(old))
    reference = (scores.T @ scores / len(scores))[pairs]
    error = np.sqrt(_influence(scores)[pairs] * (1 / len(old) + 1 / len(new)))
    found = _correlations(new)[pairs] - reference
    z = np.abs(found) / np.maximum(error, 1e-9)
    worst = int(np.argmax(z))
    p_value = float(min(1.0, 2 * stats.norm.sf(z[worst]) * len(z)))
    if p_value <= rate and len(new) <= _LARGE:
        p_value = _by_resampling(old, len(new), pairs, reference, error, float(z[worst]))
    left, right = (names[int(side[worst])] for side in pairs)
    change = Change(
        f"{left[0]} ~ {right[0]}",
        "correlation_check",
        p_value,
        min(1.0, float(abs(found[worst])) / 2),
        f"The rank correlation of {_called(left)} and {_called(right)} is "
        f"{reference[worst] + found[worst]:.2f}, {reference[worst]:.2f} before",
    )
    return change, float(abs(found[worst]))


Feature = tuple[str, str]


def _features(
    columns: dict[str, Column], before: Sample, now: Sample
) -> tuple[list[Feature], Any, Any]:
    """Names and, by row, whole numbers in the order of the values, for both samples."""
    names: list[Feature] = []
    old: list[Any] = []
    new: list[Any] = []
    for name in before.names:
        column = columns[name]
        if column.kind == "String":
            texts = before.texts(name), now.texts(name)
            rows = max(1, column.present + column.missing)
            common = sorted(column.texts, key=lambda text: (-column.texts[text], text))
            for text in common[:_MOST_VALUES]:
                if _LEAST_SHARE <= column.texts[text] / rows <= 1 - _LEAST_SHARE:
                    names.append((name, text))
                    old.append(np.array([each == text for each in texts[0]], dtype=np.int64))
                    new.append(np.array([each == text for each in texts[1]], dtype=np.int64))
            continue
        values = [_filled(sample.numbers(name)) for sample in (before, now)]
        distinct, coded = np.unique(np.concatenate(values), return_inverse=True)
        coded = coded.ravel()
        if len(distinct) > 1 and _commonest(coded[: len(values[0])]) <= 1 - _LEAST_SHARE:
            names.append((name, ""))
            old.append(coded[: len(values[0])])
            new.append(coded[len(values[0]) :])
    if not names:
        return [], np.empty((0, 0)), np.empty((0, 0))
    return names, np.column_stack(old), np.column_stack(new)


def _filled(values: Any) -> Any:
    """Missing numbers in the middle, where they pull no correlation."""
    gone = np.isnan(values)
    if not gone.any():
        return values
    return np.where(gone, np.median(values[~gone]) if not gone.all() else 0.0, values)


def _commonest(codes: Any) -> float:
    return float(np.bincount(codes).max() / len(codes)) if len(codes) else 1.0


def _ranks(codes: Any) -> Any:
    """Middle ranks of each column of whole numbers."""
    out = np.empty(codes.shape)
    for at in range(codes.shape[1]):
        counts = np.bincount(codes[:, at])
        out[:, at] = (np.cumsum(counts) - counts / 2)[codes[:, at]]
    return out


def _standard(ranks: Any) -> Any:
    centred = ranks - ranks.mean(axis=0)
    deviation = centred.std(axis=0)
    return centred / np.where(deviation > 0, deviation, 1.0)


def _correlations(codes: Any) -> Any:
    scores = _standard(_ranks(codes))
    return scores.T @ scores / len(scores)


def _influence(scores: Any) -> Any:
    """The variance of one row's influence on each correlation."""
    rows = len(scores)
    rho = scores.T @ scores / rows
    squares = scores**2
    both = squares.T @ squares / rows
    cubes = (scores**3).T @ scores / rows
    fourth = np.diag(both)
    return np.maximum(
        both - rho * (cubes + cubes.T) + rho**2 / 4 * (fourth[:, None] + fourth + 2 * both), 1e-6
    )


def _by_resampling(  # noqa: PLR0917  # one caller, whose locals these are
    codes: Any, rows: int, pairs: tuple[Any, Any], reference: Any, error: Any, seen: float
) -> float:
    """The tail of the largest z of all pairs, by a Gumbel distribution fitted to draws."""
    generator = np.random.default_rng(_SEED)
    largest = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        found = _correlations(codes[generator.integers(0, len(codes), rows)])[pairs] - reference
        largest[draw] = np.max(np.abs(found) / np.maximum(error, 1e-9))
    scale = max(float(largest.std(ddof=1)) * sqrt(6) / np.pi, 1e-6)
    place = float(largest.mean()) - np.euler_gamma * scale
    return float(stats.gumbel_r.sf(seen, loc=place, scale=scale))


def _pairs(names: list[Feature], pairs: tuple[Any, Any]) -> list[tuple[Feature, Feature]]:
    return [(names[left], names[right]) for left, right in zip(*pairs)]


def _called(feature: Feature) -> str:
    return feature[0] if not feature[1] else f"{feature[0]} = {feature[1][:40]!r}"
