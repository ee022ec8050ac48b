"""Endpoints with models that are real processes, as small as a model can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from localcloud.errors import ServiceError
from tests.localcloud.compute.support import IMAGE, archive
from tests.localcloud.sagemaker.support import SAYS, Serving
from tests.localcloud.support import Cloud, until

SKLEARN = IMAGE.replace("sagemaker-xgboost:3.2-0", "sagemaker-scikit-learn:1.4-2")
CODE = """
def model_fn(model_dir):
    return "{name}"
def input_fn(body, content_type):
    if b"bad" in (body if isinstance(body, bytes) else body.encode()):
        raise ValueError("bad input")
    return body
def predict_fn(data, model):
    return model
def output_fn(prediction, accept):
    return prediction
"""


class Endpoints:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.bucket = cloud.bucket()
        self.runtime = cloud.client("sagemaker-runtime")

    def config(self, *answers: str, code: str = CODE, **more: Any) -> str:
        """A configuration with one variant for each answer."""
        variants: list[dict[str, Any]] = []
        for answer in answers:
            files = {"code/inference.py": code.replace("{name}", answer)}
            url = self.cloud.put(self.bucket, f"{answer}/model.tar.gz", archive(files))
            model = f"m-{uuid4().hex[:8]}"
            environment = {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            }
            self.cloud.call(
                "CreateModel",
                ModelName=model,
                PrimaryContainer={
                    "Image": SKLEARN,
                    "ModelDataUrl": url,
                    "Environment": environment,
                },
            )
            variants.append(
                {
                    "VariantName": f"v{len(variants)}",
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                    "InitialVariantWeight": 1.0,
                }
            )
        name = f"c-{uuid4().hex[:8]}"
        self.cloud.call(
            "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants, **more
        )
        return name

    def create(self, config: str) -> dict[str, Any]:
        self.cloud.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName=config)
        return self.settled()

    def described(self) -> dict[str, Any]:
        return self.cloud.call("DescribeEndpoint", EndpointName="endpoint")

    def settled(self) -> dict[str, Any]:
        done = {"InService", "Failed"}
        until(lambda: self.described()["EndpointStatus"] in done, seconds=60)
        return self.described()

    def invoke(self, body: bytes = b"1", **more: Any) -> tuple[str, str]:
        answer = self.runtime.invoke_endpoint(
            EndpointName="endpoint", Body=body, ContentType="text/csv", **more
        )
        return answer["Body"].read().decode(), answer["InvokedProductionVariant"]


@pytest.fixture
def endpoints(cloud: Cloud) -> Iterator[Endpoints]:
    yield Endpoints(cloud)
    for record in cloud.sagemaker.store.records(cloud.scope, "Endpoint"):
        cloud.sagemaker.routes.close(record.arn)


def test_variants_by_weight_capture_and_metrics(endpoints: Endpoints) -> None:
    recorded = endpoints.cloud.events()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{endpoints.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    described = endpoints.create(endpoints.config("one", "two", DataCaptureConfig=capture))
    assert described["EndpointStatus"] == "InService"
    assert [v["CurrentWeight"] for v in described["ProductionVariants"]] == [1.0, 1.0]
    assert endpoints.invoke(TargetVariant="v1") == ("two", "v1")

    endpoints.cloud.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="endpoint",
        DesiredWeightsAndCapacities=[
            {"VariantName": "v0", "DesiredWeight": 0.0},
            {"VariantName": "v1", "DesiredWeight": 1.0},
        ],
    )
    endpoints.settled()
    assert {endpoints.invoke() for _ in range(5)} == {("two", "v1")}

    with pytest.raises(ClientError) as refused:
        endpoints.invoke(b"bad")
    error = refused.value.response
    assert error["Error"]["Code"] == "ModelError"
    assert "bad input" in error["OriginalMessage"]
    with pytest.raises(ClientError, match="Variant v9 not found"):
        endpoints.invoke(TargetVariant="v9")

    statuses = [
        e["detail"]["EndpointStatus"]
        for e in recorded()
        if e["detail-type"] == "SageMaker Endpoint State Change"
    ]
    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]
    _has_metrics(endpoints.cloud)
    lines = until(lambda: _captured(endpoints))
    data = json.loads(lines[0])["captureData"]
    assert data["endpointInput"]["data"] == "1"
    assert data["endpointOutput"]["data"] == "two"


def test_an_update_that_is_under_way_refuses_another(serving: Serving, tmp_path: Path) -> None:
    serving.create(serving.variant("old", InitialInstanceCount=2))
    goes_on = tmp_path / "goes-on"
    loads = f"import time\nwhile not os.path.exists({str(goes_on)!r}):\n    time.sleep(0.01)\n"
    canary = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 600,
    }
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}}
    code = SAYS.replace("{name}", "new").replace("import os\n", f"import os\n{loads}")
    serving.update(serving.variant(code, InitialInstanceCount=2), DeploymentConfig=policy)
    with pytest.raises(ServiceError, match="Cannot update in-progress endpoint"):
        serving.update(serving.variant("other"))
    goes_on.touch()
    while serving.described()["EndpointStatus"] == "Updating":
        assert serving.invoke() in {"old", "new"}
    assert serving.settled()["LastDeploymentConfig"] == policy
    assert serving.invoke() == "new"


def test_an_alarm_rolls_an_update_back(serving: Serving) -> None:
    old = serving.create(serving.variant("old"))
    serving.alarm("errors", "Invocation5XXErrors", 1, TreatMissingData="missing")
    serving.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 600}
    serving.update(
        serving.variant("new"),
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
        },
    )
    described = serving.settled()
    assert described["EndpointConfigName"] == old["EndpointConfigName"]
    assert "alarm in state ALARM: errors" in described["FailureReason"]
    assert serving.invoke() == "old"


def test_a_scaled_variant_keeps_its_instance_type(serving: Serving) -> None:
    serving.create(serving.variant("one"))
    scaling = serving.cloud.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/endpoint/variant/v0",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    larger = serving.variant("one", InstanceType="ml.m5.xlarge")
    with pytest.raises(ServiceError, match="must be deregistered as scalable targets"):
        serving.update(larger)
    scaling.deregister_scalable_target(**target)
    serving.update(larger)
    assert "FailureReason" not in serving.settled()


def test_a_model_that_cannot_be_loaded_fails_the_endpoint(endpoints: Endpoints) -> None:
    broken = "def model_fn(model_dir):\n    raise RuntimeError('no such weights')\n"
    described = endpoints.create(endpoints.config("x", code=broken))
    assert described["EndpointStatus"] == "Failed"
    assert "no such weights" in described["FailureReason"]
    with pytest.raises(ClientError, match=r"Endpoint endpoint of account .* not found"):
        endpoints.invoke()
    endpoints.cloud.call("DeleteEndpoint", EndpointName="endpoint")
    until(lambda: not endpoints.cloud.call("ListEndpoints")["Endpoints"])


def _captured(endpoints: Endpoints) -> list[str]:
    s3 = endpoints.cloud.client("s3")
    prefix = "capture/endpoint/v1/"
    found = s3.list_objects_v2(Bucket=endpoints.bucket, Prefix=prefix).get("Contents", [])
    assert all(item["Key"].endswith(".jsonl") for item in found)
    return [
        line
        for item in found
        for line in s3.get_object(Bucket=endpoints.bucket, Key=item["Key"])["Body"]
        .read()
        .decode()
        .splitlines()
    ]


def _has_metrics(cloud: Cloud) -> None:
    listed = cloud.client("cloudwatch").list_metrics(
        Namespace="AWS/SageMaker",
        Dimensions=[
            {"Name": "EndpointName", "Value": "endpoint"},
            {"Name": "VariantName", "Value": "v1"},
        ],
    )
    assert {metric["MetricName"] for metric in listed["Metrics"]} >= {
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "OverheadLatency",
    }
