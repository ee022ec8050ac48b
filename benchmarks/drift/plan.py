"""What is run, and how the parts of it that have ended are kept."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drift.cases import CASES, PER_REFERENCE, REFERENCE_ROWS
from benchmarks.measure import BenchmarkError, progress

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "drift"
OURS, EVIDENTLY = "ours", "evidently"
_CHUNK = {OURS: 200, EVIDENTLY: 20}
_LARGEST = "0.05"
_PYTHON = {
    OURS: ROOT / "localcloud" / "containers" / ".venv" / "bin" / "python",
    EVIDENTLY: ROOT / ".tools" / "rivals" / "bin" / "python",
}
SIZES = (500, 2_000, 1_000_000)


@dataclass(frozen=True)
class Task:
    """Resamples of one kind.

    Attributes:
        tool: Whose analysis.
        population: What is drawn from.
        case: What happens to the samples; ``clean`` for nothing.
        rows: How large a sample is.
        resamples: How many.
        reference: How many rows they are compared with.
    """

    tool: str
    population: str
    case: str
    rows: int
    resamples: int
    reference: int = REFERENCE_ROWS

    def parts(self) -> Iterator[tuple[int, int, Path]]:
        """First number and count of each part, and where its result is kept."""
        name = f"{self.tool}-{self.population}-{self.case}-{self.rows}"
        if self.reference != REFERENCE_ROWS:
            name += f"-against-{self.reference}"
        size = _CHUNK[self.tool]
        for first in range(0, self.resamples, size):
            count = min(size, self.resamples - first)
            yield first, count, WORK / f"{name}-{first}-{count}.jsonl"


def tasks() -> list[Task]:
    """All of them, in the order in which they run."""
    clean = [
        # Of the first 2,000 of one kind 1.1 % were reported at 1 %: twice as many decide.
        Task(OURS, name, "clean", rows, 4_000 if (name, rows) == ("correlated", 500) else 2_000)
        for rows in SIZES
        for name in CASES
    ]
    clean += [
        Task(OURS, name, "clean", rows, 2_000, reference=rows)
        for rows in SIZES[:2]
        for name in ("census", "awkward")
    ]
    clean.append(Task(OURS, "census", "repeated", 2_000, 400))
    shifted = [
        Task(OURS, name, case, 2_000, 1_000) for name, cases in CASES.items() for case in cases
    ]
    # Not of the census: its ages end at 90, and 90 and a bit is a value never seen.
    tiny = [
        Task(OURS, name, case, SIZES[-1], 200)
        for case in ("shift-0.02", "shift-0.1")
        for name in ("gaussian", "correlated")
    ]
    # Seconds each: what it does at its defaults shows in fewer.
    rival = [Task(EVIDENTLY, "census", "clean", SIZES[0], 80)]
    rival += [Task(EVIDENTLY, "census", case, 2_000, 40) for case in ("clean", *CASES["census"])]
    rival += [
        Task(EVIDENTLY, name, case, 2_000, 20)
        for name in ("gaussian", "correlated")
        for case in ("clean", "shuffled")
    ]
    return [*clean, *shifted, *tiny, *rival]


def _turn(part: tuple[Task, int, int, Path]) -> int:
    """What is run early: something of everything."""
    task, first, _, _ = part
    if task.tool == EVIDENTLY:
        return 3
    if task.case != "clean":
        return 1 if first == 0 and task.rows < SIZES[-1] else 5
    return 0 if task.rows < SIZES[-1] else 2 + 2 * (task.population != "census")


def run(chosen: list[Task], processes: int) -> None:
    """Run what has not been run, and again what today's analysis would answer otherwise.

    Raises:
        BenchmarkError: If a part fails.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    for task in chosen:
        if task.tool == OURS and _outdated(task):
            progress(f"{task}: thrown away, since it comes out otherwise now")
            for _, _, path in task.parts():
                path.unlink(missing_ok=True)
    left = [
        (task, first, count, path)
        for task in chosen
        for first, count, path in task.parts()
        if not path.exists()
    ]
    left.sort(key=_turn)
    progress(f"{len(left)} parts to run")
    with ThreadPoolExecutor(processes) as pool:
        for done, (task, first, _) in enumerate(pool.map(lambda part: _run(*part), left), 1):
            progress(f"{done} of {len(left)}: {task} from {first}")


def _outdated(task: Task) -> bool:
    """Whether a resample that was kept, of those that reported something, comes out otherwise."""
    lines = [line for line in _kept(task) if line["reported"][_LARGEST]] or _kept(task)
    if not lines:
        return False
    again = json.loads(_printed(task, lines[0]["number"], 1))
    return bool(again != lines[0])


def _run(task: Task, first: int, count: int, path: Path) -> tuple[Task, int, int]:
    printed = _printed(task, first, count)
    partial = path.with_suffix(".partial")
    partial.write_text(printed, encoding="utf-8")
    partial.rename(path)
    return task, first, count


def _printed(task: Task, first: int, count: int) -> str:
    python = _PYTHON[task.tool]
    if not python.exists():
        raise BenchmarkError(f"{python} is not set up: make bench-drift")
    module = f"benchmarks.drift.{task.tool}"
    arguments = [task.population, task.case, task.rows, first, count]
    if task.tool == OURS:
        arguments.append(task.reference)
    done = subprocess.run(
        ["nice", "-n", "19", python, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        # Two processes of one thread each: they would only wait for each other.
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or len(done.stdout.splitlines()) != count:
        raise BenchmarkError(f"{task} from {first} failed:\n{done.stderr.strip()[-4000:]}")
    return done.stdout


def _kept(task: Task) -> list[dict[str, Any]]:
    """What the parts that have ended found."""
    return [
        json.loads(line)
        for _, _, path in task.parts()
        if path.exists()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def results() -> list[dict[str, Any]]:
    """What the parts that have ended found, in all."""
    found = []
    for task in tasks():
        lines = _kept(task)
        if lines:
            rates = {
                rate: sum(bool(line["reported"][rate]) for line in lines)
                for rate in lines[0]["reported"]
            }
            kept = {**vars(task), "resamples": len(lines), "reported": rates}
            if task.tool == OURS and task.case == "clean" and task.rows < SIZES[-1]:
                kept["alarms"] = {rate: _alarms(lines, rate) for rate in rates}
            found.append(kept)
    return found


def _alarms(lines: list[dict[str, Any]], rate: str) -> int:
    """How often ``ViolationAlarm(runs=2, of_last=4)`` would have gone off.

    Runs that share a reference follow one another, as those of a monitor do.
    """
    alarms, last, on = 0, [False] * 4, False
    for line in sorted(lines, key=lambda line: int(line["number"])):
        if line["number"] % PER_REFERENCE == 0:
            last, on = [False] * 4, False
        last = [*last[1:], bool(line["reported"][rate])]
        alarms += sum(last) >= 2 and not on
        on = sum(last) >= 2
    return alarms
