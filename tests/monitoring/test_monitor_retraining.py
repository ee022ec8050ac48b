"""The answer to violations as a running machine: cool-down, cap, races, and a person's word."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demo.cloud import Cloud, local_cloud
from mlops_constructs.common.states import PARTITION
from mlops_constructs.monitoring.retraining_workflow import RetrainingWorkflow
from mlops_constructs.training import starting

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::123456789012:role/test"
DETAIL = {
    "violations": 2,
    "features": ["age", "sex"],
    "drifted": "age,sex",
    "checks": ["range_check"],
    "report": "s3://reports/1",
}
PARAMETERS = ("Drifted", "Checks", "Why")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), keep=False) as running:
        yield running


class Machine:
    """A machine with a table, a topic that a queue listens to, and a pipeline that does nothing."""

    def __init__(
        self, cloud: Cloud, name: str, *, holds: bool = False, starts: bool = False, **settings: Any
    ) -> None:
        self.cloud, self.name = cloud, name
        self.sagemaker, self.functions = cloud.client("sagemaker"), cloud.client("stepfunctions")
        cloud.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pipeline", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pipeline", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        topic = cloud.client("sns").create_topic(Name=name)["TopicArn"]
        self.queue = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        # A step that runs until the execution is stopped, or one that ends it.
        step: dict[str, Any] = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "-"}}
        if holds:
            step = {
                "Name": "Hold",
                "Type": "Callback",
                "Arguments": {},
                "SqsQueueUrl": cloud.client("sqs").create_queue(QueueName=f"{name}-h")["QueueUrl"],
                "OutputParameters": [],
            }
        self.sagemaker.create_pipeline(
            PipelineName=name,
            RoleArn=ROLE,
            ClientRequestToken="x" * 32,
            PipelineDefinition=json.dumps(
                {
                    "Version": "2020-12-01",
                    "Metadata": {},
                    "Parameters": [
                        {"Name": each, "Type": "String", "DefaultValue": "-"} for each in PARAMETERS
                    ],
                    "Steps": [step],
                }
            ),
        )
        given = {"cool_down_seconds": 3600, "most_per_week": 3, "approval_seconds": None}
        workflow = RetrainingWorkflow(
            partition="aws",
            monitor_name="census",
            pipeline_name=name,
            parameters={"Drifted": "$.detail.drifted", "Checks": "$.detail.checks", "Why": "drift"},
            table_name=name,
            topic_arn=topic,
            starter_arn=self._starter() if starts else None,
            **given | settings,
        )
        self.arn = self.functions.create_state_machine(
            name=name, roleArn=ROLE, definition=json.dumps(workflow.definition())
        )["stateMachineArn"]

    def _starter(self) -> str:
        """The machine that a training pipeline has for it."""
        begin = {"Type": "Pass", "Assign": starting.variables(), "Next": "Gather"}
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Begin",
            "States": {"Begin": begin, **starting.states(self.name)},
        }
        made = self.functions.create_state_machine(
            name=f"{self.name}-starter",
            definition=json.dumps(definition).replace(PARTITION, "aws"),
            roleArn=ROLE,
        )
        return str(made["stateMachineArn"])

    def answer(self, times: int = 1) -> list[str]:
        """The statuses of so many executions that are started at once."""
        started = [self.begin() for _ in range(times)]
        return [self.ended(each) for each in started]

    def begin(self) -> str:
        text = json.dumps({"detail": DETAIL})
        started = self.functions.start_execution(stateMachineArn=self.arn, input=text)
        return str(started["executionArn"])

    def ended(self, execution: str) -> str:
        def status() -> str | None:
            found = self.functions.describe_execution(executionArn=execution)
            self.cause = str(found.get("cause"))
            return None if found["status"] == "RUNNING" else str(found["status"])

        return _eventually(status)

    def starts(self) -> list[dict[str, Any]]:
        found = self.sagemaker.list_pipeline_executions(PipelineName=self.name)
        return list(found["PipelineExecutionSummaries"])

    def message(self) -> str:
        def received() -> str | None:
            got = self.cloud.client("sqs").receive_message(QueueUrl=self.queue)
            bodies = [each["Body"] for each in got.get("Messages", [])]
            for each in got.get("Messages", []):
                self.cloud.client("sqs").delete_message(
                    QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"]
                )
            return str(json.loads(bodies[0])["Message"]) if bodies else None

        return _eventually(received)


def test_it_starts_the_pipeline_with_what_drifted_and_then_cools_down(cloud: Cloud) -> None:
    machine = Machine(cloud, "cool")
    assert machine.answer() == ["SUCCEEDED"]
    (start,) = machine.starts()
    told = machine.sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=start["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {each["Name"]: each["Value"] for each in told} == {
        "Drifted": "age,sex",
        "Checks": "range_check",
        "Why": "drift",
    }
    assert json.loads(machine.message())["why"] == start["PipelineExecutionArn"]
    assert machine.answer(2) == ["SUCCEEDED"] * 2
    assert len(machine.starts()) == 1


def test_no_race_exceeds_the_cap_of_a_week(cloud: Cloud) -> None:
    machine = Machine(cloud, "capped", cool_down_seconds=-60, most_per_week=2)
    assert machine.answer(5) == ["SUCCEEDED"] * 5
    assert len(machine.starts()) == 2
    # A week later the old starts count no more.
    table = cloud.client("dynamodb")
    item = table.get_item(TableName="capped", Key={"pipeline": {"S": "capped"}})["Item"]
    assert len(item["starts"]["S"].split(",")) == 2
    old = ",".join(str(int(at) - 7 * 86_400 - 60) for at in item["starts"]["S"].split(","))
    table.put_item(TableName="capped", Item=item | {"starts": {"S": old}})
    assert machine.answer() == ["SUCCEEDED"]
    assert len(machine.starts()) == 3


@pytest.mark.parametrize(("says", "starts"), [("success", 1), ("failure", 0)])
def test_a_person_is_asked(cloud: Cloud, says: str, starts: int) -> None:
    machine = Machine(cloud, f"asked-{says}", approval_seconds=86_400)
    execution = machine.begin()
    text = machine.message()
    assert "age,sex" in text
    command = re.search(rf"aws stepfunctions send-task-{says} .*--task-token (\S+)", text)
    assert command is not None
    if says == "success":
        machine.functions.send_task_success(taskToken=command[1], output="{}")
    else:
        machine.functions.send_task_failure(taskToken=command[1], error="Declined")
    assert machine.ended(execution) == "SUCCEEDED"
    assert len(machine.starts()) == starts
    # What was declined is not asked again at once.
    assert machine.answer() == ["SUCCEEDED"]
    assert len(machine.starts()) == starts


@pytest.mark.parametrize("starts", [False, True], ids=["here", "by its starter"])
def test_what_cannot_be_started_is_told(cloud: Cloud, starts: bool) -> None:
    name = f"gone-{starts}".lower()
    machine = Machine(cloud, name, starts=starts)
    machine.sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken="x" * 32)
    assert machine.answer() == ["FAILED"]
    assert name in json.loads(machine.message())["why"]


@pytest.mark.parametrize("starts", [False, True], ids=["here", "by its starter"])
def test_an_answer_during_an_execution_waits_for_its_end(cloud: Cloud, starts: bool) -> None:
    machine = Machine(cloud, f"busy-{starts}".lower(), holds=True, starts=starts)
    first = machine.sagemaker.start_pipeline_execution(
        PipelineName=machine.name, ClientRequestToken="y" * 32
    )["PipelineExecutionArn"]
    execution = machine.begin()
    told = json.loads(machine.message())
    assert (told["outcome"], told["features"]) == ("queued", ["age", "sex"])
    time.sleep(2)  # several looks, in the local cloud's time
    assert len(machine.starts()) == 1
    machine.sagemaker.stop_pipeline_execution(
        PipelineExecutionArn=first, ClientRequestToken="z" * 32
    )
    assert machine.ended(execution) == "SUCCEEDED", machine.cause
    newest, _ = machine.starts()
    told = json.loads(machine.message())
    assert (told["outcome"], told["why"]) == ("started", newest["PipelineExecutionArn"])
    described = machine.sagemaker.describe_pipeline_execution(
        PipelineExecutionArn=newest["PipelineExecutionArn"]
    )
    assert described["PipelineExecutionDescription"] == "Violations seen by census: age,sex"
    values = machine.sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=newest["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {each["Name"]: each["Value"] for each in values}["Drifted"] == "age,sex"
    machine.sagemaker.stop_pipeline_execution(
        PipelineExecutionArn=newest["PipelineExecutionArn"], ClientRequestToken="w" * 32
    )


def _eventually(check: Callable[[], str | None]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = check()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("It did not end in half a minute.")
