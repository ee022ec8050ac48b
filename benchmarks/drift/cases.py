"""The data: populations that samples are drawn from, and what may happen to a sample.

Plain numpy, because two environments draw the very same samples: the one that stands in for AWS's
containers, where our analysis runs, and the rivals'.

Populations of 20 features:

- ``census``: 6 numeric and 8 text columns of UCI Adult by whole rows, with its missing values; the
  same 6 numeric columns once more, each from a person of its own and with noise: skewed,
  heavy-tailed and without ties
- ``gaussian``: independent, standard normal
- ``correlated``: standard normal, every pair correlated at 0.2
- ``awkward``: what tests are wrong on: tails without a mean, zeros and ties, rare flags, copies of
  columns, hundreds of rare categories, values that are mostly missing or hardly ever
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

CENSUS = Path(__file__).parents[2] / "pipeline_code" / "census_income" / "data" / "adult.csv.gz"
REFERENCE_ROWS = 100_000
#: So many resamples are compared with one reference.
PER_REFERENCE = 40
FEATURES = 20
_SHARED = 0.2
_RARE_NAMES = 900

#: Cases in which the population is what it was: what is reported is a false alarm.
UNCHANGED = {
    "clean": "",
    "repeated": ", each row four times over",
}
#: What happens to a sample, by population; a shift is in standard deviations of the column.
CASES: dict[str, dict[str, str]] = {
    "census": {
        "shift-0.2": "age + 0.2 sd, in whole years",
        "shift-0.1": "age + 0.1 sd, in whole years",
        "category": "a new category in 1 % of rows",
        "unit": "hours per week times 1000 in 2 % of rows",
        "shuffled": "age shuffled: only its correlations change",
        "label": "label shift, 24 to 34 % above 50K; the label itself is not seen",
    },
    "gaussian": {
        "shift-0.2": "one feature + 0.2 sd",
        "shift-0.1": "one feature + 0.1 sd",
        "unit": "one feature times 1000 in 2 % of rows",
        "shuffled": "two independent features get correlated at 0.3",
    },
    "correlated": {
        "shift-0.2": "one feature + 0.2 sd",
        "shift-0.1": "one feature + 0.1 sd",
        "unit": "one feature times 1000 in 2 % of rows",
        "shuffled": "one feature shuffled: its correlations of 0.2 vanish",
    },
    "awkward": {},
}


@dataclass(frozen=True)
class Data:
    """Rows.

    Attributes:
        numbers: Numeric columns, as float64.
        codes: Text columns, as places in ``names``; -1 where a value is missing.
        names: The texts of each text column.
        label: Whether income is above 50K; of the census only.
    """

    numbers: dict[str, Any]
    codes: dict[str, Any]
    names: dict[str, list[str]]
    label: Any = None

    def take(self, rows: Any) -> Data:
        """Some rows."""
        return Data(
            {name: values[rows] for name, values in self.numbers.items()},
            {name: codes[rows] for name, codes in self.codes.items()},
            self.names,
            None if self.label is None else self.label[rows],
        )


def reference_of(population: str, number: int, rows: int = REFERENCE_ROWS) -> Data:
    """The reference that resample ``number`` is compared with: a new one every so often."""
    generator = np.random.default_rng([20240229, 1, number // PER_REFERENCE])
    return draw(population, rows, generator)


def sample_of(population: str, case: str, rows: int, number: int) -> Data:
    """Resample ``number`` of a case."""
    return changed(population, case, rows, generator_of(case, rows, number))


def generator_of(case: str, rows: int, number: int) -> np.random.Generator:
    """What the resample is drawn with."""
    return np.random.default_rng([20240229, 2, rows, number, *case.encode()])


def draw(population: str, rows: int, generator: np.random.Generator) -> Data:
    """Independent rows of a population."""
    if population == "census":
        census = _census()
        data = census.take(generator.integers(0, len(census.label), rows))
        return replace(data, numbers=data.numbers | _noisy(census, rows, generator))
    if population == "awkward":
        return _awkward(rows, generator)
    own = generator.standard_normal((FEATURES, rows))
    if population == "correlated":
        shared = np.sqrt(_SHARED) * generator.standard_normal(rows)
        own = np.sqrt(1 - _SHARED) * own + shared
    return Data({f"x{place}": own[place] for place in range(FEATURES)}, {}, {})


def changed(population: str, case: str, rows: int, generator: np.random.Generator) -> Data:
    """Rows of a population to which something happened."""
    if case == "repeated":
        return draw(population, rows // 4, generator).take(np.repeat(np.arange(rows // 4), 4))
    data = draw(population, rows, generator)
    if case == "clean":
        return data
    name = "age" if population == "census" else "x0"
    values = data.numbers[name]
    if case.startswith("shift-"):
        by = float(case.partition("-")[2])
        if population == "census":  # whole years stay whole, and in the mean it is just that much
            by = np.floor(by * _census().numbers[name].std() + generator.random(rows))
        return _with(data, name, values + by)
    if case == "unit":
        name = "hours_per_week" if population == "census" else name
        wrong = generator.permutation(rows) < rows // 50
        return _with(data, name, np.where(wrong, 1000.0, 1.0) * data.numbers[name])
    if case == "category":
        new = generator.permutation(rows) < rows // 100
        codes = np.where(new, len(data.names["workclass"]), data.codes["workclass"])
        return replace(
            data,
            codes=data.codes | {"workclass": codes},
            names=data.names | {"workclass": [*data.names["workclass"], "Gig"]},
        )
    if case == "shuffled" and population == "gaussian":
        return _with(data, "x1", 0.3 * values + np.sqrt(1 - 0.3**2) * data.numbers["x1"])
    if case == "shuffled":
        return _with(data, name, generator.permutation(values))
    if case == "label":
        census = _census()
        rich = round(0.34 * rows)
        places = np.concatenate(
            [
                generator.choice(np.flatnonzero(census.label), rich),
                generator.choice(np.flatnonzero(~census.label), rows - rich),
            ]
        )
        shifted = census.take(generator.permutation(places))
        return replace(shifted, numbers=shifted.numbers | _noisy(census, rows, generator))
    raise ValueError(f"no case {case!r} of {population!r}")


def _with(data: Data, name: str, values: Any) -> Data:
    return replace(data, numbers=data.numbers | {name: values})


def _noisy(census: Data, rows: int, generator: np.random.Generator) -> dict[str, Any]:
    return {
        f"{name}_of_another": values[generator.integers(0, len(values), rows)] * (1 + place / 10)
        + generator.standard_normal(rows)
        for place, (name, values) in enumerate(census.numbers.items())
    }


def _awkward(rows: int, generator: np.random.Generator) -> Data:
    chance = generator.random((8, rows))
    normal = generator.standard_normal((4, rows))
    cauchy, skewed = generator.standard_cauchy(rows), np.exp(3 * normal[0])
    numbers = {
        "cauchy": cauchy,
        "copy_of_cauchy": cauchy,
        "log_normal": skewed,
        "nearly_log_normal": skewed * (1 + 0.001 * normal[1]),
        "pareto": generator.pareto(0.8, rows),
        "count": generator.poisson(0.3, rows).astype(float),
        "rating": np.searchsorted([0.6, 0.85, 0.95, 0.99], chance[0]) + 1.0,
        "flag": (chance[1] < 0.1).astype(float),
        "rare_flag": (chance[2] < 0.002).astype(float),
        "mostly_zero": np.where(chance[3] < 0.95, 0.0, generator.gamma(0.5, 100.0, rows)),
        "price": np.round(np.exp(normal[2])) + 0.99,
        "often_missing": np.where(chance[4] < 0.4, np.nan, normal[3]),
        "hardly_missing": np.where(chance[5] < 0.0005, np.nan, generator.gamma(2.0, 1.0, rows)),
        "constant": np.full(rows, 7.0),
    }
    frequent = np.arange(1, _RARE_NAMES + 1) ** -1.5
    equal = generator.integers(0, 50, rows)
    codes = {
        "rare_names": np.searchsorted(
            np.cumsum(frequent / frequent.sum())[:-1], generator.random(rows)
        ),
        "equal": equal,
        "tens_of_equal": equal // 10,
        "very_equal": generator.integers(0, 200, rows),
        "hardly_no": (chance[6] < 0.003).astype(int),
        "hardly_given": np.where(chance[7] < 0.98, -1, generator.integers(0, 3, rows)),
    }
    sizes = {"rare_names": _RARE_NAMES, "equal": 50, "tens_of_equal": 5, "very_equal": 200}
    sizes |= {"hardly_no": 2, "hardly_given": 3}
    names = {name: [f"{name}-{place}" for place in range(size)] for name, size in sizes.items()}
    return Data(numbers, codes, names)


@cache
def _census() -> Data:
    with gzip.open(CENSUS, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
    texts = [name for name in rows[0] if name not in {*numbers, "income", "split"}]
    columns = {name: np.array([row[name].strip() for row in rows]) for name in rows[0]}
    names, codes = {}, {}
    for name in texts:
        found, places = np.unique(columns[name], return_inverse=True)
        gone = np.isin(found, ("?", ""))
        names[name] = [str(text) for text in found[~gone]]
        codes[name] = np.where(gone, -1, np.cumsum(~gone) - 1)[places]
    return Data(
        {name: columns[name].astype(float) for name in numbers},
        codes,
        names,
        np.char.startswith(columns["income"], ">50K"),
    )
