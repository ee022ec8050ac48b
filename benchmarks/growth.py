"""Does the time per resource stay the same when an app grows? 1, 10, 50 and 100 of each kind.

What the app costs with one construct (the ground, Node's first calls) is taken off, so that only
what the further constructs cost is compared. Validation is on, as in the platform.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.growth_app import KINDS
from benchmarks.measure import BenchmarkError, progress

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1, 10, 50, 100)
# The small apps are what the large ones are compared with, and cost little: they run more often.
_ORDER = (1, 10, 50, 1, 10, 100)


def measure(*, rounds: int) -> dict[str, Any]:
    """Milliseconds per added resource, and their ratio to those of the app with ten, by kind."""
    return {kind: _grow(kind, rounds) for kind in KINDS}


def _grow(kind: str, rounds: int) -> dict[str, Any]:
    taken: defaultdict[int, list[float]] = defaultdict(list)
    resources: dict[int, int] = {}
    for number in range(rounds):
        for size in _ORDER:
            found = _run(kind, size)
            taken[size].append(found["seconds"])
            resources[size] = int(found["resources"])
        progress(f"{kind}s: round {number + 1} of {rounds}")
    # The fastest: what others do on the machine only ever adds, and small apps end before it
    # evens out.
    seconds = {size: min(runs) for size, runs in taken.items()}
    first, *larger = SIZES
    each = {
        size: (seconds[size] - seconds[first]) / (resources[size] - resources[first])
        for size in larger
    }
    return {
        "rounds": rounds,
        "resources": {str(size): resources[size] for size in SIZES},
        "seconds": {str(size): round(seconds[size], 3) for size in SIZES},
        "milliseconds per added resource": {str(n): round(s * 1000, 2) for n, s in each.items()},
        "ratio to 10": {str(n): round(s / each[10], 3) for n, s in each.items() if n != 10},
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
        raise BenchmarkError(f"The app of {size} {kind}s failed:\n{done.stderr.strip()[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
