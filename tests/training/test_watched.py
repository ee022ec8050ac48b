"""Who is told of what, alarms, graphs and costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_kms as kms,
    aws_sns as sns,
)

from mlops_constructs.common.errors import ValidationError
from tests.support import nag_findings, resources_of, template_of
from tests.training.fixture import Ground, document, ground, processing, step, training, tuning

PRICES = {"ml.m5.large": 0.2}


@pytest.fixture(scope="module")
def place() -> Ground:
    """One stack in which everything watches; tests read it."""
    made = ground()
    key = kms.Key(made.stack, "TopicKey", enable_key_rotation=True)
    topic = sns.Topic(made.stack, "Topic", master_key=key, enforce_ssl=True)
    pipeline = made.pipeline()
    pipeline.on_failure("Failed", topic=topic)
    pipeline.add_schedule("Nightly", schedule="rate(1 day)")
    pipeline.add_alarms("Alarms", topic=topic, max_duration=Duration.hours(2), stale_after_days=3)
    pipeline.add_alarms("Monthly", topic=topic, stale_after_days=35)
    cloudwatch.Dashboard(
        made.stack, "Board", widgets=[pipeline.widgets(width=6, hourly_prices=PRICES)]
    )
    return made


def _rules(place: Ground) -> dict[str, Any]:
    """Event patterns and messages, by the detail type."""
    return {
        rule["Properties"]["EventPattern"]["detail-type"][0]: rule["Properties"]
        for rule in resources_of(place.stack, "AWS::Events::Rule").values()
    }


def test_failures_are_told_with_the_reason_and_a_link(place: Ground) -> None:
    rules = _rules(place)
    execution = rules["SageMaker Model Building Pipeline Execution Status Change"]
    assert execution["EventPattern"]["detail"]["currentPipelineExecutionStatus"] == [
        "Failed",
        "CompletedWithFailures",
    ]
    failed = rules["SageMaker Model Building Pipeline Execution Step Status Change"]
    assert failed["EventPattern"]["detail"]["currentStepStatus"] == ["Failed"]
    transformer = failed["Targets"][0]["InputTransformer"]
    assert set(transformer["InputPathsMap"].values()) == {
        "$.detail.stepName",
        "$.detail.stepType",
        "$.detail.failureReason",
        "$.detail.pipelineExecutionArn",
    }
    message = json.dumps(transformer["InputTemplate"])
    assert "failed: <detail-failureReason>" in message
    assert "sagemaker/home?region=" in message
    consoles = template_of(place.stack).to_json()["Mappings"]["Consoles"]
    assert consoles["aws-cn"] == {"host": "console.amazonaws.cn"}


def test_starts_that_fail_are_told_too(place: Ground) -> None:
    rule = _rules(place)["Step Functions Execution Status Change"]
    assert rule["EventPattern"]["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert "StarterMachine" in json.dumps(rule["EventPattern"]["detail"]["stateMachineArn"])
    assert "was not started" in json.dumps(rule["Targets"][0]["InputTransformer"])


def test_an_encrypted_topic_lets_events_in(place: Ground) -> None:
    keys = resources_of(place.stack, "AWS::KMS::Key")
    (key,) = (each for name, each in keys.items() if name.startswith("TopicKey"))
    policy = json.dumps(key["Properties"]["KeyPolicy"])
    assert "events.amazonaws.com" in policy
    assert "cloudwatch.amazonaws.com" in policy


def _alarms(place: Ground, start: str) -> dict[str, Any]:
    return {
        each["Properties"]["MetricName"]: each["Properties"]
        for name, each in resources_of(place.stack, "AWS::CloudWatch::Alarm").items()
        if name.startswith(f"Training{start}") and "MetricName" in each["Properties"]
    }


def test_alarms_on_failure_duration_and_staleness(place: Ground) -> None:
    made = _alarms(place, "Alarms")
    assert made["ExecutionFailed"]["Threshold"] == 1
    assert made["ExecutionDuration"]["Threshold"] == 7_200_000
    stale = made["ExecutionSucceeded"]
    assert (stale["Period"], stale["EvaluationPeriods"]) == (86_400, 3)
    assert stale["TreatMissingData"] == "breaching"
    assert stale["ComparisonOperator"] == "LessThanThreshold"
    assert all(each["AlarmActions"] for each in made.values())


def test_starts_that_could_not_be_delivered_alarm(place: Ground) -> None:
    alarms = resources_of(place.stack, "AWS::CloudWatch::Alarm")
    (alarm,) = (
        each["Properties"]
        for name, each in alarms.items()
        if name.startswith("TrainingAlarmsStarts")
    )
    metrics = [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]
    assert [each["MetricName"] for each in metrics] == ["ApproximateNumberOfMessagesVisible"]
    assert "TrainingDeadLetters" in json.dumps(metrics)


def test_more_than_a_week_is_counted_by_a_machine(place: Ground) -> None:
    stale = _alarms(place, "Monthly")["DaysSinceSuccess"]
    assert stale["Threshold"] == 35
    assert stale["Dimensions"] == [{"Name": "PipelineName", "Value": "sample-dev"}]
    schedules = resources_of(place.stack, "AWS::Scheduler::Schedule").values()
    daily = [
        each["Properties"]["ScheduleExpression"]
        for each in schedules
        if "Monthly" in json.dumps(each["Properties"]["Target"]["Arn"])
    ]
    assert daily == ["rate(1 day)"]


def test_the_dashboard_shows_runs_steps_and_costs(place: Ground) -> None:
    (board,) = resources_of(place.stack, "AWS::CloudWatch::Dashboard").values()
    text = "".join(
        part if isinstance(part, str) else "x"
        for part in board["Properties"]["DashboardBody"]["Fn::Join"][1]
    )
    widgets = json.loads(text)["widgets"]
    titles = [each["properties"]["title"] for each in widgets]
    assert titles == [
        "sample-dev: executions a day",
        "sample-dev: longest execution in milliseconds",
        "sample-dev: longest run of each step in milliseconds",
        "sample-dev: estimated cost of a run",
    ]
    steps = [metric[5] for metric in widgets[2]["properties"]["metrics"]]
    assert steps == ["Preprocess", "Train", "Evaluate"]


def test_no_findings(place: Ground) -> None:
    assert nag_findings(place.stack) == []


@pytest.mark.parametrize("wrong", [{"stale_after_days": 367}, {"max_duration": Duration.hours(0)}])
def test_alarms_that_cannot_be(place: Ground, wrong: dict[str, Any]) -> None:
    topic = sns.Topic.from_topic_arn(
        place.stack, f"T{len(wrong)}{next(iter(wrong))}", "arn:aws:sns:us-east-1:1:t"
    )
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        place.stack.node.find_child("Training").add_alarms("Wrong", topic=topic, **wrong)  # type: ignore[attr-defined]  # a TrainingPipeline


def _expression(raw: Any, prices: dict[str, float]) -> str:
    return str(ground().pipeline(raw).metric_cost_of_run(prices).expression)


def test_a_run_costs_what_its_instances_cost() -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["ResourceConfig"]["InstanceCount"] = 3
    tune = tuning("Tune", training("One"))
    limits = tune["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxParallelTrainingJobs"] = 4
    raw["Steps"].append(tune)
    # Preprocess and Evaluate one instance, Train three, Tune four at once: dollars a millisecond.
    rates = [0.2 * instances / 3_600_000 for instances in (1, 3, 1, 4)]
    terms = " + ".join(f"FILL(s{at}, 0) * {rate:.12f}" for at, rate in enumerate(rates))
    assert _expression(raw, PRICES) == f"({terms}) / (FILL(ok, 0) + FILL(ko, 0))"


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({}, r"hourly_prices\['ml.m5.large'\]: got 'no prices'.*Train runs on it"),
        ({"ml.m5.large": -1.0}, "got -1.0; allowed: 0 or more"),
    ],
)
def test_prices_that_are_missing_or_cannot_be(prices: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){said}"):
        _expression(None, prices)


def test_instances_that_nobody_knows_have_no_price() -> None:
    raw = document()
    raw["Parameters"].append({"Name": "Size", "Type": "String"})
    raw["Steps"].append(
        processing(
            "More",
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": {"Get": "Parameters.Size"},
                    "VolumeSizeInGB": 30,
                }
            },
        )
    )
    with pytest.raises(ValidationError, match="step More"):
        _expression(raw, PRICES)
