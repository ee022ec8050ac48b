"""What starts things reaches more: SageMaker, buses of other accounts, log groups.

Step Functions, EventBridge and its Scheduler are ministack's.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from localcloud import emulator, event_targets
from localcloud.emulator import Json, Scope
from localcloud.errors import ServiceError
from localcloud.sagemaker import SageMaker

logger = logging.getLogger("localcloud.integrations")

_PIPELINE = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):(\d{12}):pipeline/([^/]+)")
_UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([a-z0-9]+):([A-Za-z]+)")
_CLOUDFORMATION = "cloudformation-for-state-machines"
_SERVICES = {"cloudwatchlogs": "logs", "sfn": "stepfunctions", "eventbridge": "events"}
"""Names of services in a universal target that are not botocore's."""


def register(cloud: SageMaker) -> None:
    """Let state machines call SageMaker and CloudFormation, rules and schedules start pipelines."""
    emulator.add_service(
        _CLOUDFORMATION, emulator.query_service_for_state_machines("cloudformation")
    )
    emulator.add_sdk_integration(
        "cloudformation",
        error_prefix="CloudFormation",
        protocol="query",
        service_key=_CLOUDFORMATION,
    )
    emulator.add_sdk_integration(
        "sagemaker", error_prefix="SageMaker", protocol="json", target_prefix="SageMaker"
    )
    emulator.add_event_target(lambda *arguments: _deliver(cloud, *arguments))
    emulator.add_event_target(event_targets.hand_to_bus)
    emulator.add_event_target(event_targets.log_writer(cloud.clients))


def _deliver(cloud: SageMaker, target: Json, event: Json, arn: str) -> bool:
    pipeline, universal = _PIPELINE.fullmatch(arn), _UNIVERSAL.fullmatch(arn)
    if pipeline is None and universal is None:
        return False
    try:
        if pipeline:
            with emulator.within(Scope(pipeline[2], pipeline[1])):
                _start_pipeline(cloud, arn, target, event)
        elif universal:
            request = _with_context(str(target.get("Input") or "{}"), event)
            _call(cloud, universal[1], universal[2], json.loads(request))
    except (ServiceError, ClientError, ValueError) as error:
        # As in AWS, the sender of the event learns nothing of a target that refuses it.
        logger.warning("target %s: %s", arn, error)
    return True


def _start_pipeline(cloud: SageMaker, arn: str, target: Json, event: Json) -> None:
    parameters = (target.get("SageMakerPipelineParameters") or {}).get(
        "PipelineParameterList"
    ) or []
    document = emulator.event_document(event)
    cloud.call(
        "StartPipelineExecution",
        {
            "PipelineName": arn,
            "PipelineParameters": [
                {"Name": item["Name"], "Value": _value(item["Value"], document)}
                for item in parameters
            ],
        },
    )


def _value(value: str, event: Json) -> str:
    """A parameter's value; ``$.detail.x`` is read from the event."""
    if not value.startswith("$."):
        return value
    found: Any = event
    for part in value.split(".")[1:]:
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, str) else json.dumps(found)


def _with_context(text: str, event: Json) -> str:
    """The input of a schedule with its context attributes filled in.

    Source: EventBridge Scheduler user guide, "Adding context attributes". The ARN of the schedule
    is not known here.
    """
    when = datetime.fromtimestamp(float(event.get("Time") or 0), UTC)
    for name, value in (
        ("execution-id", str(event.get("EventId") or "").replace("-", "")[:16]),
        ("scheduled-time", when.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("attempt-number", "1"),
    ):
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _call(cloud: SageMaker, service: str, action: str, request: Json) -> None:
    client = cloud.clients.client(_SERVICES.get(service, service), cloud.scope)
    operation = next(
        (name for name in client.meta.method_to_api_mapping if name == xform_name(_pascal(action))),
        None,
    )
    if operation is None:
        raise ValueError(f"{service} has no operation {action}.")
    getattr(client, operation)(**request)


def _pascal(action: str) -> str:
    return action[:1].upper() + action[1:]
