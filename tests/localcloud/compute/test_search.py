"""What a tuning job tries."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from localcloud.compute.search import Search

RANGES: dict[str, Any] = {
    "ContinuousParameterRanges": [
        {"Name": "eta", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"},
        {
            "Name": "decay",
            "MinValue": "0.9",
            "MaxValue": "0.999",
            "ScalingType": "ReverseLogarithmic",
        },
    ],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "8"}],
    "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
}


@pytest.mark.parametrize("strategy", ["Random", "Hyperband", "Bayesian"])
def test_points_are_in_their_ranges_and_repeatable(strategy: str) -> None:
    def points() -> list[dict[str, str]]:
        search = Search(strategy, RANGES, maximize=True, seed=7)
        found = []
        for _ in range(20):
            point = search.next()
            assert point is not None
            search.learn(point, float(point["eta"]))
            found.append(point)
        return found

    tried = points()
    assert tried == points()
    for point in tried:
        assert 0.001 <= float(point["eta"]) <= 1
        assert 0.9 <= float(point["decay"]) <= 0.999
        assert point["depth"] in {str(depth) for depth in range(2, 9)}
        assert point["booster"] in {"gbtree", "dart"}
    if strategy == "Random":
        # Half of a logarithmic range lies below the geometric mean of its ends.
        assert sum(float(point["eta"]) < 0.0316 for point in tried) in range(5, 16)


def test_a_grid_has_every_combination_once() -> None:
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "a", "Values": ["x", "y"]},
            {"Name": "b", "Values": ["1", "2", "3"]},
        ]
    }
    search = Search("Grid", ranges, maximize=True, seed=None)
    points = [search.next() for _ in range(6)]
    assert len({str(point) for point in points}) == 6
    assert search.next() is None


def test_bayesian_search_finds_more_than_chance() -> None:
    ranges = {
        "ContinuousParameterRanges": [
            {"Name": name, "MinValue": "-1", "MaxValue": "1"} for name in ("x", "y")
        ]
    }

    def best(strategy: str, seed: int) -> float:
        search = Search(strategy, ranges, maximize=False, seed=seed)
        results = []
        for _ in range(15):
            point = search.next()
            assert point is not None
            results.append((float(point["x"]) - 0.3) ** 2 + (float(point["y"]) + 0.6) ** 2)
            search.learn(point, results[-1])
        return min(results)

    seeds = range(7)
    bayesian = statistics.median(best("Bayesian", seed) for seed in seeds)
    chance = statistics.median(best("Random", seed) for seed in seeds)
    assert bayesian < chance / 3
