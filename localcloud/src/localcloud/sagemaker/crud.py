"""Create, describe, update and delete for every kind of resource.

A kind with something of its own registers a preparation, an update or a check before deletion here;
what these leave open is the same for all kinds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from localcloud.errors import ServiceError
from localcloud.sagemaker import checks, errors, events
from localcloud.sagemaker.kinds import Kind, kind
from localcloud.sagemaker.lifecycle import LIFECYCLES
from localcloud.sagemaker.service import SageMaker, routine
from localcloud.sagemaker.store import Json, Record

Prepare = Callable[[SageMaker, Json], None]
Changed = Callable[[SageMaker, Record, Json], None]
Refuse = Callable[[SageMaker, Record, str], None]

_preparations: dict[str, Prepare] = {}
_updates: dict[str, Changed] = {}
_before_delete: dict[str, Refuse] = {}


def prepare(kind_name: str) -> Callable[[Prepare], Prepare]:
    """Register what completes the members of a new resource: generated ids, defaults."""
    return lambda function: _preparations.setdefault(kind_name, function)


def on_update(kind_name: str) -> Callable[[Changed], Changed]:
    """Register what an update does instead of replacing the given members."""
    return lambda function: _updates.setdefault(kind_name, function)


def before_delete(kind_name: str) -> Callable[[Refuse], Refuse]:
    """Register the check that refuses a deletion."""
    return lambda function: _before_delete.setdefault(kind_name, function)


@routine("Create")
def create(cloud: SageMaker, of: Kind, operation: str, request: Json) -> Json:
    """Create a resource; it is ready after the time that its lifecycle says."""
    record = store_new(cloud, of, operation, request)
    start(cloud, record)
    return record.data


def store_new(cloud: SageMaker, of: Kind, operation: str, request: Json) -> Record:
    """Check a new resource, then keep it with its tags; its lifecycle is for the caller to start.

    Nothing is kept of a resource that a check refuses.
    """
    data = {name: value for name, value in request.items() if name != "Tags"}
    with cloud.store.lock:
        preparation = _preparations.get(of.name)
        if preparation:
            preparation(cloud, data)
        members = {**data, "Id": uuid4().hex[:12].upper()}
        arn = members.get(of.arn_member) or cloud.arn_of(of, members)
        name = str(data.get(of.name_member) or "")
        # By ARN, not by name: names that differ only in case are the same resource.
        if cloud.store.by_arn(cloud.scope, arn, of.name):
            raise errors.existing(operation, of, name, arn)
        checks.before_store(cloud, of.name, {**data, "Tags": request.get("Tags") or []})
        now = time.time()
        data |= {of.arn_member: arn, "CreationTime": now, "LastModifiedTime": now}
        lifecycle = LIFECYCLES.get(of.name)
        if lifecycle and of.status_member:
            data.setdefault(of.status_member, lifecycle.creating)
        key = tuple(str(data.get(member) or "") for member in of.key)
        record = Record(of.name, key, arn, data)
        cloud.store.add(cloud.scope, record)
        tags = cloud.store.tags(arn)
        tags.update({tag["Key"]: tag["Value"] for tag in request.get("Tags") or []})
    return record


def start(cloud: SageMaker, record: Record) -> None:
    """Let a new resource become ready."""
    lifecycle = LIFECYCLES.get(record.kind)
    events.state_changed(record, cloud.store.tags(record.arn))
    if lifecycle:
        cloud.clock.after(lifecycle.seconds, lambda: set_status(cloud, record, lifecycle.ready))


def set_status(cloud: SageMaker, record: Record, status: str, **changes: Any) -> None:
    """Move a resource to a status, unless it is gone, and tell the event bus."""
    member = kind(record.kind).status_member
    with cloud.store.lock:
        if cloud.store.get(cloud.scope, record.kind, record.key) is not record:
            return
        if member:
            changes[member] = status
        cloud.touch(record, **changes)
    events.state_changed(record, cloud.store.tags(record.arn))


@routine("Describe")
def describe(cloud: SageMaker, of: Kind, operation: str, request: Json) -> Json:
    """What the service knows of a resource."""
    return cloud.require(of.name, request, operation).data


@routine("Update")
def update(cloud: SageMaker, of: Kind, operation: str, request: Json) -> Json:
    """Replace the members that the request gives."""
    record = cloud.require(of.name, request, operation)
    members = {name: value for name, value in request.items() if name not in of.key}
    changed = _updates.get(of.name)
    if changed:
        changed(cloud, record, members)
    else:
        checks.before_store(cloud, of.name, {**record.data, **members})
        cloud.touch(record, **members)
    lifecycle = LIFECYCLES.get(of.name)
    if lifecycle and of.status_member and lifecycle.updating != lifecycle.ready:
        set_status(cloud, record, lifecycle.updating)
        cloud.clock.after(lifecycle.seconds, lambda: set_status(cloud, record, lifecycle.ready))
    else:
        events.state_changed(record, cloud.store.tags(record.arn))
    return record.data


@routine("Delete")
def delete(cloud: SageMaker, of: Kind, operation: str, request: Json) -> Json:
    """Delete a resource; it shows its deletion for the time that its lifecycle says."""
    record = cloud.require(of.name, request, operation)
    refuse = _before_delete.get(of.name)
    if refuse:
        refuse(cloud, record, operation)
    lifecycle = LIFECYCLES.get(of.name)
    if lifecycle is None:
        cloud.store.remove(cloud.scope, record)
        return record.data
    if of.status_member and record.data.get(of.status_member) == lifecycle.deleting:
        raise errors.in_use(operation, f"{of.words} {record.arn} is already being deleted.")
    set_status(cloud, record, lifecycle.deleting)
    scope = cloud.scope
    cloud.clock.after(lifecycle.seconds, lambda: cloud.store.remove(scope, record))
    return record.data


def wait_gone(cloud: SageMaker, kind_name: str, request: Json, *, seconds: float) -> None:
    """Wait until a resource is deleted.

    Raises:
        ServiceError: It is still there after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while (record := cloud.find(kind_name, request)) is not None:
        if time.monotonic() > deadline:
            status = record.data.get(kind(kind_name).status_member or "", "")
            raise ServiceError("NotStabilized", f"{record.arn} is not deleted, but {status}.")
        time.sleep(0.02)
