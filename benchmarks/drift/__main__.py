"""``python -m benchmarks.drift``: run what has not been run; write results, table and figure.

Stopped at any time, it goes on where it was: parts that have ended are in ``build/drift/``. Results
go to ``benchmarks/drift/results.json``, from which the table of ``docs/monitoring.md`` and
``docs/drift.svg`` are made.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.drift import plan, report
from benchmarks.measure import BenchmarkError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="how many run side by side")
    parser.add_argument("--only", default="", help="tasks whose name holds this, such as ours")
    parser.add_argument("--report", action="store_true", help="run nothing, only write")
    given = parser.parse_args()
    if not given.report:
        try:
            plan.run([task for task in plan.tasks() if given.only in str(task)], given.processes)
        except BenchmarkError as error:
            sys.exit(f"error: {error}")
    report.write(plan.results())


if __name__ == "__main__":
    main()
