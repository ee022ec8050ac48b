"""The steps of the demo, each through the AWS API."""

from __future__ import annotations

import csv
import gzip
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.cloud import ROOT, Cloud
from demo.console import detail, paint, seconds, table
from demo.errors import DemoError
from demo.roc import draw_roc

DATA = ROOT / "pipeline_code" / "census_income" / "data" / "adult.csv.gz"
_PREDICTIONS = 200
_SHOWN = 5
_LAST_MINUTE = 59


def upload_data(cloud: Cloud, outputs: dict[str, str]) -> str:
    """Put the raw data where the pipeline reads it; returns its URI."""
    bucket, key = outputs["DataBucketName"], "census_income/raw/adult.csv.gz"
    cloud.client("s3").upload_file(str(DATA), bucket, key)
    detail(f"s3://{bucket}/{key}  {DATA.stat().st_size / 1e6:.1f} MB")
    return f"s3://{bucket}/{key}"


def run_pipeline(
    cloud: Cloud, outputs: dict[str, str], data: str, *, min_auc: float | None = None
) -> str:
    """Start the deployed pipeline and watch it; returns the execution's ARN.

    Args:
        cloud: Where it is deployed.
        outputs: Of the deployment.
        data: The URI of the input data.
        min_auc: What a model must reach to be registered; by default what the pipeline says.
    """
    sagemaker = cloud.client("sagemaker")
    execution = sagemaker.start_pipeline_execution(
        PipelineName=outputs["PipelineName"],
        PipelineParameters=[
            {"Name": "InputDataUri", "Value": data},
            *([] if min_auc is None else [{"Name": "MinAuc", "Value": str(min_auc)}]),
        ],
    )["PipelineExecutionArn"]
    shown: set[str] = set()

    def finished() -> str | None:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
        for step in reversed(steps["PipelineExecutionSteps"]):
            if "EndTime" in step and step["StepName"] not in shown:
                shown.add(step["StepName"])
                took = (step["EndTime"] - step["StartTime"]).total_seconds()
                status = step["StepStatus"]
                colour = "green" if status == "Succeeded" else "red"
                detail(f"{step['StepName']:<24} {paint(status, colour):<10} {seconds(took):>8}")
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        if status["PipelineExecutionStatus"] in ("Failed", "Stopped"):
            reason = status.get("FailureReason", "no reason was given")
            raise DemoError(f"The pipeline failed: {reason}", cloud.log)
        return "done" if status["PipelineExecutionStatus"] == "Succeeded" else None

    _wait_for("the pipeline", finished, timeout=300, log=cloud.log)
    return str(execution)


