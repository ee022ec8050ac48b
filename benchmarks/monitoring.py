"""The drift analysis: against the least that reading the data takes, and against other libraries.

What is measured, and how, is in `benchmarks.monitoring_worker`: whole runs of ours, reference,
tests and report included, after the imports.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, Sample, interleave, progress

_ROOT = Path(__file__).resolve().parents[1]
_CONTAINERS = _ROOT / "localcloud" / "containers" / ".venv" / "bin" / "python"
_RIVALS = _ROOT / ".tools" / "rivals" / "bin" / "python"
#: Measure, and call nobody.
_ENVIRONMENT = {"NML_DISABLE_USAGE_LOGGING": "1", "NML_DISABLE_USER_ANALYTICS": "1"}
_REFERENCE, _SMALL, _LARGE, _REQUESTS = 100_000, 1_000_000, 10_000_000, 1_000_000
_LIMIT = 512


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Everything, on data made in ``work`` (1.3 GB).

    Raises:
        BenchmarkError: If an environment is not there, or something fails.
    """
    for python in (_CONTAINERS, _RIVALS):
        if not python.exists():
            raise BenchmarkError(f"{python} is not set up; make bench does it")
    paths = {name: str(work / name) for name in ("reference", "small", "large", "capture", "out")}
    for number, (name, rows) in enumerate(
        {"reference": _REFERENCE, "small": _SMALL, "large": _LARGE}.items()
    ):
        _run(_CONTAINERS, "make-parquet", f"{paths[name]}.parquet", rows, number)
    _run(_CONTAINERS, "make-capture", paths["capture"], _REQUESTS, f"{paths['small']}.parquet")
    Path(paths["out"]).mkdir()
    progress("data made")
    small, large = f"{paths['small']}.parquet", f"{paths['large']}.parquet"
    reference, out = f"{paths['reference']}.parquet", paths["out"]

    def ours(kind: str, data: str) -> Callable[[], Sample]:
        return partial(_measured, _CONTAINERS, "ours", kind, data, reference, out)

    reading = interleave(
        {
            "ours": ours("dataset", large),
            "bare loop": partial(_measured, _CONTAINERS, "bare-parquet", large),
            "ours, a tenth": ours("dataset", small),
        },
        rounds=rounds,
    )
    names = _columns(reference)
    capturing = interleave(
        {
            "ours": ours("capture", paths["capture"]),
            "pyarrow.json": partial(_measured, _CONTAINERS, "bare-json", paths["capture"], ""),
            "needed fields": partial(_measured, _CONTAINERS, "bare-fields", paths["capture"]),
            "and csv": partial(_measured, _CONTAINERS, "bare-json", paths["capture"], names),
        },
        rounds=rounds,
    )
    rivals = interleave(
        {
            "ours": ours("dataset", small),
            "nannyml": partial(_measured, _RIVALS, "nannyml", small, reference),
            "evidently": partial(_measured, _RIVALS, "evidently", small, reference),
        },
        rounds=min(rounds, 2),  # minutes each
    )
    memory = reading.megabytes()
    return {
        "seconds": {
            "parquet": reading.seconds(),
            "capture": capturing.seconds(),
            "1M rows": rivals.seconds(),
        },
        "peak MiB": {**memory, "capture": capturing.megabytes()["ours"], **{
            name: rivals.megabytes()[name] for name in ("nannyml", "evidently")
        }},
        "to bare loop": reading.compare("ours", "bare loop"),
        "to pyarrow.json": capturing.compare("ours", "pyarrow.json"),
        "to pyarrow.json of needed fields": capturing.compare("ours", "needed fields"),
        "to pyarrow.json and csv": capturing.compare("ours", "and csv"),
        "to nannyml": rivals.compare("ours", "nannyml"),
        "to evidently": rivals.compare("ours", "evidently"),
        "memory to limit": round(memory["ours"] / _LIMIT, 3),
        "memory to a tenth": round(memory["ours"] / memory["ours, a tenth"], 3),
    }  # fmt: skip


def _measured(python: Path, *arguments: object) -> Sample:
    found = json.loads(_run(python, *arguments).splitlines()[-1])
    return Sample(found["seconds"], found["peak MiB"])


def _columns(path: str) -> str:
    code = f"import pyarrow.parquet as pq; print(','.join(pq.read_schema({path!r}).names))"
    done = subprocess.run([_CONTAINERS, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _run(python: Path, *arguments: object) -> str:
    done = subprocess.run(
        [python, "-m", "benchmarks.monitoring_worker", *map(str, arguments)],
        cwd=_ROOT,
        env=os.environ | _ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip()[-4000:]
        raise BenchmarkError(f"{' '.join(map(str, arguments))} failed:\n{said}")
    return done.stdout
