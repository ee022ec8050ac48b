"""Every kind of drift on the deployed platform, up to the retrained model on the endpoint.

A deployment of its own, and minutes long: `make proof` runs it. The tests build on one another, as
the life of a model does; they run in the order of this file.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import drift, story
from demo.cloud import Cdk, Cloud, local_cloud
from mlops_constructs.common.states import PARTITION
from mlops_constructs.monitoring.package_states import Copied, states

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

Outputs = dict[str, str]

#: A suite that waits for labels, deployed by its own small app beside the platform.
ARRIVALS = """
import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from mlops_constructs import (
    BiasDrift, EndpointCapture, ModelMonitorSuite, ModelQuality, OnGroundTruth, PackageBaselines,
    ProblemType, S3Folder,
)

app = cdk.App()
stack = cdk.Stack(app, "Arrivals")
bucket = s3.Bucket.from_bucket_name(stack, "Data", app.node.get_context("bucket"))
answers = {{"inference_attribute": "label", "probability_attribute": "probability"}}
truth = S3Folder(bucket=bucket, prefix="ground-truth")
ModelMonitorSuite(
    stack,
    "Monitor",
    monitor_name="arrivals",
    target=EndpointCapture(endpoint_name={endpoint!r}, bucket=bucket, prefix="capture"),
    monitors=[
        ModelQuality(
            problem_type=ProblemType.BINARY,
            positive_label=">50K",
            ground_truth=truth,
            **answers,
        ),
        BiasDrift(ground_truth=truth, **answers),
    ],
    baselines=PackageBaselines(
        model_package_group_name={group!r},
        folders=[S3Folder(bucket=bucket, prefix={pipeline!r})],
    ),
    schedule=OnGroundTruth(within_hours=24),
    reports=S3Folder(bucket=bucket, prefix="arrivals"),
)
app.synth()
"""
COUNT = 1000
_SHARE = "feature_attribution_share_check"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with local_cloud(tmp_path_factory.mktemp("drift"), keep=False) as running:
        yield running


@pytest.fixture(scope="module")
def outputs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The platform, with a model that was trained, registered and approved."""
    work = tmp_path_factory.mktemp("work")
    cdk = Cdk(cloud, work)
    cdk.bootstrap()
    made = cdk.deploy("dev")
    # Buckets that labels arrive in tell EventBridge of their objects.
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket=made["ArtifactsBucketName"],
        NotificationConfiguration={"EventBridgeConfiguration": {}},
    )
    story.run_pipeline(cloud, made, story.upload_data(cloud, made))
    story.approve(cloud, made, story.show_evaluation(cloud, made, work))
    return made


def _trainings(cloud: Cloud, outputs: Outputs) -> list[dict[str, Any]]:
    """Executions of the training pipeline, the newest first."""
    listed = cloud.client("sagemaker").list_pipeline_executions(
        PipelineName=outputs["PipelineName"], SortBy="CreationTime", SortOrder="Descending"
    )
    return list(listed["PipelineExecutionSummaries"])


def _eventually(check: Callable[[], Any], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.5)
    raise AssertionError(f"It did not happen in {seconds:.0f} s.")


def test_clean_traffic_is_no_violation(cloud: Cloud, outputs: Outputs) -> None:
    hour = drift.send(cloud, outputs, drift.CLEAN, count=COUNT)
    now, later = (drift.watch(cloud, outputs, hour, labels=labels) for labels in (False, True))
    assert drift.found(now) + drift.found(later) == []
    assert now["DataQuality"]["records"] == COUNT
    assert now["DataQuality"]["model"] == "1"
    assert now["ModelExplainability"]["measures"]["ndcg"]["value"] > 0.9
    # The model's own exact values, and not the generic explainer's.
    assert any("by explain_fn" in note for note in now["ModelExplainability"]["notes"])
    assert later["ModelQuality"]["coverage"] == 1
    assert set(later["ModelBias"]["groups"]) == {"sex", "race"}
    assert len(_trainings(cloud, outputs)) == 1


