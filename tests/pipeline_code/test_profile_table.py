from pathlib import Path
from typing import Any

import pandas as pd
import profile_table
import pytest
from profile_table import RefusalError, profiled

ROWS = 120


def _write(path: Path, **columns: Any) -> Path:
    frame = pd.DataFrame({"y": [str(row % 2) for row in range(ROWS)], **columns})
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def _roles(profile: Any) -> dict[str, str]:
    return {column["name"]: column["role"] for column in profile["columns"]}


def _mixed() -> dict[str, Any]:
    return {
        "customer_id": [1000 + row * 3 for row in range(ROWS)],
        "code": [f"K-{row}" for row in range(ROWS)],
        "amount": [row * 1.5 for row in range(ROWS)],
        "gaps": [str(row % 9) if row % 5 else "?" for row in range(ROWS)],
        "zip": [f"0{row % 7}123" for row in range(ROWS)],
        "town": ["A", "B", "C"] * (ROWS // 3),
        "region": ["EU"] * ROWS,
        "empty": [None] * ROWS,
        "day_of": ["2024-01-01", "2024-02-01"] * (ROWS // 2),
        "note": [f"text {row // 1.2}" for row in range(ROWS)],
    }


def test_roles_of_a_csv_file(tmp_path: Path) -> None:
    profile = profiled(_write(tmp_path / "t.csv", **_mixed()), "y", facets=[], problem=None)
    assert _roles(profile) == {
        "y": "target",
        "customer_id": "ignored",
        "code": "ignored",
        "amount": "numeric",
        "gaps": "numeric",
        "zip": "categorical",
        "town": "categorical",
        "region": "ignored",
        "empty": "ignored",
        "day_of": "ignored",
        "note": "ignored",
    }
    assert profile["missing"] == ["?"]
    assert (profile["problem"], profile["labels"]) == ("binary", ["0", "1"])
    columns = {column["name"]: column for column in profile["columns"]}
    assert columns["customer_id"]["identifier"]
    assert columns["gaps"]["whole"]
    assert columns["gaps"]["missing"] == ROWS // 5


def test_roles_of_a_parquet_file(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "t.parquet",
        flag=[True, False] * (ROWS // 2),
        when=pd.date_range("2024-01-01", periods=ROWS),
        tags=[["a"]] * ROWS,
        size=[1.5, None, 2.0] * (ROWS // 3),
        count=pd.array([1, None, 2] * (ROWS // 3), dtype="Int64"),
        known=pd.array([True, None, False] * (ROWS // 3), dtype="boolean"),
        kind=pd.Categorical(["a", "b", "c"] * (ROWS // 3)),
        endless=[1.5, float("inf"), 2.0] * (ROWS // 3),
        raw=[b"a", b"b"] * (ROWS // 2),
    )
    profile = profiled(path, "y", facets=[], problem=None)
    assert _roles(profile) == {
        "y": "target",
        "flag": "categorical",
        "when": "ignored",
        "tags": "ignored",
        "size": "numeric",
        "count": "numeric",
        "known": "categorical",
        "kind": "categorical",
        "endless": "ignored",
        "raw": "ignored",
    }


@pytest.mark.parametrize(
    ("target", "problem", "found", "labels"),
    [
        (["no"] * 70 + ["yes"] * 50, None, "binary", ["no", "yes"]),
        (["blue"] * 70 + ["red"] * 50, None, "binary", ["blue", "red"]),
        (["b", "a", "c"] * 40, None, "multiclass", ["a", "b", "c"]),
        ([1.5 * row for row in range(ROWS)], None, "regression", []),
        ([row % 5 for row in range(ROWS)], None, "multiclass", list("01234")),
        ([row % 5 for row in range(ROWS)], "regression", "regression", []),
        ([row % 30 for row in range(ROWS)], "classification", "multiclass", None),
    ],
)
def test_the_problem(
    tmp_path: Path, target: Any, problem: str | None, found: str, labels: list[str] | None
) -> None:
    path = _write(tmp_path / "t.csv", x=list(range(ROWS)), t=target)
    profile = profiled(path, "t", facets=[], problem=problem)
    assert profile["problem"] == found
    if labels is not None:
        assert profile["labels"] == labels


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"x": range(ROWS)}, {"target": "z"}, "--target z: there is no such column. There are: y"),
        ({"churned": range(ROWS)}, {"target": "chrned"}, "Did you mean 'churned'"),
        ({"x": range(ROWS)}, {"facets": ["y"]}, "the target cannot be a facet"),
        ({"x": range(ROWS)}, {"facets": ["q"]}, "--facet q: there is no such column"),
        ({"x": range(ROWS), "t": ["a"] * ROWS}, {"target": "t"}, "the column is constant (a)"),
        ({"x": ["k"] * ROWS}, {}, "None of its columns can be a feature"),
        ({"t": ["a", "b"] * (ROWS // 2)}, {"target": "t", "problem": "regression"}, "holds 'a'"),
        ({"x": range(ROWS), "t": ["a"] * (ROWS - 1) + ["b"]}, {"target": "t"}, "'b' .1."),
        (
            {"x": range(ROWS), "t": [f"l{row}" for row in range(ROWS)]},
            {"target": "t"},
            "120 different values are too many labels",
        ),
        (
            {"x": range(ROWS), "t": [f"1.{row},50" for row in range(ROWS)]},
            {"target": "t"},
            "too many labels; the most is 50 .no numbers as they are written, such as '1.0,50'",
        ),
        ({"x": [row * 0.5 for row in range(ROWS)]}, {"facets": ["x"]}, "make no groups"),
    ],
)
def test_refusals(tmp_path: Path, columns: Any, options: Any, said: str) -> None:
    path = _write(tmp_path / "t.csv", **columns)
    given = {"target": "y", "facets": [], "problem": None, **options}
    with pytest.raises(RefusalError, match=said.replace("(a)", r"\(a\)")):
        profiled(path, given.pop("target"), **given)


def test_everything_that_is_wrong_is_said_together(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y,a b\n" + "1,2\n" * 10)
    with pytest.raises(RefusalError) as error:
        profiled(path, "z", facets=["q"], problem=None)
    assert "It has 10 rows; at least 50 are needed" in str(error.value)
    assert "--target z" in str(error.value)
    assert "--facet q" in str(error.value)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_and_names(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    rows = [f'{row % 2};{row},5;"a;b";'.replace(";", separator) + str(row) for row in range(ROWS)]
    header = separator.join(["kündigt?", "Preis, €", " Stadt, Land, Fluss ", '"a;b|c"'])
    path.write_text("\n".join([header, *rows]), encoding="utf-8-sig")
    profile = profiled(path, "kündigt?", facets=[], problem=None)
    assert _roles(profile) == {
        "kündigt?": "target",
        "Preis, €": "ignored",
        "Stadt, Land, Fluss": "ignored",
        "a;b|c": "numeric",
    }
    price = profile["columns"][1]
    assert price["note"] == "no numbers as they are written, such as '0,5': write 1234.5"


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (("0.0", "1.0"), "1.0"),
        (("-1", "1"), "1"),
        (("1", "2"), "2"),
        (("False", "True"), "True"),
        (("dog", "cat"), "cat"),
    ],
)
def test_the_label_that_says_yes(tmp_path: Path, labels: tuple[str, str], positive: str) -> None:
    """Without a telling name it is the rarer one, which is the second here."""
    target = [labels[0]] * 70 + [labels[1]] * 50
    path = _write(tmp_path / "t.csv", x=list(range(ROWS)), t=target)
    assert profiled(path, "t", facets=[], problem=None)["labels"][1] == positive


def test_what_hinders_a_column_from_being_numeric(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "t.csv",
        PassengerId=range(ROWS),
        paid=range(ROWS),
        spoilt=["oops", *range(1, ROWS)],
        endless=["1e999", *range(1, ROWS)],
    )
    columns = {
        each["name"]: each for each in profiled(path, "y", facets=[], problem=None)["columns"]
    }
    assert columns["PassengerId"]["identifier"]
    assert columns["paid"]["role"] == "numeric"
    assert columns["spoilt"]["note"] == "1 of its values are no numbers, such as 'oops'"
    assert columns["endless"]["role"] == "ignored"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a,b,y\n" + b"1,2,3,4\n" * 60, "t.csv: the first row has more values .* .3: a, b, y."),
        (b"a,y,\n" + b"1,2,\n" * 60, "no name in the header for column 3 of 3"),
        ("a,y\nä,2\n".encode("latin1"), "t.csv is not UTF-8: .* at byte 4. Convert it"),
        (b"", "t.csv cannot be read: No columns"),
        (b"a,y\n1,2\n1,2,3\n", "t.csv cannot be read: .*Expected 2 fields in line 3, saw 3"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(RefusalError, match=said):
        profiled(path, "y", facets=[], problem=None)


def test_columns_that_appear_twice(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y,a,a\n" + "1,2,3\n" * 60)
    with pytest.raises(RefusalError, match="appear twice: 'a'"):
        profiled(path, "y", facets=[], problem=None)


def test_what_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("no parquet")
    assert profile_table.main([str(path), "--target", "y"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_sample_keeps_every_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_table, "SAMPLE_ROWS", 20)
    path = _write(tmp_path / "t.csv", x=list(range(ROWS)), t=["a"] * (ROWS - 4) + ["b"] * 4)
    sample = tmp_path / "sample.csv"
    assert profile_table.main([str(path), "--target", "t", "--sample", str(sample)]) == 0
    assert pd.read_csv(sample)["t"].value_counts().to_dict() == {"a": 19, "b": 3}
