"""The events that SageMaker puts on the default event bus.

Detail types: AWS's EventBridge reference, "Amazon SageMaker AI events". The details are what
``Describe…`` shows, with times in milliseconds.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from localcloud import emulator
from localcloud.model import operation_model, project
from localcloud.sagemaker.kinds import SERVICE, kind
from localcloud.sagemaker.store import Json, Record

logger = logging.getLogger("localcloud.events")

_DETAIL_TYPES = {
    "Endpoint": "SageMaker Endpoint State Change",
    "FeatureGroup": "SageMaker Feature Group State Change",
    "ModelPackage": "SageMaker Model Package State Change",
    "MonitoringSchedule": "SageMaker Monitoring Schedule State Change",
    "ProcessingJob": "SageMaker Processing Job State Change",
    "TrainingJob": "SageMaker Training Job State Change",
    "TransformJob": "SageMaker Transform Job State Change",
}

_UPPER_SNAKE = {"Endpoint": "EndpointStatus"}
"""Statuses that the event writes as ``IN_SERVICE`` where the API writes ``InService``."""


def state_changed(record: Record, tags: dict[str, str] | None = None, **more: Any) -> None:
    """Tell the event bus that the state of a resource changed, if its kind has an event.

    Args:
        record: The resource.
        tags: Its tags.
        more: What the event says beyond what the resource is.
    """
    detail_type = _DETAIL_TYPES.get(record.kind)
    if not detail_type:
        return
    shape = operation_model(SERVICE, f"Describe{record.kind}").output_shape
    detail = _times_in_milliseconds(project(shape, record.data))
    status = _UPPER_SNAKE.get(record.kind)
    if status:
        detail[status] = _upper_snake(detail[status])
    detail["Tags"] = tags or {}
    detail |= more
    put(detail_type, detail, [record.arn])


def put(detail_type: str, detail: Json, resources: list[str]) -> None:
    """Put an event; a target that fails is the target's affair, not the resource's."""
    try:
        emulator.put_service_event(detail_type=detail_type, detail=detail, resources=resources)
    except Exception:
        logger.exception("event %s of %s", detail_type, resources)


def _upper_snake(status: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _times_in_milliseconds(value: Any, member: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _times_in_milliseconds(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_times_in_milliseconds(item) for item in value]
    if isinstance(value, float) and member.endswith("Time"):
        return round(value * 1000)
    return value


def has_event(kind_name: str) -> bool:
    """Whether changes of this kind are told to the event bus."""
    return kind(kind_name).name in _DETAIL_TYPES
