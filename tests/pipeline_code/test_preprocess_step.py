"""The first step on small tables: what it writes, and what it says about bad input."""

import json
from collections.abc import Sequence
from pathlib import Path

import preprocess
import pytest
from columns import Columns, read_table
from conftest import HEADER, people, write_csv


def run(data_dir: Path, **changes: str) -> Path:
    """Run the step on a folder; returns the folder above its outputs."""
    root = data_dir.parent
    arguments = {
        "target": "pay",
        "positive-label": "high",
        "split-column": "part",
        "train-split": "old",
        "test-split": "new",
        "numeric": "age",
        "categorical": "job,sex",
        "ignored": "weight",
        "missing": "?",
        "validation-fraction": "0.25",
        "seed": "1",
        "data-version": "7",
        "data-dir": str(data_dir),
        "message-file": str(root / "output" / "message"),
        **{
            f"{name}-dir": str(root / name)
            for name in ("train", "validation", "test", "columns", "baseline", "statistics")
        },
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    preprocess.main([part for name, value in arguments.items() for part in (f"--{name}", value)])
    return root


def reason(data_dir: Path, **changes: str) -> str:
    """Run the step on bad input; returns what DescribeProcessingJob would show."""
    with pytest.raises(SystemExit) as stop:
        run(data_dir, **changes)
    assert stop.value.code not in (0, None)
    root = data_dir.parent
    assert not (root / "train").exists(), "nothing half written"
    return (root / "output" / "message").read_text()


def test_splits_by_the_column_and_keeps_every_row(data_dir: Path) -> None:
    rows = people()
    write_csv(data_dir / "people.csv", [HEADER, *rows])

    root = run(data_dir)

    parts = {name: read_table(root / name) for name in ("train", "validation", "test")}
    assert {name: len(part["age"]) for name, part in parts.items()} == {
        "train": 22,
        "validation": 8,
        "test": 10,
    }
    assert list(parts["train"]) == ["age", "job", "sex", "pay"]
    ages = [age for part in parts.values() for age in part["age"]]
    assert sorted(ages) == sorted(row[0] for row in rows)
    assert sorted(parts["test"]["age"]) == sorted(row[0] for row in rows if row[5] == "new")
    assert set(parts["train"]["job"]) == {"nurse", ""}


def test_the_baseline_has_the_columns_that_a_caller_sends(data_dir: Path) -> None:
    write_csv(data_dir / "people.csv", [HEADER, *people()])

    root = run(data_dir)

    baseline = read_table(root / "baseline")
    assert list(baseline) == ["age", "job", "weight", "sex"]
    assert len(baseline["age"]) == 30
    columns = Columns.load(root / "columns")
    assert columns.inputs == tuple(baseline)
    assert (columns.features, columns.negative_label, columns.data_version) == (
        ("age", "job", "sex"),
        "low",
        "7",
    )
    assert json.loads((root / "columns" / "columns.json").read_text())["missing"] == ["?"]


def test_the_seed_decides_what_is_held_out(data_dir: Path) -> None:
    write_csv(data_dir / "people.csv", [HEADER, *people()])

    held_out = [
        read_table(run(data_dir, seed=seed) / "validation")["age"] for seed in ("1", "1", "2")
    ]

    assert held_out[0] == held_out[1] != held_out[2]


def test_files_are_read_as_one_table(data_dir: Path) -> None:
    rows = people()
    write_csv(data_dir / "b.csv", [HEADER, *rows[:10]])
    write_csv(data_dir / "a.csv", [HEADER, *rows[10:]])

    assert len(read_table(run(data_dir) / "test")["age"]) == 10


def _with(row: int, column: str, value: str) -> list[list[str]]:
    rows = people()
    rows[row][HEADER.index(column)] = value
    return [HEADER, *rows]


def _without(column: str) -> list[list[str]]:
    at = HEADER.index(column)
    return [row[:at] + row[at + 1 :] for row in [HEADER, *people()]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], "people.csv is empty."),
        ([HEADER], "people.csv: no rows below the header."),
        (_without("sex"), "Columns missing from the data: sex. It has age, job, weight"),
        ([[*row, "1"] for row in [HEADER, *people()]], "Columns without a role: 1."),
        ([[*HEADER[:-1], "age"], *people()], "people.csv: columns appear twice: age."),
        (_with(3, "part", "third"), "Column 'part' holds 'third'; allowed: 'old', 'new'."),
        (_with(3, "age", "forty"), "Numeric column 'age' holds 'forty' in data row 4."),
        (_with(3, "age", "inf"), "Numeric column 'age' holds 'inf' in data row 4."),
        (_with(3, "pay", "medium"), "Column 'pay' should have two values, one of them 'high'"),
        (
            [HEADER, *(r for r in people() if r[5] == "old" or r[4] == "low")],
            "rows for test have the same 'pay'.",
        ),
        ([HEADER, ["1"], *people()], "people.csv, row 2: 1 fields, but the header has 6."),
        ([HEADER, *(r for r in people() if r[5] == "old")], "No row has 'new' in column 'part'."),
    ],
)
def test_bad_data_is_named(data_dir: Path, rows: Sequence[Sequence[str]], expected: str) -> None:
    write_csv(data_dir / "people.csv", rows)

    assert expected in reason(data_dir)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"categorical": "job,sex,age"}, "Columns with two roles: age."),
        ({"positive_label": "rich"}, "one of them 'rich'; it has 2: 'high', 'low'."),
        ({"validation_fraction": "1"}, "--validation-fraction is 1.0"),
    ],
)
def test_bad_arguments_are_named(data_dir: Path, changes: dict[str, str], expected: str) -> None:
    write_csv(data_dir / "people.csv", [HEADER, *people()])

    assert expected in reason(data_dir, **changes)


def test_no_file_and_broken_files_are_named(data_dir: Path) -> None:
    assert "There is no .csv or .csv.gz file in" in reason(data_dir)
    (data_dir / "people.csv.gz").write_bytes(b"age,job")
    assert "people.csv.gz isn't readable as UTF-8 CSV" in reason(data_dir)


def test_differing_headers_are_named(data_dir: Path) -> None:
    write_csv(data_dir / "a.csv", [HEADER, *people()])
    write_csv(data_dir / "b.csv", [HEADER[::-1], *people()])

    assert "b.csv has the columns part, pay" in reason(data_dir)


def test_the_baseline_is_told_as_model_monitor_tells_it(data_dir: Path) -> None:
    rows = people()
    rows[1][0] = "?"  # a training row
    write_csv(data_dir / "people.csv", [HEADER, *rows])

    root = run(data_dir)

    statistics = json.loads((root / "statistics" / "statistics.json").read_text())
    assert statistics["dataset"]["item_count"] == 30
    described = {each["name"]: each for each in statistics["features"]}
    assert set(described) == {"age", "job", "sex"}
    age = described["age"]["numerical_statistics"]
    assert age["common"] == {"num_present": 29, "num_missing": 1}
    assert (age["min"], age["max"]) == (22, 59)
    buckets = age["distribution"]["kll"]["buckets"]
    assert sum(each["count"] for each in buckets) == 29
    assert described["job"]["string_statistics"]["distinct_count"] == 1
    promised = {
        each["name"]: each
        for each in json.loads((root / "statistics" / "constraints.json").read_text())["features"]
    }
    assert promised["sex"]["string_constraints"] == {"domains": ["F", "M"]}
    assert promised["age"]["inferred_type"] == "Integral"
    assert promised["age"]["completeness"] == pytest.approx(29 / 30)
    assert promised["age"]["num_constraints"] == {"is_non_negative": True}
