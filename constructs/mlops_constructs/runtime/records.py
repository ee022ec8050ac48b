"""Records as the Feature Store runtime takes and gives them: names and values as text."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

#: A record of PutRecord and GetRecord.
Encoded = list[dict[str, str]]

_ROWS_AT_ONCE = 1000
# By name, because neither pandas nor numpy is imported.
_MISSING = frozenset({"NAType", "NaTType"})


def encode(record: Mapping[str, Any]) -> Encoded:
    """A record for PutRecord.

    Missing values (None, NaN, pandas' NA and NaT) are left out, so that the feature is absent.
    Booleans become 1 and 0; times ISO-8601 in UTC with milliseconds at most, the form of event
    times (botocore, EventTimeFeatureName); times without a zone are taken as UTC.

    Raises:
        ValueError: If a value is no number, text, time or boolean, or nothing is left.
    """
    encoded = [
        {"FeatureName": str(name), "ValueAsString": text}
        for name, value in record.items()
        if (text := _text(name, value)) is not None
    ]
    if not encoded:
        raise ValueError("the record has no values")
    return encoded


def decode(record: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A record of GetRecord or BatchGetRecord by name of feature; its values are text."""
    return {
        each["FeatureName"]: each["ValueAsString"] for each in record if "ValueAsString" in each
    }


def rows(source: Any) -> Iterator[Mapping[str, Any]]:
    """The records of a source, a few at a time.

    Args:
        source: Mappings; a pandas.DataFrame; a pyarrow Table, RecordBatch, RecordBatchReader or
            Dataset; or an iterable of any of these, such as ``pandas.read_csv(chunksize=…)``.

    Raises:
        TypeError: If it is something else.
    """
    if isinstance(source, Mapping):
        yield source
    elif hasattr(source, "itertuples"):
        names = [str(name) for name in source.columns]
        for row in source.itertuples(index=False, name=None):
            yield dict(zip(names, row, strict=True))
    elif hasattr(source, "to_batches"):
        for batch in source.to_batches():
            yield from rows(batch)
    elif hasattr(source, "to_pylist") and hasattr(source, "slice"):
        for start in range(0, source.num_rows, _ROWS_AT_ONCE):
            yield from source.slice(start, _ROWS_AT_ONCE).to_pylist()
    elif isinstance(source, Iterable) and not isinstance(source, str | bytes):
        for each in source:
            yield from rows(each)
    else:
        raise TypeError(
            f"records: got {type(source).__name__}; allowed: mappings, a pandas data frame, a "
            "pyarrow table, batch, reader or dataset, or an iterable of these. Write for example "
            "[{'id': 'a', 'event_time': '2026-11-01T00:00:00Z'}]."
        )


def length(source: Any) -> int | None:
    """How many records a source has; None if that is only known at its end."""
    if isinstance(source, Mapping):
        return 1
    rows_of_table = getattr(source, "num_rows", None)
    if isinstance(rows_of_table, int):
        return rows_of_table
    if hasattr(source, "itertuples"):
        return len(source)
    # A list may hold data frames.
    if isinstance(source, list | tuple) and all(isinstance(each, Mapping) for each in source):
        return len(source)
    return None


def _text(name: str, value: Any) -> str | None:  # noqa: PLR0911  # one line for each type
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise ValueError(f"{name}: infinity is no value of Feature Store")
        return repr(value) if isinstance(value, float) else f"{value:f}"
    if isinstance(value, dt.datetime):
        return _iso(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return _text(name, value.item())
    raise ValueError(
        f"{name}: a value of type {type(value).__name__} is no number, text, time or boolean"
    )


def _iso(value: dt.datetime) -> str:
    value = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return text.removesuffix(".000") + "Z"
