"""False alarms and power, on fewer resamples than the table in docs/monitoring.md has."""

from __future__ import annotations

import pytest

from tests.monitoring.worker import PYTHON, Worker
from tests.support import ROOT

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)


def _reported(
    worker: Worker, population: str, case: str, rows: int, count: int, *, reference: int = 100_000
) -> dict[str, int]:
    """How many resamples report anything, by the rate that was set."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.drift import ours
resamples = ours.resamples({population!r}, {case!r}, {rows}, 0, {count}, reference_rows={reference})
found = [ours.reported(reference, current) for _, reference, current in resamples]
answer = {{rate: sum(bool(each[rate]) for each in found) for rate in ("0.05", "0.01")}}
"""
    found: dict[str, int] = worker.evaluate(code)
    return found


@pytest.mark.parametrize(("population", "rows"), [("correlated", 500), ("awkward", 2000)])
def test_small_references_cry_no_wolf(population: str, rows: int, worker: Worker) -> None:
    """Of 20 with a chance of 5 % (1 %) each, 6 (4) or more come three (no) times in 10,000."""
    found = _reported(worker, population, "clean", rows, 20, reference=rows)
    assert found["0.05"] <= 5
    assert found["0.01"] <= 3


@pytest.mark.slow
def test_clean_runs_report_as_often_as_was_set(worker: Worker) -> None:
    found = _reported(worker, "census", "clean", 500, 120)
    # Of 120 with a chance of 5 % (1 %) each, 14 (6) or more come once in a thousand times.
    assert found["0.05"] <= 13
    assert found["0.01"] <= 5


@pytest.mark.slow
def test_a_million_rows_cry_no_wolf(worker: Worker) -> None:
    assert _reported(worker, "census", "clean", 1_000_000, 8)["0.05"] <= 2
    assert _reported(worker, "gaussian", "shift-0.02", 1_000_000, 4)["0.05"] <= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("population", "case"),
    [
        ("census", "shift-0.2"),
        ("census", "category"),
        ("census", "unit"),
        ("census", "shuffled"),
        ("census", "label"),
        ("gaussian", "shift-0.2"),
        ("gaussian", "shuffled"),
        ("correlated", "shuffled"),
    ],
)
def test_what_must_be_seen_is_seen(population: str, case: str, worker: Worker) -> None:
    assert _reported(worker, population, case, 2000, 10)["0.05"] >= 9
