"""``python -m benchmarks [SUITE ...] [--quick]``: measure, keep the results, show them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Node 20 prints an end-of-life banner on every start of jsii, before aws_cdk is imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from benchmarks.measure import BenchmarkError
from benchmarks.report import keep, table
from benchmarks.suites import SUITES
from demo.errors import DemoError

RESULTS = Path(__file__).resolve().parent / "results.json"


def main(arguments: Sequence[str] | None = None, *, results: Path = RESULTS) -> None:
    """Run the suites; results to the file as each ends, the table to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help=f"which ones: {', '.join(SUITES)} (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="one round each: to try, not to quote")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.suites if name not in SUITES]:
        parser.error(f"no suite {', '.join(unknown)}; there are: {', '.join(SUITES)}")
    # Ended from outside, a suite still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found = {}
    for name in given.suites or SUITES:
        print(name, file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            measured = SUITES[name].run(given.quick)
        except (BenchmarkError, DemoError) as error:
            sys.exit(f"error: {name}: {error}")
        found = keep(results, {name: measured}, quick=given.quick)
        print(f"  {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(table(found))
    print(f"\n{results}")


if __name__ == "__main__":
    main()
