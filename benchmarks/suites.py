"""The suites: how each is run, and which lines of the table it gives."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError

Result = Mapping[str, Any]
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        what: What is compared with what.
        ratio: Theirs being 1.
        goal: The ratio that it should not exceed, if there is one.
        behind: The figures that the ratio is made of.
    """

    what: str
    ratio: float
    goal: float | None
    behind: str


@dataclass(frozen=True)
class Suite:
    """One group of measurements.

    Attributes:
        run: Measures; told whether it should be quick, at the price of precision.
        lines: Its lines of the table, from what `run` gave.
        note: What a reader must know to read them.
    """

    run: Callable[[bool], Result]
    lines: Callable[[Result], Iterator[Line]]
    note: str


def _synth(quick: bool) -> Result:
    from benchmarks import synth

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return synth.measure(Path(work), rounds=1 if quick else 5)


def _synth_lines(found: Result) -> Iterator[Line]:
    for what, against, goal in (
        ("synth, both validated: platform / JavaScript", "to JavaScript", 0.5),
        ("synth, neither validated: platform / plain Python L1", "to plain Python", 1.0),
    ):
        yield _compared(what, found[against], goal)


def _endpoints(quick: bool) -> Result:
    from benchmarks import endpoints

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return endpoints.measure(Path(work), rounds=1 if quick else 5)


def _endpoints_lines(found: Result) -> Iterator[Line]:
    each = found["milliseconds an endpoint"]
    behind = f"{each['ours']:.1f} ms / {each['plain']:.1f} ms an endpoint"
    yield Line("endpoint: library / plain Python L1", found["ratio to plain"], None, behind)


def _growth(quick: bool) -> Result:
    from benchmarks import growth

    return growth.measure(rounds=1 if quick else 2)


def _growth_lines(found: Result) -> Iterator[Line]:
    for kind, grown in found.items():
        each = grown["milliseconds per added resource"]
        for size, ratio in grown["ratio to 10"].items():
            behind = f"{each[size]:.1f} ms / {each['10']:.1f} ms a resource"
            yield Line(f"growth: {size} {kind}s / 10", ratio, 1.1, behind)


def _pipeline(quick: bool) -> Result:
    from benchmarks import pipeline

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return pipeline.measure(Path(work), rounds=1 if quick else 5)


def _pipeline_lines(found: Result) -> Iterator[Line]:
    for what, against, goal in (
        ("pipeline / its scripts by hand", "to scripts", 1.1),
        ("pipeline / scripts without the toolkit", "to bare scripts", None),
    ):
        yield _compared(what, found[against], goal)


def _local_run(quick: bool) -> Result:
    from benchmarks import local_run

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return local_run.measure(Path(work), rounds=1 if quick else 5)


def _local_run_lines(found: Result) -> Iterator[Line]:
    yield _compared("local run: 20 empty steps / their commands", found["to by hand"], None)
    each = found["milliseconds a step"]
    small, large = each.values()
    yield Line(
        "local run: a step of 200 / one of 20",
        found["a step of 200 to one of 20"],
        1.1,
        f"{large:.0f} ms / {small:.0f} ms",
    )
    small, large = found["peak MiB"].values()
    yield Line(
        "local run: memory, 200 steps / 20",
        round(large / small, 3),
        1.25,
        f"{large} MiB / {small} MiB",
    )


def _compared(what: str, comparison: Result, goal: float | None) -> Line:
    mine, theirs = comparison["seconds"]
    return Line(what, comparison["ratio"], goal, f"{mine:.2f} s / {theirs:.2f} s")


