"""Clarify's counterfactual flip test: do similar people of the other group get another answer?

Each member of group *d* is compared with its five nearest neighbours in *a* by all other numbers,
in their own units (scikit-learn's neighbours, Euclidean distance, as in smclarify), and with all
that are as near as the fifth: which of them smclarify takes is left to chance. FT is the share
of *d* that is refused while most of these neighbours are accepted, less the share that is accepted
while most are refused (developer guide, "Counterfactual Fliptest"): positive, if *d* is at a
disadvantage. smclarify 0.5 counts the other way round, and says so of none of the other measures;
here the guide holds.

Texts have no distance, so there is no FT of data with columns of texts: smclarify refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .errors import AnalysisError

_NEIGHBOURS = 5
#: Groups up to this size are compared by the one nearest neighbour.
_FEW = 9
#: Points of which the neighbours are taken; a resample has fewer than five there once in 10^8.
_CANDIDATES = 30
#: More members than these are thinned out evenly.
_MOST_OF_A, _MOST_OF_D = 20_000, 1_000
_DRAWS = 200
_SEED = 20240305


def table_of(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Any:
    """The numbers of records, a row each; NaN for a missing one.

    Raises:
        AnalysisError: If a column holds anything else, or there is none.
    """
    if not names:
        raise AnalysisError("there are no columns besides the facet and the labels")
    columns = []
    for name in names:
        values = [record.get(name) for record in records]
        try:
            columns.append(
                [
                    float("nan") if value is None or not str(value).strip() else float(value)
                    for value in values
                ]
            )
        except (TypeError, ValueError):
            raise AnalysisError(f"{name} holds texts, which have no distance") from None
    return np.array(columns).T


def flip_test(features: Any, group: Any, said: Any, rate: float) -> dict[str, float]:
    """FT and the interval that holds it with probability 1 - rate; rows with gaps are left out.

    Args:
        features: Numbers, a row per person, without facet and labels.
        group: Who is of group d.
        said: For whom the positive label was predicted.
        rate: The interval's.

    Raises:
        AnalysisError: If a group has nobody without gaps, or the image lacks scikit-learn.
    """
    try:
        # Loading it takes a second; only the containers have it.
        from sklearn.neighbors import (  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
            NearestNeighbors,
        )
    except ImportError:
        raise AnalysisError("the image has no scikit-learn") from None
    whole = np.isfinite(features).all(axis=1)
    others = _thinned(np.flatnonzero(whole & ~group), _MOST_OF_A)
    members = _thinned(np.flatnonzero(whole & group), _MOST_OF_D)
    if not len(others) or not len(members):
        raise AnalysisError("a group has no members whose values are all known")
    # People who are the same in everything are one point.
    points, at = np.unique(features[others], axis=0, return_inverse=True)
    at = at.ravel()
    accepted = np.bincount(at, weights=said[others], minlength=len(points))
    refused = np.bincount(at, minlength=len(points)) - accepted
    distances, candidates = (
        NearestNeighbors(n_neighbors=min(_CANDIDATES, len(points)))
        .fit(points)
        .kneighbors(features[members])
    )
    near = _NEIGHBOURS if len(others) > _FEW else 1
    own = said[members].astype(float)
    would = _would(accepted[candidates], refused[candidates], distances, near)
    value = float((would - own).mean())
    generator = np.random.default_rng(_SEED)
    draws = []
    for _ in range(_DRAWS):  # a person is drawn as often as they are
        yes, no = (generator.poisson(side)[candidates] for side in (accepted, refused))
        would = _would(yes, no, distances, near)
        weights = generator.poisson(1.0, len(own)) * np.isfinite(would)
        if weights.any():
            draws.append(np.average(np.nan_to_num(would) - own, weights=weights))
    error = float(stats.norm.isf(rate / 2) * np.std(draws))
    return {"value": value, "lower": value - error, "upper": value + error}


def _would(accepted: Any, refused: Any, distances: Any, near: int) -> Any:
    """What most neighbours were said: 1, 0, or a half; NaN without any."""
    there = accepted + refused
    enough = np.cumsum(there, axis=1) >= near
    last = np.where(enough.any(axis=1), enough.argmax(axis=1), there.shape[1] - 1)
    limit = np.take_along_axis(distances, last[:, None], axis=1) * (1 + 1e-9)
    taken = distances <= limit
    total = (there * taken).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (np.sign((accepted * taken).sum(axis=1) / total - 0.5) + 1) / 2


def _thinned(places: Any, most: int) -> Any:
    at = np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)
    return places[np.unique(at)]
