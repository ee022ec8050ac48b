"""Schemas from what exists already: Arrow schemas, data frames, CSV and Parquet samples.

The environment of the tests has neither pandas nor pyarrow: what they print their types as is
stood in for by small classes.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mlops_constructs import ValidationError
from mlops_constructs.feature_store import Feature, FeatureSchema, FeatureType
from mlops_constructs.feature_store.types import FeatureType as Type

ROLES: Any = {"record_identifier": "id", "event_time": "at"}


def arrow(**types: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(name=name, type=text) for name, text in types.items()]


class Frame:
    """As much of a pandas.DataFrame as is read."""

    def __init__(self, **columns: tuple[Any, Sequence[Any]]) -> None:
        self._columns = columns
        self.dtypes = {name: dtype for name, (dtype, _) in columns.items()}

    @property
    def iloc(self) -> Frame:
        return self

    def __getitem__(self, place: tuple[slice, int]) -> Sequence[Any]:
        return list(self._columns.values())[place[1]][1]


def types_of(schema: FeatureSchema) -> dict[str, str]:
    return {feature.name: str(feature.type) for feature in schema.features}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int8", Type.INTEGRAL),
        ("uint32", Type.INTEGRAL),
        ("int64", Type.INTEGRAL),
        ("uint64", Type.INTEGRAL),
        ("bool", Type.INTEGRAL),
        ("halffloat", Type.FRACTIONAL),
        ("double", Type.FRACTIONAL),
        ("decimal128(10, 2)", Type.FRACTIONAL),
        ("decimal256(40, 0)", Type.FRACTIONAL),
        ("decimal128(18, 0)", Type.INTEGRAL),
        ("string", Type.STRING),
        ("large_string", Type.STRING),
        ("string_view", Type.STRING),
        ("dictionary<values=string, indices=int32, ordered=0>", Type.STRING),
        ("dictionary<values=int64, indices=int8, ordered=0>", Type.INTEGRAL),
        ("date32[day]", Type.STRING),
        ("timestamp[us, tz=Europe/Paris]", Type.STRING),
        ("timestamp[ns]", Type.STRING),
        ("time64[us]", Type.STRING),
    ],
)
def test_arrow_types(text: str, expected: FeatureType) -> None:
    schema = FeatureSchema.from_arrow(arrow(id="string", at="string", value=text), **ROLES)
    assert schema.features[2] == Feature("value", expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("list<item: double>", "in-memory tier only"),
        ("fixed_size_list<item: float>[8]", "in-memory tier only"),
        ("struct<a: int64>", "in-memory tier only"),
        ("map<string, int64>", "in-memory tier only"),
        ("binary", "base64"),
        ("fixed_size_binary[16]", "base64"),
        ("duration[ns]", "number of seconds"),
        ("null", "no value to infer"),
        ("extension<arrow.uuid>", "is none of them"),
        ("dictionary<values=list<item: int8>, indices=int32, ordered=0>", "in-memory tier only"),
    ],
)
def test_arrow_types_that_are_refused(text: str, reason: str) -> None:
    columns = arrow(id="string", at="string", value=text)
    with pytest.raises(ValidationError, match=reason):
        FeatureSchema.from_arrow(columns, **ROLES)
    given = FeatureSchema.from_arrow(columns, types={"value": Type.STRING}, **ROLES)
    assert given.features[2] == Feature.string("value")
    assert len(FeatureSchema.from_arrow(columns, leave_out=["value"], **ROLES).features) == 2


def test_every_refused_column_is_reported_at_once() -> None:
    columns = arrow(id="string", at="string", a="null", b="list<item: int8>")
    with pytest.raises(ValidationError, match="3 problems") as caught:
        FeatureSchema.from_arrow(columns, types={"c": Type.STRING}, **ROLES)
    message = str(caught.value)
    assert "columns (a)" in message
    assert "columns (b)" in message
    assert "leave_out=['b']" in message
    assert "types and leave_out: got 'c'" in message


def test_a_name_twice() -> None:
    columns = [*arrow(id="string", at="string"), *arrow(id="string")]
    with pytest.raises(ValidationError, match="each once"):
        FeatureSchema.from_arrow(columns, **ROLES)


def test_whole_event_times_become_fractional() -> None:
    schema = FeatureSchema.from_arrow(arrow(id="int64", at="int64"), **ROLES)
    assert types_of(schema) == {"id": "Integral", "at": "Fractional"}
    assert schema.inferred[1].note.startswith("event time; seconds since 1970")


def test_pandas() -> None:

    class Category:
        categories = SimpleNamespace(dtype="str")

        def __str__(self) -> str:
            return "category"

    class Backed:
        pyarrow_dtype = "int64"

        def __str__(self) -> str:
            return "int64[pyarrow]"

    nan = float("nan")
    frame = Frame(
        id=("str", []),
        at=("datetime64[us, UTC]", []),
        whole=("Int64", []),
        backed=(Backed(), []),
        flag=("boolean", []),
        kind=(Category(), []),
        gaps=("float64", [1.0, nan, 3.0]),
        real=("float64", [1.5, nan]),
        texts=("object", ["a", None, nan]),
        amounts=("object", [Decimal("1.5")]),
        days=("object", [datetime.date(2026, 1, 1)]),
    )
    schema = FeatureSchema.from_pandas(frame, **ROLES)
    assert types_of(schema) == {
        "id": "String",
        "at": "String",
        "whole": "Integral",
        "backed": "Integral",
        "flag": "Integral",
        "kind": "String",
        "gaps": "Fractional",
        "real": "Fractional",
        "texts": "String",
        "amounts": "Fractional",
        "days": "String",
    }
    notes = {each.feature.name: each.note for each in schema.inferred}
    assert "astype('Int64')" in notes["gaps"]
    assert notes["real"] == ""


@pytest.mark.parametrize(
    ("dtype", "values", "reason"),
    [
        ("object", [[1.0, 2.0]], "in-memory tier only"),
        ("object", [1, "a"], "of type int, str"),
        ("object", [None], "no value to infer"),
        ("timedelta64[ns]", [], "number of seconds"),
        ("complex128", [], "is none of them"),
    ],
)
def test_pandas_columns_that_are_refused(dtype: str, values: list[Any], reason: str) -> None:
    frame = Frame(id=("str", []), at=("str", []), value=(dtype, values))
    with pytest.raises(ValidationError, match=reason):
        FeatureSchema.from_pandas(frame, **ROLES)


def test_pandas_columns_without_a_name() -> None:
    frame = Frame(id=("str", []), at=("str", []))
    frame.dtypes[0] = "str"  # type: ignore[index]  # pandas numbers columns without a header
    with pytest.raises(ValidationError, match="names that are text"):
        FeatureSchema.from_pandas(frame, **ROLES)


CSV = """\
\ufeffid,at,age,hours,zip,big,flag,city
a1,2026-01-01T00:00:00Z,39,40,01234,9223372036854775808,true,Bern
a2,2026-01-02T00:00:00Z,,1e3,98765,1,False,"Basel, BS"

