"""Offline stores: records are buffered, and written to S3 as Parquet.

Layout and added columns: SageMaker developer guide, "Offline store data format". The service
writes within 15 minutes; here it takes one minute of AWS's time, or `_MOST_BUFFERED` records.
"""

from __future__ import annotations

import json
import logging
import secrets
import string
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from localcloud.errors import ServiceError
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.offline_buffer import Row
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

logger = logging.getLogger("localcloud.offline_store")

_FLUSH_SECONDS = 60
"""How long records wait in AWS's time until they are written."""

_MOST_BUFFERED = 20_000
"""Records of a group that are written at once, so that memory does not grow with what is put."""

_TYPES = {"Integral": "BIGINT", "Fractional": "DOUBLE"}
"""DuckDB's types of features; all others are text."""


def add(cloud: SageMaker, group: Record, rows: Sequence[Row]) -> None:
    """Keep rows until they are written."""
    first, waiting = cloud.offline.add(cloud.scope, group, rows)
    if first:
        cloud.clock.after(_FLUSH_SECONDS, lambda: flush(cloud))
    if waiting >= _MOST_BUFFERED:
        flush(cloud)


def flush(cloud: SageMaker) -> None:
    """Write what was put since the last time.

    What cannot be written waits for the next time, and blocks the offline store as in AWS.
    """
    with cloud.offline.writing:
        for scope, group, rows in cloud.offline.take():
            try:
                _write(EmulatorObjects(cloud, scope), group, rows)
                status: Json = {"Status": "Active"}
            except ServiceError as error:
                logger.warning("offline store of %s: %s", group.arn, error.message)
                status = {"Status": "Blocked", "BlockedReason": error.message}
                if cloud.store.get(scope, group.kind, group.key) is group:
                    cloud.offline.add(scope, group, rows)
            group.data["OfflineStoreStatus"] = status


def has(group: Record) -> bool:
    """Whether the group has an offline store."""
    return bool(group.data.get("OfflineStoreConfig"))


def _write(objects: EmulatorObjects, group: Record, rows: Sequence[Row]) -> None:
    root = urlsplit(group.data["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])
    folder = _folders(group)
    place: Callable[[Row], str] = lambda row: folder(datetime.fromtimestamp(row.moment, UTC))  # noqa: E731  # sorted and grouped by the same key
    parts = [(name, list(part)) for name, part in groupby(sorted(rows, key=place), key=place)]
    with tempfile.TemporaryDirectory(prefix="offline-store-") as work:
        for (name, part), content in zip(parts, _parquet(group, parts, Path(work)), strict=True):
            latest = datetime.fromtimestamp(max(row.moment for row in part), UTC)
            file = f"{latest:%Y%m%dT%H%M%SZ}_{_random(16)}.parquet"
            objects.put(root.netloc, f"{root.path.lstrip('/')}/{name}/{file}", content)


def _parquet(
    group: Record, parts: Sequence[tuple[str, Sequence[Row]]], work: Path
) -> Iterator[bytes]:
    """A file for each part. JSON is the fastest way of Python's objects into DuckDB."""
    definitions = group.data["FeatureDefinitions"]
    raw = {f"f{number}": "VARCHAR" for number in range(len(definitions))}
    raw |= {"received": "BIGINT", "deleted": "BOOLEAN"}
    columns = [
        f"CAST(f{number} AS {_TYPES.get(each['FeatureType'], 'VARCHAR')})"
        f" AS {_quoted(each['FeatureName'])}"
        for number, each in enumerate(definitions)
    ]
    columns += [
        f"epoch_ms({_milliseconds(time.time())}) AS write_time",
        "epoch_ms(received) AS api_invocation_time",
        "deleted AS is_deleted",
    ]
    shape = ", ".join(f"{name}: '{of}'" for name, of in raw.items())
    names = [each["FeatureName"] for each in definitions]
    source, target = work / "rows.json", work / "part.parquet"
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for _, part in parts:
            with source.open("w", encoding="utf-8") as file:
                for row in part:
                    line = {f"f{n}": row.values.get(name) for n, name in enumerate(names)}
                    line |= {"received": _milliseconds(row.received), "deleted": row.deleted}
                    file.write(json.dumps(line) + "\n")
            connection.execute(
                f"COPY (SELECT {', '.join(columns)} FROM read_json('{source}',"  # noqa: S608  # names are quoted, the paths our own
                f" format='newline_delimited', columns={{{shape}}})) TO '{target}'"
                " (FORMAT parquet, COMPRESSION snappy)"
            )
            yield target.read_bytes()


def _folders(group: Record) -> Callable[[datetime], str]:
    """Where a record of an event time belongs: by the hour, in Iceberg by the day."""
    if group.data["OfflineStoreConfig"].get("TableFormat") != "Iceberg":
        return lambda moment: f"{moment:year=%Y/month=%m/day=%d/hour=%H}"
    column = f"{group.data['EventTimeFeatureName']}_trunc"

    def folder(moment: datetime) -> str:
        partition = f"{column}={moment:%Y-%m-%d}"
        return f"{sha256(partition.encode()).hexdigest()[:8]}/{partition}"

    return folder


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
