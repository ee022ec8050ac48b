"""Asynchronous inference: a queue before the endpoint, answers in S3, notifications.

Source: SageMaker developer guide, "Asynchronous inference", "Check prediction results" (the layout
of notifications), "Autoscale an asynchronous endpoint", "Alarms and logs for tracking metrics from
asynchronous endpoints". Requests wait while there is no instance: that is how such an endpoint
scales to zero and back.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.sagemaker import runtime
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.capture import capture
from localcloud.sagemaker.metrics import Meter
from localcloud.sagemaker.runtime import Invocation, ModelError, Prediction
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.serving import NoCapacityError, Pool, PoolClosedError

logger = logging.getLogger("localcloud.asynchronous")

_PREFIX = "x-amzn-sagemaker-"
_TTL_SECONDS = 21_600.0
"""How long a request may wait (botocore: RequestTTLSeconds), in AWS's time."""
_INVOCATION_SECONDS = 900.0
"""How long its answer may take (botocore: InvocationTimeoutSeconds), in real time."""
_AT_ONCE = 4
"""Requests that an instance gets at once where MaxConcurrentInvocationsPerInstance is not given:
the service then "chooses an optimal value"."""
_AGAIN_SECONDS = 0.05
_INCLUDED_BYTES = 128 * 1024
"""Up to this size a response may be in its notification (botocore: IncludeInferenceResponseIn)."""

_INCLUDED = {
    "SuccessTopic": "SUCCESS_NOTIFICATION_TOPIC",
    "ErrorTopic": "ERROR_NOTIFICATION_TOPIC",
}


@dataclass(frozen=True)
class Request:
    """A request that waits.

    Attributes:
        invocation: What is asked; its body comes from ``source`` where that is given.
        source: The address of the input.
        output: The address of the answer.
        failure: The address of what failed; empty if that is kept nowhere.
        received: When it came, in seconds since the epoch.
        ttl: AWS's seconds that it may wait.
        seconds: Real seconds that its answer may take.
    """

    invocation: Invocation
    source: str
    output: str
    failure: str
    received: float
    ttl: float
    seconds: float


def invoke_async(
    cloud: SageMaker, endpoint: str, headers: Mapping[str, str], body: bytes
) -> tuple[Json, dict[str, str]]:
    """Take a request; return the members and the headers of the answer.

    Raises:
        ServiceError: The endpoint is not asynchronous, or there is not exactly one input.
    """
    record = runtime.serving_endpoint(cloud, endpoint)
    queue = cloud.routes.queue(record.arn)
    settings = (record.data.get("AsyncInferenceConfig") or {}).get("OutputConfig")
    if queue is None or settings is None:
        raise runtime.validation(f"Endpoint {endpoint} is not an asynchronous inference endpoint.")
    source = headers.get(f"{_PREFIX}inputlocation", "")
    if bool(source) == bool(body):
        raise runtime.validation("Exactly one of InputLocation and Body must be given.")
    identifier = headers.get(f"{_PREFIX}inference-id") or str(uuid4())
    output, failure = _locations(settings, headers)
    queue.put(
        Request(
            Invocation(
                endpoint=endpoint,
                body=body,
                content_type=headers.get(f"{_PREFIX}content-type", "application/octet-stream"),
                accept=headers.get(f"{_PREFIX}accept", "*/*"),
                custom_attributes=headers.get(f"{_PREFIX}custom-attributes"),
                inference_id=identifier,
            ),
            source,
            output,
            failure,
            time.time(),
            float(headers.get(f"{_PREFIX}requestttlseconds") or _TTL_SECONDS),
            float(headers.get(f"{_PREFIX}invocationtimeoutseconds") or _INVOCATION_SECONDS),
        )
    )
    shown = {"X-Amzn-SageMaker-OutputLocation": output}
    if failure:
        shown["X-Amzn-SageMaker-FailureLocation"] = failure
    return {"InferenceId": identifier}, shown


