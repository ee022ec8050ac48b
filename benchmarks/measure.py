"""Run commands in turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class BenchmarkError(Exception):
    """A measurement that means nothing, and why."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to time.

    Attributes:
        name: What the results call it.
        arguments: The command line.
        environment: What is added to the environment.
        folder: Where it runs.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def run(self) -> Sample:
        """Run it once.

        Raises:
            BenchmarkError: If it fails; the time of a failing command means nothing.
        """
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            try:
                process = subprocess.Popen(
                    self.arguments,
                    env=os.environ | dict(self.environment),
                    cwd=self.folder,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise BenchmarkError(f"{self.name} cannot be started: {error}") from error
            # Not `wait`: only this tells the memory of this very process and its children.
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()[-4000:]
                raise BenchmarkError(
                    f"{self.name} ended with status {process.returncode}: "
                    f"{' '.join(map(str, self.arguments))}\n{said}"
                )
        return Sample(took, usage.ru_maxrss / 1024)


@dataclass(frozen=True)
class Sample:
    """One run.

    Attributes:
        seconds: From start to end.
        megabytes: The resident memory of the largest of its processes at its peak, in MiB; never
            less than what this process had when it started it.
    """

    seconds: float
    megabytes: float = 0.0


class Samples:
    """The runs of several things that took turns."""

    def __init__(self) -> None:
        self._of: dict[str, list[Sample]] = {}

    def add(self, name: str, sample: Sample) -> None:
        """Keep one more."""
        self._of.setdefault(name, []).append(sample)

    def seconds(self) -> dict[str, float]:
        """The median of each."""
        return {
            name: round(statistics.median(run.seconds for run in runs), 3)
            for name, runs in self._of.items()
        }

    def megabytes(self) -> dict[str, float]:
        """The peak of each."""
        return {name: round(max(run.megabytes for run in runs)) for name, runs in self._of.items()}

    def compare(self, name: str, baseline: str) -> dict[str, Any]:
        """The median of the ratios of the rounds, and the seconds of that round.

        Neighbours in time share what else the machine did then; the medians of each by itself
        need not be neighbours.
        """
        pairs = zip(self._of[name], self._of[baseline], strict=True)
        ratios = {mine.seconds / other.seconds: (mine, other) for mine, other in pairs}
        ratio = statistics.median_low(ratios)
        return {
            "ratio": round(ratio, 3),
            "seconds": [round(sample.seconds, 3) for sample in ratios[ratio]],
        }


def interleave(runs: Mapping[str, Callable[[], Sample]], *, rounds: int) -> Samples:
    """Run everything in turns, after one round that warms the caches and does not count."""
    samples = Samples()
    for number in range(rounds + 1):
        for name, run in runs.items():
            sample = run()
            if number:
                samples.add(name, sample)
        progress(f"round {number} of {rounds}" if number else "warmed up")
    return samples


def progress(text: str) -> None:
    """Say what goes on, apart from the results."""
    print(f"  {text}", file=sys.stderr, flush=True)
