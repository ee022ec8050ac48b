"""Run commands in turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


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


def run(command: Command) -> float:
    """Run it once; returns the seconds it took.

    Raises:
        RuntimeError: If it fails; a benchmark of a failing command means nothing.
    """
    start = time.perf_counter()
    done = subprocess.run(
        command.arguments,
        env=os.environ | dict(command.environment),
        cwd=command.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{command.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return took


def medians(commands: Sequence[Command], *, rounds: int) -> dict[str, float]:
    """The median seconds of each, run in turns, after one round that warms the caches."""
    times: dict[str, list[float]] = {command.name: [] for command in commands}
    for number in range(rounds + 1):
        for command in commands:
            took = run(command)
            if number:
                times[command.name].append(took)
        print(f"  round {number}/{rounds}", file=sys.stderr, flush=True)
    return {name: statistics.median(taken) for name, taken in times.items()}


def peak_memory_of_children() -> float:
    """The largest resident set of any finished child so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