a3,2026-01-03T00:00:00Z,-5,.5,?,2,TRUE,?
"""


def test_csv(tmp_path: Path) -> None:
    sample = tmp_path / "people.csv"
    sample.write_text(CSV)
    schema = FeatureSchema.from_file(sample, missing=("", "?"), **ROLES)
    assert types_of(schema) == {
        "id": "String",
        "at": "String",
        "age": "Integral",
        "hours": "Fractional",
        "zip": "String",
        "big": "String",
        "flag": "String",
        "city": "String",
    }
    assert schema.report().splitlines() == [
        "feature  type        from  note",
        "id       String      text  record identifier",
        "at       String      text  event time",
        "age      Integral    text",
        "hours    Fractional  text",
        "zip      String      text  leading zeros, such as '01234', would be lost in a number",
        "big      String      text  longer than 64 bits",
        "flag     String      text  booleans in words",
        "city     String      text",
    ]
    given = FeatureSchema.from_file(sample, types={"age": Type.STRING}, **ROLES)
    assert given.features[2] == Feature.string("age")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "names in the first line"),
        (b"id,at,x\na,b\n", "line 2: got '2 values'; allowed: 3"),
        (b"id,at,x\na,b,\n", r"columns \(x\).*no value to infer"),
        (b"id,at\n\xff,b\n", "UTF-8"),
        (b"\xff,at\na,b\n", "1 problem\n.*UTF-8"),
        (b"id;at\na;b\n", "one column, 'id;at'.*; allowed: commas between values"),
        (b'id,at\n"a,b\n', "a CSV file in UTF-8"),
        (b"id,id\na,b\n", "each once"),
    ],
)
def test_csv_files_that_are_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    sample = tmp_path / "people.csv"
    sample.write_bytes(text)
    with pytest.raises(ValidationError, match=reason):
        FeatureSchema.from_file(sample, **ROLES)


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="2 problems"):
        FeatureSchema.from_file(tmp_path / "people.xlsx", **ROLES)


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tmp_path / "people.parquet"
    sample.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValidationError, match="pip install pyarrow"):
        FeatureSchema.from_file(sample, **ROLES)
    module = ModuleType("pyarrow.parquet")
    module.read_schema = lambda path: arrow(id="string", at="string")  # type: ignore[attr-defined]  # stands in for pyarrow
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)
    assert types_of(FeatureSchema.from_file(sample, **ROLES)) == {"id": "String", "at": "String"}

    def broken(path: Path) -> None:
        raise ValueError("magic bytes")

    module.read_schema = broken  # type: ignore[attr-defined]  # stands in for pyarrow
    with pytest.raises(ValidationError, match=r"magic bytes.*a Parquet file"):
        FeatureSchema.from_file(sample, **ROLES)


def test_a_declared_schema_reports_itself() -> None:
    schema = FeatureSchema(record_identifier="id", event_time="at", features=[Feature.string("id")])
    assert schema.report().splitlines()[1] == "id       String  declared"
