from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stacks.use_case import CENSUS_INCOME
from tools.verify import RECORD, VerificationError, ask_endpoint, run_pipeline


class FakeSageMaker:
    """Answers with one status after the other, the last one for ever."""

    class exceptions:  # noqa: N801 - as boto3 spells it
        ClientError = ClientError

    def __init__(self, *statuses: str, steps: list[dict[str, str]] | None = None) -> None:
        self._statuses = list(statuses)
        self._steps = steps or []
        self.started: list[str] = []

    def _next(self) -> str:
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def start_pipeline_execution(self, **arguments: str) -> dict[str, Any]:
        self.started.append(arguments["PipelineName"])
        return {"PipelineExecutionArn": "run-1"}

    def describe_pipeline_execution(self, **_: str) -> dict[str, Any]:
        return {"PipelineExecutionStatus": self._next()}

    def list_pipeline_execution_steps(self, **_: str) -> dict[str, Any]:
        return {"PipelineExecutionSteps": self._steps}

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        status = self._next()
        if status == "missing":
            raise ClientError({"Error": {"Code": "ValidationException"}}, "DescribeEndpoint")
        return {"EndpointStatus": status}


class FakeRuntime:
    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.asked: list[dict[str, Any]] = []

    def invoke_endpoint(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        return {"Body": io.BytesIO(self._answer)}


def test_a_run_is_waited_for() -> None:
    client, waits = FakeSageMaker("Executing", "Executing", "Succeeded"), list[float]()
    assert run_pipeline(client, "census-income-dev", timeout=600, wait=waits.append) == "run-1"
    assert client.started == ["census-income-dev"]
    assert len(waits) == 2


def test_a_failed_run_says_which_step() -> None:
    client = FakeSageMaker("Failed", steps=[{"StepName": "Train", "FailureReason": "no memory"}])
    with pytest.raises(VerificationError, match="run-1 failed: step Train: no memory"):
        run_pipeline(client, "p", timeout=600, wait=lambda _: None)


def test_a_run_without_end_is_given_up() -> None:
    with pytest.raises(VerificationError, match="still runs after 60 s"):
        run_pipeline(FakeSageMaker("Executing"), "p", timeout=60, wait=lambda _: None)


@pytest.mark.parametrize("body", [b'{"predictions": [{"probability": 0.25}]}', b"[0.25]", b"0.25"])
def test_an_endpoint_is_asked(body: bytes) -> None:
    runtime = FakeRuntime(body)
    client = FakeSageMaker("Updating", "InService")
    assert ask_endpoint(client, runtime, "e", timeout=600, wait=lambda _: None) == 0.25
    assert json.loads(runtime.asked[0]["Body"]) == [RECORD]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        ("missing", b"", "comes with the first approved model"),
        ("Failed", b"", "is Failed"),
        ("Creating", b"", "not in service after 60 s"),
        ("InService", b"oops", "no probability"),
        ("InService", b"[]", "no probability"),
        ("InService", b"[7]", "no probability"),
    ],
)
def test_an_endpoint_that_does_not_serve_is_told(status: str, body: bytes, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        ask_endpoint(FakeSageMaker(status), FakeRuntime(body), "e", timeout=60, wait=lambda _: None)


def test_the_record_has_the_features_of_the_use_case() -> None:
    names = {feature.name for feature in CENSUS_INCOME.features.features}
    assert set(RECORD) == names - {"person_id", "event_time"}
