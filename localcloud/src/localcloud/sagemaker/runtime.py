"""SageMaker Runtime: invocations of endpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.sagemaker import components
from localcloud.sagemaker.capture import capture
from localcloud.sagemaker.metrics import Meter
from localcloud.sagemaker.routes import Fleet, Variant
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Record
from localcloud.serving import (
    Call,
    NoCapacityError,
    Pool,
    PoolClosedError,
    Reply,
    ServerlessPool,
    ThrottledError,
)
from localcloud.serving.model_process import INVOCATION_SECONDS
from localcloud.serving.multi_model import TARGET_MODEL

logger = logging.getLogger("localcloud.runtime")

_SERVING = frozenset({"InService", "Updating", "RollingBack", "SystemUpdating"})
_PREFIX = "x-amzn-sagemaker-"

_MOST_BYTES, _SERVERLESS_BYTES = 6_291_456, 4_194_304
_MOST_SHADOWS = 64
_shadows = ThreadPoolExecutor(8, thread_name_prefix="shadow")
_room_for_shadows = threading.Semaphore(_MOST_SHADOWS)
"""Copies for shadow variants; a shadow that falls behind loses copies, never delays anybody."""


@dataclass(frozen=True)
class Invocation:
    """A request to an endpoint."""

    endpoint: str
    body: bytes
    content_type: str
    accept: str
    target_variant: str | None = None
    target_model: str | None = None
    target_container: str | None = None
    component: str | None = None
    custom_attributes: str | None = None
    inference_id: str | None = None

    def headers(self) -> dict[str, str]:
        """What the service passes on to the container."""
        passed = {
            "X-Amzn-SageMaker-Custom-Attributes": self.custom_attributes,
            TARGET_MODEL: self.target_model,
            "X-Amzn-SageMaker-Inference-Id": self.inference_id,
        }
        return {name: value for name, value in passed.items() if value}

    def call(self, seconds: float = INVOCATION_SECONDS) -> Call:
        """The request as containers get it."""
        return Call(
            self.body,
            self.content_type,
            self.accept,
            self.headers(),
            self.target_container,
            seconds,
        )


@dataclass(frozen=True)
class Prediction:
    """The answer of a model."""

    body: bytes
    content_type: str
    variant: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chosen:
    """Where a request goes."""

    record: Record
    fleet: Fleet
    variant: Variant


class ModelError(ServiceError):
    """A model answered with an error, or not at all."""

    def __init__(
        self, original_status: int, message: str, log_stream_arn: str, container: str = "primary"
    ) -> None:
        super().__init__(
            "ModelError",
            f"Received {'client' if 400 <= original_status < 500 else 'server'} error"
            f' ({original_status}) from {container} with message "{message}".'
            f" See {log_stream_arn} for more information.",
            status=424,
        )
        self.original_status = original_status
        self.members = {
            "OriginalStatusCode": original_status,
            "OriginalMessage": message,
            "LogStreamArn": log_stream_arn,
        }


def invoke(cloud: SageMaker, invocation: Invocation) -> Prediction:
    """Send a request to the variant that the weights, or the caller, choose.

    Raises:
        ServiceError: ``ValidationError`` for what the endpoint cannot serve, ``ModelError`` with
            what the model answered, ``ThrottlingException`` where all of a serverless variant's
            containers are busy.
    """
    began = time.perf_counter()
    record = serving_endpoint(cloud, invocation.endpoint)
    if record.data.get("AsyncInferenceConfig"):
        raise validation(
            f"Endpoint {invocation.endpoint} is an asynchronous endpoint: it is invoked by"
            " InvokeEndpointAsync."
        )
    while True:
        chosen = choose(cloud, record, invocation)
        _check_size(invocation, chosen.variant)
        try:
            if chosen.variant.pool is None:
                return _by_component(cloud, chosen, invocation, began)
            return _by_variant(cloud, chosen, chosen.variant.pool, invocation, began)
        except PoolClosedError:
            # Between the choice and the call its fleet was replaced.
            serving_endpoint(cloud, invocation.endpoint)


def _by_variant(
    cloud: SageMaker, chosen: Chosen, pool: Pool, invocation: Invocation, began: float
) -> Prediction:
    variant = chosen.variant
    for shadow in chosen.fleet.sampled_shadows(variant):
        _copy(cloud, Chosen(chosen.record, chosen.fleet, shadow), invocation)
    try:
        reply, setup, latency = use(pool, invocation.call())
    except ThrottledError:
        # The service says no more than this (opensearch-project/ml-commons issue 2429).
        raise ServiceError("ThrottlingException", "null") from None
    except NoCapacityError:
        raise validation(
            f"Endpoint {invocation.endpoint} has no instance that could answer."
        ) from None
    overhead = (time.perf_counter() - began) * 1_000_000 - latency
    meters = [variant.meter]
    if invocation.target_container:
        meters.append(variant.container_meters[invocation.target_container])
    for meter in meters:
        meter.invoked(
            reply.answer.status,
            overhead=overhead,
            latency=latency,
            share=1.0 / max(1, pool.size),
        )
    if isinstance(pool, ServerlessPool):
        _serverless(variant.meter, pool, setup)
    prediction = predicted(chosen.record, variant.name, reply)
    capture(cloud, chosen.record, chosen.fleet.config, invocation, prediction)
    return prediction


def _by_component(
    cloud: SageMaker, chosen: Chosen, invocation: Invocation, began: float
) -> Prediction:
    copies = components.chosen(cloud, chosen.record, invocation.component)
    try:
        reply, _, latency = use(copies.pool, invocation.call())
    except NoCapacityError:
        copies.refused()
        raise validation(components.NO_CAPACITY) from None
    overhead = (time.perf_counter() - began) * 1_000_000 - latency
    copies.invoked(reply.answer.status, overhead=overhead, latency=latency)
    prediction = predicted(chosen.record, chosen.variant.name, reply)
    capture(cloud, chosen.record, chosen.fleet.config, invocation, prediction)
    return prediction


def use(pool: Pool, call: Call) -> tuple[Reply, float, float]:
    """The reply of an instance, and the microseconds that its start and its answer took."""
    with pool.use() as lease:
        began = time.perf_counter()
        reply = lease.instance.invoke(call)
        latency = (time.perf_counter() - began) * 1_000_000
    return reply, lease.setup_seconds * 1_000_000, latency


def predicted(record: Record, variant: str, reply: Reply) -> Prediction:
    """What the caller gets.

    Raises:
        ModelError: The container answered with an error.
    """
    answer = reply.answer
    if answer.status != 200:
        message = answer.body.decode(errors="replace")
        raise ModelError(answer.status, message, _log_stream(record, variant), reply.container)
    shown = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() == f"{_PREFIX}custom-attributes"
    }
    return Prediction(answer.body, answer.content_type, variant, shown)


def serving_endpoint(cloud: SageMaker, name: str) -> Record:
    """The endpoint of this name.

    Raises:
        ServiceError: ``ValidationError``: there is none, or it does not serve.
    """
    record = cloud.find("Endpoint", {"EndpointName": name})
    # The name must have its case here, unlike in the control plane (botocore: EndpointName).
    served = record is not None and record.data["EndpointName"] == name
    if record is None or not served or record.data["EndpointStatus"] not in _SERVING:
        account = emulator.current_scope().account
        raise validation(f"Endpoint {name} of account {account} not found.")
    return record


def choose(cloud: SageMaker, record: Record, invocation: Invocation) -> Chosen:
    """The variant that a request goes to, and its fleet.

    Raises:
        ServiceError: ``ValidationError``: the request names what is not there, or does not name
            what it must.
    """
    route = cloud.routes.get(record.arn)
    fleet = route.choose() if route else None
    variant = fleet.choose(invocation.target_variant) if fleet else None
    if fleet is None or variant is None:
        wanted = invocation.target_variant
        raise validation(
            f"Variant {wanted} not found on endpoint {invocation.endpoint}."
            if wanted
            else f"Endpoint {invocation.endpoint} has no variant with a model and a weight above 0."
        )
    _check(invocation, variant)
    return Chosen(record, fleet, variant)


def _check(invocation: Invocation, variant: Variant) -> None:
    """Refuse what the variant cannot be asked. The service does not publish its words."""
    name = invocation.endpoint
    if variant.multi_model and not invocation.target_model:
        raise validation(f"Endpoint {name} is a multi-model endpoint: TargetModel must be given.")
    if invocation.target_model and not variant.multi_model:
        raise validation(f"Endpoint {name} is not a multi-model endpoint: it has no TargetModel.")
    container = invocation.target_container
    if variant.hostnames and container not in variant.hostnames:
        raise validation(
            f"Endpoint {name} is invoked directly: TargetContainerHostname must be one of"
            f" {', '.join(variant.hostnames)}."
        )
    if container and not variant.hostnames:
        raise validation(
            f"Endpoint {name} is not invoked directly: it has no TargetContainerHostname."
        )
    if invocation.component and variant.pool is not None:
        raise validation(f"Endpoint {name} has no inference components.")


def _check_size(invocation: Invocation, variant: Variant) -> None:
    """Refuse a body that is too large.

    Sources: botocore, BodyBlob; SageMaker developer guide, "Deploy models with Amazon SageMaker
    Serverless Inference".
    """
    serverless = isinstance(variant.pool, ServerlessPool)
    most = _SERVERLESS_BYTES if serverless else _MOST_BYTES
    if len(invocation.body) > most:
        raise validation(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must"
            f" have length less than or equal to {most}"
        )


def _copy(cloud: SageMaker, chosen: Chosen, invocation: Invocation) -> None:
    """Let a shadow variant answer too; nobody gets its answer, it is captured."""
    shadow = chosen.variant
    pool = shadow.pool
    if pool is None or not _room_for_shadows.acquire(blocking=False):
        return

    def answer() -> None:
        began = time.perf_counter()
        try:
            reply, _, latency = use(pool, invocation.call())
        except (PoolClosedError, NoCapacityError):
            return
        overhead = (time.perf_counter() - began) * 1_000_000 - latency
        shadow.meter.invoked(
            reply.answer.status,
            overhead=overhead,
            latency=latency,
            share=1.0 / max(1, pool.size),
        )
        try:
            prediction = predicted(chosen.record, shadow.name, reply)
        except ModelError as error:
            logger.info("shadow variant %s: %s", shadow.name, error.message)
            return
        capture(cloud, chosen.record, chosen.fleet.config, invocation, prediction)

    copied = _shadows.submit(emulator.in_current_context(answer))
    copied.add_done_callback(lambda _: _room_for_shadows.release())


def _serverless(meter: Meter, pool: ServerlessPool, setup: float) -> None:
    if setup:
        meter.add("ModelSetupTime", setup)
    if pool.warm:
        # A cold start beside provisioned containers is what did not fit into them.
        meter.add("ServerlessProvisionedConcurrencyInvocations", float(not setup))
        meter.add("ServerlessProvisionedConcurrencySpilloverInvocations", float(bool(setup)))


def _log_stream(record: Record, variant: str) -> str:
    scope = emulator.current_scope()
    group = f"/aws/sagemaker/Endpoints/{record.data['EndpointName']}"
    return f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}:log-stream:{variant}"


def validation(message: str) -> ServiceError:
    """A ``ValidationError`` of the runtime."""
    return ServiceError("ValidationError", message)
