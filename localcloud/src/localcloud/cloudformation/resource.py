"""A SageMaker resource type for CloudFormation, made of its registry schema and its API."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

from localcloud import emulator
from localcloud.cloudformation.schemas import Schema
from localcloud.cloudformation.values import check, coerce
from localcloud.errors import ServiceError
from localcloud.model import operation_model, operation_names
from localcloud.sagemaker.crud import wait_gone
from localcloud.sagemaker.kinds import SERVICE, Kind, kind
from localcloud.sagemaker.lifecycle import LIFECYCLES
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

_NAME_LENGTH = 63
_MOST_SECONDS = 900.0
"""How long a resource may take here. AWS waits up to hours; nothing that works takes as long."""

_NAME_ATTRIBUTES = frozenset(
    {"CodeRepository", "Endpoint", "EndpointConfig", "Model", "NotebookInstance"}
    | {"NotebookInstanceLifecycleConfig", "Workteam"}
)
"""Types whose name ``Fn::GetAtt`` reads though the schema does not call it read-only
(CloudFormation user guide, "Return values")."""

_FAILED = frozenset({"Failed", "CREATE_FAILED", "CreateFailed", "Stopped"})
_HANDLER_CODES = {
    "ResourceInUse": "ResourceConflict",
    "ResourceNotFound": "NotFound",
    "ResourceLimitExceeded": "ServiceLimitExceeded",
    "NotStabilized": "NotStabilized",
}


class HandlerError(Exception):
    """A resource failed, in the words in which CloudFormation passes it on."""

    def __init__(self, message: str, code: str = "GeneralServiceException") -> None:
        super().__init__(
            f'Resource handler returned message: "{message}"'
            f" (RequestToken: {uuid4()}, HandlerErrorCode: {code})"
        )


class SageMakerResource:
    """Creates, updates and deletes resources of one type.

    Args:
        cloud: The service.
        schema: Of the type.
    """

    def __init__(self, cloud: SageMaker, schema: Schema) -> None:
        self.cloud = cloud
        self.schema = schema
        self.kind: Kind = kind(schema.type_name.rsplit("::", 1)[-1])

    # --- what the engine calls -------------------------------------------------------------------

    def create(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the resource and wait until it is ready."""
        check(self.schema, properties)
        if self._generates_name() and not properties.get(self.kind.name_member):
            name = emulator.physical_name(
                stack_name, logical_id, max_length=_NAME_LENGTH, lowercase=False
            )
            properties = {**properties, self.kind.name_member: name}
        answer = self._call(f"Create{self.kind.name}", self.request("Create", properties))
        record = self._record(answer, properties)
        try:
            self.wait_ready(record)
            self.after_create(record, properties)
        except Exception:
            self._discard(record)
            raise
        return self.physical_id(record), self.attributes(record)

    def update(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the resource in place and wait until it is ready."""
        del stack_name
        check(self.schema, new)
        record = self.find(physical_id)
        if record is None:
            raise HandlerError(f"{physical_id} does not exist.", "NotFound")
        self.update_tags(record, old, new)
        changed = {
            name
            for name in old.keys() | new.keys()
            if old.get(name) != new.get(name) and name != self.schema.tags
        }
        if changed:
            self.change(record, old, new, changed)
            self.wait_ready(record)
        return physical_id, self.attributes(record)

    def delete(self, physical_id: str, properties: Json) -> None:
        """Delete the resource and wait until it is gone; one that is gone already is no error."""
        del properties
        record = self.find(physical_id)
        if record is None:
            return
        self.before_delete(record)
        self._call(f"Delete{self.kind.name}", self.named(f"Delete{self.kind.name}", record))
        key = dict(zip(self.kind.key, record.key, strict=True))
        wait_gone(self.cloud, self.kind.name, key, seconds=_MOST_SECONDS)

    # --- what types override ---------------------------------------------------------------------

    def request(self, verb: str, properties: Json) -> Json:
        """The API request of these properties."""
        shape = operation_model(SERVICE, f"{verb}{self.kind.name}").input_shape
        request: Json = coerce(shape, properties)
        return request

    def change(self, record: Record, old: Json, new: Json, changed: set[str]) -> None:
        """Carry out an update of the properties named in ``changed``."""
        del old
        operation = f"Update{self.kind.name}"
        if operation not in operation_names(SERVICE):
            raise HandlerError(f"{', '.join(sorted(changed))} cannot be updated.", "NotUpdatable")
        self._call(operation, {**self.request("Update", new), **self.named(operation, record)})

    def after_create(self, record: Record, properties: Json) -> None:
        """What a type does beyond its Create operation."""

    def before_delete(self, record: Record) -> None:
        """What a type does before its Delete operation."""

    # --- identity --------------------------------------------------------------------------------

    def physical_id(self, record: Record) -> str:
        """What ``Ref`` returns: the primary identifier, its parts joined by ``|``."""
        return "|".join(self._value(record, name) for name in self.schema.primary)

    def attributes(self, record: Record) -> Json:
        """What ``Fn::GetAtt`` returns."""
        names = set(self.schema.read_only)
        if self.kind.name in _NAME_ATTRIBUTES:
            names.add(self.kind.name_member)
        found = {name: self._value(record, name) for name in names}
        return {name: value for name, value in found.items() if value != ""}

    def find(self, physical_id: str) -> Record | None:
        """The record with this physical id."""
        for record in self.cloud.store.records(self.cloud.scope, self.kind.name):
            if self.physical_id(record) == physical_id:
                return record
        return None

    def named(self, operation: str, record: Record) -> Json:
        """The members of a request that name a record."""
        shape: Any = operation_model(SERVICE, operation).input_shape
        return {
            member: record.data[member]
            for member in (*self.kind.key, self.kind.arn_member)
            if member in shape.members and record.data.get(member)
        }

    def _value(self, record: Record, name: str) -> str:
        if name in {self.kind.arn_member, "Arn"}:
            return record.arn
        if name == "MlflowAppId":
            return record.arn.rsplit("/", 1)[-1]
        value = record.data.get(name)
        if isinstance(value, float) and name.endswith("Time"):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def _record(self, answer: Json, properties: Json) -> Record:
        arn = answer.get(self.kind.arn_member)
        found = (
            self.cloud.store.by_arn(self.cloud.scope, arn, self.kind.name)
            if arn
            else self.cloud.find(self.kind.name, properties)
        )
        if found is None:
            raise HandlerError("The resource disappeared while it was created.", "NotStabilized")
        return found

    def _generates_name(self) -> bool:
        name = self.kind.name_member
        return (
            name in self.schema.properties
            and name not in self.schema.required
            and name not in self.schema.read_only
            and name.endswith("Name")
        )

    # --- steps -----------------------------------------------------------------------------------

    def wait_ready(self, record: Record) -> None:
        """Wait until the resource can be used.

        Raises:
            HandlerError: It failed, or takes too long; the message is the service's reason.
        """
        member, lifecycle = self.kind.status_member, LIFECYCLES.get(self.kind.name)
        ready = lifecycle.ready if lifecycle else _WORKED.get(self.kind.name)
        if member is None or ready is None:
            return
        deadline = time.monotonic() + _MOST_SECONDS
        while True:
            status = record.data.get(member)
            if status in _FAILED:
                raise HandlerError(record.data.get("FailureReason") or f"Status: {status}")
            if status == ready:
                return
            if time.monotonic() > deadline:
                raise HandlerError(f"{record.arn} is still {status}.", "NotStabilized")
            time.sleep(0.02)

    def update_tags(self, record: Record, old: Json, new: Json) -> None:
        """Make the tags those of the new properties; tags set elsewhere stay."""
        if not self.schema.tags:
            return
        before = {tag["Key"]: tag["Value"] for tag in old.get(self.schema.tags) or []}
        after = {tag["Key"]: str(tag["Value"]) for tag in new.get(self.schema.tags) or []}
        gone = sorted(before.keys() - after.keys())
        if gone:
            self._call("DeleteTags", {"ResourceArn": record.arn, "TagKeys": gone})
        if after and after != before:
            tags = [{"Key": key, "Value": value} for key, value in after.items()]
            self._call("AddTags", {"ResourceArn": record.arn, "Tags": tags})

    def _call(self, operation: str, request: Json) -> Json:
        try:
            return self.cloud.call(operation, request)
        except ServiceError as error:
            if operation.startswith("Create") and _is_existing(error):
                raise HandlerError(error.message, "AlreadyExists") from error
            code = _HANDLER_CODES.get(error.code, "InvalidRequest")
            raise HandlerError(error.message, code) from error

    def _discard(self, record: Record) -> None:
        """Remove what failed while it was created: the engine never learns its name."""
        try:
            self._call(f"Delete{self.kind.name}", self.named(f"Delete{self.kind.name}", record))
        except HandlerError:
            self.cloud.store.remove(self.cloud.scope, record)


_WORKED = {
    "Endpoint": "InService",
    "InferenceComponent": "InService",
    "ProcessingJob": "Completed",
}
"""The status that means success for kinds that work, not time, moves on."""


def _is_existing(error: ServiceError) -> bool:
    return "already exist" in error.message.lower()
