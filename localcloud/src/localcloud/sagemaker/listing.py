"""List operations: filters, order and pages, read off the request's own members."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from localcloud.errors import invalid
from localcloud.model import operation_model
from localcloud.sagemaker.kinds import SERVICE, Kind, kind
from localcloud.sagemaker.service import SageMaker, operation, routine
from localcloud.sagemaker.store import Json, Record

_PAGE = 10
"""The default page of the service's List operations (botocore: MaxResults)."""

_SAME_MEMBER = {
    "MonitoringJobDefinitionName": "JobDefinitionName",
    "MonitoringJobDefinitionArn": "JobDefinitionArn",
    "TrackingServerStatus": "TrackingServerStatus",
}
"""Members of summaries whose name in the record differs."""


@routine("List")
def list_resources(cloud: SageMaker, of: Kind, operation_name: str, request: Json) -> Json:
    """List the resources of a kind."""
    records = [r for r in cloud.store.records(cloud.scope, of.name) if _matches(of, r, request)]
    records.sort(key=_sort_key(of, request), reverse=request.get("SortOrder") != "Ascending")
    output: Any = operation_model(SERVICE, operation_name).output_shape
    summaries = next(n for n, shape in output.members.items() if shape.type_name == "list")
    page, token = paginate([summary(record) for record in records], request)
    return {summaries: page, "NextToken": token}


def summary(record: Record) -> Json:
    """A record with the members that summaries name differently."""
    data = record.data
    renamed = {new: data[old] for new, old in _SAME_MEMBER.items() if old in data}
    config = data.get("MonitoringScheduleConfig") or {}
    return {**config, **renamed, **data}


def paginate(items: Sequence[Any], request: Json, *, page: int = _PAGE) -> tuple[list[Any], Any]:
    """The page that a request asks for, and the token of the next one.

    Raises:
        ServiceError: The token is not one that this function returned.
    """
    start = _offset(request.get("NextToken"))
    end = start + (request.get("MaxResults") or page)
    token = base64.b64encode(str(end).encode()).decode() if end < len(items) else None
    return list(items[start:end]), token


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except (ValueError, binascii.Error) as error:
        raise invalid("Invalid pagination token given.") from error


def _matches(of: Kind, record: Record, request: Json) -> bool:
    return all(_accepts(of, summary(record), name, value) for name, value in request.items())


def _accepts(of: Kind, data: Json, filter_name: str, wanted: Any) -> bool:
    """Whether a record passes one member of a List request."""
    if filter_name in {
        "NextToken",
        "MaxResults",
        "SortBy",
        "SortOrder",
        "CrossAccountFilterOption",
    }:
        return True
    if filter_name in {"NameContains", f"{of.name_member}Contains"}:
        return str(wanted).lower() in str(data.get(of.name_member, "")).lower()
    if filter_name == "PipelineNamePrefix":
        return str(data.get("PipelineName", "")).startswith(wanted)
    if filter_name == "ModelPackageType":
        versioned = "ModelPackageVersion" in data
        return bool(wanted == "Both" or versioned == (wanted == "Versioned"))
    period = re.fullmatch(
        r"(Creation|LastModified|Modified|Scheduled|Created)(Time)?(After|Before)", filter_name
    )
    if period:
        member = "LastModifiedTime" if "Modified" in period[1] else "CreationTime"
        moment, limit = float(data.get(member) or 0), _seconds(wanted)
        return moment >= limit if period[3] == "After" else moment <= limit
    member = filter_name.removesuffix("Equals")
    if member == "Status":
        member = of.status_member or member
    if member == "ModelPackageGroupName":
        wanted = str(wanted).rsplit("/", 1)[-1]
    return bool(data.get(member) == wanted)


def _seconds(moment: Any) -> float:
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else float(moment)


def _sort_key(of: Kind, request: Json) -> Callable[[Record], Any]:
    by = request.get("SortBy") or "CreationTime"
    member = {"Name": of.name_member, "Status": of.status_member or ""}.get(by, by)
    if member in {"CreationTime", "LastModifiedTime"}:
        return lambda record: float(record.data.get(member) or 0)
    return lambda record: str(record.data.get(member, ""))


@operation("Search")
def search(cloud: SageMaker, request: Json) -> Json:
    """Find resources by the values of their members; nested filters are not taken."""
    resource = request["Resource"]
    of = kind(resource)
    expression = request.get("SearchExpression") or {}
    filters = expression.get("Filters") or []
    both = any if expression.get("Operator") == "Or" else all
    found = [
        record
        for record in cloud.store.records(cloud.scope, of.name)
        if not filters or both(_passes(cloud, record, item) for item in filters)
    ]
    member = request.get("SortBy") or "CreationTime"
    found.sort(
        key=lambda record: (record.data.get(member) is not None, record.data.get(member)),
        reverse=request.get("SortOrder") != "Ascending",
    )
    page, token = paginate([{resource: record.data} for record in found], request)
    return {"Results": page, "NextToken": token, "TotalHits": {"Value": len(found)}}


def _passes(cloud: SageMaker, record: Record, item: Json) -> bool:
    name, wanted = item["Name"], item.get("Value")
    data: Any = {**record.data, "Tags": cloud.store.tags(record.arn)}
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    got = None if data is None else str(data)
    tests: dict[str, Callable[[], bool]] = {
        "Equals": lambda: got == wanted,
        "NotEquals": lambda: got != wanted,
        "Contains": lambda: got is not None and str(wanted) in got,
        "Exists": lambda: got is not None,
        "NotExists": lambda: got is None,
        "In": lambda: got in str(wanted).split(","),
        "GreaterThan": lambda: got is not None and float(got) > float(str(wanted)),
        "GreaterThanOrEqualTo": lambda: got is not None and float(got) >= float(str(wanted)),
        "LessThan": lambda: got is not None and float(got) < float(str(wanted)),
        "LessThanOrEqualTo": lambda: got is not None and float(got) <= float(str(wanted)),
    }
    return tests[item.get("Operator") or "Equals"]()
