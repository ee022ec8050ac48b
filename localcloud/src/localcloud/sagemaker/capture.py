"""Data capture: what an endpoint was asked and what it answered, as JSON Lines in S3.

The layout is the service's: ``<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<minute>-….jsonl``.
"""

from __future__ import annotations

import base64
import json
import logging
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from localcloud.errors import ServiceError
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

if TYPE_CHECKING:
    from localcloud.sagemaker.runtime import Invocation, Prediction

logger = logging.getLogger("localcloud.capture")

_FLUSH_SECONDS = 60
"""How long records wait in AWS's time until a file is written."""


def capture(
    cloud: SageMaker, endpoint: Record, config: Json, invocation: Invocation, prediction: Prediction
) -> None:
    """Write a record of this invocation, if the configuration of the endpoint samples it."""
    settings = config.get("DataCaptureConfig") or {}
    if not settings.get("EnableCapture"):
        return
    percentage = settings["InitialSamplingPercentage"]
    if random.random() * 100 >= percentage:  # noqa: S311 - a sample, guards nothing
        return
    modes = {option["CaptureMode"] for option in settings["CaptureOptions"]}
    captured: Json = {}
    if modes & {"Input", "InputAndOutput"}:
        captured["endpointInput"] = _part(
            settings, invocation.content_type, invocation.body, "INPUT"
        )
    if modes & {"Output", "InputAndOutput"}:
        captured["endpointOutput"] = _part(
            settings, prediction.content_type, prediction.body, "OUTPUT"
        )
    now = datetime.now(UTC)
    metadata: Json = {"eventId": str(uuid4()), "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if invocation.inference_id:
        metadata["inferenceId"] = invocation.inference_id
    if invocation.custom_attributes:
        metadata["customAttributes"] = [invocation.custom_attributes]
    line = {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}
    folder = _folder(settings, endpoint, prediction.variant, now)
    if cloud.captures.add(cloud.scope, folder, json.dumps(line)):
        cloud.clock.after(_FLUSH_SECONDS, lambda: flush(cloud))


def flush(cloud: SageMaker) -> None:
    """Write what was captured since the last time."""
    for (scope, folder), lines in cloud.captures.take().items():
        location = urlsplit(folder)
        moment = datetime.now(UTC)
        name = f"{moment.strftime('%M-%S')}-{moment.microsecond // 1000:03d}-{uuid4()}.jsonl"
        key = f"{location.path.lstrip('/')}/{name}"
        try:
            body = ("\n".join(lines) + "\n").encode()
            EmulatorObjects(cloud, scope).put(location.netloc, key, body)
        except ServiceError:
            logger.exception("data capture of %s", folder)


def _folder(settings: Json, endpoint: Record, variant: str, now: datetime) -> str:
    destination = settings["DestinationS3Uri"].rstrip("/")
    name = endpoint.data["EndpointName"]
    return f"{destination}/{name}/{variant}/{now.strftime('%Y/%m/%d/%H')}"


def _part(settings: Json, content_type: str, body: bytes, mode: str) -> Json:
    header = settings.get("CaptureContentTypeHeader") or {}
    plain = content_type.partition(";")[0].strip().lower()
    csv = plain in {*header.get("CsvContentTypes", ()), "text/csv"}
    text = csv or plain in {*header.get("JsonContentTypes", ()), "application/json"}
    encoding = ("CSV" if csv else "JSON") if text else "BASE64"
    data = body.decode(errors="replace") if text else base64.b64encode(body).decode()
    return {
        "observedContentType": content_type,
        "mode": mode,
        "data": data,
        "encoding": encoding,
    }
