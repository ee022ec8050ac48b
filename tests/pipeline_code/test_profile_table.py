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
    )
    profile = profiled(path, "y", facets=[], problem=None)
    assert _roles(profile) == {
        "y": "target",
        "flag": "categorical",
        "when": "ignored",
        "tags": "ignored",
        "size": "numeric",
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
        ({"a b": range(ROWS)}, {}, "Column 'a b': names have 1 to 64.*example to 'a_b'"),
        ({"write_time": range(ROWS)}, {}, "the feature store reserves this name"),
        ({"A": range(ROWS), "a": range(ROWS)}, {}, "'A', 'a' differ in case only"),
        ({"x": ["k"] * ROWS}, {}, "None of its columns can be a feature"),
        ({"t": ["a", "b"] * (ROWS // 2)}, {"target": "t", "problem": "regression"}, "holds 'a'"),
        ({"x": range(ROWS), "t": ["a"] * (ROWS - 1) + ["b"]}, {"target": "t"}, "'b' .1."),
        (
            {"x": range(ROWS), "t": [f"l{row}" for row in range(ROWS)]},
            {"target": "t"},
            "120 different values are too many labels",
        ),
        ({"x": [row * 0.5 for row in range(ROWS)]}, {"facets": ["x"]}, "make no groups"),
    ],
)
def test_refusals(tmp_path: Path, columns: Any, options: Any, said: str) -> None:
    path = _write(tmp_path / "t.csv", **columns)
    given = {"target": "y", "facets": [], "problem": None, **options}
    with pytest.raises(RefusalError, match=said.replace("(a)", r"\(a\)")):
        profiled(path, given.pop("target"), **given)


def test_too_few_rows_and_bad_names_are_said_together(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y,a b\n" + "1,2\n" * 10)
    with pytest.raises(RefusalError) as error:
        profiled(path, "y", facets=[], problem=None)
    assert "It has 10 rows; at least 50 are needed" in str(error.value)
    assert "Column 'a b'" in str(error.value)


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