@pytest.mark.parametrize(
    ("kind", "labels", "expected"),
    [
        ("age", False, ("DataQuality", "age", "baseline_drift_check")),
        ("unit", False, ("DataQuality", "hours_per_week", "range_check")),
        ("category", False, ("DataQuality", "workclass", "categorical_values_check")),
        ("weights", False, ("ModelExplainability", "capital_gain", _SHARE)),
        ("labels", True, ("ModelQuality", "recall", "LessThanThreshold")),
        ("group", True, ("ModelBias", "sex", "bias_drift_check:RD")),
    ],
)
def test_each_kind_is_caught_by_its_monitor_within_a_period(
    cloud: Cloud, outputs: Outputs, kind: str, labels: bool, expected: tuple[str, str, str]
) -> None:
    hour = drift.send(cloud, outputs, drift.SHIFTS[kind], count=COUNT)
    reports = drift.watch(cloud, outputs, hour, labels=labels)
    monitor, feature, check = expected
    assert f"{monitor}: {feature} ({check})" in drift.found(reports)


def test_the_alarm_fires(cloud: Cloud) -> None:
    def fired() -> set[str]:
        alarms = cloud.client("cloudwatch").describe_alarms(
            StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        names = [
            each["AlarmName"] for kind in alarms.values() if isinstance(kind, list) for each in kind
        ]
        return {
            part
            for part in ("CriticalViolations", "CriticalBiasDrift", "census-income-dev-model")
            for name in names
            if part in name
        }

    _eventually(lambda: len(fired()) == 3, seconds=90)


def test_one_training_answers_and_its_model_reaches_the_endpoint(
    cloud: Cloud, outputs: Outputs
) -> None:
    def ended() -> Any:
        newest = _trainings(cloud, outputs)[0]
        return newest if newest["PipelineExecutionStatus"] != "Executing" else None

    training = _eventually(ended, seconds=180)
    assert len(_trainings(cloud, outputs)) == 2  # one answer to several runs with violations
    sagemaker = cloud.client("sagemaker")
    told = sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=training["PipelineExecutionArn"]
    )["PipelineParameters"]
    values = {each["Name"]: each["Value"] for each in told}
    assert values["DataVersion"].endswith("Z")
    described = sagemaker.describe_pipeline_execution(
        PipelineExecutionArn=training["PipelineExecutionArn"]
    )
    assert described["PipelineExecutionStatus"] == "Succeeded", described
    assert "Violations seen by" in described["PipelineExecutionDescription"]
    (newest, *_) = sagemaker.list_model_packages(
        ModelPackageGroupName=outputs["ModelPackageGroupName"],
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    assert newest["ModelPackageVersion"] == 2
    story.approve(cloud, outputs, newest["ModelPackageArn"])
    # The new model is compared with its own training data.
    hour = drift.send(cloud, outputs, drift.CLEAN, count=COUNT)
    reports = drift.watch(cloud, outputs, hour)
    assert reports["DataQuality"]["model"] == "2"
    assert drift.found(reports) == []


def test_the_page_of_a_run_is_there(cloud: Cloud, outputs: Outputs, tmp_path: Path) -> None:
    bucket, s3 = outputs["ArtifactsBucketName"], cloud.client("s3")
    keys = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=bucket, Prefix="monitoring/")["Contents"]
        if each["Key"].endswith("report.html")
    ]
    for key in keys:
        page = tmp_path / "report.html"
        s3.download_file(bucket, key, str(page))
        assert 5_000 < page.stat().st_size < 1_000_000
    history = s3.get_object(Bucket=bucket, Key="monitoring/history/history.json")["Body"].read()
    assert {each["monitor_type"] for each in json.loads(history)} == set(drift.FOLDERS)


