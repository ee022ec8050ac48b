"""Does the time per resource stay the same when an app grows? 1, 10, 50 and 100 of each kind."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.growth_app import KINDS

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1, 10, 50, 100)
ROUNDS = 3


def measure() -> dict[str, Any]:
    """Milliseconds per added resource and their ratio to those of the app with ten.

    What an app costs with one construct (start of Node, the ground) is taken off, so that only
    what the further constructs cost is compared.
    """
    return {kind: _grow(kind) for kind in KINDS}


def _grow(kind: str) -> dict[str, Any]:
    taken: dict[int, list[float]] = {size: [] for size in SIZES}
    resources: dict[int, int] = {}
    for number in range(ROUNDS):
        for size in SIZES:
            found = _run(kind, size)
            taken[size].append(found["seconds"])
            resources[size] = int(found["resources"])
        print(f"  growth of {kind}: round {number + 1}/{ROUNDS}", file=sys.stderr, flush=True)
    first, *larger = SIZES
    base = statistics.median(taken[first])
    each = {
        size: (statistics.median(taken[size]) - base) / (resources[size] - resources[first]) * 1000
        for size in larger
    }
    return {
        "resources": resources,
        "milliseconds per added resource": {size: round(ms, 3) for size, ms in each.items()},
        "ratio to 10": {size: round(ms / each[10], 3) for size, ms in each.items()},
    }


def _run(kind: str, size: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth_app", kind, str(size)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"growth of {kind} to {size} failed:\n{done.stderr[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
