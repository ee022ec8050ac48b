"""Earlier runs deleted, with everything that only they use.

A run may use what an earlier one left: steps that were taken from the cache, and steps that a run
of some steps did not touch. So of the runs that are to go those stay that one of the others refers
to, directly or through a third. The same holds for what an approved version was made by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.run.binding import CODE_BUCKET, DATA_BUCKET, HASH_LENGTH
from localcloud.run.embedded import Embedded
from localcloud.sagemaker.pipelines import executions
from localcloud.sagemaker.store import Record

_PACKAGE = "ModelPackage"
_HASH = re.compile(rf"[0-9a-f]{{{HASH_LENGTH}}}")
_WORD = re.compile(r"[a-z0-9]+")
# DeleteObjects takes as many.
_KEYS_PER_CALL = 1000


def prune(cloud: Embedded, pipeline: Record, *, keep: int, home: Path) -> int:
    """Delete all runs of a pipeline but the latest, with their results, versions and logs.

    Args:
        cloud: Where they ran.
        pipeline: Whose runs; none may be going on.
        keep: How many stay, at least one; more do if they use the results of earlier ones.
        home: The folder of the pipeline's state.

    Returns:
        How many runs are gone.
    """
    store, scope = cloud.sagemaker.store, cloud.scope
    with emulator.within(scope), store.lock:
        runs = executions(cloud.sagemaker, pipeline)
        gone = _unused(runs, keep, store.records(scope, _PACKAGE))
        if not gone:
            return 0
        for record in store.records(scope):
            if _belongs_to(record, gone):
                store.remove(scope, record)
        cache: dict[str, list[Any]] = pipeline.hidden.get("cache", {})
        for key, steps in list(cache.items()):
            cache[key] = [step for step in steps if _id(step["execution_arn"]) not in gone]
            if not cache[key]:
                del cache[key]
        used = json.dumps([[each.data, each.hidden] for each in store.records(scope)])
    _delete_objects(cloud.client("s3"), gone, used)
    for log in (home / "logs").iterdir():
        if gone & _words(log.stem):
            log.unlink()
    return len(gone)


def _unused(runs: list[Record], keep: int, packages: list[Record]) -> set[str]:
    """The ids of the runs that nothing which stays refers to."""
    texts = {_id(run.arn): json.dumps([run.data, run.hidden]) for run in runs}
    approved = [each.data for each in packages if each.data["ModelApprovalStatus"] == "Approved"]
    wanted = [*list(texts)[:keep], *_mentioned(json.dumps(approved), texts)]
    kept: set[str] = set()
    while wanted:
        run = wanted.pop()
        if run not in kept:
            kept.add(run)
            wanted += _mentioned(texts[run], texts)
    return texts.keys() - kept


def _mentioned(text: str, ids: Iterable[str]) -> set[str]:
    return set(re.findall("|".join(ids) or "(?!)", text))


def _belongs_to(record: Record, gone: set[str]) -> bool:
    if record.kind == _PACKAGE:
        # Its metadata name the run that registered it, which may have trained nothing itself.
        return any(f"/{run}/" in json.dumps(record.data) for run in gone)
    # SageMaker Pipelines names jobs and models after the execution.
    return record.kind != "Pipeline" and bool(gone & _words(record.arn))


def _delete_objects(s3: Any, gone: set[str], used: str) -> None:
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        unused = [key for key in keys if _is_unused(bucket, key, gone, used)]
        for start in range(0, len(unused), _KEYS_PER_CALL):
            batch = [{"Key": key} for key in unused[start : start + _KEYS_PER_CALL]]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})


def _is_unused(bucket: str, key: str, gone: set[str], used: str) -> bool:
    first = key.partition("/")[0]
    # What the runs brought into these lies below the hash of its content.
    if bucket == CODE_BUCKET or (bucket == DATA_BUCKET and _HASH.fullmatch(first)):
        return first not in used
    return bool(gone & _words(key))


def _words(text: str) -> set[str]:
    """An execution's id is one of the words of whatever is named after it."""
    return set(_WORD.findall(text))


def _id(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
