"""What the local runner itself costs: per step, in time and in memory, as pipelines grow.

Steps do nothing but start Python, so that what is left is the runner's. A chain shows what a step
costs when each waits for the one before it; 20 and 200 steps in layers of ten show whether a step
costs more in a large pipeline.
The same commands started one after the other by hand take turns with the chain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.by_hand import CONTAINERS
from benchmarks.measure import BenchmarkError, Sample, interleave

CHAIN, HAND = "a chain of 20 steps", "its commands by hand"
SMALL, LARGE = "20 steps in 2 layers", "200 steps in 20 layers"
_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
_SCRIPT = "pass"
_CHAIN, _WIDTH = 20, 10


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds a step, ratios, and the peak memory of the runner."""
    chain = _write(work / "chain", _chain())
    small = _write(work / "small", _layers(2))
    large = _write(work / "large", _layers(20))
    peaks: dict[str, list[float]] = {SMALL: [], LARGE: []}

    def run(name: str, folder: Path) -> Sample:
        seconds, peak = _run(folder)
        peaks.setdefault(name, []).append(peak)
        return Sample(seconds)

    samples = interleave(
        {
            CHAIN: lambda: run(CHAIN, chain),
            HAND: lambda: _by_hand(_CHAIN),
            SMALL: lambda: run(SMALL, small),
            LARGE: lambda: run(LARGE, large),
        },
        rounds=rounds,
    )
    seconds = samples.seconds()
    each = {SMALL: seconds[SMALL] / (2 * _WIDTH), LARGE: seconds[LARGE] / (20 * _WIDTH)}
    return {
        "rounds": rounds,
        "seconds": seconds,
        "milliseconds a step beyond its command": round(
            1000 * (seconds[CHAIN] - seconds[HAND]) / _CHAIN, 1
        ),
        "to by hand": samples.compare(CHAIN, HAND),
        "a step of 200 to one of 20": round(each[LARGE] / each[SMALL], 3),
        "milliseconds a step": {name: round(1000 * value, 1) for name, value in each.items()},
        "peak MiB": {name: round(max(peaks[name])) for name in (SMALL, LARGE)},
    }


def _run(folder: Path) -> tuple[float, float]:
    """One run: the seconds of its steps, and the peak memory of the process that runs them."""
    with tempfile.TemporaryDirectory(prefix="bench-home-") as home:
        command = [sys.executable, "-m", "mlops_constructs.cli", "run", str(folder)]
        with subprocess.Popen(
            command,
            env=os.environ | {"LOCALCLOUD_HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            peak = 0.0
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                peak = max(peak, _peak_of_child(process.pid))
            if process.wait():
                raise BenchmarkError(f"The run failed: {''.join(said)[-3000:]}")
        record = json.loads((Path(home) / folder.name / "last-run.json").read_text())
    return record["updated"] - record["started"], peak


def _peak_of_child(pid: int) -> float:
    """The peak resident memory of the process that the command has started, in MiB."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = Path(f"/proc/{children[0]}/status").read_text()
    except (OSError, IndexError):
        return 0.0
    line = next((each for each in status.splitlines() if each.startswith("VmHWM")), "")
    return int(line.split()[1]) / 1024 if line else 0.0


def _by_hand(steps: int) -> Sample:
    start = time.perf_counter()
    for _ in range(steps):
        subprocess.run([CONTAINERS / "python3", "-c", _SCRIPT], check=True)
    return Sample(time.perf_counter() - start)


def _chain() -> Iterator[dict[str, Any]]:
    for number in range(_CHAIN):
        yield _step(f"S{number}", [f"S{number - 1}"] if number else [])


def _layers(layers: int) -> Iterator[dict[str, Any]]:
    """Each step waits for two of the layer before it."""
    for layer in range(layers):
        for place in range(_WIDTH):
            above = {place, (place + 1) % _WIDTH}
            needs = [f"L{layer - 1}-{each}" for each in sorted(above)] if layer else []
            yield _step(f"L{layer}-{place}", needs)


def _step(name: str, needs: list[str]) -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    return {
        "Name": name,
        "Type": "Processing",
        "DependsOn": needs,
        "Arguments": {
            "AppSpecification": {
                "ImageUri": _IMAGE,
                "ContainerEntrypoint": ["python3", "-c", _SCRIPT],
            },
            "ProcessingResources": {"ClusterConfig": cluster},
            "RoleArn": "{{role.processing}}",
        },
    }


def _write(folder: Path, steps: Iterator[dict[str, Any]]) -> Path:
    folder.mkdir()
    document = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": list(steps)}
    (folder / "definition.json").write_text(json.dumps(document))
    return folder
