"""A local cloud inside the test process: no socket, no second process, 5 ms for AWS's minute."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from localcloud.settings import Settings

WORK = tempfile.TemporaryDirectory(prefix="localcloud-tests-")
SETTINGS = Settings(port=1, work_dir=Path(WORK.name), time_scale=0.0001)

# ministack reads these when it is imported, which the fixtures below do.
os.environ.update(SETTINGS.process_environment())


class Cloud:
    """One account of the local cloud, new for each test."""

    def __init__(self, local: Any, account: str) -> None:
        from localcloud.emulator import Scope

        self.local = local
        self.sagemaker = local.sagemaker
        self.scope = Scope(account, "us-east-1")

    def client(self, service: str) -> Any:
        return self.local.clients.client(service, self.scope)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        from localcloud import emulator

        with emulator.within(self.scope):
            answer: dict[str, Any] = self.sagemaker.call(operation, request)
            return answer

    def bucket(self, name: str | None = None) -> str:
        bucket = name or f"b-{uuid4().hex[:12]}"
        self.client("s3").create_bucket(Bucket=bucket)
        return bucket

    def put(self, bucket: str, key: str, body: bytes) -> str:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    def events(self) -> Callable[[], list[dict[str, Any]]]:
        """Begin to record the events of SageMaker; the answer returns them."""
        import json

        sqs, rules = self.client("sqs"), self.client("events")
        url = sqs.create_queue(QueueName=f"q-{uuid4().hex[:8]}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        rules.put_rule(Name="record", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
        rules.put_targets(Rule="record", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])

        def recorded() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while True:
                answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
                if not answer.get("Messages"):
                    return found
                for message in answer["Messages"]:
                    found.append(json.loads(message["Body"]))
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

        return recorded


def until(probe: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Wait until the probe returns something true; return that."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found
