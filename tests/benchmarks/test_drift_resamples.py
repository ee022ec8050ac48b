"""What becomes of the drift resamples: which are run, and how they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.drift import plan, report
from benchmarks.drift.plan import EVIDENTLY, OURS, Task


def test_parts_cover_each_resample_once() -> None:
    for task in plan.tasks():
        numbers = [at for first, count, _ in task.parts() for at in range(first, first + count)]
        assert numbers == list(range(task.resamples))


def test_what_is_promised_is_run() -> None:
    clean = {(t.population, t.rows): t.resamples for t in plan.tasks() if t.case == "clean"}
    for population in ("census", "gaussian", "correlated"):
        for rows in (500, 2_000, 1_000_000):
            assert clean.get((population, rows), 0) >= 80
    ours = [t for t in plan.tasks() if t.tool == OURS and t.case == "clean"]
    assert len(ours) == 9
    assert all(task.resamples >= 2_000 for task in ours)


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
    next(iter(task.parts()))[2].write_text('{"number": 0, "reported": {"0.05": [], "0.01": []}}\n')
    plan.run([task], 1)
    assert ran == [200]
    (found,) = plan.results()
    assert found["resamples"] == 201
    assert found["reported"] == {"0.05": 7, "0.01": 0}


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
    lines = report.table(FOUND).splitlines()
    assert lines[2] == "| census: unchanged | 500 | 3.6 % of 2,000 | 0.9 % of 2,000 |  |"
    assert lines[3].endswith("| 99.5 % of 200 | 95.0 % of 200 | 50.0 % of 40 |")


@pytest.mark.slow
def test_figure(tmp_path: Path) -> None:
    """The same file each time, so that a change of it is a change of what was measured."""
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    report.draw(FOUND, one)
    report.draw(FOUND, two)
    assert one.read_bytes() == two.read_bytes()
    assert b"Evidently" in one.read_bytes()
