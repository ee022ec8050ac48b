"""Feature Store runtime: records are put, read, changed and deleted.

The rules are those of botocore's model of the runtime: what is newer wins online, everything goes
offline. Time to live is real time here, whatever the time scale, since event times are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from localcloud.errors import ServiceError
from localcloud.model import operation_model, project
from localcloud.sagemaker import feature_metrics, offline_store
from localcloud.sagemaker.offline_buffer import Row
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.validation import validate

RUNTIME = "sagemaker-featurestore-runtime"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z")
"""The two forms of an event time of type String (botocore: EventTimeFeatureName)."""

_ONLINE, _OFFLINE = "OnlineStore", "OfflineStore"
_UPDATABLE = ("Standard_V2", "InMemory")
_MOST_UPDATED = 100
"""Features that one UpdateRecord takes (botocore)."""

_MOST_LISTED = 100
"""Identifiers in a page of ListRecords (botocore: ListRecordsMaxResults)."""

_FORMS = {
    "Integral": re.compile(r"[+-]?\d+"),
    "Fractional": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN"),
}
_UNITS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86400, "Weeks": 604800}


def call(cloud: SageMaker, operation: str, request: Json) -> Json:
    """Carry out an operation of the runtime in the current scope.

    Raises:
        ServiceError: The request is not valid, or the service refuses it.
    """
    model = operation_model(RUNTIME, operation)
    carry_out = _OPERATIONS.get(operation)
    if carry_out is None:
        raise ServiceError("UnsupportedOperation", f"The local cloud has no {operation}.")
    begin, status = time.perf_counter(), 500
    answer: Json = {}
    try:
        request = validate(model.input_shape, request)
        answer = project(model.output_shape, carry_out(cloud, request))
        status = 200
    except ServiceError as error:
        status = error.status
        raise
    finally:
        seconds = time.perf_counter() - begin
        feature_metrics.count(cloud, operation, request, answer, status=status, seconds=seconds)
    return answer


def _put_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    values = _values(group, request["Record"], complete=True)
    _put(
        cloud,
        group,
        request["Record"],
        values=values,
        stores=_stores(group, request.get("TargetStores")),
        ttl=request.get("TtlDuration"),
    )
    return {}


def _put(
    cloud: SageMaker,
    group: Record,
    record: list[Json],
    *,
    values: dict[str, Any],
    stores: frozenset[str],
    ttl: Json | None,
) -> None:
    moment = _event_time(group, values[group.data["EventTimeFeatureName"]])
    if _ONLINE in stores:
        with cloud.store.lock:
            online = _online(group)
            identifier = values[group.data["RecordIdentifierFeatureName"]]
            earlier = _alive(online, identifier)
            # What is not newer than what the store has is history: it is kept offline only.
            if earlier is None or moment > earlier["time"]:
                expires = _expiry(group, ttl, moment)
                online[identifier] = {"time": moment, "record": record, "expires": expires}
                _alive(online, identifier)
    if _OFFLINE in stores:
        offline_store.add(cloud, group, [Row(values, moment, time.time())])


def _get_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    names = request.get("FeatureNames") or ()
    _known(group, names)
    _stores(group, [_ONLINE])
    with cloud.store.lock:
        found = _alive(_online(group), request["RecordIdentifierValueAsString"])
    if found is None or found["record"] is None:
        return {}
    record = [item for item in found["record"] if not names or item["FeatureName"] in names]
    answer: Json = {"Record": record}
    if request.get("ExpirationTimeResponse") == "Enabled" and found["expires"]:
        answer["ExpiresAt"] = _iso(found["expires"])
    return answer


def _delete_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    moment = _event_time(group, request["EventTime"])
    stores = _stores(group, request.get("TargetStores"))
    identifier = request["RecordIdentifierValueAsString"]
    hard = request.get("DeletionMode") == "HardDelete"
    if _ONLINE in stores:
        with cloud.store.lock:
            online = _online(group)
            earlier = _alive(online, identifier)
            later = earlier is None or moment > earlier["time"]
            if hard and not later:
                raise _refused(
                    f"EventTime {request['EventTime']} is not later than that of the record."
                )
            if hard:
                online.pop(identifier, None)
            elif later:
                # What is deleted softly keeps its event time, so that an older record that
                # arrives later does not bring it back.
                online[identifier] = {"time": moment, "record": None, "expires": None}
    if _OFFLINE in stores:
        keys = ("RecordIdentifierFeatureName", "EventTimeFeatureName")
        values = dict(
            zip((group.data[key] for key in keys), (identifier, request["EventTime"]), strict=True)
        )
        offline_store.add(cloud, group, [Row(values, moment, time.time(), deleted=True)])
    return {}


def _update_record(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    if (group.data.get("OnlineStoreConfig") or {}).get("StorageType") not in _UPDATABLE:
        raise _refused("UpdateRecord needs an online store of the type Standard_V2 or InMemory.")
    if len(request["Features"]) > _MOST_UPDATED:
        raise _refused(f"UpdateRecord takes {_MOST_UPDATED} features at most.")
    stores, ttl = _stores(group, request.get("TargetStores")), request.get("TtlDuration")
    changed = {item["FeatureName"]: item for item in request["Features"]}
    when = changed.get(group.data["EventTimeFeatureName"])
    identifier = request["RecordIdentifierValueAsString"]
    given = _values(group, request["Features"], complete=False)
    if given.get(group.data["RecordIdentifierFeatureName"], identifier) != identifier:
        raise _refused("The record identifier cannot be changed.")
    if ttl and not when:
        raise _refused("TtlDuration needs an EventTime in the same request.")
    with cloud.store.lock:
        online = _online(group)
        found = _alive(online, identifier)
        if found is None or found["record"] is None:
            raise ServiceError("ResourceNotFound", f"No record {identifier}.", status=404)
        moment = _event_time(group, when["ValueAsString"]) if when else found["time"]
        if moment < found["time"]:
            raise ServiceError(
                "ConflictException", "EventTime is older than that of the record.", status=409
            )
        merged = {item["FeatureName"]: item for item in found["record"]} | changed
        record = list(merged.values())
        values = _values(group, record, complete=True)
        if _ONLINE in stores:
            expires = _expiry(group, ttl, moment) if ttl else found["expires"]
            online[identifier] = {"time": moment, "record": record, "expires": expires}
    if _OFFLINE in stores:
        offline_store.add(cloud, group, [Row(values, moment, time.time())])
    return {}


def _batch_get_record(cloud: SageMaker, request: Json) -> Json:
    records, errors = [], []
    for wanted in request["Identifiers"]:
        for identifier in wanted["RecordIdentifiersValueAsString"]:
            about = {
                "FeatureGroupName": wanted["FeatureGroupName"],
                "RecordIdentifierValueAsString": identifier,
            }
            options = {
                "FeatureNames": wanted.get("FeatureNames"),
                "ExpirationTimeResponse": request.get("ExpirationTimeResponse"),
            }
            try:
                found = _get_record(cloud, about | options)
            except ServiceError as error:
                errors.append({**about, "ErrorCode": error.code, "ErrorMessage": error.message})
                continue
            if "Record" in found:
                records.append({**about, **found})
    return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}


def _batch_write_record(cloud: SageMaker, request: Json) -> Json:
    errors = []
    for entry in request["Entries"]:
        ttl = entry.get("TtlDuration") or request.get("TtlDuration")
        try:
            _put_record(cloud, {**entry, "TtlDuration": ttl})
        except ServiceError as error:
            errors.append({"Entry": entry, "ErrorCode": error.code, "ErrorMessage": error.message})
    return {"Errors": errors, "UnprocessedEntries": []}


def _list_records(cloud: SageMaker, request: Json) -> Json:
    group = _group(cloud, request["FeatureGroupName"])
    _stores(group, [_ONLINE])
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise _refused("NextToken is not one that ListRecords gave.")
    start, most = int(token), request.get("MaxResults") or _MOST_LISTED
    with cloud.store.lock:
        online = _online(group)
        alive = [
            identifier
            for identifier in list(online)
            if (found := _alive(online, identifier)) is not None
            and (found["record"] is not None or request.get("IncludeSoftDeletedRecords"))
        ]
    answer: Json = {"RecordIdentifiers": alive[start : start + most]}
    if start + most < len(alive):
        answer["NextToken"] = str(start + most)
    return answer


_OPERATIONS = {
    "PutRecord": _put_record,
    "GetRecord": _get_record,
    "DeleteRecord": _delete_record,
    "UpdateRecord": _update_record,
    "BatchGetRecord": _batch_get_record,
    "BatchWriteRecord": _batch_write_record,
    "ListRecords": _list_records,
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


def _online(group: Record) -> Json:
    found: Json = group.hidden.setdefault("online", {})
    return found


def _alive(online: Json, identifier: str) -> Json | None:
    """What the online store has; what has expired is deleted for good (botocore: TtlDuration)."""
    found: Json | None = online.get(identifier)
    if found is not None and found["expires"] and found["expires"] <= time.time():
        del online[identifier]
        return None
    return found


def _stores(group: Record, wanted: list[str] | None) -> frozenset[str]:
    """The stores that a call is for: those of the group, unless it names some of them."""
    online = group.data.get("OnlineStoreConfig") or {}
    there = {_ONLINE} if online.get("EnableOnlineStore") else set()
    if offline_store.has(group):
        there.add(_OFFLINE)
    if absent := sorted(set(wanted or ()) - there):
        name = group.data["FeatureGroupName"]
        raise _refused(f"{absent[0]} is not enabled for Feature Group {name}.")
    return frozenset(wanted or there)


def _values(group: Record, record: list[Json], *, complete: bool) -> dict[str, Any]:
    """The values of a record by feature, checked against the features of its group."""
    definitions = {each["FeatureName"]: each for each in group.data["FeatureDefinitions"]}
    values: dict[str, Any] = {}
    for item in record:
        name = item["FeatureName"]
        if name not in definitions:
            raise _unknown(name)
        if name in values:
            raise _refused(f"Feature '{name}' appears more than once in the record.")
        many = "CollectionType" in definitions[name]
        value = item.get("ValueAsStringList" if many else "ValueAsString")
        if item.get("ValueAsString" if many else "ValueAsStringList") is not None:
            wanted = "a list of values" if many else "one value"
            raise _refused(f"Feature '{name}' takes {wanted}.")
        values[name] = value
        for each in value if many and value else [value]:
            _check_type(name, definitions[name]["FeatureType"], each)
    if complete:
        for role in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
            if not values.get(group.data[role]):
                raise _refused(f"The record has no value for its {role} '{group.data[role]}'.")
        _event_time(group, values[group.data["EventTimeFeatureName"]])
    return values


def _known(group: Record, names: Iterable[str]) -> None:
    features = {each["FeatureName"] for each in group.data["FeatureDefinitions"]}
    for name in names:
        if name not in features:
            raise _unknown(name)


def _unknown(name: str) -> ServiceError:
    return _refused(f"Feature '{name}' is not in the feature group.")


def _check_type(name: str, feature_type: str, value: str | None) -> None:
    form = _FORMS.get(feature_type)
    if value is None or form is None:
        return
    fits = form.fullmatch(value)
    if not fits or (feature_type == "Integral" and not -(2**63) <= int(value) < 2**63):
        raise _refused(f"Feature '{name}': {value!r} is not of type {feature_type}.")


def _event_time(group: Record, text: str) -> float:
    name = group.data["EventTimeFeatureName"]
    types = {each["FeatureName"]: each["FeatureType"] for each in group.data["FeatureDefinitions"]}
    try:
        if types[name] == "Fractional":
            seconds = float(text)
            # Also refuses what is no number at all.
            datetime.fromtimestamp(seconds, UTC)
            return seconds
        if _ISO.fullmatch(text):
            return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    form = "seconds since the epoch" if types[name] == "Fractional" else "2026-01-31T08:00:00Z"
    raise _refused(f"Event time {text!r} of '{name}' must be of the form {form}.")


def _expiry(group: Record, duration: Json | None, moment: float) -> float | None:
    online = group.data.get("OnlineStoreConfig") or {}
    duration = duration or online.get("TtlDuration")
    if not duration:
        return None
    return moment + float(duration["Value"]) * _UNITS[duration["Unit"]]


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _refused(message: str) -> ServiceError:
    return ServiceError("ValidationError", f"Validation Error: {message}")
