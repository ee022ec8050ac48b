"""Models, captures and rollback alarms: what is refused, all at once and with the way out."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import Aws, Duration, aws_cloudwatch as cloudwatch, aws_s3 as s3

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.serving.alarms import RollbackAlarms
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Instances
from mlops_constructs.serving.deployment import Canary
from mlops_constructs.serving.model import ApprovedModel, ModelArtifact, ModelPackage
from tests.serving.fixture import REPOSITORY, faults, make_ground, small_endpoint
from tests.support import new_stack, resources_of

_PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/census/3"


def _bucket(stack: Any) -> s3.IBucket:
    return s3.Bucket.from_bucket_name(stack, "Artifacts", "models")


def _artifact(stack: Any, **given: Any) -> ModelArtifact:
    arguments = {
        "image": "image:1",
        "model_data_url": "s3://models/1/model.tar.gz",
        "buckets": [_bucket(stack)],
        "image_repository_arns": [REPOSITORY],
    }
    return ModelArtifact(**(arguments | given))


def test_reports_everything_at_once() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as raised:
        small_endpoint(
            stack,
            endpoint_name="Census_Income",
            model=_artifact(stack, model_data_url="models/1", image_repository_arns=[]),
            compute=Instances("ml.m5.large", count=1),
            deployment=Canary(percent=50),
            rollback=RollbackAlarms(error_rate=5),
            capture=DataCapture(bucket=_bucket(new_stack()), percent=101, prefix="/capture/"),
        )
    assert faults(raised.value) == [
        "endpoint_name",
        "model.image_repository_arns",
        "model.model_data_url",
        "deployment",
        "rollback.error_rate",
        "capture.percent",
        "capture.prefix",
    ]
    assert "Test/Endpoint: 7 problems" in str(raised.value)
    assert "Write 'census-income'." in str(raised.value)


def test_name_must_be_known() -> None:
    with pytest.raises(ValidationError, match="before the endpoint exists"):
        small_endpoint(new_stack(), endpoint_name=f"endpoint-{Aws.ACCOUNT_ID}")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"image": ""}, "model.image"),
        ({"image": "two words"}, "model.image"),
        ({"model_data_url": "https://models/1"}, "model.model_data_url"),
        ({"model_data_url": "s3://models"}, "model.model_data_url"),
        ({"model_data_url": "s3://models/1/model.pkl"}, "model.model_data_url"),
        ({"model_data_url": "s3://others/1/model.tar.gz"}, "model.model_data_url"),
        ({"image": "https://registry/image:1"}, "model.image"),
        ({"image_repository_arns": ["xgboost"]}, "model.image_repository_arns[0]"),
        ({"environment": {"BATCH-SIZE": "1"}}, "model.environment"),
        ({"environment": {"A": "x" * 1025}}, "model.environment"),
        ({"environment": {f"A{n}": "1" for n in range(101)}}, "model.environment"),
        ({"environment": {f"A{n}": "x" * 1000 for n in range(40)}}, "model.environment"),
        ({"buckets": []}, "model.buckets"),
    ],
)
def test_refuses_wrong_artifacts(given: dict[str, Any], fault: str) -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as raised:
        small_endpoint(stack, model=_artifact(stack, **given))
    assert faults(raised.value) == [fault]


def test_serves_image_and_artifact() -> None:
    stack = new_stack()
    small_endpoint(stack, model=_artifact(stack, environment={"WORKERS": "2"}))
    (model,) = resources_of(stack, "AWS::SageMaker::Model").values()
    assert model["Properties"]["PrimaryContainer"] == {
        "Image": "image:1",
        "ModelDataUrl": "s3://models/1/model.tar.gz",
        "Environment": {"WORKERS": "2"},
    }


def test_serves_one_package() -> None:
    stack = new_stack()
    package = ModelPackage(
        arn=_PACKAGE, buckets=[_bucket(stack)], image_repository_arns=[REPOSITORY]
    )
    small_endpoint(stack, model=package)
    (model,) = resources_of(stack, "AWS::SageMaker::Model").values()
    assert model["Properties"]["PrimaryContainer"] == {"ModelPackageName": _PACKAGE}
    assert "Condition" not in model


@pytest.mark.parametrize(
    "arn", ["", "census/3", _PACKAGE.replace("model-package", "model-package-group")]
)
def test_refuses_what_is_no_package(arn: str) -> None:
    stack = new_stack()
    package = ModelPackage(arn=arn, buckets=[_bucket(stack)], image_repository_arns=[REPOSITORY])
    with pytest.raises(ValidationError) as raised:
        small_endpoint(stack, model=package)
    assert faults(raised.value) == ["model.arn"]


@pytest.mark.parametrize("name", ["", "with space", f"/mlops/{Aws.REGION}"])
def test_refuses_wrong_parameters(name: str) -> None:
    stack = new_stack()
    model = ApprovedModel(
        parameter_name=name, buckets=[_bucket(stack)], image_repository_arns=[REPOSITORY]
    )
    with pytest.raises(ValidationError) as raised:
        small_endpoint(stack, model=model)
    assert faults(raised.value) == ["model.parameter_name"]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"percent": -1}, "capture.percent"),
        ({"prefix": ""}, "capture.prefix"),
        ({"csv_content_types": ()}, "capture.csv_content_types"),
        ({"csv_content_types": ("text/csv; charset=utf-8",)}, "capture.csv_content_types"),
        ({"json_content_types": ("application/ld+json",)}, "capture.json_content_types"),
        ({"json_content_types": ("a/b",) * 11}, "capture.json_content_types"),
    ],
)
def test_refuses_wrong_captures(given: dict[str, Any], fault: str) -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as raised:
        small_endpoint(stack, capture=DataCapture(bucket=_bucket(stack), **given))
    assert faults(raised.value) == [fault]


def test_captures_without_a_key_of_ours() -> None:
    stack = new_stack()
    small_endpoint(stack, capture=DataCapture(bucket=_bucket(stack), percent=20))
    (config,) = resources_of(stack, "AWS::SageMaker::EndpointConfig").values()
    capture = config["Properties"]["DataCaptureConfig"]
    assert "KmsKeyId" not in capture
    assert capture["InitialSamplingPercentage"] == 20
    assert capture["CaptureOptions"] == [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
    assert capture["CaptureContentTypeHeader"] == {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json"],
    }


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"error_rate": 0}, "rollback.error_rate"),
        ({"model_error_rate": 1.5}, "rollback.model_error_rate"),
        ({"minutes": 0}, "rollback.minutes"),
        ({"within": 1}, "rollback.within"),
        ({"client_error_rise": 0}, "rollback.client_error_rise"),
        ({"least_requests": 0}, "rollback.least_requests"),
    ],
)
def test_refuses_wrong_thresholds(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        small_endpoint(new_stack(), rollback=RollbackAlarms(**given))
    assert faults(raised.value) == [fault]


def test_an_endpoint_takes_ten_alarms() -> None:
    stack = new_stack()
    alarm = cloudwatch.Alarm.from_alarm_arn(
        stack, "Own", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:own"
    )
    with pytest.raises(ValidationError, match="composite alarm"):
        small_endpoint(stack, rollback=RollbackAlarms(own=[alarm] * 7))


def test_thresholds_are_the_users() -> None:
    stack = new_stack()
    small_endpoint(
        stack,
        rollback=RollbackAlarms(
            error_rate=0.01,
            model_error_rate=0.02,
            p99_latency=Duration.millis(250),
            minutes=3,
            within=6,
            client_error_rise=0.3,
        ),
    )
    alarms = resources_of(stack, "AWS::CloudWatch::Alarm").values()
    assert {
        alarm["Properties"].get("MetricName"): alarm["Properties"]["Threshold"] for alarm in alarms
    } == {
        "Invocation5XXErrors": 0.01,
        "InvocationModelErrors": 0.02,
        "ModelLatency": 250_000,
        None: 0.3,
    }
    assert {
        (a["Properties"]["DatapointsToAlarm"], a["Properties"]["EvaluationPeriods"]) for a in alarms
    } == {(3, 6)}


@pytest.mark.parametrize(("subnets", "groups"), [(1, 1), (2, 0), (2, 6)])
def test_models_need_two_subnets_and_up_to_five_groups(subnets: int, groups: int) -> None:
    ground = make_ground()
    from aws_cdk import aws_ec2 as ec2

    from mlops_constructs.common.network import JobNetwork

    vpc = ground.network.vpc
    network = JobNetwork(
        vpc=vpc,
        security_groups=list(ground.network.security_groups) * groups,
        subnets=ec2.SubnetSelection(subnets=vpc.isolated_subnets[:subnets]),
    )
    with pytest.raises(ValidationError) as raised:
        small_endpoint(ground.stack, network=network)
    assert faults(raised.value) == [
        "network.subnets" if subnets == 1 else "network.security_groups"
    ]
