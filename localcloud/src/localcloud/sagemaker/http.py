"""The HTTP face of SageMaker: its control plane, runtime, feature store and metrics.

All four sign for the service ``sagemaker``; the control plane is told by its ``X-Amz-Target``, the
others by their paths.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import unquote

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.responses import (
    Request,
    Response,
    error_response,
    identified,
    json_response,
    parsed,
)
from localcloud.sagemaker import asynchronous, online_store, runtime, trail
from localcloud.sagemaker.service import SageMaker

logger = logging.getLogger("localcloud.http")

_TARGET = "SageMaker."
_INVOKE = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations)")
_FEATURES = re.compile(r"/FeatureGroup/(.+?)(/Record|/ListRecords)?")
_FEATURE_OPERATIONS = {
    ("PUT", None): "PutRecord",
    ("GET", None): "GetRecord",
    ("DELETE", None): "DeleteRecord",
    ("POST", "/Record"): "UpdateRecord",
    ("POST", "/ListRecords"): "ListRecords",
}
_FEATURE_BATCHES = {"/BatchGetRecord": "BatchGetRecord", "/BatchWriteRecord": "BatchWriteRecord"}
_FEATURE_QUERY = frozenset(
    {"RecordIdentifierValueAsString", "EventTime", "DeletionMode", "ExpirationTimeResponse"}
)
_METRICS_NAMESPACE = "/aws/sagemaker/TrainingJobs"


def respond(cloud: SageMaker, request: Request) -> Response:
    """Answer a request; the scope must be set."""
    try:
        return _dispatch(cloud, request)
    except ServiceError as error:
        return error_response(error)
    except Exception as error:
        logger.exception("%s %s", request.method, request.path)
        text = f"{type(error).__name__}: {error}"
        return error_response(ServiceError("InternalFailure", text, status=500))


def _dispatch(cloud: SageMaker, request: Request) -> Response:
    target = request.headers.get("x-amz-target", "")
    if target.startswith(_TARGET):
        return json_response(_control(cloud, target.removeprefix(_TARGET), request))
    invocation = _INVOKE.fullmatch(request.path)
    if invocation and invocation[2] == "invocations":
        return _invocation(cloud, unquote(invocation[1]), request)
    if invocation:
        shown, headers = asynchronous.invoke_async(
            cloud, unquote(invocation[1]), request.headers, request.body
        )
        return json_response(shown, 202, headers)
    features = _FEATURES.fullmatch(request.path)
    if features and (request.method, features[2]) in _FEATURE_OPERATIONS:
        members = _feature_request(unquote(features[1]), request)
        operation = _FEATURE_OPERATIONS[request.method, features[2]]
        return json_response(online_store.call(cloud, operation, members))
    if request.path in _FEATURE_BATCHES:
        operation = _FEATURE_BATCHES[request.path]
        return json_response(online_store.call(cloud, operation, parsed(request.body)))
    if request.path == "/BatchPutMetrics":
        return _metrics(parsed(request.body))
    raise ServiceError(
        "UnknownOperationException", f"Unknown operation: {request.method} {request.path}"
    )


def _control(cloud: SageMaker, operation: str, request: Request) -> dict[str, Any]:
    """Carry out an operation of the control plane, and tell who asked for it."""
    members = parsed(request.body)
    identity = emulator.caller_identity(request.headers, request.query)
    agent = request.headers.get("user-agent", "")
    try:
        answer = cloud.call(operation, members)
    except ServiceError as error:
        trail.tell(cloud, operation, members, identity, agent=agent, refused=error)
        raise
    trail.tell(cloud, operation, members, identity, agent=agent)
    return answer


def _invocation(cloud: SageMaker, endpoint: str, request: Request) -> Response:
    prefix, headers = "x-amzn-sagemaker-", request.headers
    prediction = runtime.invoke(
        cloud,
        runtime.Invocation(
            endpoint=endpoint,
            body=request.body,
            content_type=headers.get("content-type", "application/octet-stream"),
            accept=headers.get("accept", "*/*"),
            target_variant=headers.get(f"{prefix}target-variant"),
            target_model=headers.get(f"{prefix}target-model"),
            target_container=headers.get(f"{prefix}target-container-hostname"),
            component=headers.get(f"{prefix}inference-component"),
            custom_attributes=headers.get(f"{prefix}custom-attributes"),
            inference_id=headers.get(f"{prefix}inference-id"),
        ),
    )
    shown = {
        "Content-Type": prediction.content_type,
        "x-Amzn-Invoked-Production-Variant": prediction.variant,
        **prediction.headers,
    }
    return Response(200, identified(shown), prediction.body)


def _feature_request(name: str, request: Request) -> dict[str, Any]:
    members: dict[str, Any] = {"FeatureGroupName": name, **parsed(request.body)}
    for member in _FEATURE_QUERY:
        if member in request.query:
            members[member] = request.query[member][0]
    for key, member in (("FeatureName", "FeatureNames"), ("TargetStores", "TargetStores")):
        if key in request.query:
            members[member] = list(request.query[key])
    return members


def _metrics(request: dict[str, Any]) -> Response:
    """BatchPutMetrics of a trial component: CloudWatch is where they can be looked at."""
    for datum in request.get("MetricData", []):
        emulator.record_metric(
            _METRICS_NAMESPACE,
            datum["MetricName"],
            float(datum["Value"]),
            unit="None",
            dimensions={"TrialComponentName": request.get("TrialComponentName", "")},
        )
    return json_response({"Errors": []})
