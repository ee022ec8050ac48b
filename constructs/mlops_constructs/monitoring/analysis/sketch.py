"""What is kept of a column while its values stream by: memory that does not grow with rows.

Numbers go into a histogram whose bins are the upper 16 bits of ``float32(value - centre)``: about
one percent wide everywhere, exact for small whole numbers, without edges to choose, so that two
sketches with the same centre can be compared and merged. Categories are counted exactly, up to a
limit. A thinned sample of rows serves what needs two columns at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers
import pyarrow.compute as pc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above

from .batches import CODED, Batch
from .settings import Settings

_CODES = 1 << 16
_SIGN = 0x8000
#: Up to so many columns each has all its bins in memory (0.5 MB), beyond only those that are used.
NARROW = 128
_PENDING = 2048


class Numbers:
    """The numbers of a column.

    Attributes:
        centre: What the bins lie around.
        count: How many there are, infinite ones included.
        low: The smallest.
        high: The largest.
        total: The sum of the finite ones.
        finite: How many are finite.
        whole: Whether all finite ones are whole.
    """

    def __init__(self, centre: float, *, narrow: bool) -> None:
        self.centre = centre
        self.count = self.finite = 0
        self.low, self.high = np.inf, -np.inf
        self.total = 0.0
        self.whole = True
        self._squares = 0.0  # of the distances from the centre
        self._bins: Any = None
        self._sparse: tuple[Any, Any] = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._pending: list[tuple[Any, Any]] = []
        self._waiting = 0
        self._narrow = narrow
        self._made: tuple[Any, Any] | None = None

    def add(
        self, values: Any, counts: Any = None, *, whole: bool | None = None
    ) -> tuple[float, float]:
        """Take in one or more float64 values, none of them NaN; their smallest and largest.

        Args:
            values: The values.
            counts: How often each of them occurs, 1 or more; by default once.
            whole: Whether they are whole numbers, if that is known.
        """
        self._made = None
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        distances = values - self.centre
        finite, finite_distances, often = values, distances, counts
        if not (np.isfinite(low) and np.isfinite(high)):
            keep = np.isfinite(values)
            finite, finite_distances = values[keep], distances[keep]
            often = None if counts is None else counts[keep]
        if self.whole:
            self.whole = bool((finite == np.rint(finite)).all()) if whole is None else whole
        # No dot products: BLAS starts threads for them, which costs more than it saves.
        squares = np.square(finite_distances)
        if often is None or counts is None:
            self.count += len(values)
            self.finite += len(finite)
        else:
            self.count += int(counts.sum())
            self.finite += int(often.sum())
            finite, squares = finite * often, squares * often
        self.total += float(finite.sum())
        self._squares += float(squares.sum())
        with np.errstate(over="ignore"):
            codes = distances.astype("<f4").view("<u2")[1::2]
        if self._narrow and (self._bins is not None or len(codes) >= _PENDING):
            if self._bins is None:
                self._bins = np.zeros(_CODES, np.int64)
            # bincount itself would convert the strided view six times as slowly.
            found = np.bincount(codes.astype(np.intp), counts, _CODES)
            self._bins += found if counts is None else found.astype(np.int64)
        else:
            self._pending.append((codes.copy(), counts))
            self._waiting += len(codes)
            if self._waiting >= _PENDING:
                self._settle()
        return low, high

    @property
    def mean(self) -> float:
        """Of the finite ones."""
        return self.total / self.finite if self.finite else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation of the finite ones."""
        if not self.finite:
            return 0.0
        offset = self.mean - self.centre
        return float(np.sqrt(max(0.0, self._squares / self.finite - offset * offset)))

    def histogram(self) -> tuple[Any, Any]:
        """Positions of the bins that hold something, ascending by value, and their counts."""
        if self._made is None:
            self._settle()
            codes, counts = self._sparse
            if self._bins is not None:
                total = self._bins.copy()
                total[codes] += counts
                codes = np.flatnonzero(total)
                counts = total[codes]
            # Negative floats order backwards; both zeros are one bin.
            half = int(np.searchsorted(codes, _SIGN))
            places = np.concatenate([_SIGN - codes[half:][::-1], codes[:half]])
            sums = np.concatenate([counts[half:][::-1], counts[:half]]).astype(float)
            if 0 < half < len(codes) and codes[0] == 0 and codes[half] == _SIGN:
                zero = len(codes) - half
                sums[zero] += sums[zero - 1]
                places, sums = np.delete(places, zero - 1), np.delete(sums, zero - 1)
            self._made = places, sums
        return self._made

    def values_at(self, positions: Any) -> Any:
        """The values of bins, within the range of the values."""
        return np.clip(self.centres(positions), self.low, self.high)

    def centres(self, positions: Any) -> Any:
        """The values of bins: that end of each which is nearer to the centre of all."""
        codes = np.where(positions < 0, _SIGN | -positions, positions)
        return self.centre + (codes.astype("<u4") << 16).view("<f4").astype(np.float64)

    def value_at(self, position: int) -> float:
        """The value in the middle of one bin."""
        return float(self.values_at(np.array([position]))[0])

    def quantile(self, share: float) -> float:
        """About; the median for 0.5."""
        if not self.count:
            return 0.0
        places, counts = self.histogram()
        at = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
        return float(self.values_at(places[[min(at, len(places) - 1)]])[0])

    def _settle(self) -> None:
        if self._pending:
            codes = np.concatenate([self._sparse[0], *(codes for codes, _ in self._pending)])
            counts = np.ones(len(codes), np.int64)
            at = len(self._sparse[0])
            counts[:at] = self._sparse[1]
            for part, often in self._pending:
                if often is not None:
                    counts[at : at + len(part)] = often
                at += len(part)
            order = np.argsort(codes, kind="stable")
            codes, counts = codes[order], counts[order]
            starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
            self._sparse = codes[starts].astype(np.int64), np.add.reduceat(counts, starts)
            self._pending, self._waiting = [], 0


