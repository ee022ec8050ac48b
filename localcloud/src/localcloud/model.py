"""The service models that botocore bundles, and the shape of JSON answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

from localcloud.errors import ServiceError

Json = dict[str, Any]


@cache
def service_model(service: str) -> ServiceModel:
    """The model of an AWS service, such as ``sagemaker``."""
    return botocore.session.Session().get_service_model(service)


@cache
def operation_names(service: str) -> frozenset[str]:
    """The operations of a service."""
    return frozenset(service_model(service).operation_names)


def operation_model(service: str, operation: str) -> OperationModel:
    """The model of an operation.

    Raises:
        ServiceError: The service has no such operation.
    """
    if operation not in operation_names(service):
        raise ServiceError("UnknownOperationException", f"Unknown operation: {operation}")
    return service_model(service).operation_model(operation)


def output_members(service: str, operation: str) -> frozenset[str]:
    """The top-level members of an operation's output."""
    shape = operation_model(service, operation).output_shape
    return frozenset(shape.members) if shape else frozenset()


def project(shape: Shape | None, value: Any) -> Any:
    """``value`` with only the members that ``shape`` declares, as an answer may have.

    Members that are ``None`` are left out: AWS omits what is not set.
    """
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            name: project(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list" and isinstance(value, list | tuple):
        return [project(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: project(shape.value, item) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """``value`` with times as seconds since the epoch, as records and answers have them."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