def _locations(settings: Json, headers: Mapping[str, str]) -> tuple[str, str]:
    name = str(uuid4())
    path = str(settings.get("S3OutputPath") or "").rstrip("/")
    extension = headers.get(f"{_PREFIX}s3outputpathextension", "").strip("/")
    folder = f"{path}/{extension}" if extension else path
    output = f"{folder}/{headers.get(f'{_PREFIX}filename') or f'{name}.out'}"
    failed = settings.get("S3FailurePath")
    return output, f"{failed.rstrip('/')}/{name}-error.out" if failed else ""


def open_queue(cloud: SageMaker, record: Record) -> None:
    """Give an asynchronous endpoint its queue, or let its queue see the new instances."""
    if not record.data.get("AsyncInferenceConfig"):
        return
    queue = cloud.routes.queue(record.arn)
    if queue is None:
        queue = Queue(cloud, record)
        cloud.routes.put_queue(record.arn, queue)
    queue.attend()


class Queue:
    """The requests of an asynchronous endpoint that wait, and those that are being answered.

    Args:
        cloud: The service.
        record: The endpoint.
    """

    def __init__(self, cloud: SageMaker, record: Record) -> None:
        self._cloud = cloud
        self._record = record
        self._scope = cloud.scope
        name = record.data["EndpointName"]
        self._name = name
        self._variant = record.data["ProductionVariants"][0]["VariantName"]
        variant = {"EndpointName": name, "VariantName": self._variant}
        self._meter = Meter(cloud.clock, [{"EndpointName": name}])
        self._of_variant = Meter(cloud.clock, [variant])
        self._waiting: deque[Request] = deque()
        self._answering = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._idle = True

    def put(self, request: Request) -> None:
        """Let a request wait for its turn."""
        with self._lock:
            self._waiting.append(request)
        self._pump()

    def attend(self) -> None:
        """Look at the instances that there are now, and be told when there are others."""
        pool = self._pool()
        if pool is not None:
            pool.on_change = self._pump
        self._pump()

    def stop(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()

    def observe(self, watched: set[str]) -> None:
        """Write the metrics of the backlog."""
        with self._lock:
            waiting, answering = len(self._waiting), self._answering
            oldest = self._waiting[0].received if self._waiting else None
        backlog = waiting + answering
        seen = f"endpoint/{self._name}/variant/{self._variant}" in watched
        if not backlog and self._idle and not seen:
            return
        self._idle = not backlog
        pool = self._pool()
        instances = pool.size if pool else 0
        age = (time.time() - oldest) / (self._cloud.clock.scale or 1.0) if oldest else 0.0
        self._meter.add("ApproximateBacklogSize", float(backlog))
        if instances:
            self._meter.add("ApproximateBacklogSizePerInstance", backlog / instances)
        self._meter.add("ApproximateAgeOfOldestRequest", age)
        self._meter.add("HasBacklogWithoutCapacity", float(bool(backlog) and not instances))

    def _pool(self) -> Pool | None:
        route = self._cloud.routes.get(self._record.arn)
        return route.stable.variants[self._variant].pool if route else None

    def _pump(self) -> None:
        """Begin as many of the waiting requests as the instances take."""
        pool = self._pool()
        settings = self._record.data["AsyncInferenceConfig"].get("ClientConfig") or {}
        at_once = settings.get("MaxConcurrentInvocationsPerInstance") or _AT_ONCE
        with self._lock:
            room = (pool.size if pool else 0) * at_once - self._answering
            begun = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            self._answering += len(begun)
        for request in begun:
            threading.Thread(target=self._run, args=(request,), daemon=True).start()

    def _run(self, request: Request) -> None:
        with emulator.within(self._scope):
            again = False
            try:
                again = self._answer(request)
            except Exception:
                logger.exception("asynchronous invocation of %s", self._name)
            finally:
                with self._lock:
                    self._answering -= 1
                    if again and not self._stopped:
                        self._waiting.appendleft(request)
        self._pump()

    def _answer(self, request: Request) -> bool:
        """Answer a request and tell of it; say whether it has to wait again."""
        began = time.time()
        aws = self._cloud.clock.scale or 1.0
        self._of_variant.add("TimeInBacklog", (began - request.received) / aws * 1000)
        if began - request.received > request.ttl * aws:
            self._of_variant.add("ExpiredRequests", 1.0)
            self._fail(request, "ClientError: The request expired before it was processed.")
            return False
        try:
            prediction = self._predicted(request)
        except (PoolClosedError, NoCapacityError):
            # Its instances left between the two: it waits for others.
            time.sleep(_AGAIN_SECONDS)
            return True
        except ModelError as error:
            self._of_variant.add("InvocationFailures", 1.0)
            self._fail(request, f"ClientError: {error.message}")
        except ServiceError as error:
            self._of_variant.add("RequestDownloadFailures", 1.0)
            self._fail(request, f"ClientError: {error.message}")
        else:
            self._succeed(request, prediction)
        self._of_variant.add("InvocationsProcessed", 1.0)
        self._of_variant.add("TotalProcessingTime", (time.time() - request.received) * 1000)
        return False

    def _predicted(self, request: Request) -> Prediction:
        invocation = request.invocation
        if request.source:
            place = urlsplit(request.source)
            body = self._objects().get(place.netloc, place.path.lstrip("/"))
            invocation = replace(invocation, body=body)
        chosen = runtime.choose(self._cloud, self._record, invocation)
        variant = chosen.variant
        if variant.pool is None:
            raise NoCapacityError
        reply, _, latency = runtime.use(variant.pool, invocation.call(request.seconds))
        variant.meter.failed(reply.answer.status)
        variant.meter.add("ModelLatency", latency)
        prediction = runtime.predicted(self._record, variant.name, reply)
        capture(self._cloud, self._record, chosen.fleet.config, invocation, prediction)
        return prediction

    def _succeed(self, request: Request, prediction: Prediction) -> None:
        target = urlsplit(request.output)
        try:
            self._objects().put(target.netloc, target.path.lstrip("/"), prediction.body)
        except ServiceError as error:
            self._of_variant.add("ResponseUploadFailures", 1.0)
            self._fail(request, f"ClientError: {error.message}")
            return
        response = {
            "contentType": prediction.content_type,
            "outputLocation": request.output,
        }
        self._notify(
            "SuccessTopic", request, "Completed", {"responseParameters": response}, prediction
        )

    def _fail(self, request: Request, why: str) -> None:
        logger.warning("asynchronous invocation of %s: %s", self._name, why)
        members: Json = {"failureReason": why}
        if request.failure:
            target = urlsplit(request.failure)
            try:
                self._objects().put(target.netloc, target.path.lstrip("/"), why.encode())
            except ServiceError:
                logger.exception("failure of %s", self._name)
            members["responseParameters"] = {"failureLocation": request.failure}
        self._notify("ErrorTopic", request, "Failed", members, None)

    def _notify(
        self,
        member: str,
        request: Request,
        status: str,
        more: Json,
        prediction: Prediction | None,
    ) -> None:
        output = self._record.data["AsyncInferenceConfig"]["OutputConfig"]
        topics = output.get("NotificationConfig") or {}
        topic = topics.get(member)
        if not topic:
            return
        asked = {
            "accept": request.invocation.accept,
            "contentType": request.invocation.content_type,
            "endpointName": self._name,
            "inputLocation": request.source or None,
        }
        message: Json = {
            "awsRegion": self._scope.region,
            "eventTime": _moment(time.time()),
            "receivedTime": _moment(request.received),
            "invocationStatus": status,
            "requestParameters": {k: v for k, v in asked.items() if v},
            **more,
            "inferenceId": request.invocation.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        included = topics.get("IncludeInferenceResponseIn") or ()
        if prediction and _INCLUDED[member] in included and len(prediction.body) <= _INCLUDED_BYTES:
            content = base64.b64encode(prediction.body).decode()
            message["responseBody"] = {"content": content, "encoding": "BASE64"}
        client: Any = self._cloud.clients.client("sns", self._scope)
        try:
            client.publish(TopicArn=topic, Message=json.dumps(message))
        except Exception:
            self._of_variant.add("NotificationFailures", 1.0)
            logger.exception("notification of %s", self._name)

    def _objects(self) -> EmulatorObjects:
        return EmulatorObjects(self._cloud, self._scope)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
