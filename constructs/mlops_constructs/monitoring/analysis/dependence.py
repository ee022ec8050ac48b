"""How columns hang together: the rank correlation of all pairs, in a sample of rows.

A shuffled join or a swapped field leaves every single distribution as it was. Numbers enter with
their ranks, a text column with one indicator for each of its commonest values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from math import sqrt
from typing import Any, Union

import numpy as np
from scipy import special  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .change import Change
from .sketch import Column, Sample

#: Rows that a comparison needs, and of which a value must be this share to be followed.
_LEAST_ROWS = 100
#: Values that are common each may never have met in a smaller reference: their correlation would
#: seem to be known exactly, and the first rows that have both to be a change (3 % of unchanged
#: samples of the census beside 500 rows, where 1 % was set).
_LEAST_REFERENCE = 1000
_LEAST_SHARE = 0.1
_MOST_VALUES = 3
_DRAWS = 200
#: What is this improbable after the first draws needs no more of them.
_FIRST_DRAWS, _BEYOND_DOUBT = 40, 1e-7
#: From here on the normal distribution is good enough in the tail that decides.
_LARGE = 5000
_SEED = 20240229


#: A column, and one of its values if it is text.
Feature = tuple[str, Union[str, None]]


class Dependence:
    """The rank correlations of a reference, with which others are compared.

    Args:
        columns: The reference's columns.
        sample: Some of its rows.
    """

    def __init__(self, columns: Mapping[str, Column], sample: Sample) -> None:
        names: list[Feature] = []
        codes: list[Any] = []
        for name in sample.names:
            column = columns[name]
            if column.kind == "String":
                common = _common(column)
                names += [(name, text) for text in common]
                codes += sample.equal(name, common)
            else:
                coded = _coded(sample.numbers(name))
                if 0 < _commonest(coded) <= 1 - _LEAST_SHARE:
                    names.append((name, None))
                    codes.append(coded)
        self._names = names
        pairs = np.triu_indices(len(names), 1)
        own = np.array([names[left][0] != names[right][0] for left, right in zip(*pairs)], bool)
        self._pairs = pairs[0][own], pairs[1][own]
        self._codes = _columns(codes)
        self._draws: dict[int, tuple[Iterator[float], list[float]]] = {}
        if own.any():
            scores = _standard(_ranks(self._codes))
            self._found = (scores.T @ scores / len(scores))[self._pairs]
            self._influence = _influence(scores)[self._pairs]

    def change(self, sample: Sample, rate: float) -> tuple[Change, float] | None:
        """The pair whose correlation changed most, and by how much; None if none can be compared.

        The null distribution of the largest of all pairs is taken from resampled reference rows,
        since pairs depend on each other and small samples have thick tails; for large samples it
        is Bonferroni's, as for what is no violation at ``rate`` anyway.
        """
        new = self._coded_as_reference(sample)
        old = self._codes
        enough = len(old) >= _LEAST_REFERENCE and len(new) >= _LEAST_ROWS
        if not len(self._pairs[0]) or not enough:
            return None
        error = np.sqrt(self._influence * (1 / len(old) + 1 / len(new)))
        found = _correlations(new)[self._pairs] - self._found
        z = np.abs(found) / np.maximum(error, 1e-9)
        worst = int(np.argmax(z))
        p_value = float(min(1.0, 2 * special.ndtr(-z[worst]) * len(z)))
        if p_value <= rate and len(new) <= _LARGE:
            p_value = self._by_resampling(len(new), error, float(z[worst]))
        left, right = (self._names[int(side[worst])] for side in self._pairs)
        before = float(self._found[worst])
        change = Change(
            f"{left[0]} ~ {right[0]}",
            "correlation_check",
            p_value,
            min(1.0, float(abs(found[worst])) / 2),
            f"The rank correlation of {_called(left)} and {_called(right)} is "
            f"{before + found[worst]:.2f}, {before:.2f} before",
        )
        return change, float(abs(found[worst]))

    def _coded_as_reference(self, sample: Sample) -> Any:
        """The same features of other rows, as whole numbers in the order of the values."""
        texts: dict[str, list[str]] = {}
        for name, text in self._names:
            if text is not None:
                texts.setdefault(name, []).append(text)
        equal = {name: iter(sample.equal(name, each)) for name, each in texts.items()}
        return _columns(
            [
                _coded(sample.numbers(name)) if text is None else next(equal[name])
                for name, text in self._names
            ]
        )

    def _by_resampling(self, rows: int, error: Any, seen: float) -> float:
        """The tail of the largest z of all pairs, by a Gumbel distribution fitted to draws."""
        source, known = self._draws.setdefault(rows, (self._largest(rows, error), []))
        p_value = 1.0
        for draws in (_FIRST_DRAWS, _DRAWS):
            known += islice(source, max(0, draws - len(known)))
            largest = known[:draws]
            scale = max(float(np.std(largest, ddof=1)) * sqrt(6) / np.pi, 1e-6)
            place = float(np.mean(largest)) - np.euler_gamma * scale
            p_value = float(-np.expm1(-np.exp((place - seen) / scale)))
            if p_value < _BEYOND_DOUBT:
                break
        return p_value

    def _largest(self, rows: int, error: Any) -> Iterator[float]:
        """The largest z of so many reference rows, drawn again and again."""
        # The draws vary around the very reference that they are compared with, new rows also
        # because the reference is a sample itself.
        codes = self._codes
        error = np.maximum(error * sqrt(len(codes) / (len(codes) + rows)), 1e-9)
        generator = np.random.default_rng(_SEED)
        while True:
            drawn = codes[generator.integers(0, len(codes), rows)]
            found = _correlations(drawn)[self._pairs] - self._found
            yield float(np.max(np.abs(found) / error))


def _coded(values: Any) -> Any:
    return np.unique(_filled(values), return_inverse=True)[1].ravel()


def _columns(codes: list[Any]) -> Any:
    return np.column_stack(codes).astype(np.int64) if codes else np.empty((0, 0), np.int64)


def _common(column: Column) -> list[str]:
    rows = max(1, column.present + column.missing)
    common = sorted(column.texts, key=lambda text: (-column.texts[text], text))[:_MOST_VALUES]
    return [
        text for text in common if _LEAST_SHARE <= column.texts[text] / rows <= 1 - _LEAST_SHARE
    ]


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
    squares = scores * scores
    both = squares.T @ squares / rows
    cubes = (squares * scores).T @ scores / rows
    fourth = np.diag(both)
    return np.maximum(
        both - rho * (cubes + cubes.T) + rho**2 / 4 * (fourth[:, None] + fourth + 2 * both), 1e-6
    )


def _called(feature: Feature) -> str:
    return feature[0] if feature[1] is None else f"{feature[0]} = {feature[1][:40]!r}"
