"""The same results with the libraries of AWS's older scikit-learn container as with today's."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.test_monitor_analysis import CENSUS, as_csv, captured, requests
from tests.monitoring.worker import PYTHON, Worker
from tests.support import ROOT

OLDER = ROOT / "localcloud" / "containers" / "older" / ".venv" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not OLDER.exists(), reason="no Python 3.9, or not set up yet: make setup-older"
    ),
    pytest.mark.skipif(not PYTHON.exists(), reason="not set up: make setup"),
]


@pytest.fixture(scope="module")
def older() -> Iterator[Worker]:
    with Worker(OLDER) as worker:
        yield worker


def test_the_libraries_are_those_of_the_container(older: Worker) -> None:
    versions = older.evaluate(
        "import sys, numpy, pyarrow, scipy, sklearn\n"
        "answer = [sys.version[:3], *(e.__version__ for e in (numpy, pyarrow, scipy, sklearn))]"
    )
    assert versions == ["3.9", "1.24.1", "14.0.1", "1.8.0", "1.2.1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Path:
    """Captured traffic, data sets in all formats, labels, and what the monitors are told."""
    import csv
    import gzip
    import random

    place = tmp_path_factory.mktemp("older")
    with gzip.open(CENSUS, "rt", encoding="utf-8") as file:
        rows = [
            {name: value for name, value in row.items() if name not in ("fnlwgt", "split")}
            for row in csv.DictReader(file)
        ]
    random.Random(11).shuffle(rows)
    reference, current = rows[:6000], [dict(row) for row in rows[6000:7500]]
    for number, row in enumerate(current):
        row["age"] = str(int(row["age"]) + 3)
        if number % 40 == 0:
            row["workclass"], row["hours_per_week"] = "Gig", "40000"
        if number % 25 == 0:
            row["occupation"] = ""
    (place / "reference.csv").write_text(as_csv(reference))
    captured(place, [*requests(current), '{"cut'])
    (place / "data.csv.gz").write_bytes(gzip.compress(as_csv(current).encode()))
    (place / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in current))
    worker.evaluate(
        "import pyarrow.csv as a, pyarrow.parquet as b\n"
        f"b.write_table(a.read_csv({str(place / 'data.csv.gz')!r}),"
        f" {str(place / 'data.parquet')!r})\nanswer = None"
    )
    return place


@pytest.mark.parametrize("data", ["capture", "data.csv.gz", "data.jsonl", "data.parquet"])
def test_data_quality(data: str, place: Path, worker: Worker, older: Worker) -> None:
    (place / "settings.json").write_text(json.dumps({"ignore": ["income"]}))
    kind = "capture" if data == "capture" else "dataset"
    until = "2025-03-04T10:15:00Z" if kind == "capture" else "2999-01-01T00:00:00Z"
    hours = "1" if kind == "capture" else str(24 * 366 * 1000)

    def run(which: Worker, output: Path) -> None:
        arguments = [
            "--monitor", "m", "--kind", kind, "--until", until, "--hours", hours,
            "--data", place / data, "--reference", place / "reference.csv",
            "--settings", place / "settings.json", "--output", output,
        ]  # fmt: skip
        assert which.run(list(map(str, arguments))) == 0

    now, before = place / f"now-{data}", place / f"before-{data}"
    run(worker, now)
    run(older, before)
    report = json.loads((now / "report.json").read_text())
    assert report["records"] >= 1500
    assert {found["constraint_check_type"] for found in report["violations"]} >= {
        "baseline_drift_check",
        "categorical_values_check",
        "completeness_check",
        "range_check",
    }
    for name in ("report", "statistics", "constraints", "constraint_violations"):
        _same(_read(before, name), _read(now, name), name)


def test_quality_and_bias(place: Path, worker: Worker, older: Worker) -> None:
    from tests.monitoring import test_monitor_labelled as labelled

    (place / "one").mkdir()
    (place / "two").mkdir()
    now = labelled._run(worker, place / "one", biased=0.5)
    before = labelled._run(older, place / "two", biased=0.5)
    _same(before, now, "")


def _read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text().replace(str(folder.parent), ""))


def _same(before: Any, now: Any, where: str) -> None:
    assert type(before) is type(now), where
    if isinstance(before, dict):
        assert list(before) == list(now), where
        for name in before:
            _same(before[name], now[name], f"{where}.{name}")
    elif isinstance(before, list):
        assert len(before) == len(now), where
        for at, (old, new) in enumerate(zip(before, now, strict=True)):
            _same(old, new, f"{where}[{at}]")
    elif isinstance(before, float):
        assert math.isclose(before, now, rel_tol=1e-7, abs_tol=1e-12), f"{where}: {before} {now}"
    else:
        assert before == now, where
