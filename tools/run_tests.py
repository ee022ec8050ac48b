"""Run the test suites of all environments, side by side; `make test` calls it.

`--slow`, which `make proof` gives, runs only the tests marked `slow`: load tests with real
traffic, statistical proofs. Each suite runs in its own environment. Deploying waits for the CDK
most of the time, so that the suites share two cores well. Each suite's output is shown as a whole
when it has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_MAIN = ".venv/bin/python"

_CONSTRUCTS = tuple(
    f"tests/{each}"
    for each in ("delivery", "feature_store", "monitoring", "serving", "studio", "training")
)

#: The deploy lane; random input (`make fuzz`); generated tables (`make check`). CI runs them all.
_ELSEWHERE = (
    "tests/deploy",
    "tests/docs",
    "tests/properties",
    "tests/rules/test_hostile.py",
    "tests/rules/test_reference.py",
)

#: What pytest answers when it ran no test: a suite without slow ones.
_NONE_COLLECTED = 5

#: Suites of one lane run one after the other; the lanes run side by side.
_LANES: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("deploy", (_MAIN, "tests/deploy")),
        ("pipeline code", ("pipeline_code/.venv/bin/python", "tests/pipeline_code")),
    ),
    (("constructs", (_MAIN, *_CONSTRUCTS)),),
    (
        (
            "rules, commands and platform",
            (
                _MAIN,
                "tests",
                *(f"--ignore={each}" for each in (*_CONSTRUCTS, *_ELSEWHERE)),
            ),
        ),
    ),
    (("local cloud", ("localcloud/.venv/bin/python", "tests/localcloud")),),
)


@dataclass
class _Results:
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    slow: bool = False

    def run(self, name: str, command: tuple[str, ...]) -> None:
        start = time.monotonic()
        python, *arguments = command
        marked = "slow" if self.slow else "not slow"
        done = subprocess.run(
            [ROOT / python, "-m", "pytest", "-q", "-m", marked, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        with self.lock:
            title = f"=== {name}: {time.monotonic() - start:.0f} s"
            print(f"{title}\n{done.stdout.rstrip()}\n", flush=True)
            if done.returncode and not (self.slow and done.returncode == _NONE_COLLECTED):
                self.failed.append(name)


def main() -> int:
    """Run everything; 1 if a suite failed."""
    results = _Results(slow="--slow" in sys.argv)

    def run_lane(lane: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        for name, command in lane:
            results.run(name, command)

    threads = [threading.Thread(target=run_lane, args=(lane,)) for lane in _LANES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if results.failed:
        print(f"failed: {', '.join(sorted(results.failed))}", file=sys.stderr)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
