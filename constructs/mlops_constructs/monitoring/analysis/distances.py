"""How far two distributions are apart, in the measures that people know from other tools.

They say how large a change is, on scales with thresholds of long use; whether there is one at all
is for the tests in ``change`` to say.

| measure | of | scale |
|---|---|---|
| ``psi`` | numbers, categories | population stability index: below 0.1 little, above 0.25 much |
| ``jensen_shannon`` | numbers, categories | distance, base 2: 0 for the same, 1 for disjoint |
| ``wasserstein`` | numbers | in standard deviations of the reference, as a shift would be |

Numbers are compared in the reference's deciles for the first two, as is usual.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from scipy import special  # type: ignore[import-untyped,unused-ignore]  # only in the containers

#: What an empty bin counts as, of all rows: the index has no value for an empty one.
_EMPTY = 1e-4


def of_numbers(table: Any, values: Any, deviation: float) -> dict[str, float]:
    """All measures of numbers.

    Args:
        table: Counts of both sides in the same bins, ascending by value.
        values: The value of each bin.
        deviation: The reference's standard deviation.
    """
    curves = np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True)
    ends = np.unique(np.searchsorted(curves[0], np.arange(1, 10) / 10 - 1e-12))
    starts = np.concatenate([[0], ends[ends < table.shape[1] - 1] + 1])
    found = of_categories(np.add.reduceat(table, starts, axis=1))
    finite = np.isfinite(values)
    if deviation > 0 and finite.any():
        gaps = np.abs(curves[0] - curves[1])[finite]
        found["wasserstein"] = float((gaps[:-1] * np.diff(values[finite])).sum() / deviation)
    return found


def of_categories(table: Any) -> dict[str, float]:
    """All measures of categories.

    Args:
        table: Counts of both sides, by category.
    """
    shares = table / table.sum(axis=1, keepdims=True)
    filled = np.maximum(shares, _EMPTY)
    psi = float(((filled[1] - filled[0]) * np.log(filled[1] / filled[0])).sum())
    middle = shares.mean(axis=0)
    divergence = float(special.rel_entr(shares, middle).sum()) / 2 / np.log(2)
    return {"psi": psi, "jensen_shannon": sqrt(max(0.0, divergence))}
