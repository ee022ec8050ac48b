"""What `mlops-constructs new` writes, without the environments that it needs for real."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.cli import main
from mlops_constructs.new import command, files
from mlops_constructs.new.profile import Column, Profile
from mlops_constructs.rules.feature_group import NAME
from mlops_constructs.run.errors import CommandError


def _column(name: str, role: str, **more: Any) -> Column:
    given = {"whole": False, "distinct": 3, "missing": 0, "example": "", "note": "", **more}
    return Column(name=name, role=role, **{"identifier": False, **given})


def _profile(problem: str = "binary", *columns: Column) -> Profile:
    labels = {"binary": ("no", 'say "yes"'), "multiclass": ("a", "b", "c"), "regression": ()}
    return Profile(
        rows=100,
        problem=problem,
        labels=labels[problem],
        missing=("?",),
        columns=(
            _column("id", "ignored", whole=True, identifier=True),
            _column("age", "numeric", whole=True),
            _column("pay", "numeric"),
            _column("town", "categorical", missing=7, note="codes"),
            *columns,
            _column("y", "target"),
        ),
    )


@pytest.mark.parametrize("problem", list(files.KINDS))
def test_what_is_written_is_python_of_the_house(problem: str) -> None:
    wide = [_column(f"a_rather_long_name_of_a_column_{number}", "numeric") for number in range(9)]
    profile = _profile(problem, *wide)
    for text in (
        files.pipeline("customer-churn", profile),
        files.test("customer-churn", profile),
        files.use_case("customer-churn", profile),
    ):
        ast.parse(text)
        assert "@@" not in text
        assert max(map(len, text.splitlines())) <= 100
    kind = files.KINDS[problem]
    assert f'MEASURE = "{kind.group}.{kind.measure}.value"' in files.pipeline("a", profile)


def test_columns_and_features() -> None:
    content = json.loads(files.columns_json(_profile(), ["town"]))
    assert content == {
        "problem": "binary",
        "target": "y",
        "labels": ["no", 'say "yes"'],
        "numeric": ["age", "pay"],
        "categorical": ["town"],
        "ignored": ["id"],
        "facets": ["town"],
        "missing": ["?"],
    }
    text = files.use_case("churn", _profile())
    assert 'record_identifier="id"' in text
    assert 'Feature.integral("id")' in text
    assert 'Feature.fractional("pay")' in text
    assert '"y"' not in text.partition("missing_values")[0]
    assert 'columns=("id", "age", "pay", "town"),' in text
    assert 'positive_label=_COLUMNS["labels"][1],' in text
    taken = files.use_case("churn", _profile("regression", _column("Event_Time", "ignored")))
    assert 'event_time="event_time_2"' in taken
    assert "positive_label" not in taken


def test_names_that_a_feature_group_refuses() -> None:
    named = {
        "Customer Age": "Customer_Age",
        "größe": "grosse",
        "年龄": "feature",
        "收入": "feature_2",
        "year": "year_value",
        "Write-Time": "Write-Time",
        "write_time": "write_time_value",
        "AGE": "AGE_2",
        "_x": "x",
        "a--b": "a--b",
        "l" * 70: "l" * 60,
        "l" * 71: "l" * 60 + "_2",
    }
    profile = _profile("binary", *(_column(name, "numeric") for name in named))
    found = files.feature_names(profile)
    assert {name: found[name] for name in named} == named
    assert all(NAME.fullmatch(name) for name in found.values())
    text = files.use_case("churn", profile)
    assert 'Feature.fractional("Customer_Age")' in text
    assert '        "Customer Age",\n' in text


def test_the_table_for_people() -> None:
    lines = _profile().table().splitlines()
    assert lines[0].split() == ["column", "taken", "as", "values", "missing", "example", "why"]
    assert lines[4].split() == ["town", "categorical", "3", "7", "codes"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("pipeline_code/compiler", "pipeline_code/tabular", "stacks/use_cases"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("tests/pipeline_code", "features"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "app.py").touch()
    (tmp_path / "pipeline_code" / "tabular" / "derive.py").touch()
    (tmp_path / "data.csv").write_text("y,x\n1,2\n")
    monkeypatch.chdir(tmp_path / "stacks")
    return tmp_path


def _new(name: str = "churn", data: str = "../data.csv") -> int:
    return main(["new", name, "--data", data, "--target", "y"])


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["Churn", "1st", "a--b", "class", "tabular", "x" * 41, "a/b", ""])
def test_names_that_aws_or_python_refuse(
    checkout: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert _new(name) == 2
    assert "lower-case letters, digits and inner hyphens" in capsys.readouterr().err


def test_an_existing_use_case_is_not_touched(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "stacks" / "use_cases" / "my_case.py").touch()
    assert _new("my-case") == 2
    said = capsys.readouterr().err
    assert "There is a use case 'my-case' already: stacks/use_cases/my_case.py." in said


def test_outside_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _new() == 2
    assert "is not inside a checkout" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("../none.csv", "--data ../none.csv: there is no such file"),
        ("../app.py", "should be a .csv, .csv.gz, .parquet file"),
        ("../data.csv", "Run `make setup-sdk` in "),
    ],
)
def test_nothing_is_left_of_what_cannot_begin(
    checkout: Path, capsys: pytest.CaptureFixture[str], data: str, said: str
) -> None:
    before = _files(checkout)
    assert _new(data=data) == 2
    assert said in capsys.readouterr().err
    assert _files(checkout) == before
    assert not list((checkout / "pipeline_code").glob(".new-*"))


def test_nothing_is_left_of_what_does_not_build(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "profile", lambda *_, **__: _profile())
    monkeypatch.setattr(command, "_compile", lambda *_: None)
    before = _files(checkout)

    def build(root: Path, name: str) -> None:
        (root / "features" / f"{name}-dev-features.lock.json").touch()
        assert len(_files(root)) > len(before) + 5
        raise CommandError("The stacks cannot be built: no.")

    monkeypatch.setattr(command, "_build", build)
    assert _new() == 2
    assert _files(checkout) == before


def test_a_large_table_is_not_copied(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sampled(*_: object, sample: Path, **__: object) -> Profile:
        sample.write_text("a sample")
        return _profile()

    monkeypatch.setattr(command, "_MOST_BYTES", 1)
    monkeypatch.setattr(command, "profile", sampled)
    monkeypatch.setattr(command, "_compile", lambda *_: None)
    monkeypatch.setattr(command, "_build", lambda *_: None)
    assert _new() == 0
    copy = checkout / "pipeline_code" / "churn" / "data" / "data.csv"
    assert copy.read_text() == "a sample"