@dataclass
class Sample:
    """Every so many-th row of the data, with the step doubled whenever there are too many.

    Attributes:
        names: Which columns are kept.
        most: Between this and twice as many rows are kept of large data.
        step: Every how many-th row is kept.
        seen: Rows that went by.
        parts: The kept values of each column, as arrow arrays.
    """

    names: Sequence[str]
    most: int = 10_000
    step: int = 1
    seen: int = 0
    parts: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Keep some rows of a batch; rows without a column have nulls there."""
        while (self.seen + batch.rows) // self.step > 2 * self.most:
            for name, parts in self.parts.items():
                self.parts[name] = [_every_other(part, at) for part, at in _with_starts(parts)]
            self.step *= 2
        places = pa.array(np.arange(-self.seen % self.step, batch.rows, self.step), pa.int64())
        for name in self.names:
            array = batch.columns.get(name)
            kept = pa.nulls(len(places)) if array is None else array.take(places)
            if pa.types.is_dictionary(kept.type):
                kept = kept.dictionary_decode()  # without the values of all the other rows
            self.parts.setdefault(name, []).append(kept)
        self.seen += batch.rows

    def numbers(self, name: str) -> Any:
        """The kept values as numbers, NaN where there is none."""
        return np.concatenate([_as_numbers(part) for part in self.parts[name]])

    def equal(self, name: str, texts: Sequence[str]) -> list[Any]:
        """For each text, where the kept values are just that."""
        found: list[list[Any]] = [[] for _ in texts]
        for part in self.parts[name]:
            coded = _coded(part)
            names = pc.utf8_trim_whitespace(coded.dictionary)
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            for at, text in enumerate(texts):
                places = np.flatnonzero(pc.equal(names, text).to_numpy(zero_copy_only=False))
                found[at].append(
                    np.isin(codes, places) if len(places) > 1 else codes == _only(places)
                )
        return [np.concatenate(each) for each in found]


class Column:
    """The values of one column, as they stream by.

    With ``known``, the column of the reference, the values are read as that column's kind; without
    it the kind is what fits all values.

    Attributes:
        name: Its name.
        present: How many values there are.
        missing: How many are missing.
        wrong: How many present values are not of the kind.
        numbers: Its numbers; None until there is one, and for text.
        texts: How often each text occurs; of the current data, those that the reference has.
        free: Whether there are too many different texts to compare them.
        unknown: How many texts the reference never had.
        unknown_names: Some of them.
        below: How many numbers are smaller than all of the reference.
        above: How many are larger.
    """

    def __init__(
        self, name: str, settings: Settings, *, known: Column | None = None, narrow: bool = True
    ) -> None:
        self.name = name
        self.present = self.missing = self.wrong = 0
        self.numbers: Numbers | None = None
        self.texts: dict[str, int] = {}
        self.free: bool = known is not None and known.free
        self.unknown = self.below = self.above = 0
        self.unknown_names: dict[str, int] = {}
        self._known = known
        self._narrow = narrow
        self._is_text = known is not None and known.kind == "String"
        self._spellings = pa.array(list(settings.missing_values), pa.string())
        self._most = settings.most_categories

    @property
    def kind(self) -> str:
        """``Integral``, ``Fractional`` or ``String``, the service's words."""
        if self._known is not None:
            return self._known.kind
        if self._is_text or self.numbers is None:
            return "String"
        return "Integral" if self.numbers.whole else "Fractional"

    @property
    def completeness(self) -> float:
        """The share of present values; 1 when there are no rows."""
        total = self.present + self.missing
        return self.present / total if total else 1.0

    def skip(self, rows: int) -> None:
        """Take in rows that lack the column."""
        self.missing += rows

    def add(self, array: Any) -> None:
        """Take in an arrow array."""
        kind = array.type
        if pa.types.is_decimal(kind):
            array, kind = pc.cast(array, pa.float64()), pa.float64()
        if self._is_text or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            self._add_texts(_coded(array))
            return
        values = _as_numbers(array)
        total = float(values.sum())
        if np.isnan(total):  # by a NaN, or by both infinities
            values = values[~np.isnan(values)]
        self.missing += len(array) - len(values)
        self.present += len(values)
        self._add_numbers(values, whole=True if pa.types.is_integer(kind) else None)

    def _add_numbers(self, values: Any, counts: Any = None, *, whole: bool | None = None) -> None:
        if not len(values):
            return
        old = self._known.numbers if self._known is not None else None
        if self.numbers is None:
            centre = old.centre if old is not None else _median(values, counts)
            self.numbers = Numbers(centre, narrow=self._narrow)
        low, high = self.numbers.add(values, counts, whole=whole)
        if old is not None:
            self.below += _how_many(values < old.low, counts) if low < old.low else 0
            self.above += _how_many(values > old.high, counts) if high > old.high else 0

    def _add_texts(self, coded: Any) -> None:
        indices = coded.indices.drop_null() if coded.null_count else coded.indices
        codes = indices.to_numpy()
        counts = np.bincount(codes, minlength=len(coded.dictionary))
        names = coded.dictionary
        if not counts.all():  # the dictionary is of more rows than these
            used = np.flatnonzero(counts)
            names, counts = names.take(pa.array(used)), counts[used]
        names = pc.utf8_trim_whitespace(names)
        gone = pc.is_in(names, value_set=self._spellings).to_numpy(zero_copy_only=False)
        if gone.any():
            names, counts = names.filter(pa.array(~gone)), counts[~gone]
        present = int(counts.sum())
        self.present += present
        self.missing += len(coded) - present
        if not present:
            return
        if not self._is_text:
            values = _parsed(names)
            wrong = np.isnan(values)
            if self._known is not None:
                self.wrong += int(counts[wrong].sum())
            elif wrong.any():
                # So it is text after all. What came as numbers before was not counted as text.
                self._is_text, self.numbers = True, None
                self.free |= sum(self.texts.values()) + present < self.present
            if not self._is_text:
                self._add_numbers(values[~wrong], counts[~wrong])
        if not self.free and (self._known is None or self._is_text):
            self._count(names.to_pylist(), counts.tolist())

    def _count(self, names: list[str], counts: list[int]) -> None:
        known = None if self._known is None else self._known.texts
        for name, count in zip(names, counts):
            if known is None or name in known:
                self.texts[name] = self.texts.get(name, 0) + count
            else:
                self.unknown += count
                if name in self.unknown_names or len(self.unknown_names) < self._most:
                    self.unknown_names[name] = self.unknown_names.get(name, 0) + count
        if known is None and len(self.texts) > self._most:
            self.free = True


