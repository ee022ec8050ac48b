"""ModelMonitorSuite with the open engine: pipeline, schedule, permissions, alarms, answers."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam, aws_sns as sns

from mlops_constructs import ValidationError
from mlops_constructs.monitoring import (
    AttributionDrift,
    BiasDrift,
    Daily,
    EveryHours,
    ModelMonitorSuite,
    ModelQuality,
    OpenEngine,
    ProblemType,
    S3Dataset,
    Severity,
    ViolationAlarm,
)
from tests.monitoring.monitor_fixture import Ground, ground
from tests.support import nag_findings, resources_of


@pytest.fixture(scope="module")
def made() -> tuple[Ground, ModelMonitorSuite]:
    """One app for the tests that only read."""
    place = ground()
    return place, place.suite()


def only(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    (resource,) = resources_of(stack, kind).values()
    found: dict[str, Any] = resource["Properties"]
    return found


def definition(stack: cdk.Stack) -> Any:
    """The pipeline's definition, with references written as <…>."""
    body = only(stack, "AWS::SageMaker::Pipeline")["PipelineDefinition"]["PipelineDefinitionBody"]
    return json.loads(flat(body))


def flat(value: Any) -> str:
    if isinstance(value, dict):
        ((function, inner),) = value.items()
        if function == "Fn::Join":
            return str(inner[0]).join(flat(part) for part in inner[1])
        if function == "Fn::GetAtt":
            return f"<{'.'.join(inner)}>"
        if function == "Fn::FindInMap":
            return "<Account>"
        if function == "Fn::Sub":
            return re.sub(r"\$\{([^}]*)\}", r"<\1>", inner)
        return f"<{flat(inner)}>"
    return str(value)


