"""The machine that copies a served package's baselines, as it runs in the local cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud import Cloud, local_cloud
from mlops_constructs.common.states import PARTITION
from mlops_constructs.monitoring.package_states import Copied, states

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::123456789012:role/test"
BUCKET = "baselines"
IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.2-0"
BIAS = ("DriftCheckBaselines.Bias.PostTrainingConstraints", "DriftCheckBaselines.Bias.None")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), keep=False) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


def _copy(cloud: Cloud, group: str, *files: Copied, endpoint: str | None = None) -> Any:
    """How an execution over an endpoint, or the newest approved package of a group, ended."""
    begin = {"Type": "Pass", "Assign": {"reason": "", "package": ""}, "Next": "Find"}
    listed = states(endpoint=endpoint, group=group, files=files, bucket=BUCKET)
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {"Begin": begin, **listed},
    }
    functions = cloud.client("stepfunctions")
    machine = functions.create_state_machine(
        name=f"copy-{len(functions.list_state_machines()['stateMachines'])}",
        roleArn=ROLE,
        definition=json.dumps(definition).replace(PARTITION, "aws"),
    )["stateMachineArn"]
    arn = functions.start_execution(stateMachineArn=machine)["executionArn"]
    deadline = time.monotonic() + 60
    while (found := functions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def _package(cloud: Cloud, group: str, constraints: str) -> None:
    cloud.client("sagemaker").create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        ModelMetrics={
            "ModelDataQuality": {
                "Constraints": {"ContentType": "application/json", "S3Uri": constraints}
            }
        },
    )


def test_what_the_package_has_and_what_it_lacks(cloud: Cloud) -> None:
    s3, group = cloud.client("s3"), "census"
    for key in ("models/1/constraints.json", "models/2/constraints.json", "own/bias.json"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    metrics = "ModelMetrics.ModelDataQuality"
    data = Copied(
        name="DataQuality.Constraints",
        members=["DriftCheckBaselines.ModelDataQuality.Constraints", f"{metrics}.Constraints"],
        otherwise="",
        key="fixed/data.json",
    )
    bias = Copied(
        name="BiasDrift.Constraints",
        members=BIAS,
        otherwise=f"s3://{BUCKET}/own/bias.json",
        key="fixed/bias.json",
    )
    missing = Copied(
        name="DataQuality.Statistics", members=[f"{metrics}.Statistics"], otherwise="", key="x"
    )

    def copied() -> list[str]:
        return [
            s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
            for key in ("fixed/data.json", "fixed/bias.json")
        ]

    cloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    assert _copy(cloud, group, data)["status"] == "SUCCEEDED"  # nothing is approved yet
    _package(cloud, group, f"s3://{BUCKET}/models/1/constraints.json")
    assert _copy(cloud, group, data, bias)["status"] == "SUCCEEDED"
    assert copied() == ["models/1/constraints.json", "own/bias.json"]
    # A new model brings its own, and what is nowhere is told of by name after the rest was copied.
    _package(cloud, group, f"s3://{BUCKET}/models/2/constraints.json")
    ended = _copy(cloud, group, data, missing)
    assert ended["status"] == "FAILED"
    assert "model-package/census/2" in ended["cause"]
    assert "nor the monitors have DataQuality.Statistics" in ended["cause"]
    assert copied()[0] == "models/2/constraints.json"


def test_an_endpoint_that_is_not_there_yet(cloud: Cloud) -> None:
    assert _copy(cloud, "any", endpoint="nowhere")["status"] == "SUCCEEDED"