def show_evaluation(cloud: Cloud, outputs: dict[str, str], work: Path) -> str:
    """Show how good the registered model is, and for whom; returns its package's ARN."""
    sagemaker = cloud.client("sagemaker")
    packages = sagemaker.list_model_packages(
        ModelPackageGroupName=outputs["ModelPackageGroupName"],
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    if not packages:
        raise DemoError("The pipeline registered no model.", cloud.log)
    arn = str(packages[0]["ModelPackageArn"])
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    uri = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    report = json.loads(_read(cloud, uri))
    (work / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
    metrics = report["binary_classification_metrics"]
    auc = metrics["auc"]["value"]
    detail(f"{arn.rsplit('/', 2)[-2]} version {arn.rsplit('/', 1)[-1]}: AUC {auc:.4f}")
    for facet, groups in report["groups"].items():
        table(
            (facet, "rows", "AUC", "accuracy", "selected"),
            (
                (
                    name,
                    str(group["count"]),
                    _number(group.get("auc")),
                    _number(group.get("accuracy")),
                    _number(group.get("selection_rate")),
                )
                for name, group in groups.items()
            ),
        )
    curve = metrics["receiver_operating_characteristic_curve"]
    picture = work / "roc.png"
    draw_roc(
        picture,
        curve=(curve["false_positive_rates"], curve["true_positive_rates"]),
        auc=auc,
        title=package["ModelPackageGroupName"],
    )
    detail(f"report  {work / 'evaluation.json'}")
    detail(f"picture {picture}")
    return arn


def approve(cloud: Cloud, outputs: dict[str, str], package: str) -> None:
    """Approve the model; its release follows by itself."""
    cloud.client("sagemaker").update_model_package(
        ModelPackageArn=package,
        ModelApprovalStatus="Approved",
        ApprovalDescription="Approved by the demo.",
    )
    machine, functions = outputs["ReleaseStateMachineArn"], cloud.client("stepfunctions")

    def released() -> str | None:
        executions = functions.list_executions(stateMachineArn=machine)["executions"]
        if not executions or executions[0]["status"] == "RUNNING":
            return None
        if executions[0]["status"] != "SUCCEEDED":
            told = functions.describe_execution(executionArn=executions[0]["executionArn"])
            raise DemoError(f"The release failed: {told.get('cause', told)}", cloud.log)
        return "released"

    _wait_for("the release", released, timeout=120, log=cloud.log)
    detail("approval -> state machine -> parameter -> stack update -> endpoint")
    endpoint = cloud.client("sagemaker").describe_endpoint(EndpointName=outputs["EndpointName"])
    detail(f"endpoint {outputs['EndpointName']} is {endpoint['EndpointStatus']}")


def predict(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Send rows of the test split to the endpoint and show the answers."""
    stay_within_an_hour()
    runtime = cloud.client("sagemaker-runtime")
    latencies: list[float] = []
    shown: list[tuple[str, ...]] = []
    right = 0
    for row, label in _test_rows():
        start = time.perf_counter()
        answer = runtime.invoke_endpoint(
            EndpointName=outputs["EndpointName"],
            ContentType="application/json",
            Accept="application/json",
            Body=json.dumps({"instances": [row]}),
        )
        latencies.append((time.perf_counter() - start) * 1000)
        (prediction,) = json.loads(answer["Body"].read())["predictions"]
        right += prediction["label"] == label
        if len(shown) < _SHOWN:
            shown.append(
                (
                    f"{row['age']}, {row['education']}, {row['occupation']}",
                    f"{prediction['probability']:.3f}",
                    prediction["label"],
                    label,
                )
            )
    table(("row", "probability", "predicted", "truth"), shown)
    latencies.sort()
    detail(
        f"{len(latencies)} requests, {right / len(latencies):.0%} right; latency "
        f"p50 {statistics.median(latencies):.1f} ms, "
        f"p99 {latencies[int(len(latencies) * 0.99) - 1]:.1f} ms"
    )


def look_for_drift(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Run the deployed monitor over what the endpoint was just asked, and show what it found."""
    sagemaker, cloudwatch = cloud.client("sagemaker"), cloud.client("cloudwatch")
    now = datetime.now(UTC)
    asked = _hour_of_captures(cloud, outputs)
    execution = sagemaker.start_pipeline_execution(
        PipelineName=outputs["MonitorPipelineName"],
        PipelineParameters=[
            {"Name": "ScheduledTime", "Value": f"{asked + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        ],
    )["PipelineExecutionArn"]

    def finished() -> str | None:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        status = str(described["PipelineExecutionStatus"])
        if status == "Failed":
            raise DemoError(f"The monitor failed: {described.get('FailureReason')}", cloud.log)
        return status if status == "Succeeded" else None

    _wait_for("the monitor", finished, timeout=120, log=cloud.log)
    for metric in ("Records", "Violations"):
        found = cloudwatch.get_metric_statistics(
            Namespace="MLOps/ModelMonitor",
            MetricName=metric,
            Dimensions=[
                {"Name": "Monitor", "Value": outputs["EndpointName"]},
                {"Name": "MonitorType", "Value": "DataQuality"},
            ],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=["Maximum"],
        )["Datapoints"]
        if not found:
            raise DemoError(f"The monitor published no metric {metric}.", cloud.log)
        detail(f"{metric:<11} {found[0]['Maximum']:.0f}")


def stay_within_an_hour() -> None:
    """Wait for the next hour if this one is in its last minute: monitors look at whole hours."""
    now = datetime.now(UTC)
    if now.minute == _LAST_MINUTE:
        time.sleep(61 - now.second)


def _hour_of_captures(cloud: Cloud, outputs: dict[str, str]) -> datetime:
    """The beginning of the hour that the newest captured requests are of."""
    pages = (
        cloud.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=outputs["ArtifactsBucketName"], Prefix="capture/")
    )
    hours: list[str] = []

    def captured() -> str | None:
        hours[:] = [
            "/".join(e["Key"].split("/")[-5:-1]) for p in pages for e in p.get("Contents", [])
        ]
        return max(hours, default=None)

    _wait_for("captured requests", captured, timeout=120, log=cloud.log)
    return datetime.strptime(max(hours), "%Y/%m/%d/%H").replace(tzinfo=UTC)


def _test_rows() -> Iterator[tuple[dict[str, str], str]]:
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        rows = (row for row in csv.DictReader(file) if row["split"] == "test")
        for _, row in zip(range(_PREDICTIONS), rows, strict=False):
            label = row.pop("income")
            del row["split"]
            yield row, label


def _read(cloud: Cloud, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = io.BytesIO()
    cloud.client("s3").download_fileobj(bucket, key, body)
    return body.getvalue().decode()


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}"


def _wait_for(what: str, check: Callable[[], str | None], *, timeout: float, log: Path) -> None:
    deadline = time.monotonic() + timeout
    while check() is None:
        if time.monotonic() > deadline:
            raise DemoError(f"Waited {seconds(timeout)} for {what}; it did not end.", log)
        time.sleep(0.25)
