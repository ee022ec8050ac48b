"""Which hyperparameters a tuning job tries next.

| strategy | what is tried |
|---|---|
| Random, Hyperband | points drawn at random, scaled as the range says |
| Grid | every combination of categorical values, in their order |
| Bayesian | a few random points, then those with the highest expected improvement under a |
| | Gaussian process (squared-exponential kernel) that has seen the results so far |

The service does not publish its Bayesian search; this one is the textbook's. Hyperband differs
from Random by what stops its jobs early. A seed makes the points repeatable.
Source: SageMaker developer guide, "Understand the hyperparameter tuning strategies".
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Point = dict[str, str]
"""Hyperparameters as text, as training jobs get them."""

_RANDOM_FIRST = 3
_CANDIDATES = 256
_LENGTH_SCALE = 0.3
_NOISE = 1e-4


@dataclass(frozen=True)
class Dimension:
    """One range: how a number between 0 and 1 becomes a value.

    Attributes:
        name: The hyperparameter.
        value: Its value at a place of the unit interval.
        choices: How many values there are, if they have no order; else 0.
    """

    name: str
    value: Callable[[float], str]
    choices: int = 0


def dimensions(ranges: Mapping[str, Any]) -> list[Dimension]:
    """The dimensions of ``ParameterRanges``."""
    return [
        *(_numeric(each, whole=False) for each in ranges.get("ContinuousParameterRanges", [])),
        *(_numeric(each, whole=True) for each in ranges.get("IntegerParameterRanges", [])),
        *(_categorical(each) for each in ranges.get("CategoricalParameterRanges", [])),
    ]


def _categorical(given: Mapping[str, Any]) -> Dimension:
    values: list[str] = given["Values"]
    return Dimension(
        given["Name"],
        lambda place: values[min(int(place * len(values)), len(values) - 1)],
        len(values),
    )


def _numeric(given: Mapping[str, Any], *, whole: bool) -> Dimension:
    low, high = float(given["MinValue"]), float(given["MaxValue"])
    scaling = given.get("ScalingType", "Auto")

    def value(place: float) -> str:
        if scaling == "Logarithmic":
            found = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        elif scaling == "ReverseLogarithmic":
            found = 1 - math.exp(
                math.log(1 - low) + place * (math.log(1 - high) - math.log(1 - low))
            )
        else:
            found = low + place * (high - low)
        found = min(max(found, low), high)
        return str(round(found)) if whole else repr(found)

    return Dimension(given["Name"], value)


class Search:
    """Gives one point after the other and learns from their results.

    Args:
        strategy: ``Random``, ``Grid``, ``Hyperband`` or ``Bayesian``.
        ranges: ``ParameterRanges``.
        maximize: Whether a higher result is better.
        seed: ``RandomSeed``; any if None.
    """

    def __init__(
        self, strategy: str, ranges: Mapping[str, Any], *, maximize: bool, seed: int | None
    ) -> None:
        self._strategy = strategy
        self._dimensions = dimensions(ranges)
        self._sign = 1.0 if maximize else -1.0
        # A search needs no secrecy.
        self._random = random.Random(seed)  # noqa: S311 (as said)
        self._seen: list[tuple[list[float], float]] = []
        grid = itertools.product(*(range(each.choices) for each in self._dimensions))
        self._grid = iter(grid)
        self._places: dict[tuple[tuple[str, str], ...], list[float]] = {}

    def next(self) -> Point | None:
        """The next point; None when the grid has no more."""
        if self._strategy == "Grid":
            indices = next(self._grid, None)
            if indices is None:
                return None
            place = [
                (index + 0.5) / dimension.choices
                for index, dimension in zip(indices, self._dimensions, strict=True)
            ]
        elif self._strategy == "Bayesian" and len(self._seen) >= _RANDOM_FIRST:
            candidates = [self._anywhere() for _ in range(_CANDIDATES)]
            gains = expected_improvement(self._seen, candidates)
            place = candidates[max(range(_CANDIDATES), key=gains.__getitem__)]
        else:
            place = self._anywhere()
        point = {
            dimension.name: dimension.value(each)
            for dimension, each in zip(self._dimensions, place, strict=True)
        }
        self._places[tuple(sorted(point.items()))] = place
        return point

    def learn(self, point: Point, result: float) -> None:
        """Take the result of a point into account."""
        self._seen.append((self._places[tuple(sorted(point.items()))], self._sign * result))

    def _anywhere(self) -> list[float]:
        return [self._random.random() for _ in self._dimensions]


def expected_improvement(
    seen: Sequence[tuple[Sequence[float], float]], candidates: Sequence[Sequence[float]]
) -> list[float]:
    """How much each candidate is expected to be better than the best result so far.

    Args:
        seen: Points of the unit cube with their results, higher ones better.
        candidates: Points of the unit cube.
    """
    results = [result for _, result in seen]
    mean = sum(results) / len(results)
    spread = math.sqrt(sum((each - mean) ** 2 for each in results) / len(results)) or 1.0
    scaled = [(each - mean) / spread for each in results]
    best = max(scaled)
    points = [point for point, _ in seen]
    lower = _cholesky(
        [[_kernel(a, b) + (_NOISE if a is b else 0.0) for b in points] for a in points]
    )
    whitened = _forward(lower, scaled)
    gains = []
    for candidate in candidates:
        column = _forward(lower, [_kernel(candidate, point) for point in points])
        guess = sum(a * b for a, b in zip(column, whitened, strict=True))
        deviation = math.sqrt(max(1.0 + _NOISE - sum(each * each for each in column), 1e-12))
        z = (guess - best) / deviation
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        gains.append((guess - best) * (1 + math.erf(z / math.sqrt(2))) / 2 + deviation * density)
    return gains


def _kernel(a: Sequence[float], b: Sequence[float]) -> float:
    return math.exp(-(math.dist(a, b) ** 2) / (2 * _LENGTH_SCALE**2))


def _cholesky(matrix: list[list[float]]) -> list[list[float]]:
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        made: list[float] = []
        for j in range(i + 1):
            above = made if j == i else lower[j]
            rest = row[j] - sum(made[k] * above[k] for k in range(j))
            made.append(math.sqrt(max(rest, 1e-12)) if j == i else rest / lower[j][j])
        lower.append(made)
    return lower


def _forward(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    found: list[float] = []
    for row, value in zip(lower, right, strict=True):
        rest = value - sum(row[k] * found[k] for k in range(len(found)))
        found.append(rest / row[len(found)])
    return found
