"""Ingestion into a feature group of a local cloud: the library against the SageMaker SDK's own.

Both write the same rows of the census data from a data frame, in the SDK's environment, with as
many calls under way: the library from threads of one process, the SDK from half as many of each of
two. The local cloud answers both on the same two cores, which makes the difference smaller than it
is where the service does its work elsewhere.

Memory: a file that is read row by row, and another ten times as large.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, Sample, interleave, progress
from demo.cloud import ROOT, Cloud, local_cloud
from demo.features import people
from stacks.use_case import CENSUS_INCOME

LIBRARY, SDK, BATCH = "library", "sdk", "sdk-batch"
_PYTHON = ROOT / "pipeline_code" / ".venv" / "bin" / "python"
_WORKER = Path(__file__).with_name("ingest_worker.py")
_WORKERS = 8
_ROWS = 2_000
_TEXT = "x" * 1_000
_SMALL, _LARGE = 30_000, 300_000
_BUCKET = "bench-features"


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds, ratios, and the memory of both files."""
    source, groups = work / "people.csv", count(1)
    _write_people(source)
    progress("starting a local cloud")
    with local_cloud(work / "cloud", keep=False) as cloud:
        cloud.client("s3").create_bucket(Bucket=_BUCKET)

        def run(way: str) -> Sample:
            group = f"people-{next(groups)}"
            _create(cloud, group)
            return _run(way, source, cloud, group=group, expected=_ROWS)

        samples = interleave(
            {way: lambda way=way: run(way) for way in (LIBRARY, SDK, BATCH)},  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            rounds=rounds,
        )
        memory = _memory(work, cloud)
    seconds = samples.seconds()
    return {
        "rounds": rounds,
        "rows": _ROWS,
        "workers": _WORKERS,
        "seconds": seconds,
        "records a second": {name: round(_ROWS / took) for name, took in seconds.items()},
        "to sdk": samples.compare(LIBRARY, SDK),
        "to sdk in batches": samples.compare(LIBRARY, BATCH),
        "memory": memory,
    }


def _memory(work: Path, cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = {}
    path = work / "large.csv"
    for name, rows in (("small", _SMALL), ("large", _LARGE)):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("person_id", "event_time", "text"))
            writer.writerows((n, "2026-01-01T00:00:00Z", _TEXT) for n in range(rows))
        peak = _run("stream", path, cloud, group="sink", expected=rows).megabytes
        size = path.stat().st_size / 2**20
        found[name] = {"file MiB": round(size), "peak MiB": round(peak)}
        progress(f"{size:.0f} MiB read with {peak:.0f} MiB of memory")
        path.unlink()
    return found


def _run(way: str, source: Path, cloud: Cloud, *, group: str, expected: int) -> Sample:
    done = subprocess.run(
        [_PYTHON, _WORKER, way, group, source, str(_WORKERS)],
        env=os.environ
        | dict(cloud.environment)
        | {
            "PYTHONPATH": str(ROOT / "constructs"),
            # Or the SDK would tell AWS of each use.
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_quiet(source.parent)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{way} failed: {done.stderr.strip()[-4000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    if told["written"] != expected:
        raise BenchmarkError(f"{way} wrote {told['written']} of {expected} records.")
    return Sample(told["seconds"], told["megabytes"])


def _quiet(work: Path) -> Path:
    path = work / "sdk.yaml"
    path.write_text(
        "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"
    )
    return path


def _write_people(path: Path) -> None:
    names = [feature.name for feature in CENSUS_INCOME.features.features]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for person in islice(people(1), _ROWS):
            person["event_time"] = "2026-01-01T00:00:00Z"
            writer.writerow([person[name] for name in names])


def _create(cloud: Cloud, group: str) -> None:
    sagemaker, schema = cloud.client("sagemaker"), CENSUS_INCOME.features
    sagemaker.create_feature_group(
        FeatureGroupName=group,
        RecordIdentifierFeatureName=schema.record_identifier,
        EventTimeFeatureName=schema.event_time,
        FeatureDefinitions=[
            {"FeatureName": feature.name, "FeatureType": feature.type.value}
            for feature in schema.features
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{_BUCKET}/offline"}},
        RoleArn="arn:aws:iam::123456789012:role/bench-execution",
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        described = sagemaker.describe_feature_group(FeatureGroupName=group)
        if described["FeatureGroupStatus"] == "Created":
            return
        time.sleep(0.05)
    raise BenchmarkError(f"The feature group {group} was not created.")
