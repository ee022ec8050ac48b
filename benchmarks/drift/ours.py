"""Some resamples through our analysis, in the environment that stands in for AWS's containers.

``python -m benchmarks.drift.ours POPULATION CASE ROWS FIRST COUNT REFERENCE_ROWS`` prints one JSON
line a resample: what was reported at either family-wise rate.

Up to a few thousand rows each sample is drawn, read as a table and compared with a reference; every
40 resamples there is a new reference. A million rows are drawn from a population of 200,000 fixed
rows, with replacement: what is kept of a column depends only on how often each row was drawn, so
that counting the draws gives the very profile that reading the rows would give (`_same` makes sure
of it on each start), and the rows that the sample of rows keeps are drawn one by one. There each
resample has a new reference, since beside a million rows its own chance decides.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers

from benchmarks.drift.cases import (
    PER_REFERENCE,
    REFERENCE_ROWS,
    Data,
    draw,
    generator_of,
    reference_of,
    sample_of,
)

sys.path.insert(
    0, str(Path(__file__).parents[2] / "constructs" / "mlops_constructs" / "monitoring")
)

from analysis import checks  # type: ignore[import-not-found,unused-ignore]  # as in the job
from analysis.batches import Batch, of_table  # type: ignore[import-not-found,unused-ignore]  # as above
from analysis.profiles import Profile, profile  # type: ignore[import-not-found,unused-ignore]  # as above
from analysis.settings import Settings  # type: ignore[import-not-found,unused-ignore]  # as above
from analysis.sketch import Column, Numbers, Sample  # type: ignore[import-not-found,unused-ignore]  # as above

RATES = (0.05, 0.01)
_LARGE = 100_000
_POPULATION = 200_000
#: Where the bins of no number are: of one sign and of the other.
_NAN = np.r_[0x7F81:0x8000, 0xFF81:0x10000]
_SETTINGS = {rate: Settings(false_alarm_rate=rate) for rate in RATES}


def main(
    population: str, case: str, rows: int, first: int, count: int, *, reference_rows: int
) -> None:
    for number, reference, current in resamples(
        population, case, rows, first, count, reference_rows=reference_rows
    ):
        print(json.dumps({"number": number, "reported": reported(reference, current)}), flush=True)


def resamples(
    population: str,
    case: str,
    rows: int,
    first: int,
    count: int,
    *,
    reference_rows: int = REFERENCE_ROWS,
) -> Iterator[tuple[int, Profile, Profile]]:
    """The number, the reference and the sample of each."""
    made = _large if rows >= _LARGE else _small
    return made(population, case, rows, range(first, first + count), reference_rows)


def reported(reference: Profile, current: Profile) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rate in RATES:  # from the larger to the smaller: what is not seen there is not seen here
        if found and not found[str(RATES[0])]:
            found[str(rate)] = []
            continue
        outcome = checks.check(reference, current, _SETTINGS[rate])
        found[str(rate)] = [
            f"{each.feature_name} {each.constraint_check_type}" for each in outcome.violations
        ]
    return found


def _small(
    population: str, case: str, rows: int, numbers: range, reference_rows: int
) -> Iterator[tuple[int, Profile, Profile]]:
    reference, made = None, -1
    for number in numbers:
        if number // PER_REFERENCE != made:
            made = number // PER_REFERENCE
            reference = _read(reference_of(population, number, reference_rows), None)
        yield number, reference, _read(sample_of(population, case, rows, number), reference)


def _read(data: Data, known: Profile | None) -> Profile:
    return profile(of_table(_table(data)), _SETTINGS[RATES[0]], known=known)


def _table(data: Data) -> Any:
    columns = {name: pa.array(values) for name, values in data.numbers.items()}
    for name, codes in data.codes.items():
        columns[name] = pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(data.names[name])
        )
    return pa.table(columns)


# --- a million rows -------------------------------------------------------------------------------


class _Counted:
    """A population of fixed rows, of which a profile is made by counting draws."""

    def __init__(self, data: Data) -> None:
        self._data = data
        table = _table(data).combine_chunks()
        columns = [column.chunk(0) for column in table.columns]
        self._batch = Batch(len(self), dict(zip(table.column_names, columns, strict=True)))
        self._order = {name: _ordered(values) for name, values in data.numbers.items()}
        self._bins: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(next(iter(self._data.numbers.values())))

    def sample(self, rows: int, generator: np.random.Generator, known: Profile | None) -> Profile:
        """The profile of so many rows, drawn with replacement."""
        names = list(self._batch.columns)
        step = 1
        while rows // step > 2 * Sample([]).most:
            step *= 2
        kept = generator.integers(0, len(self), rows // step)
        others = generator.integers(0, len(self), rows - len(kept))
        sample = Sample(names if known is None else known.sample.names, step=step, seen=rows)
        sample.parts = {
            name: [self._batch.columns[name].take(pa.array(kept))] for name in sample.names
        }
        rows_drawn = np.concatenate([kept, others])
        draws = np.bincount(rows_drawn, minlength=len(self)).astype(float)
        # Of few rows it is quicker to look at them than at how often each of all was drawn.
        chosen = (rows_drawn, None) if rows < len(self) // 4 else (slice(None), draws)
        made = Profile(sample, rows=rows)
        for name in names:
            old = None if known is None else known.columns[name]
            column = made.columns[name] = Column(name, _SETTINGS[RATES[0]], known=old)
            if name in self._data.numbers:
                self._count_numbers(column, chosen, draws, old)
            else:
                self._count_texts(column, chosen, old)
        return made

    def _count_numbers(self, column: Any, chosen: Any, draws: Any, old: Any) -> None:
        values, order = self._data.numbers[column.name], self._order[column.name]
        if column.name not in self._bins:
            # One centre for all references: where bins lie is a matter of precision only.
            centre = float(np.nanmedian(values))
            codes = (values - centre).astype("<f4").view("<u2")[1::2].astype(np.intp)
            self._bins[column.name] = centre, codes
        centre, codes = self._bins[column.name]
        numbers = column.numbers = Numbers(centre, narrow=True)
        bins = np.bincount(codes[chosen[0]], chosen[1], 1 << 16).astype(np.int64)
        column.missing = int(bins[_NAN].sum())
        bins[_NAN] = 0
        numbers._bins = bins
        numbers.count = numbers.finite = column.present = int(numbers._bins.sum())
        numbers.low = float(values[_first(order, draws)])
        numbers.high = float(values[_first(order[::-1], draws)])
        if old is not None:
            ordered = values[order]
            below = np.searchsorted(ordered, old.numbers.low, "left")
            above = np.searchsorted(ordered, old.numbers.high, "right")
            column.below = int(draws[order[:below]].sum())
            column.above = int(draws[order[above:]].sum())

    def _count_texts(self, column: Any, chosen: Any, old: Any) -> None:
        names = self._data.names[column.name]
        codes = self._data.codes[column.name][chosen[0]] + 1
        counts = np.bincount(codes, chosen[1], len(names) + 1)
        column._is_text = True
        column.missing, column.present = int(counts[0]), int(counts[1:].sum())
        found = [(name, int(n)) for name, n in zip(names, counts[1:], strict=True) if n]
        known = {name for name, _ in found} if old is None else set(old.texts)
        column.texts = {name: n for name, n in found if name in known}
        column.unknown_names = {name: n for name, n in found if name not in known}
        column.unknown = sum(column.unknown_names.values())


def _ordered(values: Any) -> Any:
    """Places of the values in ascending order, without those of missing ones."""
    return np.argsort(values)[: len(values) - int(np.isnan(values).sum())]


def _first(order: Any, draws: Any) -> int:
    """The first row in an order that was drawn at all; hardly ever is it beyond the first few."""
    size = 1000
    while True:
        found = np.flatnonzero(draws[order[:size]])
        if len(found):
            return int(order[found[0]])
        size *= 1000


def _large(
    population: str, case: str, rows: int, numbers: range, reference_rows: int
) -> Iterator[tuple[int, Profile, Profile]]:
    fixed = draw(population, _POPULATION, np.random.default_rng(20240301))
    clean = _Counted(fixed)
    _same(clean, fixed)
    drawn = clean
    if case.startswith("shift-"):
        name = next(iter(fixed.numbers))
        values = fixed.numbers[name]
        moved = values + float(case.partition("-")[2]) * values.std()
        drawn = _Counted(replace(fixed, numbers=fixed.numbers | {name: moved}))
        drawn._bins = {name: (float(np.median(values)), _codes(moved, values))}
    elif case != "clean":
        raise ValueError(f"no case {case!r} of a million rows")
    for number in numbers:
        generator = generator_of(case, rows, number)
        reference = clean.sample(reference_rows, generator, None)
        yield number, reference, drawn.sample(rows, generator, reference)


def _codes(moved: Any, values: Any) -> Any:
    """Bins around the centre of the unmoved values, as the analysis has them."""
    distances = moved - float(np.median(values))
    return distances.astype("<f4").view("<u2")[1::2].astype(np.intp)


def _same(counted: _Counted, data: Data) -> None:
    """Make sure that counting and reading give the same profile."""
    rows = 5_000
    made = counted.sample(rows, np.random.default_rng(5), None)
    generator = np.random.default_rng(5)
    places = np.concatenate([generator.integers(0, len(counted), n) for n in (rows, 0)])
    read = _read(data.take(places), made)
    reference = made
    again = counted.sample(rows, np.random.default_rng(5), reference)
    for name, column in read.columns.items():
        other = again.columns[name]
        pairs = [(column.present, other.present), (column.missing, other.missing)]
        pairs += [(column.texts, other.texts), (column.unknown, other.unknown)]
        pairs += [(column.below, other.below), (column.above, other.above)]
        if column.numbers is not None:
            pairs += [(column.numbers.low, other.numbers.low)]
            pairs += [(column.numbers.high, other.numbers.high)]
            pairs += [
                (mine.tolist(), its.tolist())
                for mine, its in zip(
                    column.numbers.histogram(), other.numbers.histogram(), strict=True
                )
            ]
        for mine, its in pairs:
            if mine != its:
                raise AssertionError(f"{name}: read {mine!r}, counted {its!r}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), reference_rows=int(sys.argv[6]))
