"""The cloud as jobs, pipelines and model servers see it: objects, logs and operations.

Each adapter belongs to one account and region; they implement the protocols of
``localcloud.compute.ports``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from localcloud import emulator
from localcloud.emulator import Scope
from localcloud.errors import ServiceError
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

_BATCH_EVENTS = 1000
_BATCH_BYTES = 900_000
"""Below the limits of PutLogEvents: 10,000 events and 1 MB."""


def service_error(error: ClientError) -> ServiceError:
    """The refusal that a client met, as this package raises it."""
    details = error.response["Error"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return ServiceError(details["Code"], details["Message"], status=status)


class EmulatorObjects:
    """Amazon S3 of the local cloud."""

    def __init__(self, cloud: SageMaker, scope: Scope) -> None:
        self._client: Any = cloud.clients.client("s3", scope)

    def get(self, bucket: str, key: str) -> bytes:
        """The content of an object."""
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise service_error(error) from error
        return body

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object."""
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise service_error(error) from error

    def list(self, bucket: str, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [item["Key"] for page in pages for item in page.get("Contents", ())]
        except ClientError as error:
            raise service_error(error) from error


class EmulatorLogs:
    """Amazon CloudWatch Logs of the local cloud."""

    def __init__(self, cloud: SageMaker, scope: Scope) -> None:
        self._client: Any = cloud.clients.client("logs", scope)
        self._folder = cloud.settings.log_dir
        self._known: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """Append lines to a stream; group and stream are made when they are not there."""
        if self._folder is not None:
            job = stream.partition("/")[0]
            with (self._folder / f"{job}.log").open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        self._make(group, stream)
        now = int(time.time() * 1000)
        batch: list[Json] = []
        size = 0
        for line in lines:
            # PutLogEvents takes no empty message.
            batch.append({"timestamp": now, "message": line or " "})
            size += len(line) + 26
            if len(batch) >= _BATCH_EVENTS or size >= _BATCH_BYTES:
                self._put(group, stream, batch)
                batch, size = [], 0
        if batch:
            self._put(group, stream, batch)

    def _put(self, group: str, stream: str, events: list[Json]) -> None:
        self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def _make(self, group: str, stream: str) -> None:
        with self._lock:
            if (group, stream) in self._known:
                return
            for operation, names in (
                (self._client.create_log_group, {"logGroupName": group}),
                (self._client.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
            ):
                try:
                    operation(**names)
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                        raise service_error(error) from error
            self._known.add((group, stream))


class InProcessControl:
    """The SageMaker API, and what else steps of a pipeline call."""

    def __init__(self, cloud: SageMaker, scope: Scope) -> None:
        self._cloud = cloud
        self._scope = scope

    def call(self, operation: str, request: Mapping[str, Any]) -> Json:
        """Carry out an operation; ``Invoke`` is Lambda's, ``SendMessage`` is SQS's."""
        if operation == "Invoke":
            return self._invoke(request)
        if operation == "SendMessage":
            return self._send_message(request)
        with emulator.within(self._scope):
            return self._cloud.call(operation, dict(request))

    def _invoke(self, request: Mapping[str, Any]) -> Json:
        client: Any = self._cloud.clients.client("lambda", self._scope)
        payload = request.get("Payload")
        if payload is not None and not isinstance(payload, bytes | str):
            payload = json.dumps(payload)
        try:
            answer = client.invoke(
                FunctionName=request["FunctionName"],
                **({"Payload": payload} if payload is not None else {}),
            )
        except ClientError as error:
            raise service_error(error) from error
        return {**answer, "Payload": answer["Payload"].read()}

    def _send_message(self, request: Mapping[str, Any]) -> Json:
        client: Any = self._cloud.clients.client("sqs", self._scope)
        try:
            answer: Json = client.send_message(**request)
        except ClientError as error:
            raise service_error(error) from error
        return answer
