"""What starts a pipeline at once, and what its executions start."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import (
    Duration,
    TimeZone,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_scheduler as scheduler,
    aws_sqs as sqs,
)

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.starting import START_TIME
from tests.support import nag_findings, resources_of
from tests.training.fixture import Ground, document, ground

PATTERN = events.EventPattern(source=["my.source"])


@pytest.fixture
def place() -> Ground:
    return ground()


def only(place: Ground, resource_type: str) -> Any:
    (resource,) = resources_of(place.stack, resource_type).values()
    return resource["Properties"]


def policies(place: Ground) -> dict[str, Any]:
    return {
        name: policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in resources_of(place.stack, "AWS::IAM::Policy").items()
    }


def test_schedule(place: Ground) -> None:
    pipeline = place.pipeline()
    pipeline.add_schedule(
        "Nightly",
        schedule="cron(0 3 * * ? *)",
        parameters={"MinAuc": 0.95, "Rounds_Max": "5", "InputData": START_TIME},
        while_running="start",
    )
    made = only(place, "AWS::Scheduler::Schedule")
    assert "Name" not in made
    assert made["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = made["Target"]
    assert target["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [
            {"Name": "InputData", "Value": "<aws.scheduler.scheduled-time>"},
            {"Name": "MinAuc", "Value": "0.95"},
            {"Name": "Rounds_Max", "Value": "5"},
        ]
    }
    assert target["Arn"] == place.stack.resolve(pipeline.pipeline_arn)
    (statements,) = (s for name, s in policies(place).items() if "ScheduleRole" in name)
    assert statements[0] == (
        {
            "Action": "sagemaker:StartPipelineExecution",
            "Effect": "Allow",
            "Resource": place.stack.resolve(pipeline.pipeline_arn),
        }
    )


def test_schedule_in_a_time_zone_without_parameters(place: Ground) -> None:
    place.pipeline().add_schedule(
        "Weekly",
        schedule=scheduler.ScheduleExpression.cron(
            minute="0", hour="3", week_day="SUN", time_zone=TimeZone.EUROPE_BERLIN
        ),
        while_running="start",
    )
    made = only(place, "AWS::Scheduler::Schedule")
    assert made["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert "SageMakerPipelineParameters" not in made["Target"]


def test_schedules_share_a_role(place: Ground) -> None:
    pipeline = place.pipeline()
    pipeline.add_schedule("A", schedule="rate(1 day)")
    pipeline.add_schedule("B", schedule="rate(7 days)")
    roles = {
        str(schedule["Properties"]["Target"]["RoleArn"])
        for schedule in resources_of(place.stack, "AWS::Scheduler::Schedule").values()
    }
    assert len(roles) == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"Nothing": "1"}, "allowed: Approval, Eta, InputData"),
        ({"Rounds_Max": "1.5"}, "got '1.5'; allowed: a value of type Integer"),
        ({"Eta": "fast"}, "got 'fast'; allowed: a value of type Float"),
        ({"Approval": "Maybe"}, "got 'Maybe'; allowed: PendingManualApproval, Approved"),
        ({"InputData": ""}, "got ''; allowed: a value of type String, 1 to 1024"),
        ({"InputData": "x" * 1025}, "allowed: a value of type String, 1 to 1024"),
        ({"Eta": "$.detail.eta"}, "allowed: a value of type Float"),
    ],
)
def test_schedule_with_wrong_parameters(
    place: Ground, parameters: dict[str, str], said: str
) -> None:
    pipeline = place.pipeline()
    with pytest.raises(ValidationError, match=said) as refused:
        pipeline.add_schedule("Nightly", schedule="rate(1 day)", parameters=parameters)
    assert refused.value.path == "Test/Training/Nightly"


def test_trigger_must_pass_what_has_no_default(place: Ground) -> None:
    raw = document()
    raw["Parameters"].append({"Name": "Version", "Type": "String"})
    pipeline = place.pipeline(raw)
    with pytest.raises(ValidationError, match=r"'Version'.*the pipeline has no default for it"):
        pipeline.add_schedule("Nightly", schedule="rate(1 day)")


def test_schedules_that_the_scheduler_would_refuse(place: Ground) -> None:
    pipeline = place.pipeline()
    for schedule in (
        "daily",
        "cron(0 3 * * *)",
        "cron(0 3 * * * *)",
        "cron(0 3 ? * ? *)",
        "rate(0 days)",
        "rate(daily)",
        "at(tomorrow)",
        None,
        Duration.days(1),
    ):
        with pytest.raises(ValidationError, match=r"schedule: got .*; allowed: cron.minute hour"):
            pipeline.add_schedule("Nightly", schedule=schedule)  # type: ignore[arg-type]  # the mistake
    for number, schedule in enumerate(("at(2030-01-31T07:00:00)", "rate(5 minutes)")):
        pipeline.add_schedule(f"Right-{number}", schedule=schedule)


def test_event(place: Ground) -> None:
    pipeline = place.pipeline()
    pipeline.on_event(
        "NewData",
        event_pattern=PATTERN,
        parameters={"InputData": "$.detail.uri", "MinAuc": 0.8},
        while_running="start",
    )
    (target,) = only(place, "AWS::Events::Rule")["Targets"]
    assert target["Arn"] == place.stack.resolve(pipeline.pipeline_arn)
    assert target["RoleArn"]["Fn::GetAtt"][0].startswith("TrainingEventRole")
    assert target["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": "InputData", "Value": "$.detail.uri"},
        {"Name": "MinAuc", "Value": "0.8"},
    ]


def test_event_refuses_underscores(place: Ground) -> None:
    pipeline = place.pipeline()
    with pytest.raises(ValidationError, match="EventBridge refuses others"):
        pipeline.on_event(
            "NewData",
            event_pattern=PATTERN,
            parameters={"Rounds_Max": 5},
            while_running="start",
        )


def test_dead_letter_queues(place: Ground) -> None:
    queue = sqs.Queue(
        place.stack,
        "Queue",
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=place.key,
        enforce_ssl=True,
    )
    pipeline = place.pipeline()
    pipeline.add_schedule(
        "Nightly", schedule="rate(1 day)", dead_letter_queue=queue, while_running="start"
    )
    pipeline.on_event(
        "NewData", event_pattern=PATTERN, dead_letter_queue=queue, while_running="start"
    )
    arn = {"Arn": place.stack.resolve(queue.queue_arn)}
    assert only(place, "AWS::Scheduler::Schedule")["Target"]["DeadLetterConfig"] == arn
    (target,) = only(place, "AWS::Events::Rule")["Targets"]
    assert target["DeadLetterConfig"] == arn
    senders = [
        statement["Principal"]
        for statement in only(place, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
        if statement["Action"] == "sqs:SendMessage"
    ]
    assert senders == [{"Service": "events.amazonaws.com"}]
    findings = [finding for finding in nag_findings(place.stack) if "SQS3" not in finding]
    assert findings == []


def test_status_change(place: Ground) -> None:
    pipeline = place.pipeline()
    pipeline.on_status_change("All")
    assert only(place, "AWS::Events::Rule")["EventPattern"]["detail"].keys() == {"pipelineArn"}
    with pytest.raises(ValidationError, match="statuses: got 'Done'; allowed: Executing"):
        pipeline.on_status_change("Wrong", statuses=["Done"])


def test_an_alarm_starts_the_pipeline_once(place: Ground) -> None:
    pipeline = place.pipeline()
    alarm = cloudwatch.Alarm.from_alarm_arn(
        place.stack, "Drift", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:drift"
    )
    pipeline.on_alarm("OnDrift", alarm=alarm, parameters={"MinAuc": 0.9})
    made = only(place, "AWS::Events::Rule")
    assert made["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:drift"],
        "detail": {
            "state": {"value": ["ALARM"]},
            "previousState": {"value": [{"anything-but": "ALARM"}]},
        },
    }
    with pytest.raises(ValidationError, match="Rounds_Min"):
        pipeline.on_alarm("Other", alarm=alarm, parameters={"Rounds_Min": 5})
