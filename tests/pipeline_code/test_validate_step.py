"""The first step: which rows it sets aside, and which data it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import validate
from columns import read_table
from conftest import HEADER, people, write_csv


def run(data_dir: Path, **changes: str) -> Any:
    """Run the step; returns its report."""
    root = data_dir.parent
    arguments = {
        "target": "pay",
        "positive-label": "high",
        "labels": "low,high",
        "split-column": "part",
        "train-split": "old",
        "test-split": "new",
        "numeric": "age",
        "categorical": "job,sex",
        "ignored": "weight",
        "missing": "?",
        "ranges": "age=0:120",
        "max-bad-rows": "0.2",
        "max-missing": "0.5",
        "min-rows": "5",
        "positive-share": "0.1:0.9",
        "data-version": "1",
        "data-dir": str(data_dir),
        "message-file": str(root / "output" / "message"),
        **{f"{name}-dir": str(root / name) for name in ("valid", "quarantine", "validation")},
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    validate.main([part for name, value in arguments.items() for part in (f"--{name}", value)])
    return json.loads((root / "validation" / "validation.json").read_text())


def quarantine(data_dir: Path) -> list[dict[str, str]]:
    with (data_dir.parent / "quarantine" / "rows.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_good_rows_go_on_and_bad_ones_are_set_aside_with_the_reason(data_dir: Path) -> None:
    rows = people()
    rows[0][0] = "old"
    rows[1][0] = "130"
    rows[2][0] = "nan"
    rows[3][4] = "middle"
    rows[4][5] = "neither"
    rows[5] = rows[5][:3]
    write_csv(data_dir / "people.csv", [HEADER, *rows])

    report = run(data_dir)

    assert report["valid"] == 1
    assert report["reason"] == "none"
    assert report["rows"] == {"good": 34, "bad": 6}
    table = read_table(data_dir.parent / "valid")
    assert list(table) == HEADER
    assert table["age"] == [row[0] for row in rows[6:]]
    found = quarantine(data_dir)
    assert [(each["row"], each["problem"]) for each in found] == [
        ("2", "age is no number"),
        ("3", "age is out of range"),
        ("4", "age is out of range"),
        ("5", "unknown label"),
        ("6", "unknown split"),
        ("7", "3 fields, the header has 6"),
    ]
    assert json.loads(found[5]["values"]) == rows[5]
    assert report["row_problems"]["age is out of range"] == 2
    assert report["columns"]["job"]["missing_share"] == pytest.approx(12 / 34)
    assert (report["columns"]["age"]["min"], report["columns"]["age"]["max"]) == (26, 59)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max-missing": "0.3"}, "35.0% of column 'job' are missing; allowed are 30.0%"),
        ({"min-rows": "20"}, "10 rows are of the split 'new'; 20 are needed"),
        ({"positive-share": "0.6:0.9"}, "50.0% of the labels are positive"),
        ({"numeric": "age,weight", "ignored": "", "ranges": "weight=0:10"}, "40 of 40 rows"),
        ({"categorical": "job,sex,town"}, "columns missing from the data: town"),
        ({"ignored": ""}, "columns without a role: weight"),
    ],
)
def test_data_that_is_wrong_as_a_whole_is_refused(
    data_dir: Path, changes: dict[str, str], said: str
) -> None:
    write_csv(data_dir / "people.csv", [HEADER, *people()])

    report = run(data_dir, **changes)

    assert report["valid"] == 0
    assert said in report["reason"]
    assert not (data_dir.parent / "valid").exists()


def test_files_that_do_not_fit_together_or_cannot_be_read_are_refused(data_dir: Path) -> None:
    write_csv(data_dir / "a.csv", [HEADER, *people()])
    write_csv(data_dir / "b.csv", [HEADER[::-1], *people()])
    assert "b.csv has the columns part, pay" in run(data_dir)["reason"]

    (data_dir / "b.csv").write_bytes(b"\xff\xfe")
    assert "b.csv isn't readable as UTF-8 CSV" in run(data_dir)["reason"]

    (data_dir / "b.csv").write_text("")
    assert "b.csv is empty" in run(data_dir)["reason"]


def test_no_rows_and_no_files_are_refused(data_dir: Path) -> None:
    assert "There is no .csv or .csv.gz file" in run(data_dir)["reason"]
    write_csv(data_dir / "people.csv", [HEADER])
    assert run(data_dir)["reason"] == "there are no rows"


def test_arguments_that_contradict_each_other_end_the_job(data_dir: Path) -> None:
    write_csv(data_dir / "people.csv", [HEADER, *people()])
    for changes, said in (
        ({"ranges": "town=0:1"}, "--ranges names town"),
        ({"labels": "high"}, "--labels should be two values"),
        ({"positive-share": "0.9:0.1"}, "--positive-share is 0.9:0.1"),
    ):
        with pytest.raises(SystemExit, match=said):
            run(data_dir, **changes)
        assert said in (data_dir.parent / "output" / "message").read_text()
