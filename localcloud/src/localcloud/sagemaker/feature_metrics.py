"""The CloudWatch metrics of the feature store's runtime.

Source: SageMaker developer guide, "Amazon SageMaker Feature Store metrics" (names, units,
dimensions) and "Throughput modes" (units of 1 KB written, of 4 KB read). The namespace is not in
the guide: see ``mlops_constructs.feature_store.metrics``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from math import ceil
from weakref import WeakKeyDictionary

from localcloud import emulator
from localcloud.sagemaker.metrics import Meter
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

_BATCHES = frozenset({"BatchGetRecord", "BatchWriteRecord"})
_WRITTEN, _READ = 1024, 4096
"""Bytes of a write unit and of a read unit."""

_meters: WeakKeyDictionary[SageMaker, dict[tuple[object, ...], Meter]] = WeakKeyDictionary()
_lock = threading.Lock()


def count(
    cloud: SageMaker, operation: str, request: Json, answer: Json, *, status: int, seconds: float
) -> None:
    """Write what one call counts for.

    Args:
        cloud: Whose clock says how fast the service's time passes.
        operation: Of the runtime.
        request: What was asked.
        answer: What was answered; empty if the call failed.
        status: The HTTP status of the answer.
        seconds: How long it took.
    """
    groups = {"OperationName": operation}
    if operation not in _BATCHES:
        groups["FeatureGroupName"] = _name(request.get("FeatureGroupName"))
    meter = _meter(cloud, groups)
    meter.add("Invocations", 1.0)
    meter.add("Operation4XXErrors", float(400 <= status < 500))
    meter.add("Operation5XXErrors", float(status >= 500))
    # Nothing is throttled here.
    meter.add("ThrottledRequests", 0.0)
    meter.add("Latency", seconds * 1e6)
    for group, kind, units in _consumed(operation, request, answer) if status < 300 else ():
        record = cloud.find("FeatureGroup", {"FeatureGroupName": group})
        mode = ((record.data if record else {}).get("ThroughputConfig") or {}).get("ThroughputMode")
        of = {"OperationName": operation, "FeatureGroupName": _name(group)}
        unit = "Capacity" if mode == "Provisioned" else "Requests"
        _meter(cloud, of).add(f"Consumed{kind}{unit}Units", float(units))


def _consumed(operation: str, request: Json, answer: Json) -> Iterator[tuple[str, str, int]]:
    """Groups, reads or writes, and units."""
    group = request.get("FeatureGroupName", "")
    match operation:
        case "PutRecord":
            yield group, "Write", _units(request["Record"], _WRITTEN)
        case "UpdateRecord":
            yield group, "Write", _units(request["Features"], _WRITTEN)
        case "DeleteRecord":
            yield group, "Write", 1
        case "BatchWriteRecord":
            for entry in request["Entries"]:
                yield entry["FeatureGroupName"], "Write", _units(entry["Record"], _WRITTEN)
        case "GetRecord":
            yield group, "Read", _units(answer.get("Record") or [], _READ)
        case "BatchGetRecord":
            for found in answer["Records"]:
                yield found["FeatureGroupName"], "Read", _units(found["Record"], _READ)


def _units(record: list[Json], size: int) -> int:
    length = sum(
        len(item["FeatureName"])
        + len(item.get("ValueAsString") or "")
        + sum(map(len, item.get("ValueAsStringList") or ()))
        for item in record
    )
    return max(1, ceil(length / size))


def _meter(cloud: SageMaker, dimensions: dict[str, str]) -> Meter:
    key = (emulator.current_scope(), *dimensions.values())
    with _lock:
        meters = _meters.setdefault(cloud, {})
        if key not in meters:
            meters[key] = Meter(cloud.clock, [dimensions])
        return meters[key]


def _name(group: object) -> str:
    """The name of a group that is named by its ARN, or by its name."""
    return str(group).rpartition("/")[2]