def _rules(quick: bool) -> Result:
    # In a small process: the peak memory of a child is never below what its parent has when it
    # starts it.
    command = [sys.executable, "-m", "benchmarks.bench_rules", "1" if quick else "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"benchmarks.bench_rules failed:\n{done.stderr.strip()[-4000:]}")
    found: Result = json.loads(done.stdout)
    return found


def _rules_lines(found: Result) -> Iterator[Line]:
    seconds, memory = found["seconds"], found["peak MiB"]
    check = f"{seconds['rules']:.2f} s"
    yield Line(
        "rules: check / cfn-lint",
        found["ratio to cfn-lint"],
        0.05,
        f"{check} / {seconds['cfn_lint']:.2f} s",
    )
    yield Line(
        "rules: check / import aws_cdk",
        found["ratio to import aws_cdk"],
        None,
        f"{check} / {seconds['import_aws_cdk']:.2f} s",
    )
    yield Line(
        "rules: memory / cfn-lint",
        found["memory ratio to cfn-lint"],
        None,
        f"{memory['rules']:.0f} MiB / {memory['cfn_lint']:.0f} MiB",
    )


def _ingestion(quick: bool) -> Result:
    from benchmarks import ingestion

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return ingestion.measure(Path(work), rounds=1 if quick else 3)


def _ingestion_lines(found: Result) -> Iterator[Line]:
    yield _compared("ingestion: library / SageMaker SDK", found["to sdk"], 0.5)
    yield _compared("ingestion: library / SDK, BatchWriteRecord", found["to sdk in batches"], None)
    small, large = found["memory"]["small"], found["memory"]["large"]
    yield Line(
        "ingestion: memory, file of tenfold size",
        round(large["peak MiB"] / small["peak MiB"], 3),
        1.1,
        f"{large['peak MiB']} MiB for {large['file MiB']} MiB / "
        f"{small['peak MiB']} MiB for {small['file MiB']} MiB",
    )


def _training_set(quick: bool) -> Result:
    from benchmarks import training_set

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return training_set.measure(Path(work), rounds=1 if quick else 5)


def _training_set_lines(found: Result) -> Iterator[Line]:
    yield _compared("training set: generated SQL / ASOF join", found["to asof"], 1.1)


def _invoke(quick: bool) -> Result:
    from benchmarks import invoke

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return invoke.measure(Path(work), rounds=1 if quick else 5)


def _invoke_lines(found: Result) -> Iterator[Line]:
    for percentile in ("p50", "p99"):
        cloud, direct = found[percentile]["microseconds"]
        behind = f"{cloud / 1000:.2f} ms / {direct / 1000:.2f} ms"
        what = f"InvokeEndpoint {percentile} / the model's process"
        yield Line(what, found[percentile]["ratio"], None, behind)


def _monitoring(quick: bool) -> Result:
    from benchmarks import monitoring

    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return monitoring.measure(Path(work), rounds=1 if quick else 3)


def _monitoring_lines(found: Result) -> Iterator[Line]:
    for what, against, goal in (
        ("monitoring: 10M rows of Parquet / bare histogram loop", "to bare loop", 2.0),
        ("monitoring: capture / pyarrow.json", "to pyarrow.json", 1.333),
        ("monitoring: capture / its needed fields", "to pyarrow.json of needed fields", None),
        ("monitoring: capture / pyarrow.json and csv", "to pyarrow.json and csv", None),
        ("monitoring: 1M rows / NannyML", "to nannyml", 0.2),
        ("monitoring: 1M rows / Evidently", "to evidently", 0.05),
    ):
        yield _compared(what, found[against], goal)
    peak = found["peak MiB"]
    yield Line(
        "monitoring: memory, 10M rows / 512 MiB",
        found["memory to limit"],
        1.0,
        f"{peak['ours']:.0f} MiB",
    )
    yield Line(
        "monitoring: memory, 10M rows / 1M rows",
        found["memory to a tenth"],
        1.1,
        f"{peak['ours']:.0f} MiB / {peak['ours, a tenth']:.0f} MiB",
    )


SUITES: dict[str, Suite] = {
    "synth": Suite(
        _synth,
        _synth_lines,
        "The baselines give the same templates, property by property, and have no assets to pack.",
    ),
    "growth": Suite(
        _growth,
        _growth_lines,
        "Validation on; the fastest of the rounds; what the app with one costs is taken off.",
    ),
    "pipeline": Suite(
        _pipeline,
        _pipeline_lines,
        "Caching off; a use case of `mlops-constructs new` on the census. By hand: the commands of "
        "its jobs, in folders laid out before, GOMP_SPINCOUNT=3000 as in the local cloud, training "
        "started by AWS's toolkit as there. The seconds that the command takes around the steps "
        "(start, binding, stop) are a figure of their own in results.json.",
    ),
    "rules": Suite(_rules, _rules_lines, "Fresh processes, one template of 500 resources."),
    "ingestion": Suite(
        _ingestion,
        _ingestion_lines,
        "8 calls under way on either side, 2,000 rows; imports do not count. The local cloud that "
        "answers shares the cores. The SDK writes single records unless it is told otherwise.",
    ),
    "training-set": Suite(
        _training_set,
        _training_set_lines,
        "10 million records, a million labels, DuckDB; both results are the same rows.",
    ),
    "invoke": Suite(
        _invoke,
        _invoke_lines,
        "One client, one open connection, a model that answers at once: the worst case.",
    ),
    "monitoring": Suite(
        _monitoring,
        _monitoring_lines,
        "20 columns, 100,000 reference rows; whole runs with tests and report, after the imports. "
        "The bare loop makes one histogram a column; the others at their defaults.",
    ),
    "endpoint": Suite(
        _endpoints,
        _endpoints_lines,
        "Forty endpoints, less the same app without any; validation off; the same templates.",
    ),
    "local-run": Suite(
        _local_run,
        _local_run_lines,
        "Steps that only start Python, one after the other, and 200 of them in 20 layers.",
    ),
}
"""In the order in which they run."""
