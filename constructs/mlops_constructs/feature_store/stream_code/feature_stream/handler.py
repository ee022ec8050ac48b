"""Writes batches of a Kinesis stream to a feature group. No record is lost or passed over.

What becomes of a record:

| it | then |
|---|---|
| fits and is accepted | written |
| is not JSON, not of the schema, or refused as invalid | kept whole in S3, with the reason |
| met throttling, a failure of the service or the network | reported; Lambda sends it again |
| met a refusal of everything (permission, no such group) | the invocation fails and is alarmed on |

Lambda takes a batch up again at the lowest sequence number reported ("Configuring partial batch
response with Kinesis Data Streams", Lambda developer guide). Records after it may be written
twice: online that changes nothing, the history gets a duplicate of which training sets take one.
Records of one entity are written in the order of the stream, different entities side by side.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .values import Schema, UnknownFeatureError, convert, parse

NAMESPACE = "MLOps/FeatureStream"
REJECTED_PREFIX = "rejected"

#: Below so much time, nothing new is begun: three attempts of a call take less.
MARGIN_MILLISECONDS = 20_000

# A describe call for each batch would meet the limits of the control plane.
_SCHEMA_SECONDS = 300.0
_SECONDS_BEFORE_ASKING_AGAIN = 30.0

_INVALID = frozenset({"ValidationError", "ValidationException", "SerializationException"})
_HOPELESS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccessForbidden",
        "ExpiredToken",
        "ExpiredTokenException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True)
class Item:
    """A record of the stream.

    Attributes:
        place: Its place in the batch.
        raw: As Lambda gave it.
        values: As PutRecord takes it.
        fault: Why it can never be written.
    """

    place: int
    raw: Mapping[str, Any]
    values: Sequence[Mapping[str, str]] = ()
    fault: str = ""

    @property
    def sequence_number(self) -> str:
        """The record's place in its shard."""
        return str(self.raw["kinesis"]["sequenceNumber"])


@dataclass
class Batch:
    """What became of a batch; several threads write to it."""

    written: int = 0
    rejected: int = 0
    #: The first record that is to be sent again.
    again: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send_again(self, place: int) -> None:
        """Have Lambda take the batch up again here, or before."""
        with self.lock:
            self.again = place if self.again is None else min(self.again, place)

    def is_behind(self, place: int) -> bool:
        """Whether Lambda sends this record again anyhow."""
        return self.again is not None and place > self.again


