"""SageMaker Runtime: invocations of endpoints."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.capture import capture
from localcloud.sagemaker.routes import Fleet, Variant
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

logger = logging.getLogger("localcloud.runtime")

_SERVING = frozenset({"InService", "Updating", "RollingBack", "SystemUpdating"})
_NAMESPACE = "AWS/SageMaker"
_PREFIX = "x-amzn-sagemaker-"


@dataclass(frozen=True)
class Invocation:
    """A request to an endpoint."""

    endpoint: str
    body: bytes
    content_type: str
    accept: str
    target_variant: str | None = None
    target_model: str | None = None
    custom_attributes: str | None = None
    inference_id: str | None = None

    def headers(self) -> dict[str, str]:
        """What the service passes on to the container."""
        passed = {
            "X-Amzn-SageMaker-Custom-Attributes": self.custom_attributes,
            "X-Amzn-SageMaker-Target-Model": self.target_model,
            "X-Amzn-SageMaker-Inference-Id": self.inference_id,
        }
        return {name: value for name, value in passed.items() if value}


@dataclass(frozen=True)
class Prediction:
    """The answer of a model."""

    body: bytes
    content_type: str
    variant: str
    headers: Mapping[str, str] = field(default_factory=dict)


def invoke(cloud: SageMaker, invocation: Invocation) -> Prediction:
    """Send a request to the variant that the weights, or the caller, choose.

    Raises:
        ServiceError: ``ValidationError`` for an endpoint that does not serve, ``ModelError`` with
            what the model answered.
    """
    began = time.perf_counter()
    record = _endpoint(cloud, invocation.endpoint)
    fleet, variant = _choose(cloud, record, invocation)
    model_began = time.perf_counter()
    try:
        prediction = _through(record, variant, invocation)
    except ModelError as error:
        _record(record, variant, error.original_status, began, model_began)
        raise
    _record(record, variant, 200, began, model_began)
    capture(cloud, record, fleet.config, invocation, prediction)
    return prediction


def invoke_async(cloud: SageMaker, endpoint: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Take a request whose input lies in S3; return where the answer will be, and its id.

    Raises:
        ServiceError: The endpoint is not asynchronous.
    """
    record = _endpoint(cloud, endpoint)
    asynchronous = record.data.get("AsyncInferenceConfig")
    if not asynchronous:
        raise _validation(f"Endpoint {endpoint} is not an asynchronous inference endpoint.")
    identifier = headers.get(f"{_PREFIX}inference-id") or str(uuid4())
    name = str(uuid4())
    location = f"{asynchronous['OutputConfig']['S3OutputPath'].rstrip('/')}/{name}.out"
    source = headers.get(f"{_PREFIX}inputlocation", "")
    invocation = Invocation(
        endpoint=endpoint,
        body=b"",
        content_type=headers.get(f"{_PREFIX}content-type", "application/octet-stream"),
        accept=headers.get(f"{_PREFIX}accept", "*/*"),
        custom_attributes=headers.get(f"{_PREFIX}custom-attributes"),
        inference_id=identifier,
    )
    cloud.runs.start(
        f"{record.arn}/{name}",
        lambda _: _answer_later(cloud, invocation, source, location, asynchronous["OutputConfig"]),
    )
    return location, identifier


class ModelError(ServiceError):
    """A model answered with an error, or not at all."""

    def __init__(self, original_status: int, message: str, log_stream_arn: str) -> None:
        super().__init__(
            "ModelError",
            f"Received {'client' if 400 <= original_status < 500 else 'server'} error"
            f' ({original_status}) from primary with message "{message}".'
            f" See {log_stream_arn} for more information.",
            status=424,
        )
        self.original_status = original_status
        self.members = {
            "OriginalStatusCode": original_status,
            "OriginalMessage": message,
            "LogStreamArn": log_stream_arn,
        }


