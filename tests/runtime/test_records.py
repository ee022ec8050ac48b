"""Values as text, and the sources that records come from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from mlops_constructs.runtime.records import decode, encode, rows

NA = type("NAType", (), {})()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        ("", ""),
        (0, "0"),
        (True, "1"),
        (False, "0"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (Decimal("1E+2"), "100"),
        (dt.datetime(2026, 11, 1), "2026-11-01T00:00:00Z"),
        (dt.datetime(2026, 11, 1, 0, 0, 0, 1500), "2026-11-01T00:00:00.001Z"),
        (
            dt.datetime(2026, 11, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            "2026-11-01T00:00:00Z",
        ),
        (dt.date(2026, 11, 1), "2026-11-01"),
        (dt.time(12, 30), "12:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (np.bool_(True), "1"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert encode({"f": value}) == [{"FeatureName": "f", "ValueAsString": text}]


@pytest.mark.parametrize("missing", [None, float("nan"), Decimal("nan"), np.float64("nan"), NA])
def test_missing_values_are_left_out(missing: Any) -> None:
    assert encode({"id": "a", "f": missing}) == [{"FeatureName": "id", "ValueAsString": "a"}]


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", np.array([1, 2]), float("inf"), object()])
def test_values_that_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^f: "):
        encode({"f": value})


def test_there_and_back() -> None:
    assert decode(encode({"id": "a", "age": 3})) == {"id": "a", "age": "3"}


class Frame:
    """As much of a pandas.DataFrame as is read."""

    columns = ("id", "age")

    def itertuples(self, *, index: bool, name: str | None) -> Iterator[tuple[Any, ...]]:
        assert (index, name) == (False, None)
        return iter([("a", 1), ("b", 2)])


class Batch:
    """As much of a pyarrow.RecordBatch as is read."""

    def __init__(self, numbers: range) -> None:
        self.num_rows, self._numbers = len(numbers), numbers

    def slice(self, start: int, length: int) -> Batch:
        return Batch(self._numbers[start : start + length])

    def to_pylist(self) -> list[dict[str, Any]]:
        assert len(self._numbers) <= 1000
        return [{"id": number} for number in self._numbers]


class Table:
    def to_batches(self) -> list[Batch]:
        return [Batch(range(1500)), Batch(range(1500, 1600))]


def test_sources() -> None:
    assert list(rows({"id": "a"})) == [{"id": "a"}]
    assert list(rows(iter([{"id": "a"}]))) == [{"id": "a"}]
    assert list(rows(Frame())) == [{"id": "a", "age": 1}, {"id": "b", "age": 2}]
    assert list(rows([Frame(), {"id": "c"}]))[-1] == {"id": "c"}
    assert [row["id"] for row in rows(Table())] == list(range(1600))
