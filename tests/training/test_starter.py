"""Triggers that start one execution after the other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import (
    Duration,
    Stack,
    assertions,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_s3 as s3,
)

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.pipeline import TrainingPipeline
from mlops_constructs.training.starting import START_TIME
from tests.support import nag_findings, resources_of
from tests.training.fixture import Ground, ground

PATTERN = events.EventPattern(source=["my.source"])


@pytest.fixture(scope="module")
def place() -> Ground:
    """One stack with every trigger; tests read it."""
    made = ground()
    pipeline = made.pipeline()
    pipeline.add_schedule("Nightly", schedule="rate(1 day)", while_running="skip")
    pipeline.on_event(
        "OnEvent", event_pattern=PATTERN, parameters={"InputData": "$.detail.uri", "Rounds_Max": 5}
    )
    alarm = cloudwatch.Alarm.from_alarm_arn(
        made.stack, "Drift", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:drift"
    )
    pipeline.on_alarm("OnDrift", alarm=alarm)
    pipeline.on_object_created(
        "New Data!",
        bucket=made.data,
        prefix="raw/",
        suffixes=[".csv", ".csv.gz"],
        parameters={"InputData": START_TIME},
        window=Duration.minutes(15),
    )
    return made


def _only(place: Ground, resource_type: str, **having: Any) -> Any:
    (found,) = (
        each["Properties"]
        for each in resources_of(place.stack, resource_type).values()
        if having.items() <= each["Properties"].items()
    )
    return found


def _machine(place: Ground) -> Any:
    definition = _only(place, "AWS::StepFunctions::StateMachine")["DefinitionString"]
    parts = definition["Fn::Join"][1]
    return json.loads("".join(part if isinstance(part, str) else "aws" for part in parts))


def test_one_machine_starts_the_pipeline_for_all_triggers(place: Ground) -> None:
    machine = _machine(place)
    assert machine["States"]["Start"]["Resource"] == (
        "arn:aws:states:::aws-sdk:sagemaker:startPipelineExecution"
    )
    (statement,) = (
        each
        for policy in resources_of(place.stack, "AWS::IAM::Policy").values()
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sagemaker:StartPipelineExecution" in str(each["Action"])
    )
    assert statement["Action"] == [
        "sagemaker:ListPipelineExecutions",
        "sagemaker:StartPipelineExecution",
    ]


def test_a_schedule_says_who_it_is_and_what_to_do_while_one_runs(place: Ground) -> None:
    target = _only(place, "AWS::Scheduler::Schedule")["Target"]
    assert json.loads(target["Input"]) == {
        "trigger": "Nightly",
        "parameters": [],
        "varies": False,
        "skip": True,
        "gather": 0,
    }
    assert "DeadLetters" in str(target["DeadLetterConfig"])


def test_events_give_parameters_with_underscores_too(place: Ground) -> None:
    rules = resources_of(place.stack, "AWS::Events::Rule").values()
    (target,) = (
        each["Properties"]["Targets"][0]
        for each in rules
        if each["Properties"]["EventPattern"] == {"source": ["my.source"]}
    )
    transformer = target["InputTransformer"]
    assert list(transformer["InputPathsMap"].values()) == ["$.detail.uri"]
    template = transformer["InputTemplate"]
    (name,) = transformer["InputPathsMap"]
    given = json.loads(template.replace(f"<{name}>", '"value"'))
    assert given["parameters"] == [
        {"Name": "InputData", "Value": "value"},
        {"Name": "Rounds_Max", "Value": "5"},
    ]
    assert given["varies"] is True


def test_a_thousand_objects_become_one_message(place: Ground) -> None:
    queue = _only(place, "AWS::SQS::Queue", ContentBasedDeduplication=True)
    assert queue["FifoQueue"] is True
    # SQS forgets after 300 seconds.
    assert queue["DelaySeconds"] > 300
    (rule,) = (
        each["Properties"]
        for each in resources_of(place.stack, "AWS::Events::Rule").values()
        if each["Properties"]["EventPattern"].get("source") == ["aws.s3"]
    )
    assert rule["EventPattern"]["detail"] == {
        "bucket": {"name": [{"Ref": place.stack.get_logical_id(_resource(place.data))}]},
        "object": {"key": [{"wildcard": "raw/*.csv"}, {"wildcard": "raw/*.csv.gz"}]},
    }
    (target,) = rule["Targets"]
    assert "InputTransformer" not in target, "the same text for each object"
    assert target["SqsParameters"] == {"MessageGroupId": "objects"}
    pipe = _only(place, "AWS::Pipes::Pipe")
    given = json.loads(pipe["TargetParameters"]["InputTemplate"])
    assert given == {
        "trigger": "New-Data",
        "parameters": [{"Name": "InputData", "Value": START_TIME}],
        "varies": False,
        "skip": False,
        "gather": 15 * 60 - queue["DelaySeconds"],
    }
    data = resources_of(place.stack, "AWS::S3::Bucket")[
        place.stack.get_logical_id(_resource(place.data))
    ]
    assert data["Properties"]["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


def _resource(bucket: s3.IBucket) -> Any:
    return bucket.node.default_child


def test_no_findings(place: Ground) -> None:
    assert nag_findings(place.stack) == []


@pytest.fixture(scope="module")
def pipeline() -> TrainingPipeline:
    return ground().pipeline()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"window": Duration.minutes(5)}, "window: got '300 s'; allowed: 6 minutes"),
        ({"window": 600}, "window: got 600; allowed: 6 minutes"),
        ({"prefix": ""}, "prefix and suffixes: .*none of them empty"),
        ({"suffixes": ".csv"}, r"Write suffixes=\['.csv'\]"),
        ({"parameters": {"MinAuc": START_TIME}}, "for a parameter of type String"),
        ({"parameters": {"MinAuc": "$.detail.x"}}, "a value of type Float"),
        ({"parameters": {"Nothing": "1"}}, "allowed: Approval, Eta, InputData"),
    ],
)
def test_object_triggers_that_cannot_be(
    pipeline: TrainingPipeline, wrong: dict[str, Any], said: str
) -> None:
    bucket = s3.Bucket.from_bucket_name(pipeline, f"Bucket{abs(hash(said))}", "data")
    with pytest.raises(ValidationError, match=said) as refused:
        pipeline.on_object_created("NewData", bucket=bucket, **wrong)
    assert refused.value.path == "Test/Training/NewData"


def test_a_bucket_of_somebody_else_has_to_send_events_itself(pipeline: TrainingPipeline) -> None:
    bucket = s3.Bucket.from_bucket_name(pipeline, "Elsewhere", "elsewhere")
    pipeline.on_object_created("Elsewhere-Data", bucket=bucket)
    warnings = assertions.Annotations.from_stack(Stack.of(pipeline)).find_warning(
        "*", assertions.Match.string_like_regexp("its notifications to EventBridge are turned on")
    )
    assert len(warnings) == 1


def test_what_a_trigger_does_while_one_runs_is_one_of_three(pipeline: TrainingPipeline) -> None:
    with pytest.raises(ValidationError, match="got 'queue'; allowed: wait, skip, start"):
        pipeline.add_schedule("Nightly", schedule="rate(1 day)", while_running="queue")  # type: ignore[arg-type]  # the mistake