def statements(stack: cdk.Stack, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for logical_id, policy in resources_of(stack, "AWS::IAM::Policy").items()
        if logical_id.startswith(f"Monitor{role}DefaultPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def actions(stack: cdk.Stack, role: str) -> set[str]:
    return {
        action
        for statement in statements(stack, role)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }


def test_the_step_runs_the_analysis_on_explicit_paths(
    made: tuple[Ground, ModelMonitorSuite],
) -> None:
    body = definition(made[0].stack)
    assert body["Version"] == "2020-12-01"
    (step,) = body["Steps"]
    application = step["Arguments"]["AppSpecification"]
    shell = application["ContainerEntrypoint"]
    assert shell[:2] == ["/bin/bash", "-c"]
    assert shell[2] == (
        "mkdir -p /opt/ml/processing/code && "
        "tar -xzf /opt/ml/processing/input/code/*.tar.gz -C /opt/ml/processing/code && "
        'cd /opt/ml/processing/code && exec python3 -m analysis.analyze "$@"'
    )
    assert all(len(word) <= 256 for word in shell)
    words = application["ContainerArguments"]
    options = dict(zip(words[::2], words[1::2], strict=False))
    assert options["--until"] == {"Get": "Parameters.ScheduledTime"}
    assert options["--hours"] == "1"
    assert options["--kind"] == "capture"
    assert options["--data"].endswith("/capture/census-dev")
    assert options["--reference"].endswith("/reference")
    assert options["--pipeline"] == "census-dev-data-quality"
    assert options["--execution"] == {"Get": "Execution.PipelineExecutionId"}
    assert options["--history"].endswith("/monitoring/census-dev/history")
    assert options["--output"] == "/opt/ml/processing/output"
    assert words[-1] == "--publish"
    assert "sagemaker-scikit-learn:1.4-2" in application["ImageUri"]


def test_the_job_is_encrypted_and_in_the_vpc(made: tuple[Ground, ModelMonitorSuite]) -> None:
    (step,) = definition(made[0].stack)["Steps"]
    job = step["Arguments"]
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster["VolumeKmsKeyId"] == job["ProcessingOutputConfig"]["KmsKeyId"]
    assert "Key" in cluster["VolumeKmsKeyId"]
    assert job["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
    assert job["NetworkConfig"]["VpcConfig"] == {
        "SecurityGroupIds": ["sg-12345678"],
        "Subnets": ["subnet-12345678", "subnet-12345679"],
    }


def test_the_definition_is_what_the_api_takes(made: tuple[Ground, ModelMonitorSuite]) -> None:
    """The step's arguments against botocore's model of CreateProcessingJob."""
    import botocore.session
    from botocore.validate import ParamValidator

    (step,) = definition(made[0].stack)["Steps"]
    text = re.sub(r'\{"(Get|Std:Join)":.*?\}(\]\}\})?', '"x"', json.dumps(step["Arguments"]))
    job = json.loads(text) | {"ProcessingJobName": "x"}
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateProcessingJob").input_shape
    assert ParamValidator().validate(job, shape).generate_report() == ""


def test_the_schedule_passes_its_time(made: tuple[Ground, ModelMonitorSuite]) -> None:
    schedule = only(made[0].stack, "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "cron(15 * * * ? *)"
    assert schedule["Target"]["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [
            {"Name": "ScheduledTime", "Value": "<aws.scheduler.scheduled-time>"}
        ]
    }
    assert flat(schedule["Target"]["Arn"]).endswith(":pipeline/census-dev-data-quality")


@pytest.mark.parametrize(
    ("schedule", "expression", "hours"),
    [
        (Daily(hour=3), "cron(15 3 * * ? *)", "24"),
        (EveryHours(hours=6, start_hour=2), "cron(15 2/6 * * ? *)", "6"),
    ],
)
def test_other_schedules(schedule: Daily | EveryHours, expression: str, hours: str) -> None:
    place = ground()
    place.suite(schedule=schedule)
    assert only(place.stack, "AWS::Scheduler::Schedule")["ScheduleExpression"] == expression
    (step,) = definition(place.stack)["Steps"]
    words = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert words[words.index("--hours") + 1] == hours
    for alarm in resources_of(place.stack, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["Period"] == int(hours) * 3600


def test_every_role_may_do_what_it_must_and_no_more(
    made: tuple[Ground, ModelMonitorSuite],
) -> None:
    stack = made[0].stack
    assert actions(stack, "ScheduleRole") == {"sagemaker:StartPipelineExecution"}
    assert actions(stack, "PipelineRole") == {
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
    }
    job = actions(stack, "Role")
    assert {name for name in job if not name.startswith(("ec2:", "ecr:", "logs:", "kms:"))} == {
        "cloudwatch:PutMetricData",
        "events:PutEvents",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "sagemaker:ListPipelineExecutions",
    }
    writes = {
        flat(statement["Resource"])
        for statement in statements(stack, "Role")
        if "s3:PutObject" in statement["Action"]
    }
    assert [resource.split(">")[-1] for resource in writes] == ["/monitoring/census-dev/*"]
    for statement in statements(stack, "Role"):
        if statement["Action"] == "events:PutEvents":
            assert statement["Condition"] == {
                "StringEquals": {"events:source": "mlops.model-monitor"}
            }
        if statement["Action"] == "cloudwatch:PutMetricData":
            assert statement["Condition"] == {
                "StringEquals": {"cloudwatch:namespace": "MLOps/ModelMonitor"}
            }


def test_the_code_bundle_holds_the_analysis_and_its_settings(tmp_path: Path) -> None:
    place = ground()
    place.suite(
        monitors=[
            place.data_quality(
                reference=S3Dataset(bucket=place.bucket, prefix="train", columns=("income", "age")),
                false_alarm_rate=0.05,
            )
        ]
    )
    assembly = Path(place.app.synth().directory)
    (archive,) = assembly.rglob("*.tar.gz")
    with tarfile.open(archive) as bundle:
        names = bundle.getnames()
        settings = bundle.extractfile("settings.json")
        assert settings is not None
        told = json.load(settings)
    assert "analysis/analyze.py" in names
    assert "analysis/__init__.py" in names
    assert not [name for name in names if name.endswith((".toml", ".pyc"))]
    assert told["columns"] == ["income", "age"]
    assert told["ignore"] == ["income"]
    assert told["false_alarm_rate"] == 0.05


def test_the_same_input_gives_the_same_template() -> None:
    def template() -> Any:
        place = ground()
        place.suite()
        return cdk.assertions.Template.from_stack(place.stack).to_json()

    assert template() == template()


def test_alarms_by_severity_tell_the_topic(made: tuple[Ground, ModelMonitorSuite]) -> None:
    place, suite = made
    alarms = resources_of(place.stack, "AWS::CloudWatch::Alarm")
    (topic,) = resources_of(place.stack, "AWS::SNS::Topic")
    assert len(alarms) == 3
    for alarm in alarms.values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"
    for severity, alarm in suite.violation_alarms.items():
        logical_id = place.stack.get_logical_id(alarm.node.default_child)  # type: ignore[arg-type]  # an alarm's child is its L1
        found = alarms[logical_id]["Properties"]
        assert (found["Namespace"], found["MetricName"]) == ("MLOps/ModelMonitor", "Violations")
        assert {each["Name"]: each["Value"] for each in found["Dimensions"]} == {
            "Monitor": "census-dev",
            "MonitorType": "DataQuality",
            "Severity": str(severity),
        }


def test_the_metrics_are_those_that_the_analysis_publishes(
    made: tuple[Ground, ModelMonitorSuite],
) -> None:
    from mlops_constructs.monitoring.analysis import publish

    suite = made[1]
    data = publish.metric_data(
        "census-dev",
        failed=False,
        records=1,
        violations={"critical": 1, "warning": 0},
        drift={"age": 0.1},
        feature_metrics=5,
    )
    published = {
        (each["MetricName"], *sorted((d["Name"], d["Value"]) for d in each["Dimensions"]))
        for each in data
    }
    for metric in (
        suite.metric_violations(),
        suite.metric_violations(Severity.CRITICAL),
        suite.metric_violations(Severity.WARNING),
        suite.metric_records(),
        suite.metric_run_failed(),
        suite.metric_drift("age"),
    ):
        assert metric.namespace == publish.NAMESPACE
        dimensions = metric.dimensions
        assert dimensions is not None
        assert (metric.metric_name, *sorted(dimensions.items())) in published


def test_a_topic_and_alarms_of_ones_own() -> None:
    place = ground()
    topic = sns.Topic(place.stack, "Alerts", master_key=place.key, enforce_ssl=True)
    suite = place.suite(
        topic=topic,
        violation_alarms={Severity.CRITICAL: ViolationAlarm(at_least=3, runs=2, of_last=4)},
    )
    assert suite.topic is topic
    assert list(suite.violation_alarms) == [Severity.CRITICAL]
    (found,) = [
        alarm["Properties"]
        for alarm in resources_of(place.stack, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["MetricName"] == "Violations"
    ]
    assert (found["Threshold"], found["EvaluationPeriods"]) == (3, 4)
    assert found["DatapointsToAlarm"] == 2


def test_violations_can_be_answered() -> None:
    place = ground()
    place.suite().on_violation("Retrain")
    assert only(place.stack, "AWS::Events::Rule")["EventPattern"] == {
        "source": ["mlops.model-monitor"],
        "detail-type": ["Model Monitor Run"],
        "detail": {"monitor": ["census-dev"], "status": ["CompletedWithViolations"]},
    }


def test_grants() -> None:
    place = ground()
    suite = place.suite()
    role = iam.Role(place.stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    suite.grant_read_reports(role)
    suite.grant_start(role)
    (policy,) = [
        found["Properties"]["PolicyDocument"]["Statement"]
        for name, found in resources_of(place.stack, "AWS::IAM::Policy").items()
        if name.startswith("Reader")
    ]
    allowed = {statement["Action"]: flat(statement["Resource"]) for statement in policy}
    assert allowed["s3:GetObject"].endswith("/monitoring/census-dev/*")
    assert set(allowed) == {
        "kms:Decrypt",
        "s3:GetObject",
        "s3:ListBucket",
        "sagemaker:StartPipelineExecution",
    }


def test_everything_is_made_when_nothing_is_passed_in() -> None:
    place = ground()
    suite = place.suite(
        target=S3Dataset(bucket=place.bucket, prefix="incoming"),
        engine=None,
        encryption_key=None,
        reports=None,
    )
    (step,) = definition(place.stack)["Steps"]
    words = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert words[words.index("--kind") + 1] == "dataset"
    assert "VpcConfig" not in step["Arguments"]["NetworkConfig"]
    assert suite.reports.prefix == "monitoring/census-dev"
    for kind in ("AWS::KMS::Key", "AWS::S3::Bucket"):
        (resource,) = resources_of(place.stack, kind).values()
        assert resource["DeletionPolicy"] == "Retain"
    assert nag_findings(place.app) == []


def test_every_mistake_is_reported_at_once() -> None:
    place = ground()
    quality = place.data_quality(
        reference=S3Dataset(bucket=place.bucket, prefix="/train/", columns=("age",)),
        false_alarm_rate=0,
        drift_floor=1,
    )
    with pytest.raises(ValidationError) as caught:
        place.suite(
            monitor_name="Census_Dev",
            monitors=[quality],
            schedule=EveryHours(hours=5, start_hour=7),
            engine=OpenEngine(
                instance_type="m5.large",
                volume_size_gb=0,
                max_runtime=cdk.Duration.hours(6),
            ),
            violation_alarms={Severity.WARNING: ViolationAlarm(at_least=0, runs=9, of_last=2)},
            destroy_data=True,
        )
    message = str(caught.value)
    assert message.startswith("Monitoring/Monitor: 13 problems")
    for part in (
        "Write 'census-dev'",
        "DataQuality.reference.prefix: got '/train/'",
        "DataQuality.ignore: got ['income']; allowed: age",
        "false_alarm_rate",
        "drift_floor",
        "schedule.hours: got 5",
        "schedule.start_hour: got 7",
        "Write 'ml.m5.large'",
        "volume_size_gb",
        "max_runtime: got '21600 seconds'",
        "violation_alarms[warning].at_least",
        "violation_alarms[warning]: got 'runs=9, of_last=2'",
        "destroy_data",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"monitors": []}, "monitors=[DataQuality(reference=S3Dataset(…))]"),
        ({"schedule": "rate(5 minutes)"}, "EveryHours(hours=…), Once(at=…) or OnGroundTruth()"),
        ({"engine": "open"}, "OpenEngine() or NativeEngine()"),
        ({"target": "census-dev"}, "EndpointCapture or S3Dataset"),
        ({"schedule": Daily(hour=24)}, "0 to 23"),
    ],
)
def test_wrong_kinds_of_arguments(arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ground().suite(**arguments)
    assert expected in str(caught.value)


def test_the_open_engine_takes_model_quality_and_bias(tmp_path: Path) -> None:
    place = ground()
    truth = place.folder("truth")
    suite = place.suite(
        monitors=[
            place.data_quality(),
            ModelQuality(
                problem_type=ProblemType.BINARY,
                ground_truth=truth,
                probability_attribute="0",
                constraints=place.folder("limits"),
                label_delay_hours=24,
            ),
            BiasDrift(config=place.folder("bias"), ground_truth=truth, probability_attribute="0"),
        ]
    )
    (step,) = definition(place.stack)["Steps"]
    words = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    options = dict(zip(words[::2], words[1::2], strict=False))
    assert options["--ground-truth"].endswith("/truth")
    assert options["--quality-constraints"].endswith("/limits")
    assert options["--bias-config"].endswith("/bias")
    reads = {
        text.split(">")[-1]
        for statement in statements(place.stack, "Role")
        if "s3:GetObject" in statement["Action"]
        for text in map(
            flat,
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]],
        )
    }
    assert {"/truth/*", "/limits/*", "/bias/*", "/reference/*"} <= reads
    kinds = {
        each["Value"]
        for alarm in resources_of(place.stack, "AWS::CloudWatch::Alarm").values()
        for each in alarm["Properties"].get("Dimensions", [])
        if each["Name"] == "MonitorType"
    }
    assert kinds == {"DataQuality", "ModelQuality", "ModelBias"}
    assert set(suite.model_alarms) == {
        (kind, severity) for kind in (ModelQuality, BiasDrift) for severity in Severity
    }
    assert suite.metric_measure("auc").dimensions == {
        "Monitor": "census-dev",
        "MonitorType": "ModelQuality",
        "Measure": "auc",
    }
    assert nag_findings(place.app) == []


def test_what_the_open_engine_cannot_join_is_refused() -> None:
    place = ground()
    truth = place.folder("truth")
    with pytest.raises(ValidationError) as caught:
        place.suite(
            target=S3Dataset(bucket=place.bucket, prefix="incoming"),
            monitors=[
                ModelQuality(
                    problem_type=ProblemType.REGRESSION,
                    ground_truth=truth,
                    inference_attribute="0",
                    label_delay_hours=200,
                ),
                BiasDrift(
                    config=place.folder("bias"),
                    ground_truth=truth,
                    inference_attribute="1",
                    tolerance=1,
                ),
                AttributionDrift(config=place.folder("bias"), model_name="Census"),
            ],
        )
    message = str(caught.value)
    for part in (
        "ModelQuality.label_attribute: got None",
        "BiasDrift.label_attribute: got None",
        "the same attributes and threshold",
        "label_delay_hours: got 200",
        "tolerance: got 1",
        "AttributionDrift.model",
        "AttributionDrift.reference",
    ):
        assert part in message
