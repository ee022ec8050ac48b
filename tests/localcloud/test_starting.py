"""The state machine that starts a pipeline once, however many ask for it, on the local cloud."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud import emulator
from mlops_constructs.common.states import PARTITION
from mlops_constructs.training import starting
from mlops_constructs.training.stale_states import (
    DIMENSION,
    METRIC,
    NAMESPACE,
    states as staleness_states,
)
from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::123456789012:role/r-start"


@pytest.fixture
def machine(cloud: Cloud) -> str:
    # A callback step runs until somebody answers: the test says when an execution ends.
    queue = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    step = {
        "Name": "Hold",
        "Type": "Callback",
        "Arguments": {"version": {"Get": "Parameters.Version"}},
        "SqsQueueUrl": queue,
        "OutputParameters": [],
    }
    parameter = {"Name": "Version", "Type": "String", "DefaultValue": "0"}
    definition = {"Version": "2020-12-01", "Parameters": [parameter], "Steps": [step]}
    cloud.call(
        "CreatePipeline",
        PipelineName="pipeline",
        PipelineDefinition=json.dumps(definition),
        RoleArn=ROLE,
    )
    begin = {"Type": "Pass", "Assign": starting.variables(), "Next": "Gather"}
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {"Begin": begin, **starting.states("pipeline")},
    }
    made = cloud.client("stepfunctions").create_state_machine(
        name="starter",
        definition=json.dumps(machine).replace(PARTITION, "aws"),
        roleArn=ROLE,
    )
    return str(made["stateMachineArn"])


def _trigger(cloud: Cloud, machine: str, **given: Any) -> str:
    request = {"trigger": "NewData", "parameters": [], "varies": False, "skip": False, "gather": 0}
    started = cloud.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps(request | given)
    )
    return str(started["executionArn"])


def _executions(cloud: Cloud) -> list[Any]:
    listed = cloud.call("ListPipelineExecutions", PipelineName="pipeline", MaxResults=100)
    return list(listed["PipelineExecutionSummaries"])


def _ended(cloud: Cloud, arns: list[str]) -> list[str]:
    client = cloud.client("stepfunctions")

    def statuses() -> list[str]:
        return [client.describe_execution(executionArn=arn)["status"] for arn in arns]

    until(lambda: "RUNNING" not in statuses())
    return statuses()


def _until_there_are(cloud: Cloud, count: int) -> None:
    until(lambda: len(_executions(cloud)) == count)


def _finish(cloud: Cloud, execution: Any) -> None:
    arn = execution["PipelineExecutionArn"]
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="0" * 32)


def _version(cloud: Cloud, execution: Any) -> str:
    (parameter,) = cloud.call(
        "ListPipelineParametersForExecution",
        PipelineExecutionArn=execution["PipelineExecutionArn"],
    )["PipelineParameters"]
    return str(parameter["Value"])


def test_many_triggers_start_one_execution_and_during_it_one_more(
    cloud: Cloud, machine: str
) -> None:
    version = [{"Name": "Version", "Value": starting.START_TIME}]
    at_once = [_trigger(cloud, machine, parameters=version) for _ in range(5)]
    assert set(_ended(cloud, at_once)) == {"SUCCEEDED"}
    (first,) = _executions(cloud)
    assert first["PipelineExecutionDisplayName"] == "NewData"
    told = cloud.client("stepfunctions").describe_execution(executionArn=at_once[0])["output"]
    assert json.loads(told) == {"execution": first["PipelineExecutionArn"]}
    described = cloud.call(
        "DescribePipelineExecution", PipelineExecutionArn=first["PipelineExecutionArn"]
    )
    assert described["PipelineExecutionDescription"] == "Started by NewData"
    assert _version(cloud, first).startswith("20"), "when it was started"

    waiting = [_trigger(cloud, machine, parameters=version) for _ in range(4)]
    time.sleep(0.3)
    assert len(_executions(cloud)) == 1, "one runs, so none begins"
    _finish(cloud, first)
    assert set(_ended(cloud, waiting)) == {"SUCCEEDED"}
    second, _ = _executions(cloud)
    assert _version(cloud, second) > _version(cloud, first)
    _finish(cloud, second)


def test_a_trigger_may_give_up_and_an_event_may_say_what_to_run(cloud: Cloud, machine: str) -> None:
    def event(version: str) -> str:
        given = [{"Name": "Version", "Value": version}]
        return _trigger(cloud, machine, trigger="OnEvent", parameters=given, varies=True)

    assert _ended(cloud, [event("1")]) == ["SUCCEEDED"]
    assert _ended(cloud, [_trigger(cloud, machine, skip=True)]) == ["SUCCEEDED"]
    (first,) = _executions(cloud)
    others = [event("2"), event("3")]
    seen = [first]
    for count in (2, 3):
        _finish(cloud, seen[0])
        _until_there_are(cloud, count)
        seen = _executions(cloud)
        running = [e for e in seen if e["PipelineExecutionStatus"] == "Executing"]
        assert len(running) <= 1
    _finish(cloud, seen[0])
    assert set(_ended(cloud, others)) == {"SUCCEEDED"}
    assert sorted(_version(cloud, each) for each in seen) == ["1", "2", "3"]


def test_a_pipeline_that_cannot_be_started_is_an_error(cloud: Cloud, machine: str) -> None:
    given = [{"Name": "Nothing", "Value": "1"}]
    arn = _trigger(cloud, machine, parameters=given)
    assert _ended(cloud, [arn]) == ["FAILED"]
    described = cloud.client("stepfunctions").describe_execution(executionArn=arn)
    assert "Nothing" in described["cause"]
    assert _executions(cloud) == []


def test_a_queue_makes_one_message_of_many_objects(cloud: Cloud) -> None:
    """What the trigger for new objects rests on: the queue as the construct sets it.

    The emulator's rules write into queues without looking for duplicates, and it has no pipe from
    a queue to a state machine: messages are sent and read by hand here.
    """
    sqs = cloud.client("sqs")
    attributes = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
        "DelaySeconds": "1",
    }
    url = sqs.create_queue(QueueName="objects.fifo", Attributes=attributes)["QueueUrl"]
    body = json.dumps({"trigger": "NewData"})
    for _ in range(50):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="objects")

    def received() -> Any:
        return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")

    (message,) = until(received)
    assert message["Body"] == body
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="objects")
    time.sleep(1.1)
    assert not received(), "dropped for five minutes, delivered or not"


def test_the_days_since_a_success_are_counted(cloud: Cloud) -> None:
    step = {"Name": "S", "Type": "Condition", "Arguments": {"Conditions": [], "IfSteps": []}}
    definition = {"Version": "2020-12-01", "Parameters": [], "Steps": [step]}
    cloud.call(
        "CreatePipeline",
        PipelineName="old",
        PipelineDefinition=json.dumps(definition),
        RoleArn=ROLE,
    )
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Describe",
        "States": staleness_states("old"),
    }
    sfn = cloud.client("stepfunctions")
    arn = sfn.create_state_machine(
        name="days", definition=json.dumps(machine).replace(PARTITION, "aws"), roleArn=ROLE
    )["stateMachineArn"]

    def published() -> float:
        execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        assert _ended(cloud, [execution]) == ["SUCCEEDED"]
        now = datetime.now(UTC)
        (found,) = cloud.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=METRIC,
            Dimensions=[{"Name": DIMENSION, "Value": "old"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=["Minimum"],
        )["Datapoints"]
        return float(found["Minimum"])

    with emulator.within(cloud.scope):
        record = cloud.sagemaker.find("Pipeline", {"PipelineName": "old"})
    record.data["CreationTime"] -= 40 * 86_400
    assert published() == pytest.approx(40, abs=0.01), "never succeeded: as old as itself"

    cloud.call("StartPipelineExecution", PipelineName="old", ClientRequestToken="1" * 32)
    until(
        lambda: (
            [
                each["PipelineExecutionStatus"]
                for each in cloud.call("ListPipelineExecutions", PipelineName="old")[
                    "PipelineExecutionSummaries"
                ]
            ]
            == ["Succeeded"]
        )
    )
    assert published() == pytest.approx(0, abs=0.01)
