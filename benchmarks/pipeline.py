"""A pipeline run by `mlops-constructs run` against its jobs run by hand.

The use case is one that `mlops-constructs new` writes, with the census as its data: split, train,
evaluate, gate, register, one after the other. Every run has another ``DataVersion``, so that no
step is taken from the cache. The commands of its jobs (`benchmarks.by_hand`) take turns with it,
in the same Python environment, on the same inputs and with the same setting of OpenMP. What the
command itself takes to start, to stop and to bind the definition is a figure of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.by_hand import ByHand, Ran
from benchmarks.measure import BenchmarkError, Sample, interleave, progress
from mlops_constructs.new.command import write

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "pipeline_code" / "census_income" / "data" / "adult.csv.gz"
RUN = "mlops-constructs run"
CONTRACT = "scripts by hand, training with the toolkit"
BARE = "scripts by hand, training without the toolkit"
_NAME = "bench"


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds, ratios, and what a step costs beyond its script."""
    progress("writing a use case")
    case = Case.make(work)
    numbers = count(1)
    around: list[float] = []

    def run() -> Sample:
        start = time.perf_counter()
        case.run("--param", f"DataVersion=bench-{next(numbers)}")
        record = case.record()
        seconds = record["updated"] - record["started"]
        around.append(time.perf_counter() - start - seconds)
        return Sample(seconds)

    def by_hand(*, toolkit: bool) -> Sample:
        return ByHand(Ran.read(case.home), work / f"turn-{next(numbers)}").run(toolkit=toolkit)

    samples = interleave(
        {
            RUN: run,
            CONTRACT: lambda: by_hand(toolkit=True),
            BARE: lambda: by_hand(toolkit=False),
        },
        rounds=rounds,
    )
    steps = case.steps()
    compared = samples.compare(RUN, CONTRACT)
    mine, theirs = compared["seconds"]
    return {
        "rounds": rounds,
        "steps": steps,
        "seconds": samples.seconds(),
        "overhead seconds a step": round((mine - theirs) / len(steps), 3),
        "seconds around the steps": round(statistics.median(around), 3),
        "to scripts": compared,
        "to bare scripts": samples.compare(RUN, BARE),
    }


class Case:
    """A use case in a folder of its own, and its runs.

    Args:
        folder: The use case's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / ".localcloud" / _NAME

    @classmethod
    def make(cls, work: Path) -> Case:
        """Write a use case for the census with `mlops-constructs new`."""
        root = work / "checkout"
        ignored = shutil.ignore_patterns("__pycache__")
        for folder in ("compiler", "tabular"):
            source = ROOT / "pipeline_code" / folder
            shutil.copytree(source, root / "pipeline_code" / folder, ignore=ignored)
        for folder in ("stacks/use_cases", "tests/pipeline_code"):
            (root / folder).mkdir(parents=True)
        (root / "pipeline_code" / "__init__.py").touch()
        (root / "pipeline_code" / ".venv").symlink_to(ROOT / "pipeline_code" / ".venv")
        given: dict[str, Any] = {"target": "income", "facets": ["sex"], "problem": None}
        write(root, _NAME, DATA, **given, build=False)
        return cls(root / "pipeline_code" / _NAME)

    def run(self, *words: str) -> None:
        """Run it to its end.

        Raises:
            BenchmarkError: If it fails.
        """
        done = subprocess.run(
            [sys.executable, "-m", "mlops_constructs.cli", "run", self.folder, *words],
            capture_output=True,
            text=True,
            env={key: value for key, value in os.environ.items() if key != "LOCALCLOUD_HOME"},
            check=False,
        )
        if done.returncode:
            raise BenchmarkError(f"The run failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def record(self) -> dict[str, Any]:
        """What the last run left of itself."""
        content: dict[str, Any] = json.loads((self.home / "last-run.json").read_text())
        return content

    def steps(self) -> dict[str, float]:
        """The seconds of the steps that the last run ran.

        Raises:
            BenchmarkError: If a step was taken from the cache.
        """
        steps = self.record()["steps"]
        if cached := [step["name"] for step in steps if step["state"] == "cached"]:
            raise BenchmarkError(f"Steps were taken from the cache: {', '.join(cached)}.")
        return {
            step["name"]: round(step["ended"] - step["started"], 3)
            for step in steps
            if step["state"] == "succeeded"
        }