def test_labels_that_arrive_start_runs_which_take_turns(
    cloud: Cloud, outputs: Outputs, tmp_path: Path
) -> None:
    """Two objects at once: two runs by themselves, one after the other, and both are told of."""
    bucket, s3 = outputs["ArtifactsBucketName"], cloud.client("s3")
    (tmp_path / "app.py").write_text(
        ARRIVALS.format(
            endpoint=outputs["EndpointName"],
            group=outputs["ModelPackageGroupName"],
            pipeline=outputs["PipelineName"],
        )
    )
    command = f"{sys.executable} {tmp_path / 'app.py'}"
    options = ("--app", command, "-c", f"bucket={bucket}", "--require-approval", "never")
    Cdk(cloud, tmp_path)._run("deploy", *options, "--method", "direct", folder=tmp_path)
    (labels,) = s3.list_objects_v2(Bucket=bucket, Prefix="ground-truth/")["Contents"]
    body = s3.get_object(Bucket=bucket, Key=labels["Key"])["Body"].read()
    folder = labels["Key"].rpartition("/")[0]
    for name in ("first", "second"):
        s3.put_object(Bucket=bucket, Key=f"{folder}/{name}.jsonl", Body=body)

    def ended() -> list[dict[str, Any]]:
        listed = cloud.client("sagemaker").list_pipeline_executions(
            PipelineName="arrivals-data-quality"
        )["PipelineExecutionSummaries"]
        statuses = {each["PipelineExecutionStatus"] for each in listed}
        return listed if len(listed) == 2 and "Executing" not in statuses else []

    runs = _eventually(ended, seconds=120)
    assert {each["PipelineExecutionStatus"] for each in runs} == {"Succeeded"}
    reports = [
        json.loads(
            s3.get_object(
                Bucket=bucket,
                Key=f"arrivals/{each['PipelineExecutionArn'].rpartition('/')[2]}/{kind}/report.json",
            )["Body"].read()
        )
        for each in runs
        for kind in ("model-quality", "bias")
    ]
    assert {(each["records"], each["coverage"], each["model"]) for each in reports} == {
        (COUNT, 1.0, "2")
    }
    waited = [any("Waited" in note for note in each["notes"]) for each in reports]
    assert sorted([waited[0], waited[2]]) == [False, True]
    for kind in ("ModelQuality", "ModelBias"):
        now = datetime.now(UTC)
        (point,) = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="MLOps/ModelMonitor",
            MetricName="RunFailed",
            Dimensions=[
                {"Name": "Monitor", "Value": "arrivals"},
                {"Name": "MonitorType", "Value": kind},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=["SampleCount", "Sum"],
        )["Datapoints"]
        assert (point["SampleCount"], point["Sum"]) == (2, 0)


def test_the_baselines_of_the_package_that_the_endpoint_serves(
    cloud: Cloud, outputs: Outputs
) -> None:
    """What the native engine's machine copies, of the deployed endpoint."""
    bucket, name = outputs["ArtifactsBucketName"], "DriftCheckBaselines.Bias.ConfigFile"
    listed = states(
        endpoint=outputs["EndpointName"],
        group=outputs["ModelPackageGroupName"],
        files=[Copied(name="BiasDrift", members=[name], otherwise="", key="copied/config.json")],
        bucket=bucket,
    )
    begin = {"Type": "Pass", "Assign": {"reason": "", "package": ""}, "Next": "Find"}
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {"Begin": begin, **listed},
    }
    functions = cloud.client("stepfunctions")
    machine = functions.create_state_machine(
        name="copies",
        roleArn="arn:aws:iam::123456789012:role/copies",
        definition=json.dumps(definition).replace(PARTITION, "aws"),
    )["stateMachineArn"]
    arn = functions.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> Any:
        found = functions.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    found = _eventually(ended, seconds=60)
    assert found["status"] == "SUCCEEDED", found
    body = cloud.client("s3").get_object(Bucket=bucket, Key="copied/config.json")["Body"].read()
    assert {each["name_or_index"] for each in json.loads(body)["facet"]} == {"sex", "race"}