def _answer_later(
    cloud: SageMaker, invocation: Invocation, source: str, location: str, output: Json
) -> None:
    """Read the input, invoke, write the answer where the caller was told, and notify."""
    objects = EmulatorObjects(cloud, cloud.scope)
    place, target = urlsplit(source), urlsplit(location)
    topics = output.get("NotificationConfig") or {}
    try:
        body = objects.get(place.netloc, place.path.lstrip("/"))
        prediction = invoke(cloud, replace(invocation, body=body))
    except ServiceError as error:
        logger.warning("asynchronous invocation of %s: %s", invocation.endpoint, error.message)
        failed = output.get("S3FailurePath")
        if failed:
            target = urlsplit(f"{failed.rstrip('/')}/{target.path.rsplit('/', 1)[-1]}")
            objects.put(target.netloc, target.path.lstrip("/"), error.message.encode())
        _notify(cloud, topics.get("ErrorTopic"), "Failed", invocation, location)
        return
    objects.put(target.netloc, target.path.lstrip("/"), prediction.body)
    _notify(cloud, topics.get("SuccessTopic"), "Completed", invocation, location)


def _notify(
    cloud: SageMaker, topic: str | None, status: str, invocation: Invocation, location: str
) -> None:
    if topic:
        client: Any = cloud.clients.client("sns", cloud.scope)
        message = {
            "invocationStatus": status,
            "inferenceId": invocation.inference_id,
            "responseParameters": {"outputLocation": location},
        }
        client.publish(TopicArn=topic, Message=json.dumps(message))


def _endpoint(cloud: SageMaker, name: str) -> Record:
    record = cloud.find("Endpoint", {"EndpointName": name})
    # The name must have its case here, unlike in the control plane (botocore: EndpointName).
    served = record is not None and record.data["EndpointName"] == name
    if record is None or not served or record.data["EndpointStatus"] not in _SERVING:
        account = emulator.current_scope().account
        raise _validation(f"Endpoint {name} of account {account} not found.")
    return record


def _choose(cloud: SageMaker, record: Record, invocation: Invocation) -> tuple[Fleet, Variant]:
    route = cloud.routes.get(record.arn)
    fleet = route.choose() if route else None
    variant = fleet.choose(invocation.target_variant) if fleet else None
    if fleet is None or variant is None or not variant.processes:
        wanted = invocation.target_variant
        raise _validation(
            f"Variant {wanted} not found on endpoint {invocation.endpoint}."
            if wanted
            else f"Endpoint {invocation.endpoint} has no variant with a model and a weight above 0."
        )
    return fleet, variant


def _through(record: Record, variant: Variant, invocation: Invocation) -> Prediction:
    """Pass the request through the containers of a variant, each getting the former's answer."""
    body, content_type = invocation.body, invocation.content_type
    headers: Mapping[str, str] = {}
    for process in variant.processes:
        answer = process.invoke(body, content_type, invocation.accept, invocation.headers())
        if answer.status != 200:
            message = answer.body.decode(errors="replace")
            raise ModelError(answer.status, message, _log_stream(record, variant))
        body, content_type, headers = answer.body, answer.content_type, answer.headers
    shown = {
        name: value
        for name, value in headers.items()
        if name.lower() == f"{_PREFIX}custom-attributes"
    }
    return Prediction(body, content_type, variant.name, shown)


def _log_stream(record: Record, variant: Variant) -> str:
    scope = emulator.current_scope()
    group = f"/aws/sagemaker/Endpoints/{record.data['EndpointName']}"
    return (
        f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}:log-stream:{variant.name}"
    )


def _record(
    record: Record, variant: Variant, status: int, began: float, model_began: float
) -> None:
    """The metrics that the service keeps of each invocation."""
    now = time.perf_counter()
    dimensions = {"EndpointName": record.data["EndpointName"], "VariantName": variant.name}
    latencies = {"ModelLatency": now - model_began, "OverheadLatency": model_began - began}
    counts = {
        "Invocations": 1,
        "Invocation4XXErrors": int(400 <= status < 500),
        # Status 0: the container did not answer in time.
        "Invocation5XXErrors": int(status >= 500 or status == 0),
    }
    for name, seconds in latencies.items():
        emulator.record_metric(
            _NAMESPACE, name, seconds * 1_000_000, unit="Microseconds", dimensions=dimensions
        )
    for name, count in counts.items():
        emulator.record_metric(_NAMESPACE, name, count, unit="Count", dimensions=dimensions)


def _validation(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
