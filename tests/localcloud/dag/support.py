"""A control plane whose jobs end as the test says, without any process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.compute.ports import FolderObjects, ServiceError
from localcloud.dag.caching import StepCache
from localcloud.dag.execution import run_execution
from localcloud.dag.records import ExecutionOutcome, StepRecord
from localcloud.dag.selection import Selection

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abcdefghijkl"


class FakeControl:
    """Jobs that complete after ``seconds``; what is in ``failures`` goes wrong, in that order."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.failures: dict[str, list[str | ServiceError]] = {}
        self.lambdas: dict[str, Callable[[Any], Any]] = {}
        self.running = 0
        self.most_running = 0
        self._jobs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            if not operation.startswith("Describe"):
                self.requests.append((operation, dict(request)))
            return self._answer(operation, dict(request))

    def _answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "Invoke":
            answer = self.lambdas[request["FunctionName"]](json.loads(request["Payload"]))
            return {"Payload": json.dumps(answer).encode()}
        if operation == "CreateModelPackage":
            return {"ModelPackageArn": "arn:package/1"}
        if operation == "CreateModel":
            return {"ModelArn": f"arn:model/{request['ModelName']}"}
        if operation in ("DescribeModelPackage", "DescribeModel"):
            return {"Created": True, **request}
        kind = operation.removeprefix("Create").removeprefix("Describe").removeprefix("Stop")
        name = request[f"{kind}Name"]
        if operation.startswith("Create"):
            planned = self.failures.get(_step_of(name), [])
            failure = planned.pop(0) if planned else None
            if isinstance(failure, ServiceError):
                raise failure
            end = time.monotonic() + self.seconds
            self._jobs[name] = {**request, "end": end, "failure": failure}
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            return {f"{kind}Arn": f"arn:job/{name}"}
        job = self._jobs[name]
        if operation.startswith("Stop"):
            job |= {"end": 0.0, "status": "Stopped"}
            return {}
        status = "InProgress"
        if time.monotonic() >= job["end"]:
            status = job.get("status") or ("Failed" if job["failure"] else "Completed")
            self.running -= not job.get("seen")
            job["seen"] = True
        described = {k: v for k, v in job.items() if k not in ("end", "failure", "seen", "status")}
        described[f"{kind}Status"] = status
        if status == "Failed":
            described["FailureReason"] = job["failure"]
        return described

    def names(self, operation: str) -> list[str]:
        """The steps that this operation was called for, in order."""
        return [
            _step_of(str(next(v for k, v in request.items() if k.endswith("Name"))))
            for called, request in self.requests
            if called == operation
        ]


def _step_of(job_name: str) -> str:
    return job_name.split("-")[2] if job_name.startswith("pipelines-") else job_name


def processing(name: str, *depends_on: str, **arguments: Any) -> dict[str, Any]:
    """A processing step with an output ``out``."""
    output = {
        "OutputName": "out",
        "S3Output": {
            "S3Uri": f"s3://bucket/{name}",
            "LocalPath": "/opt/ml/processing/out",
            "S3UploadMode": "EndOfJob",
        },
    }
    return {
        "Name": name,
        "Type": "Processing",
        "DependsOn": list(depends_on),
        "Arguments": {
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingOutputConfig": {"Outputs": [output]},
            **arguments,
        },
    }


def condition(name: str, left: Any, then: list[Any], otherwise: list[Any]) -> dict[str, Any]:
    """A condition that holds when the value is at least 1."""
    one = {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": 1}
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": [one], "IfSteps": then, "ElseSteps": otherwise},
    }


def pipeline(*steps: Mapping[str, Any], parameters: Any = ()) -> dict[str, Any]:
    """A definition."""
    return {"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)}


class Run:
    """Executions against one fake control plane."""

    def __init__(self, objects: FolderObjects) -> None:
        self.objects = objects
        self.control = FakeControl()
        self.stop = threading.Event()
        self.changes: list[StepRecord] = []

    def __call__(
        self,
        definition: Mapping[str, Any],
        *,
        parameters: Mapping[str, Any] | None = None,
        parallelism: int | None = None,
        cache: StepCache | None = None,
        arn: str = ARN,
        selection: Selection | None = None,
    ) -> ExecutionOutcome:
        return run_execution(
            json.dumps(definition),
            pipeline_name="p",
            execution_arn=arn,
            parameters=parameters or {},
            control=self.control,
            objects=self.objects,
            parallelism=parallelism,
            cache=cache,
            on_step=self.changes.append,
            stop=self.stop,
            time_scale=0.001,
            selection=selection,
        )

    def statuses(self, step: str) -> list[str]:
        """The statuses that a step went through."""
        return [change.step_status for change in self.changes if change.step_name == step]


def statuses(outcome: ExecutionOutcome) -> dict[str, str]:
    """Step → status at the end."""
    return {step.step_name: step.step_status for step in outcome.steps}
