"""Features from a schema or a sample that exists already: which type each column gets, and why.

| column | feature | values when ingested |
|---|---|---|
| whole numbers, nullable or not | Integral | as they are |
| booleans | Integral | 1 and 0 |
| floats, decimals with digits after the point | Fractional | as they are |
| decimals without digits after the point, up to 18 digits | Integral | as they are |
| text, categories of text | String | as they are |
| dates, timestamps, times of day | String | ISO-8601, timestamps in UTC |
| lists, structs, maps, vectors, binary, durations, columns without a value | refused | - |

A feature's type can never be changed (botocore, UpdateFeatureGroup), so that what is in doubt is
refused, or takes the type that loses nothing. Types are recognised by their printed names: neither
pandas nor pyarrow is imported, except pyarrow to open a Parquet file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.feature_store.samples import (
    NO_VALUES,
    UnsupportedError,
    read_csv,
    read_parquet_schema,
)
from mlops_constructs.feature_store.types import Feature, FeatureType

_INTEGRAL, _FRACTIONAL, _STRING = FeatureType.INTEGRAL, FeatureType.FRACTIONAL, FeatureType.STRING

COLLECTIONS = (
    "collections exist in the in-memory tier only and CloudFormation cannot declare them; store "
    "one feature per element"
)
_UTC = "as ISO-8601 in UTC; times without a zone are taken as UTC"
_ZERO_ONE = "as 1 and 0"


@dataclass(frozen=True)
class Inferred:
    """What a column was taken for.

    Attributes:
        feature: The feature.
        source: The column's type in the schema or sample.
        note: Why, or how its values are written, if that is not plain.
    """

    feature: Feature
    source: str
    note: str = ""


#: Type and note of a column, found out on demand.
_Finding = Callable[[], tuple[FeatureType, str]]

_ARROW: tuple[tuple[str, FeatureType, str], ...] = (
    (r"bool", _INTEGRAL, _ZERO_ONE),
    (r"u?int(8|16|32)|int64", _INTEGRAL, ""),
    (r"uint64", _INTEGRAL, "values must stay below 2**63"),
    (r"halffloat|float|double|float(16|32|64)", _FRACTIONAL, ""),
    (r"(large_)?string(_view)?|(large_)?utf8", _STRING, ""),
    (r"date(32|64)(\[\w+\])?", _STRING, "as ISO-8601"),
    (r"timestamp\[.*\]", _STRING, _UTC),
    (r"time(32|64)\[\w+\]", _STRING, "as ISO-8601"),
)
_ARROW_REFUSED = (
    (r"(large_|fixed_size_)?list(_view)?<.*|struct<.*|map<.*|.*union<.*|.*tensor.*", COLLECTIONS),
    (r".*binary.*", "a feature holds text or numbers; encode it as text, such as base64"),
    (r"duration\[.*\]|month_.*interval", "store a duration as a number of seconds"),
    (r"null", NO_VALUES),
)
_PANDAS: tuple[tuple[str, FeatureType, str], ...] = (
    (r"bool|boolean", _INTEGRAL, _ZERO_ONE),
    (r"u?int(8|16|32)|int64", _INTEGRAL, ""),
    (r"uint64", _INTEGRAL, "values must stay below 2**63"),
    (r"float(16|32|64)", _FRACTIONAL, ""),
    (r"str|string(\[\w+\])?", _STRING, ""),
    (r"datetime64\[.*\]", _STRING, _UTC),
)
#: Python types of the values in a pandas column of dtype object.
_VALUES: Mapping[str, tuple[FeatureType, str]] = {
    "str": (_STRING, ""),
    "bool": (_INTEGRAL, _ZERO_ONE),
    "int": (_INTEGRAL, ""),
    "float": (_FRACTIONAL, ""),
    "Decimal": (_FRACTIONAL, "about 15 digits are kept"),
    "date": (_STRING, "as ISO-8601"),
    "datetime": (_STRING, _UTC),
    "Timestamp": (_STRING, _UTC),
    "time": (_STRING, "as ISO-8601"),
    "UUID": (_STRING, ""),
}
_MISSING = frozenset({"NoneType", "NAType", "NaTType"})


def from_arrow(schema: Any, **choices: Any) -> tuple[Inferred, ...]:
    """The features of a ``pyarrow.Schema``; the other arguments are those of `_infer`."""
    columns = [(field.name, str(field.type), _arrow_finding(str(field.type))) for field in schema]
    return _infer("FeatureSchema.from_arrow", columns, **choices)


def from_pandas(frame: Any, **choices: Any) -> tuple[Inferred, ...]:
    """The features of a ``pandas.DataFrame``; its index is not among them."""
    columns = [
        (name, str(dtype), _pandas_finding(frame, position, dtype))
        for position, (name, dtype) in enumerate(frame.dtypes.items())
    ]
    return _infer("FeatureSchema.from_pandas", columns, **choices)


def from_file(path: Path, *, missing: Collection[str], **choices: Any) -> tuple[Inferred, ...]:
    """The features of a CSV file with a header, which is read to its end, or of a Parquet file."""
    where = f"FeatureSchema.from_file({path})"
    problems = Problems(where)
    problems.check(
        path.suffix.lower() in (".csv", ".parquet"),
        "path",
        got=str(path),
        allowed="a .csv or .parquet file",
        instead="Save a sample in one of these formats, or use from_pandas or from_arrow.",
    )
    problems.check(
        path.is_file(),
        "path",
        got=str(path),
        allowed="a file that is there",
        instead="Write the path from where the CDK command is called, or from __file__.",
    )
    problems.raise_if_any()
    if path.suffix.lower() == ".parquet":
        schema = read_parquet_schema(problems, path)
        columns = [
            (field.name, str(field.type), _arrow_finding(str(field.type))) for field in schema
        ]
    else:
        columns = [
            (column.name, "text", column.finding) for column in read_csv(problems, path, missing)
        ]
    return _infer(where, columns, **choices)


def report(inferred: Iterable[Inferred]) -> str:
    """A table of what was taken for what, for people."""
    rows = [("feature", "type", "from", "note")]
    rows += [(it.feature.name, str(it.feature.type), it.source, it.note) for it in inferred]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(
            (*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3])
        ).rstrip()
        for row in rows
    )


def _infer(
    where: str,
    columns: Iterable[tuple[Any, str, _Finding]],
    *,
    record_identifier: str,
    event_time: str,
    types: Mapping[str, FeatureType],
    leave_out: Collection[str],
) -> tuple[Inferred, ...]:
    """Type every column that is not left out.

    Args:
        where: What errors begin with.
        columns: Name, printed type, and how to find the feature's type.
        record_identifier: Noted in the report.
        event_time: A column of whole numbers becomes Fractional here, as the service demands.
        types: Types that are given, not inferred.
        leave_out: Columns that do not become features.

    Raises:
        ValidationError: With every column that cannot be a feature.
    """
    problems, found, seen = Problems(where), list[Inferred](), set[str]()
    for name, source, finding in columns:
        problems.check(
            isinstance(name, str) and name not in seen,
            "columns",
            got=name,
            allowed="names that are text, each once",
            instead="Rename the column.",
        )
        seen.add(name)
        if name in leave_out:
            continue
        if name in types:
            found.append(Inferred(Feature(str(name), FeatureType(types[name])), source, "as given"))
            continue
        try:
            kind, note = finding()
        except UnsupportedError as reason:
            problems.add(
                f"columns ({name})",
                got=source,
                allowed=f"numbers, text, dates and booleans: {reason}",
                instead=f"Convert it, give types={{{name!r}: FeatureType.STRING}} or another type, "
                f"or leave it out: leave_out=[{name!r}].",
            )
            continue
        found.append(Inferred(Feature(str(name), kind), source, note))
    for name in (*types, *leave_out):
        problems.check(
            name in seen,
            "types and leave_out",
            got=name,
            allowed="names of columns: " + ", ".join(sorted(map(str, seen))[:20]),
            instead="Correct the name.",
        )
    problems.raise_if_any()
    return tuple(_with_role(each, record_identifier, event_time) for each in found)


def _with_role(inferred: Inferred, record_identifier: str, event_time: str) -> Inferred:
    feature, note = inferred.feature, inferred.note
    if feature.name == event_time:
        if feature.type is _INTEGRAL:
            feature = Feature.fractional(feature.name)
            note = "seconds since 1970: event times are String or Fractional"
        return Inferred(feature, inferred.source, "; ".join(filter(None, ("event time", note))))
    if feature.name == record_identifier:
        note = "; ".join(filter(None, ("record identifier", note)))
    return replace(inferred, note=note)


def _arrow_finding(text: str) -> _Finding:
    return lambda: _arrow_type(text)


def _arrow_type(text: str) -> tuple[FeatureType, str]:
    dictionary = re.fullmatch(r"dictionary<values=(.*), indices=.*", text)
    if dictionary:
        return _arrow_type(dictionary[1])
    decimal = re.fullmatch(r"decimal\d*\((\d+), (-?\d+)\)", text)
    if decimal:
        return _decimal_type(int(decimal[1]), int(decimal[2]))
    for pattern, reason in _ARROW_REFUSED:
        if re.fullmatch(pattern, text):
            raise UnsupportedError(reason)
    return _look_up(text, _ARROW)


def _decimal_type(precision: int, scale: int) -> tuple[FeatureType, str]:
    if scale <= 0 and precision - scale <= 18:
        return _INTEGRAL, ""
    return _FRACTIONAL, "about 15 digits are kept" if precision > 15 else ""


def _look_up(text: str, known: Iterable[tuple[str, FeatureType, str]]) -> tuple[FeatureType, str]:
    for pattern, kind, note in known:
        if re.fullmatch(pattern, text):
            return kind, note
    raise UnsupportedError(f"{text} is none of them")


def _pandas_finding(frame: Any, position: int, dtype: Any) -> _Finding:
    def finding() -> tuple[FeatureType, str]:
        kind = dtype
        if str(kind) == "category":
            kind = dtype.categories.dtype
        text = str(kind)
        if hasattr(kind, "pyarrow_dtype"):
            return _arrow_type(str(kind.pyarrow_dtype))
        if text == "object":
            return _type_of_values(frame.iloc[:, position])
        if text.startswith("timedelta64"):
            raise UnsupportedError("store a duration as a number of seconds")
        found, note = _look_up(text.lower(), _PANDAS)
        if found is _FRACTIONAL and _is_whole_with_gaps(frame.iloc[:, position]):
            note = "whole numbers with gaps; if it should be Integral, use .astype('Int64')"
        return found, note

    return finding


def _is_whole_with_gaps(values: Iterable[Any]) -> bool:
    """Whole numbers become floats in pandas as soon as one is missing."""
    gaps = numbers = False
    for value in values:
        if type(value).__name__ in _MISSING or value != value:  # noqa: PLR0124  # NaN
            gaps = True
        elif value % 1 != 0:
            return False
        else:
            numbers = True
    return gaps and numbers


def _type_of_values(values: Iterable[Any]) -> tuple[FeatureType, str]:
    names: set[str] = set()
    for value in values:
        name = type(value).__name__
        if name in _MISSING or (name == "float" and value != value):  # noqa: PLR0124  # NaN
            continue
        if name in ("list", "tuple", "dict", "set", "ndarray"):
            raise UnsupportedError(COLLECTIONS)
        names.add(name)
    if not names:
        raise UnsupportedError(NO_VALUES)
    if len(names) > 1 or not names <= set(_VALUES):
        raise UnsupportedError(f"its values are of type {', '.join(sorted(names))}")
    return _VALUES[names.pop()]
