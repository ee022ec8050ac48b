"""What becomes of the drift resamples: which are run, and how they are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.drift import plan, report
from benchmarks.drift.plan import EVIDENTLY, OURS, Task


def test_parts_cover_each_resample_once() -> None:
    for task in plan.tasks():
        numbers = [at for first, count, _ in task.parts() for at in range(first, first + count)]
        assert numbers == list(range(task.resamples))


def test_what_is_promised_is_run() -> None:
    ours = [t for t in plan.tasks() if t.tool == OURS and t.case == "clean"]
    kinds = {(task.population, task.rows) for task in ours}
    for population in ("census", "gaussian", "correlated", "awkward"):
        assert {(population, rows) for rows in (500, 2_000, 1_000_000)} <= kinds
    assert all(task.resamples >= 2_000 for task in ours)
    shifted = [t for t in plan.tasks() if t.tool == OURS and t.rows == 2_000 and t not in ours]
    assert all(task.resamples >= 1_000 for task in shifted if task.case != "repeated")


def test_only_what_is_missing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "WORK", tmp_path)
    task = Task(OURS, "census", "clean", 500, 400)
    monkeypatch.setattr(plan, "tasks", lambda: [task])
    ran = []

    def run(task: Task, first: int, count: int, path: Path) -> tuple[Task, int, int]:
        ran.append(first)
        lines = [
            {"number": first + at, "reported": {"0.05": ["x"] * (at < 7), "0.01": []}}
            for at in range(count)
        ]
        path.write_text("\n".join(map(json.dumps, lines)))
        return task, first, count

    monkeypatch.setattr(plan, "_run", run)
    monkeypatch.setattr(plan, "_printed", lambda task, first, count: kept)
    kept: str = '{"number": 0, "reported": {"0.05": [], "0.01": []}}\n'
    next(iter(task.parts()))[2].write_text(kept)
    plan.run([task], 1)
    assert ran == [200]
    (found,) = plan.results()
    assert found["resamples"] == 201
    assert found["reported"] == {"0.05": 7, "0.01": 0}
    # Numbers 200 to 206 report something, and are two references' first ones.
    assert found["alarms"] == {"0.05": 1, "0.01": 0}
    # What comes out otherwise than it was kept is of another analysis.
    kept = '{"number": 200, "reported": {"0.05": ["y"], "0.01": []}}\n'
    plan.run([task], 1)
    assert ran == [200, 0, 200]


def test_intervals_are_wilsons() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, and 0 of 20."""
    assert report.interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert report.interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


FOUND = [
    {**vars(Task(OURS, "census", "clean", 500, 2000)), "reported": {"0.05": 72, "0.01": 18}},
    {**vars(Task(OURS, "census", "label", 2000, 200)), "reported": {"0.05": 199, "0.01": 190}},
    {**vars(Task(EVIDENTLY, "census", "label", 2000, 40)), "reported": {"default": 20}},
]


def test_table() -> None:
    lines = report.table(FOUND).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert "| census | 500 | 2,000 | 3.6 [2.9, 4.5] | 0.9 [0.6, 1.4] |  |" in lines
    assert lines[-1].endswith(
        "| 200 | 99.5 [97.2, 99.9] | 95.0 [91.0, 97.3] | 50.0 [35.2, 64.8] of 40 |"
    )


def _measured() -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(report.RESULTS.read_text())["runs"]
    return [run for run in runs if run["tool"] == OURS]


def test_page_tells_what_was_measured() -> None:
    runs = json.loads(report.RESULTS.read_text())["runs"]
    assert report.table(runs) in report.PAGE.read_text()


def test_false_alarms_are_as_rare_as_was_set() -> None:
    below = ("clean", "shift-0.02")  # of the changes, what is smaller than the floors
    quiet = [run for run in _measured() if run["case"] in below]
    for run in quiet:
        for rate, seen in run["reported"].items():
            least, _ = report.interval(seen, run["resamples"])
            assert least <= float(rate), run
    assert {run["rows"] for run in quiet} >= {500, 2_000, 1_000_000}


@pytest.mark.parametrize(
    ("case", "share"),
    [
        ("shift-0.2", 0.99),
        ("category", 0.99),
        ("unit", 0.99),
        ("shuffled", 0.99),
        ("label", 0.9),
        ("shift-0.1", 0.8),
    ],
)
def test_power_is_what_was_promised(case: str, share: float) -> None:
    runs = [run for run in _measured() if run["case"] == case]
    assert runs
    for run in runs:
        assert run["reported"]["0.05"] >= share * run["resamples"], run


@pytest.mark.slow
def test_figure(tmp_path: Path) -> None:
    """The same file each time, so that a change of it is a change of what was measured."""
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    report.draw(FOUND, one)
    report.draw(FOUND, two)
    assert one.read_bytes() == two.read_bytes()
    assert b"Evidently" in one.read_bytes()
