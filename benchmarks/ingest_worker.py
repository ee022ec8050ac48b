"""One way of ingesting, in a process of its own, in the environment of the SageMaker SDK.

``python ingest_worker.py WAY GROUP FILE WORKERS`` prints what it took as JSON. The ways:
``library``, ``sdk`` (PutRecord, its default), ``sdk-batch`` (BatchWriteRecord), and ``stream``,
which reads the file row by row and gives the records to a client that takes them without a
service. Seconds are those of the ingestion; imports, and reading the data frame, come before.
"""

from __future__ import annotations

import csv
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PROCESSES = 2


class _Sink:
    """Accepts everything."""

    def batch_write_record(self, **request: Any) -> dict[str, Any]:
        del request
        return {"Errors": [], "UnprocessedEntries": []}

    def put_record(self, **request: Any) -> dict[str, Any]:
        del request
        return {}


def _stream(group: str, path: str, workers: int) -> Callable[[], int]:
    from mlops_constructs.runtime import ingest

    def run() -> int:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return ingest(group, csv.DictReader(file), client=_Sink(), workers=workers).written

    return run


def _library(group: str, path: str, workers: int) -> Callable[[], int]:
    pd: Any = importlib.import_module("pandas")
    from mlops_constructs.runtime import ingest
    from mlops_constructs.runtime.clients import runtime_client

    frame, client = pd.read_csv(path), runtime_client(workers)
    return lambda: ingest(group, frame, client=client, workers=workers).written


def _sdk(group: str, path: str, workers: int, *, batch: bool) -> Callable[[], int]:
    # By name: the environment that type-checks this file has neither.
    pd: Any = importlib.import_module("pandas")
    sdk: Any = importlib.import_module("sagemaker.mlops.feature_store")
    frame = pd.read_csv(path)
    manager = sdk.IngestionManagerPandas(
        feature_group_name=group,
        feature_definitions={},
        max_workers=workers // _PROCESSES,
        max_processes=_PROCESSES,
        use_batch_write_record=batch,
        region="us-east-1",
    )

    def run() -> int:
        manager.run(frame)
        return len(frame) - len(manager.failed_rows)

    return run


def main() -> None:
    """Do it, and say what it took."""
    way, group, path, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if way == "stream":
        run = _stream(group, path, workers)
    elif way == "library":
        run = _library(group, path, workers)
    else:
        run = _sdk(group, path, workers, batch=way == "sdk-batch")
    start = time.perf_counter()
    written = run()
    took = time.perf_counter() - start
    print(json.dumps({"seconds": took, "written": written, "megabytes": _peak()}))


def _peak() -> float:
    """MiB of resident memory at the peak. Not ru_maxrss: that remembers the parent's."""
    with Path("/proc/self/status").open(encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
