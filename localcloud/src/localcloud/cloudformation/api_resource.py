"""Resource types that ministack lacks, made of calls to the services that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError, ParamValidationError

from localcloud.cloudformation.resource import HandlerError
from localcloud.cloudformation.schemas import Schema
from localcloud.cloudformation.values import check
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

T = TypeVar("T")


class ApiResource:
    """Base of a resource type that is created and deleted through a client.

    Args:
        cloud: Gives the clients.
        schema: Of the type.
    """

    service: str
    """The service that the type belongs to, as botocore names it."""

    gone: frozenset[str] = frozenset()
    """The error codes that mean, on deletion, that the resource is gone already."""

    def __init__(self, cloud: SageMaker, schema: Schema) -> None:
        self.cloud = cloud
        self.schema = schema

    @property
    def client(self) -> Any:
        """A client of the service, for the running request's account and region."""
        return self.cloud.clients.client(self.service, self.cloud.scope)

    def create(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the resource."""
        check(self.schema, properties)
        return self._attempt(lambda: self.make(logical_id, properties, stack_name))

    def update(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the resource in place."""
        check(self.schema, new)
        return self._attempt(lambda: self.change(physical_id, old, new, stack_name))

    def delete(self, physical_id: str, properties: Json) -> None:
        """Delete the resource."""
        try:
            self._attempt(lambda: self.remove(physical_id, properties))
        except HandlerError as error:
            cause = error.__cause__
            code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
            if code not in self.gone:
                raise

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Call the service; return the physical id and the attributes."""
        raise NotImplementedError

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update through the service. Without one of its own, a type cannot be updated."""
        del old, new, stack_name
        raise HandlerError(f"{physical_id} cannot be updated.", "NotUpdatable")

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete through the service."""
        raise NotImplementedError

    def _attempt(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except ClientError as error:
            details = error.response["Error"]
            raise HandlerError(f"{details['Code']}: {details['Message']}") from error
        except ParamValidationError as error:
            raise HandlerError(str(error), "InvalidRequest") from error


def picked(properties: Json, *names: str) -> Json:
    """The properties of these names that are given."""
    return {name: properties[name] for name in names if properties.get(name) is not None}