def _how_many(chosen: Any, counts: Any) -> int:
    return int(chosen.sum() if counts is None else counts[chosen].sum())


def _median(values: Any, counts: Any) -> float:
    if counts is not None:
        values = np.repeat(values, counts)
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0


def _parsed(names: Any) -> Any:
    """Texts as numbers, NaN where one is none."""
    try:
        return pc.cast(names, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        return np.array([_number(name) for name in names.to_pylist()], dtype=float)


def _number(text: str) -> float:
    try:
        return float("nan" if "_" in text else text)  # 1_000 is a number to Python only
    except ValueError:
        return float("nan")


def _as_numbers(array: Any) -> Any:
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    coded = _coded(array)
    values = np.append(_parsed(pc.utf8_trim_whitespace(coded.dictionary)), np.nan)
    return values[coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)]


def _coded(array: Any) -> Any:
    """An arrow array of any type as text, each distinct value once."""
    kind = array.type
    if kind == CODED:
        return array
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_boolean(kind):
        array = pc.if_else(array, "True", "False")  # as Python and pandas write it
    try:
        return pc.cast(array, pa.string()).dictionary_encode()
    except pa.ArrowException:  # nested values, and bytes that are no text
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return pa.array(texts, pa.string()).dictionary_encode()


def _only(places: Any) -> int:
    return int(places[0]) if len(places) else -2  # no code: -1 stands for none


def _with_starts(parts: list[Any]) -> list[tuple[Any, int]]:
    starts = np.cumsum([0, *map(len, parts)])
    return list(zip(parts, starts.tolist()))


def _every_other(part: Any, start: int) -> Any:
    return part.take(pa.array(np.arange(start % 2, len(part), 2), pa.int64()))