class FeatureStreamFunction:
    """Writes records to one feature group.

    Args:
        group: The group's name.
        bucket: Where records are kept that can never be written.
        control: A client of ``sagemaker``.
        runtime: A client of ``sagemaker-featurestore-runtime``.
        storage: A client of ``s3``.
        workers: Calls under way at a time.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        *,
        group: str,
        bucket: str,
        control: Any,
        runtime: Any,
        storage: Any,
        workers: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group, self._bucket = group, bucket
        self._control, self._runtime, self._storage = control, runtime, storage
        self._workers, self._clock = workers, clock
        self._schema: Schema | None = None
        self._read_at = 0.0

    def __call__(
        self, records: Sequence[Mapping[str, Any]], *, milliseconds_left: Callable[[], int]
    ) -> dict[str, list[dict[str, str]]]:
        """Write a batch.

        Args:
            records: ``Records`` of the event.
            milliseconds_left: How much time the invocation has.

        Returns:
            What is to be sent again, as Lambda wants to be told.

        Raises:
            Exception: What would be said about every record, such as a missing permission.
        """
        batch = Batch()
        queues: dict[str | int, list[Item]] = {}
        for item in map(self._item, range(len(records)), records):
            # What is of no entity waits for nobody.
            entity: str | int = item.place if item.fault else self._entity(item)
            queues.setdefault(entity, []).append(item)

        def settle(items: Sequence[Item]) -> None:
            for item in items:
                if batch.is_behind(item.place):
                    return
                if milliseconds_left() < MARGIN_MILLISECONDS or not self._settle(batch, item):
                    batch.send_again(item.place)
                    return

        with ThreadPoolExecutor(self._workers) as pool:
            # `list` raises what a thread raised.
            list(pool.map(settle, queues.values()))
        _publish(self._group, batch, late=_late(records))
        if batch.again is None:
            return {"batchItemFailures": []}
        number = str(records[batch.again]["kinesis"]["sequenceNumber"])
        return {"batchItemFailures": [{"itemIdentifier": number}]}

    def _item(self, place: int, raw: Mapping[str, Any]) -> Item:
        schema = self._group_schema()
        try:
            fields = parse(base64.b64decode(raw["kinesis"]["data"]))
            try:
                return Item(place, raw, convert(schema, fields))
            except UnknownFeatureError:
                # Features are added while the function is warm.
                schema = self._group_schema(oldest=_SECONDS_BEFORE_ASKING_AGAIN)
                return Item(place, raw, convert(schema, fields))
        except ValueError as error:
            return Item(place, raw, fault=str(error))

    def _entity(self, item: Item) -> str:
        identifier = self._group_schema().identifier
        return next(
            each["ValueAsString"] for each in item.values if each["FeatureName"] == identifier
        )

    def _settle(self, batch: Batch, item: Item) -> bool:
        """Whether the record is settled: written, or kept because it never can be."""
        if item.fault:
            self._reject(batch, item.raw, item.fault)
            return True
        return self._put(batch, item)

    def _put(self, batch: Batch, item: Item) -> bool:
        try:
            self._runtime.put_record(FeatureGroupName=self._group, Record=item.values)
        except Exception as error:
            code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
            if code in _HOPELESS:
                raise
            if code in _INVALID:
                self._reject(batch, item.raw, f"{code}: {error}")
                return True
            print(f"{item.sequence_number} is to be sent again: {type(error).__name__}: {error}")
            return False
        with batch.lock:
            batch.written += 1
        return True

    def _reject(self, batch: Batch, raw: Mapping[str, Any], reason: str) -> None:
        """Keep a record; the key is made of its place in the stream, so that it is kept once."""
        shard, _, number = str(raw["eventID"]).partition(":")
        arrived = dt.datetime.fromtimestamp(
            float(raw["kinesis"]["approximateArrivalTimestamp"]), dt.UTC
        )
        self._storage.put_object(
            Bucket=self._bucket,
            Key=f"{REJECTED_PREFIX}/{arrived:%Y/%m/%d}/{shard}/{number}.json",
            Body=json.dumps(
                {"reason": reason, "featureGroup": self._group, "record": raw}
            ).encode(),
            ContentType="application/json",
        )
        with batch.lock:
            batch.rejected += 1

    def _group_schema(self, *, oldest: float = _SCHEMA_SECONDS) -> Schema:
        if self._schema is None or self._clock() - self._read_at >= oldest:
            self._schema, self._read_at = self._describe(), self._clock()
        return self._schema

    def _describe(self) -> Schema:
        page = self._control.describe_feature_group(FeatureGroupName=self._group)
        types: dict[str, str] = {}
        while True:
            types |= {
                each["FeatureName"]: each["FeatureType"] for each in page["FeatureDefinitions"]
            }
            # The response always has the member; it is empty on the last page.
            if not page.get("NextToken"):
                break
            page = self._control.describe_feature_group(
                FeatureGroupName=self._group, NextToken=page["NextToken"]
            )
        return Schema(page["RecordIdentifierFeatureName"], page["EventTimeFeatureName"], types)


def handle(event: Mapping[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """What Lambda calls."""
    return _function()(event["Records"], milliseconds_left=context.get_remaining_time_in_millis)


@cache
def _function() -> FeatureStreamFunction:
    import boto3
    from botocore.config import Config

    workers = int(os.environ["WORKERS"])
    config = Config(
        connect_timeout=2,
        read_timeout=3,
        max_pool_connections=workers,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    return FeatureStreamFunction(
        group=os.environ["FEATURE_GROUP"],
        bucket=os.environ["DEAD_LETTER_BUCKET"],
        control=boto3.client("sagemaker", config=config),
        runtime=boto3.client("sagemaker-featurestore-runtime", config=config),
        storage=boto3.client("s3", config=config),
        workers=workers,
    )


def _late(records: Sequence[Mapping[str, Any]]) -> float:
    """How long the oldest record lay in the stream, in milliseconds."""
    oldest = min(float(each["kinesis"]["approximateArrivalTimestamp"]) for each in records)
    return max(0.0, (time.time() - oldest) * 1000)


def _publish(group: str, batch: Batch, *, late: float) -> None:
    """Metrics in the log (CloudWatch embedded metric format): no call, no permission."""
    metrics = {"RecordsWritten": "Count", "RecordsRejected": "Count", "BatchesToRepeat": "Count"}
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [["FeatureGroupName"]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics.items()]
                    + [{"Name": "Delay", "Unit": "Milliseconds"}],
                }
            ],
        },
        "FeatureGroupName": group,
        "RecordsWritten": batch.written,
        "RecordsRejected": batch.rejected,
        "BatchesToRepeat": int(batch.again is not None),
        "Delay": late,
    }
    print(json.dumps(line))
