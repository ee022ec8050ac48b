"""Baselines of the served package, attributions, other schedules, and answers to violations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_stepfunctions as sfn

from mlops_constructs import ValidationError
from mlops_constructs.monitoring import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    Hourly,
    ModelMonitorSuite,
    ModelQuality,
    NativeEngine,
    Once,
    OnGroundTruth,
    OpenEngine,
    PackageBaselines,
    ProblemType,
    S3Dataset,
    Severity,
    TrainedModel,
    ViolationAlarm,
)
from tests.monitoring.monitor_fixture import Ground, ground
from tests.monitoring.test_monitor_suite import actions, definition, flat, only, statements
from tests.support import nag_findings, resources_of

WHY = {"Drifted": "$.detail.drifted", "Checks": "$.detail.checks", "Why": "drift"}


@pytest.fixture(scope="module")
def made() -> tuple[Ground, ModelMonitorSuite]:
    """All four monitors, with baselines of the served package and every answer."""
    place = ground()
    truth = place.folder("truth")
    suite = place.suite(
        monitors=[
            DataQuality(),
            ModelQuality(
                problem_type=ProblemType.BINARY, ground_truth=truth, probability_attribute="p"
            ),
            BiasDrift(ground_truth=truth, probability_attribute="p"),
            AttributionDrift(probability_attribute="p", explained_records=50),
        ],
        baselines=PackageBaselines(
            model_package_group_name="Census-Dev", folders=[place.folder("models")]
        ),
        alarm_when_empty=True,
        violation_alarms={Severity.CRITICAL: ViolationAlarm(runs=1, of_last=3)},
    )
    suite.retrain(
        "Retrain",
        pipeline_name="census-dev",
        parameters=WHY,
        severity=Severity.CRITICAL,
        cool_down=cdk.Duration.hours(6),
        most_per_week=2,
        approval=cdk.Duration.days(2),
    ).grant_approve(suite.open_monitor.role)  # type: ignore[union-attr]  # the open engine has one
    suite.add_dashboard("Dashboard", name="census-dev-monitor")
    return place, suite


@pytest.fixture(scope="module")
def shared() -> Ground:
    """One app for the suites that cannot be made."""
    return ground()


@pytest.fixture(scope="module")
def variants() -> dict[str, cdk.Stack]:
    """Other schedules, engines and targets, each in a stack of its own."""
    place = ground()
    truth = place.folder("truth")
    scored = S3Dataset(bucket=place.bucket, prefix="scored")
    priced = ModelQuality(
        problem_type=ProblemType.REGRESSION,
        inference_attribute="prediction",
        label_attribute="price",
    )
    explained = AttributionDrift(
        model=TrainedModel(bucket=place.bucket, prefix="m/model.tar.gz"),
        reference=S3Dataset(bucket=place.bucket, prefix="train"),
    )
    binary = ModelQuality(
        problem_type=ProblemType.BINARY, ground_truth=truth, probability_attribute="0"
    )
    wanted: dict[str, dict[str, Any]] = {
        "Arrival": {"schedule": OnGroundTruth(within_hours=48), "monitors": [binary]},
        "Once": {"schedule": Once(at="2027-03-04T10:00:00", hours=12)},
        "OnceNative": {"schedule": Once(hours=12), "engine": NativeEngine()},
        "NativePackage": {
            "engine": NativeEngine(),
            "monitors": [
                DataQuality(constraints=place.folder("own")),
                BiasDrift(ground_truth=truth, inference_attribute="0"),
            ],
            "baselines": PackageBaselines(
                model_package_group_name="Census-Dev", folders=[place.folder("models")]
            ),
        },
        "Truth": {"target": scored, "monitors": [priced, explained]},
        **{
            file_format: {
                "target": replace(scored, file_format=file_format),
                "engine": NativeEngine(),
            }
            for file_format in ("csv", "jsonl", "parquet")
        },
    }
    stacks = {}
    for name, arguments in wanted.items():
        own = own_stack(place, name)
        suite = own.suite(**arguments)
        if name == "Once":
            starter = sfn.StateMachine.from_state_machine_arn(
                own.stack, "Starter", "arn:aws:states:eu-west-1:123456789012:stateMachine:Starter"
            )
            suite.retrain("Retrain", pipeline_name="p", parameters=WHY, starter=starter)
        stacks[name] = own.stack
    return stacks


def own_stack(shared: Ground, name: str) -> Ground:
    return replace(shared, stack=cdk.Stack(shared.app, name))


def options_of(stack: cdk.Stack) -> dict[str, Any]:
    (step,) = definition(stack)["Steps"]
    words = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    return dict(zip(words[::2], words[1::2], strict=False))


def test_baselines_come_with_the_package(made: tuple[Ground, ModelMonitorSuite]) -> None:
    options = options_of(made[0].stack)
    assert options["--model-package-group"] == "Census-Dev"
    assert options["--endpoint"] == "census-dev"
    assert not {"--reference", "--model", "--bias-config"} & set(options)
    asked = {
        action: flat(statement["Resource"]).rsplit(":", 1)[-1]
        for statement in statements(made[0].stack, "Role")
        for action in [statement["Action"]]
        if isinstance(action, str) and action.startswith("sagemaker:")
    }
    assert asked["sagemaker:DescribeModelPackage"] == "model-package/census-dev/*"
    assert asked["sagemaker:DescribeEndpoint"] == "endpoint/census-dev"
    assert asked["sagemaker:ListPipelineExecutions"] == "pipeline/census-dev-data-quality"


def test_attributions_run_where_the_model_runs(made: tuple[Ground, ModelMonitorSuite]) -> None:
    (step,) = definition(made[0].stack)["Steps"]
    assert "sagemaker-xgboost" in step["Arguments"]["AppSpecification"]["ImageUri"]


def test_one_alarm_sums_up_the_others(made: tuple[Ground, ModelMonitorSuite]) -> None:
    stack = made[0].stack
    alarms = resources_of(stack, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 6  # four monitors' critical violations, a failed run, an empty one
    composite = only(stack, "AWS::CloudWatch::CompositeAlarm")
    assert composite["ActionsEnabled"] is False
    rule = flat(composite["AlarmRule"])
    assert rule.count("ALARM(") == 6
    assert all(name in rule for name in alarms)
    (empty,) = [each for name, each in alarms.items() if "EmptyAlarm" in name]
    assert empty["Properties"]["ComparisonOperator"] == "LessThanThreshold"
    # Fires at the first bad run, and is over after three good ones.
    (bad,) = [each for name, each in alarms.items() if "CriticalViolations" in name]
    assert bad["Properties"]["EvaluationPeriods"] == 3
    assert bad["Properties"]["DatapointsToAlarm"] == 1


def test_the_dashboard_shows_what_is_published(made: tuple[Ground, ModelMonitorSuite]) -> None:
    body = json.loads(flat(only(made[0].stack, "AWS::CloudWatch::Dashboard")["DashboardBody"]))
    text = json.dumps(body)
    assert len(body["widgets"]) == 8
    for part in ("Violations", "RunFailed", "Coverage", "ModelExplainability", "Records"):
        assert part in text
    assert sum("SEARCH(" in json.dumps(widget) for widget in body["widgets"]) == 4


def test_retraining_may_start_one_pipeline(made: tuple[Ground, ModelMonitorSuite]) -> None:
    stack = made[0].stack
    machine = json.loads(flat(only(stack, "AWS::StepFunctions::StateMachine")["DefinitionString"]))
    states = machine["States"]
    assert states["WriteStart"]["Next"] == "Ask"
    assert states["Ask"]["TimeoutSeconds"] == 2 * 86_400
    assert {each["Name"] for each in states["Start"]["Arguments"]["PipelineParameters"]} == {
        "Drifted",
        "Checks",
        "Why",
    }
    allowed = actions(stack, "RetrainRole")
    assert {"sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"} <= allowed
    assert {"dynamodb:GetItem", "dynamodb:PutItem"} <= allowed
    assert not any(action.startswith("dynamodb:") and "Item" not in action for action in allowed)
    rules = resources_of(stack, "AWS::Events::Rule")
    (rule,) = [each for name, each in rules.items() if "Retrain" in name]
    assert rule["Properties"]["EventPattern"]["detail"]["critical"] == [{"numeric": [">", 0]}]
    table = only(stack, "AWS::DynamoDB::Table")
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_the_pipelines_own_starter_is_asked(variants: dict[str, cdk.Stack]) -> None:
    stack = variants["Once"]
    states = json.loads(flat(only(stack, "AWS::StepFunctions::StateMachine")["DefinitionString"]))[
        "States"
    ]
    asked = states["Start"]["Arguments"]
    assert asked["StateMachineArn"].endswith(":stateMachine:Starter")
    for part in (
        "'trigger': 'Drift-census-dev'",
        "'skip': false",
        "'Name': 'Why'",
        "$detail.checks",
    ):
        assert part in asked["Input"]
    allowed = actions(stack, "RetrainRole")
    assert {"states:StartExecution", "states:DescribeExecution"} <= allowed
    assert "sagemaker:StartPipelineExecution" not in allowed
    assert ":execution:Starter:*" in flat(
        [each["Resource"] for each in statements(stack, "RetrainRole")]
    )


def test_no_findings(made: tuple[Ground, ModelMonitorSuite]) -> None:
    assert nag_findings(made[0].app) == []


def test_labels_that_arrive_start_a_run(variants: dict[str, cdk.Stack]) -> None:
    stack = variants["Arrival"]
    assert resources_of(stack, "AWS::Scheduler::Schedule") == {}
    rule = only(stack, "AWS::Events::Rule")
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "truth/"}]}
    (target,) = rule["Targets"]
    assert target["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": "ScheduledTime", "Value": "$.time"},
        {"Name": "GroundTruthKey", "Value": "$.detail.object.key"},
    ]
    options = options_of(stack)
    assert options["--hours"] == "48"
    assert options["--labels"] == {"Get": "Parameters.GroundTruthKey"}
    assert actions(stack, "ArrivalRole") == {"sagemaker:StartPipelineExecution"}
    for alarm in resources_of(stack, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["Period"] == 3600


def test_one_run(variants: dict[str, cdk.Stack]) -> None:
    schedule = only(variants["Once"], "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "at(2027-03-04T10:00:00)"
    assert options_of(variants["Once"])["--hours"] == "12"
    made = only(variants["OnceNative"], "AWS::SageMaker::MonitoringSchedule")
    assert made["MonitoringScheduleConfig"]["ScheduleConfig"] == {
        "ScheduleExpression": "NOW",
        "DataAnalysisStartTime": "-PT12H",
        "DataAnalysisEndTime": "-PT0H",
    }


@pytest.mark.parametrize(
    ("file_format", "told"),
    [
        ("csv", {"Csv": {"Header": True}}),
        ("jsonl", {"Json": {"Line": True}}),
        ("parquet", {"Parquet": True}),
    ],
)
def test_the_native_engine_is_told_the_format(
    variants: dict[str, cdk.Stack], file_format: str, told: dict[str, Any]
) -> None:
    made = only(variants[file_format], "AWS::SageMaker::DataQualityJobDefinition")
    assert made["DataQualityJobInput"]["BatchTransformInput"]["DatasetFormat"] == told


def test_the_native_engine_is_given_the_baselines_of_the_package(
    variants: dict[str, cdk.Stack],
) -> None:
    """Definitions name fixed places; a machine puts there what belongs to the model served."""
    stack = variants["NativePackage"]
    place = "monitoring/census-dev/baselines"
    data = only(stack, "AWS::SageMaker::DataQualityJobDefinition")["DataQualityBaselineConfig"]
    bias = only(stack, "AWS::SageMaker::ModelBiasJobDefinition")
    for name in ("Constraints", "Statistics"):
        uri = flat(data[f"{name}Resource"]["S3Uri"])
        assert uri.endswith(f"/{place}/data-quality/{name.lower()}.json")
    assert flat(bias["ModelBiasAppSpecification"]["ConfigUri"]).endswith(
        f"/{place}/bias/analysis_config.json"
    )
    machine = json.loads(flat(only(stack, "AWS::StepFunctions::StateMachine")["DefinitionString"]))
    files = machine["States"]["ReadPackage"]["Assign"]["files"]
    assert files.count("'Key': ") == 4
    assert "/own/statistics.json')" in files  # what the package lacks
    rules = resources_of(stack, "AWS::Events::Rule")
    (rule,) = [each["Properties"] for name, each in rules.items() if "Baselines" in name]
    assert rule["EventPattern"]["detail"] == {
        "EndpointName": ["census-dev"],
        "EndpointStatus": ["IN_SERVICE"],
    }
    assert only(stack, "AWS::Scheduler::Schedule")["ScheduleExpression"] == "cron(50 * * * ? *)"
    allowed = actions(stack, "BaselinesRole")
    assert {"s3:GetObject", "s3:PutObject", "sagemaker:DescribeModelPackage"} <= allowed
    assert not any(action.endswith("*") for action in allowed)


def test_data_sets_with_their_truth(variants: dict[str, cdk.Stack]) -> None:
    stack = variants["Truth"]
    options = options_of(stack)
    assert options["--model"].endswith("/m/model.tar.gz")
    assert "--ground-truth" not in options
    reads = [
        flat(resource)
        for statement in statements(stack, "Role")
        if statement["Action"] == "s3:GetObject"
        for resource in (
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]]
        )
    ]
    assert any(each.endswith("/m/model.tar.gz*") for each in reads)


def test_no_findings_of_any_variant(variants: dict[str, cdk.Stack]) -> None:
    app = variants["Once"].node.root
    assert isinstance(app, cdk.App)
    assert nag_findings(app) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"monitors": [DataQuality()]}, "DataQuality.reference: got None"),
        ({"schedule": Once()}, "schedule.at: got None"),
        ({"schedule": Once(at="tomorrow")}, "schedule.at: got 'tomorrow'"),
        ({"schedule": Once(at="2027-02-30T10:00:00")}, "schedule.at: got '2027-02-30"),
        ({"schedule": Once(at="2027-03-04T10:00:00", hours=25)}, "schedule.hours: got 25"),
        ({"schedule": OnGroundTruth()}, "one for these"),
        ({"schedule": OnGroundTruth(within_hours=0)}, "within_hours: got 0"),
        ({"schedule": Once(at="2027-03-04T10:00:00"), "engine": NativeEngine()}, "Once(hours=24)"),
        ({"schedule": OnGroundTruth(), "engine": NativeEngine()}, "Write Daily()"),
        ({"engine": NativeEngine(), "alarm_when_empty": True}, "counts no records"),
    ],
)
def test_mistakes(
    shared: Ground, request: pytest.FixtureRequest, arguments: dict[str, Any], expected: str
) -> None:
    place = own_stack(shared, f"Mistake{abs(hash(request.node.name))}")
    with pytest.raises(ValidationError) as caught:
        place.suite(**arguments)
    assert expected in str(caught.value)


def test_what_native_needs_and_does_not_take(shared: Ground) -> None:
    place = own_stack(shared, "Native")
    with pytest.raises(ValidationError) as caught:
        place.suite(
            engine=NativeEngine(),
            monitors=[BiasDrift(inference_attribute="0"), AttributionDrift(threshold=0.8)],
            baselines=PackageBaselines(model_package_group_name="x", folders=[]),
        )
    message = str(caught.value)
    for part in (
        "BiasDrift.ground_truth",
        "AttributionDrift.config",
        "AttributionDrift.model_name",
        "AttributionDrift.threshold: got 0.8",
    ):
        assert part in message
    assert "BiasDrift.config" not in message  # a package may bring it


def test_mistakes_of_retraining(shared: Ground) -> None:
    suite = own_stack(shared, "Retraining").suite(schedule=Hourly(), engine=OpenEngine())
    with pytest.raises(ValidationError) as caught:
        suite.retrain(
            "Retrain",
            pipeline_name="p",
            parameters={"a b": "x", "C": "$.detail['x']"},
            cool_down=cdk.Duration.minutes(5),
            most_per_week=0,
            approval=cdk.Duration.days(60),
        )
    message = str(caught.value)
    assert message.startswith("Retraining/Monitor/Retrain: 5 problems")
    native = own_stack(shared, "RetrainingNative").suite(engine=NativeEngine())
    with pytest.raises(ValidationError, match="with OpenEngine a path"):
        native.retrain("Retrain", pipeline_name="p", parameters={"C": "$.detail.drifted"})
