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

from benchmarks.drift.cases import CASES
from benchmarks.measure import BenchmarkError, progress

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "drift"
OURS, EVIDENTLY = "ours", "evidently"
_CHUNK = {OURS: 200, EVIDENTLY: 20}
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
    """

    tool: str
    population: str
    case: str
    rows: int
    resamples: int

    def parts(self) -> Iterator[tuple[int, int, Path]]:
        """First number and count of each part, and where its result is kept."""
        name = f"{self.tool}-{self.population}-{self.case}-{self.rows}"
        size = _CHUNK[self.tool]
        for first in range(0, self.resamples, size):
            count = min(size, self.resamples - first)
            yield first, count, WORK / f"{name}-{first}-{count}.jsonl"


def tasks() -> list[Task]:
    """All of them, in the order in which they run."""
    clean = [Task(OURS, name, "clean", rows, 2_000) for rows in SIZES for name in CASES]
    shifted = [
        Task(OURS, name, case, 2_000, 400) for name, cases in CASES.items() for case in cases
    ]
    # Not of the census: its ages end at 90, and 90 and a bit is a value never seen.
    tiny = [Task(OURS, name, "shift-0.02", SIZES[-1], 200) for name in CASES if name != "census"]
    # Seconds each: what it does at its defaults shows in fewer.
    rival = [Task(EVIDENTLY, "census", "clean", rows, 80) for rows in SIZES[:2]]
    rival += [Task(EVIDENTLY, "census", case, 2_000, 40) for case in CASES["census"]]
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
    """Run what has not been run.

    Raises:
        BenchmarkError: If a part fails.
    """
    WORK.mkdir(parents=True, exist_ok=True)
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


def _run(task: Task, first: int, count: int, path: Path) -> tuple[Task, int, int]:
    python = _PYTHON[task.tool]
    if not python.exists():
        raise BenchmarkError(f"{python} is not set up: make bench-drift")
    module = f"benchmarks.drift.{task.tool}"
    arguments = [task.population, task.case, task.rows, first, count]
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
    partial = path.with_suffix(".partial")
    partial.write_text(done.stdout, encoding="utf-8")
    partial.rename(path)
    return task, first, count


def results() -> list[dict[str, Any]]:
    """What the parts that have ended found, in all."""
    found = []
    for task in tasks():
        lines = [
            json.loads(line)
            for _, _, path in task.parts()
            if path.exists()
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        if lines:
            rates = {
                rate: sum(bool(line["reported"][rate]) for line in lines)
                for rate in lines[0]["reported"]
            }
            found.append({**vars(task), "resamples": len(lines), "reported": rates})
    return found
