"""ModelMonitorSuite with the native engine: definitions and schedules by the rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from mlops_constructs import ValidationError
from mlops_constructs.monitoring import (
    AttributionDrift,
    Daily,
    DataQuality,
    EveryHours,
    ModelMonitorSuite,
    ModelQuality,
    NativeEngine,
    OpenEngine,
    PackageBaselines,
    ProblemType,
    S3Dataset,
    Severity,
    ViolationAlarm,
)
from mlops_constructs.monitoring.native_engine import KINDS
from tests.monitoring.monitor_fixture import Ground, ground
from tests.support import nag_findings, resources_of

TYPES = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
ALARM = ViolationAlarm()
SCHEDULE = "AWS::SageMaker::MonitoringSchedule"
# botocore, ScheduleConfig.ScheduleExpression.
CRON = re.compile(r"cron\(0 (\*|\d{1,2}|\d{1,2}/\d{1,2}) \? \* \* \*\)")


@pytest.fixture(scope="module")
def made() -> tuple[Ground, ModelMonitorSuite]:
    """One app for the tests that only read, with a tag on everything that takes one."""
    place = ground()
    cdk.Tags.of(place.app).add("Team", "ml")
    return place, place.native()


def definition(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    (resource,) = resources_of(stack, f"AWS::SageMaker::{kind}JobDefinition").values()
    found: dict[str, Any] = resource["Properties"]
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_definitions_can_be_replaced(kind: str, made: tuple[Ground, ModelMonitorSuite]) -> None:
    """No fixed name, no tag that would replace one, and a schedule that follows the new one."""
    stack = made[0].stack
    ((logical_id, resource),) = resources_of(stack, f"AWS::SageMaker::{kind}JobDefinition").items()
    assert "JobDefinitionName" not in resource["Properties"]
    assert "Tags" not in resource["Properties"]
    (schedule,) = [
        found["Properties"]
        for found in resources_of(stack, SCHEDULE).values()
        if found["Properties"]["MonitoringScheduleConfig"]["MonitoringType"] == kind
    ]
    assert schedule["MonitoringScheduleConfig"] == {
        "MonitoringJobDefinitionName": {
            "Fn::Select": [1, {"Fn::Split": ["/", {"Ref": logical_id}]}]
        },
        "MonitoringType": kind,
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
    }
    assert schedule["MonitoringScheduleName"].startswith("census-dev-")
    assert len(schedule["MonitoringScheduleName"]) <= 63
    assert schedule["Tags"] == [{"Key": "Team", "Value": "ml"}]


@pytest.mark.parametrize("kind", TYPES)
def test_definitions_are_encrypted_and_in_the_vpc(
    kind: str, made: tuple[Ground, ModelMonitorSuite]
) -> None:
    found = definition(made[0].stack, kind)
    output = found[f"{kind}JobOutputConfig"]
    cluster = found["JobResources"]["ClusterConfig"]
    assert output["KmsKeyId"] == cluster["VolumeKmsKeyId"]
    assert found["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
    assert found["NetworkConfig"]["EnableNetworkIsolation"] is False
    assert found["NetworkConfig"]["VpcConfig"]["Subnets"] == [
        "subnet-12345678",
        "subnet-12345679",
    ]
    assert found[f"{kind}JobInput"]["EndpointInput"]["EndpointName"] == "census-dev"
    limit = 1800 if kind in ("ModelQuality", "ModelBias") else 3600
    assert found["StoppingCondition"]["MaxRuntimeInSeconds"] <= limit


def test_inputs_of_each_kind(made: tuple[Ground, ModelMonitorSuite]) -> None:
    stack = made[0].stack
    data = definition(stack, "DataQuality")
    assert data["DataQualityJobInput"]["EndpointInput"]["ExcludeFeaturesAttribute"] == "income"
    assert set(data["DataQualityBaselineConfig"]) == {"ConstraintsResource", "StatisticsResource"}
    quality = definition(stack, "ModelQuality")
    assert quality["ModelQualityAppSpecification"]["ProblemType"] == "BinaryClassification"
    assert quality["ModelQualityJobInput"]["EndpointInput"]["ProbabilityThresholdAttribute"] == 0.5
    assert "GroundTruthS3Input" in quality["ModelQualityJobInput"]
    bias = definition(stack, "ModelBias")
    assert "analysis_config.json" in json.dumps(bias["ModelBiasAppSpecification"]["ConfigUri"])
    assert "GroundTruthS3Input" in bias["ModelBiasJobInput"]
    assert (
        "ConfigUri"
        in definition(stack, "ModelExplainability")["ModelExplainabilityAppSpecification"]
    )


def test_a_data_set_is_read_as_a_batch_transform_and_its_reference_makes_the_baseline() -> None:
    place = ground()
    cdk.Tags.of(place.app).add("Team", "ml")
    explained = AttributionDrift(
        config=place.folder("config"),
        model_name="Census-Model",
        reference=S3Dataset(bucket=place.bucket, prefix="train", columns=("a", "b")),
    )
    place.suite(
        target=S3Dataset(bucket=place.bucket, prefix="batch"),
        monitors=[place.data_quality(), explained],
        engine=NativeEngine(),
    )
    found = definition(place.stack, "DataQuality")
    assert set(found["DataQualityJobInput"]) == {"BatchTransformInput"}
    read = found["DataQualityJobInput"]["BatchTransformInput"]
    assert read["DatasetFormat"] == {"Csv": {"Header": True}}
    jobs = resources_of(place.stack, "AWS::SageMaker::ProcessingJob")
    (job_id,) = [each for each in jobs if "DataQuality" in each]
    job = jobs[job_id]["Properties"]
    assert "Tags" not in job
    assert job["Environment"] == {
        "dataset_source": "/opt/ml/processing/input/baseline_dataset_input",
        "dataset_format": '{"csv": {"header": true, "output_columns_position": "START"}}',
        "output_path": "/opt/ml/processing/output",
        "publish_cloudwatch_metrics": "Disabled",
    }
    (output,) = job["ProcessingOutputConfig"]["Outputs"]
    written = output["S3Output"]["S3Uri"]["Fn::Join"][1]
    assert re.fullmatch(r"/monitoring/census-dev/baselines/data-quality/[0-9a-f]{12}", written[-1])
    # The definition is made after the job, and names what it writes.
    baseline = found["DataQualityBaselineConfig"]
    assert baseline["BaseliningJobName"] == {
        "Fn::Select": [1, {"Fn::Split": ["/", {"Ref": job_id}]}]
    }
    named = baseline["ConstraintsResource"]["S3Uri"]["Fn::Join"][1]
    assert named == [*written[:-1], f"{written[-1]}/constraints.json"]
    ((_, made),) = resources_of(place.stack, "AWS::SageMaker::DataQualityJobDefinition").items()
    assert job_id in made["DependsOn"]
    # Clarify's own: the reference explained as its configuration says.
    (other,) = [each["Properties"] for name, each in jobs.items() if "Explain" in name]
    assert [each["InputName"] for each in other["ProcessingInputs"]] == [
        "dataset",
        "analysis_config",
    ]
    named = definition(place.stack, "ModelExplainability")["ModelExplainabilityBaselineConfig"]
    assert named["ConstraintsResource"]["S3Uri"]["Fn::Join"][1][-1].endswith("/analysis.json")


@pytest.mark.parametrize(
    ("schedule", "expression", "seconds"),
    [
        (Daily(hour=3), "cron(0 3 ? * * *)", 7200),
        (EveryHours(hours=6), "cron(0 0/6 ? * * *)", 7200),
        (None, "cron(0 * ? * * *)", 1800),
    ],
)
def test_schedules(schedule: Any, expression: str, seconds: int) -> None:
    place = ground()
    runtime = cdk.Duration.hours(2 if schedule else 1)
    quality = ModelQuality(
        problem_type=ProblemType.REGRESSION,
        ground_truth=place.folder("truth"),
        inference_attribute="0",
    )
    place.suite(monitors=[quality], schedule=schedule, engine=NativeEngine(max_runtime=runtime))
    (resource,) = resources_of(place.stack, SCHEDULE).values()
    config = resource["Properties"]["MonitoringScheduleConfig"]
    assert config["ScheduleConfig"]["ScheduleExpression"] == expression
    assert CRON.fullmatch(expression)
    found = definition(place.stack, "ModelQuality")
    assert found["StoppingCondition"]["MaxRuntimeInSeconds"] == seconds


def test_no_findings_of_nag_and_lint(tmp_path: Path) -> None:
    """Of both engines, of a baseline made in the stack and of those that come with a package."""
    place = ground()
    package = PackageBaselines(model_package_group_name="x", folders=[place.folder("models")])
    made, copied, other = (
        replace(place, stack=cdk.Stack(place.app, name)) for name in ("Made", "Copied", "Open")
    )
    place.native()
    made.suite(engine=NativeEngine())
    copied.native(baselines=package)
    other.suite().on_violation("Hook")
    assert nag_findings(place.app) == []
    templates = []
    for each in (place, made, copied, other):
        path = tmp_path / f"{each.stack.node.id}.template.json"
        path.write_text(json.dumps(cdk.assertions.Template.from_stack(each.stack).to_json()))
        templates.append(path)
    lint = Path(sys.executable).with_name("cfn-lint")
    # W3005: a DependsOn beside a GetAtt; it is there for the role's policy.
    done = subprocess.run(
        [lint, "--ignore-checks", "W3005", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_violations_are_seen_by_the_jobs_exit_message() -> None:
    place = ground()
    suite = place.suite(engine=NativeEngine())
    suite.on_violation("Hook")
    rules = resources_of(place.stack, "AWS::Events::Rule")
    (rule,) = [each for name, each in rules.items() if "Hook" in name]
    detail = rule["Properties"]["EventPattern"]["detail"]
    assert detail["ExitMessage"] == [{"prefix": "CompletedWithViolations"}]
    assert "monitoring-schedule/census-dev-data-quality" in json.dumps(detail)


def test_alarms_count_the_events_of_runs() -> None:
    place = ground()
    wanted = {Severity.WARNING: ViolationAlarm(runs=2, of_last=3), Severity.CRITICAL: ALARM}
    suite = place.native(schedule=EveryHours(hours=6), violation_alarms=wanted)
    assert [each.__name__ for each in suite.native_alarms] == [
        "DataQuality", "ModelQuality", "BiasDrift", "AttributionDrift",
    ]  # fmt: skip
    rules = resources_of(place.stack, "AWS::Events::Rule")
    alarms = resources_of(place.stack, "AWS::CloudWatch::Alarm")
    (bias_rule,) = [name for name in rules if "ModelBias" in name]
    detail = rules[bias_rule]["Properties"]["EventPattern"]["detail"]
    assert detail["ExitMessage"] == [{"prefix": "CompletedWithViolations"}]
    assert "census-dev-bias" in json.dumps(detail["MonitoringScheduleArn"])
    (bias,) = [each["Properties"] for name, each in alarms.items() if "ModelBias" in name]
    assert bias["Dimensions"] == [{"Name": "RuleName", "Value": {"Ref": bias_rule}}]
    found = (bias["Period"], bias["DatapointsToAlarm"], bias["EvaluationPeriods"])
    assert found == (21_600, 2, 3)
    (failed,) = [each for name, each in rules.items() if "RunAlarm" in name]
    assert failed["Properties"]["EventPattern"]["detail"]["ProcessingJobStatus"] == [
        "Failed",
        "Stopped",
    ]
    (composite,) = resources_of(place.stack, "AWS::CloudWatch::CompositeAlarm").values()
    assert json.dumps(composite["Properties"]["AlarmRule"]).count("ALARM(") == 5
    other = replace(place, stack=cdk.Stack(place.app, "Other"))
    with pytest.raises(ValidationError, match="does not count violations"):
        other.native(violation_alarms={Severity.WARNING: ViolationAlarm(at_least=2)})


def test_metrics_of_features() -> None:
    metric = ground().suite(engine=NativeEngine()).metric_drift("age")
    assert metric.namespace == "aws/sagemaker/Endpoints/data-metrics"
    assert metric.metric_name == "feature_baseline_drift_age"
    assert metric.dimensions == {
        "Endpoint": "census-dev",
        "MonitoringSchedule": "census-dev-data-quality",
    }


def test_what_only_the_other_engine_has() -> None:
    place = ground()
    suite = place.suite(engine=NativeEngine())
    with pytest.raises(ValidationError, match="Take OpenEngine"):
        suite.metric_violations()
    with pytest.raises(ValidationError, match="wait for the schedule"):
        suite.grant_start(next(iter(suite.native_monitors.values())).role)
    assert suite.violation_alarms == {}
    with pytest.raises(ValidationError, match=r"AttributionDrift\.model: got None"):
        ground().native(engine=OpenEngine())


def test_mistakes() -> None:
    place = ground()
    quality = ModelQuality(
        problem_type=ProblemType.MULTICLASS,
        ground_truth=place.folder("truth/"),
        probability_attribute="0",
    )
    with pytest.raises(ValidationError) as caught:
        place.native(monitors=[quality, quality])
    message = str(caught.value)
    assert "ModelQuality 2 times" in message
    assert 'Write inference_attribute="0"' in message
    assert "ModelQuality.ground_truth.prefix: got 'truth/'" in message
    columns = S3Dataset(bucket=place.bucket, prefix="reference", file_format="parquet")
    place = replace(place, stack=cdk.Stack(place.app, "Parquet"))
    with pytest.raises(ValidationError, match="makes no baseline of Parquet"):
        place.suite(monitors=[DataQuality(reference=columns)], engine=NativeEngine())


def test_a_region_without_model_monitor_is_refused() -> None:
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="eu-south-2"))
    place = ground()
    with pytest.raises(ValidationError, match="eu-south-2"):
        ModelMonitorSuite(
            stack,
            "Monitor",
            monitor_name="census-dev",
            target=place.folder("x"),  # type: ignore[arg-type]  # one more mistake in the same report
            monitors=[place.data_quality()],
            engine=NativeEngine(),
        )


def test_every_kind_of_monitor_is_known() -> None:
    assert {kind.monitoring_type for kind in KINDS.values()} == set(TYPES)
    assert DataQuality in KINDS
