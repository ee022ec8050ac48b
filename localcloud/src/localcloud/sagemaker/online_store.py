"""Feature Store runtime: the records of the online store."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from localcloud.errors import ServiceError
from localcloud.model import operation_model, project
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.validation import validate

RUNTIME = "sagemaker-featurestore-runtime"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z")
"""The two forms of an event time of type String (botocore: EventTimeFeatureName)."""

_UNITS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86400, "Weeks": 604800}


def call(cloud: SageMaker, operation: str, request: Json) -> Json:
    """Carry out an operation of the runtime in the current scope.

    Raises:
        ServiceError: The request is not valid, or the service refuses it.
    """
    model = operation_model(RUNTIME, operation)
    request = validate(model.input_shape, request)
    carry_out = _OPERATIONS.get(operation)
    if carry_out is None:
        raise ServiceError("UnsupportedOperation", f"The local cloud has no {operation}.")
    shaped: Json = project(model.output_shape, carry_out(cloud, request))
    return shaped


def _put_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    values = _values(group, request["Record"])
    identifier = values[group.data["RecordIdentifierFeatureName"]]
    moment = _event_time(values[group.data["EventTimeFeatureName"]])
    stores = request.get("TargetStores") or ["OnlineStore", "OfflineStore"]
    if "OnlineStore" in stores and _has_online_store(group):
        online = group.hidden.setdefault("online", {})
        with cloud.store.lock:
            earlier = online.get(identifier)
            # A record that is older than what the store has is kept offline only.
            if earlier is None or moment >= earlier["time"]:
                online[identifier] = {
                    "time": moment,
                    "record": request["Record"],
                    "expires": _expiry(group, request.get("TtlDuration"), moment),
                }
    return {}


def _get_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    found = _read(group, request["RecordIdentifierValueAsString"])
    if found is None:
        return {}
    answer: Json = {"Record": _chosen(found["record"], request.get("FeatureNames"))}
    if request.get("ExpirationTimeResponse") == "Enabled" and found["expires"]:
        answer["ExpiresAt"] = _iso(found["expires"])
    return answer


def _delete_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    moment = _event_time(request["EventTime"])
    online = group.hidden.setdefault("online", {})
    identifier = request["RecordIdentifierValueAsString"]
    with cloud.store.lock:
        earlier = online.get(identifier)
        if earlier is not None and moment >= earlier["time"]:
            if request.get("DeletionMode") == "HardDelete":
                del online[identifier]
            else:
                # What is deleted softly keeps its event time, so that an older record that
                # arrives later does not bring it back.
                online[identifier] = {"time": moment, "record": None, "expires": None}
    return {}


def _batch_get_record(cloud: SageMaker, request: Json) -> Json:
    records, errors = [], []
    for wanted in request["Identifiers"]:
        for identifier in wanted["RecordIdentifiersValueAsString"]:
            about = {
                "FeatureGroupName": wanted["FeatureGroupName"],
                "RecordIdentifierValueAsString": identifier,
            }
            try:
                found = _get_record(cloud, {**about, "FeatureNames": wanted.get("FeatureNames")})
            except ServiceError as error:
                errors.append({**about, "ErrorCode": error.code, "ErrorMessage": error.message})
                continue
            if "Record" in found:
                records.append({**about, **found})
    return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}


_OPERATIONS = {
    "PutRecord": _put_record,
    "GetRecord": _get_record,
    "DeleteRecord": _delete_record,
    "BatchGetRecord": _batch_get_record,
}


def _group(cloud: SageMaker, name: str) -> Record:
    record = cloud.find("FeatureGroup", {"FeatureGroupName": name})
    if record is None:
        raise ServiceError(
            "ResourceNotFound",
            f"Requested Feature Group with name {name} does not exist.",
            status=404,
        )
    if record.data["FeatureGroupStatus"] != "Created":
        raise _refused(f"Feature Group {name} is in status {record.data['FeatureGroupStatus']}.")
    return record


def _read(group: Record, identifier: str) -> Json | None:
    if not _has_online_store(group):
        raise _refused(f"Online store is not enabled for {group.data['FeatureGroupName']}.")
    found: Json | None = group.hidden.get("online", {}).get(identifier)
    if found is None or found["record"] is None:
        return None
    if found["expires"] and found["expires"] < time.time():
        return None
    return found


def _values(group: Record, record: list[Json]) -> dict[str, str]:
    """The values of a record by feature, checked against the features of its group."""
    types = {f["FeatureName"]: f["FeatureType"] for f in group.data["FeatureDefinitions"]}
    values: dict[str, Any] = {}
    for item in record:
        name = item["FeatureName"]
        if name not in types:
            raise _refused(f"Feature '{name}' is not in the feature group.")
        if name in values:
            raise _refused(f"Feature '{name}' appears more than once in the record.")
        values[name] = item.get("ValueAsString")
        if values[name] is not None:
            _check_type(name, types[name], values[name])
    for role in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        if not values.get(group.data[role]):
            raise _refused(f"The record has no value for its {role} '{group.data[role]}'.")
    return values


def _check_type(name: str, feature_type: str, value: str) -> None:
    readers: dict[str, Any] = {"Integral": int, "Fractional": float}
    reader = readers.get(feature_type)
    if reader is None:
        return
    try:
        reader(value)
    except ValueError as error:
        raise _refused(f"Feature '{name}': {value!r} is not of type {feature_type}.") from error


def _event_time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    if not _ISO.fullmatch(text):
        raise _refused(
            f"Event time {text!r} must be seconds since the epoch or an ISO-8601 time in UTC such"
            " as 2026-01-31T08:00:00Z."
        )
    return datetime.fromisoformat(text).timestamp()


def _expiry(group: Record, duration: Json | None, moment: float) -> float | None:
    online = group.data.get("OnlineStoreConfig") or {}
    duration = duration or online.get("TtlDuration")
    if not duration:
        return None
    return moment + float(duration["Value"]) * _UNITS[duration["Unit"]]


def _has_online_store(group: Record) -> bool:
    online = group.data.get("OnlineStoreConfig") or {}
    return bool(online.get("EnableOnlineStore"))


def _chosen(record: list[Json], names: list[str] | None) -> list[Json]:
    return [item for item in record if not names or item["FeatureName"] in names]


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _refused(message: str) -> ServiceError:
    return ServiceError("ValidationError", f"Validation Error: {message}")
