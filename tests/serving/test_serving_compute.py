"""What an endpoint runs on decides what else it may have."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, assertions, aws_s3 as s3

from mlops_constructs import (
    Component,
    InferenceComponents,
    ManagedInstances,
    SaturationWarnings,
    Shadow,
)
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.rules import check_template
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Instances, Serverless
from mlops_constructs.serving.deployment import AllAtOnce, Canary
from tests.serving.fixture import faults, make_ground, small_endpoint
from tests.serving.kinds import artifact
from tests.support import nag_findings, new_stack, resources_of, template_of


def _properties(stack: Any, kind: str) -> dict[str, Any]:
    (found,) = resources_of(stack, f"AWS::SageMaker::{kind}").values()
    return dict(found["Properties"])


def test_serverless_has_neither_guardrails_nor_isolation() -> None:
    stack = new_stack()
    endpoint = small_endpoint(
        stack, compute=Serverless(memory_mb=2048, max_concurrency=20, provisioned_concurrency=2)
    )
    assert _properties(stack, "EndpointConfig")["ProductionVariants"][0]["ServerlessConfig"] == {
        "MemorySizeInMB": 2048,
        "MaxConcurrency": 20,
        "ProvisionedConcurrency": 2,
    }
    assert "DeploymentConfig" not in _properties(stack, "Endpoint")
    assert _properties(stack, "Model")["EnableNetworkIsolation"] is False
    # Serverless endpoints publish no InvocationModelErrors.
    assert len(endpoint.alarms) == 2
    assert check_template(template_of(stack).to_json(), region="us-east-1") == []
    assert nag_findings(stack) == []


def test_without_a_bake_there_is_no_policy() -> None:
    # A policy would keep challengers from coming and going.
    stack = new_stack()
    endpoint = small_endpoint(stack, deployment=AllAtOnce(bake=Duration.seconds(0)))
    assert "DeploymentConfig" not in _properties(stack, "Endpoint")
    assert len(endpoint.alarms) == 4
    found = assertions.Annotations.from_stack(stack)
    assert found.find_warning("*", assertions.Match.string_like_regexp("Bake longer"))


def test_nothing_is_turned_off_where_there_is_nothing() -> None:
    stack = new_stack()
    small_endpoint(
        stack, compute=Serverless(memory_mb=1024, max_concurrency=2), network_isolation=False
    )
    found = assertions.Annotations.from_stack(stack)
    assert not found.find_warning("*", assertions.Match.any_value())


def test_serverless_refuses_what_the_service_has_not() -> None:
    ground = make_ground()
    with pytest.raises(ValidationError) as raised:
        small_endpoint(
            ground.stack,
            compute=Serverless(memory_mb=1500, max_concurrency=300),
            deployment=AllAtOnce(),
            network=ground.network,
            capture=DataCapture(bucket=ground.bucket),
        )
    assert faults(raised.value) == [
        "compute.memory_mb",
        "compute.max_concurrency",
        "deployment",
        "network",
        "capture",
    ]
    assert "Write 2048." in str(raised.value)


@pytest.mark.parametrize("warm", [0, 21])
def test_warm_capacity_fits_the_limit(warm: int) -> None:
    with pytest.raises(ValidationError, match="1 to max_concurrency, 20"):
        small_endpoint(
            new_stack(),
            compute=Serverless(memory_mb=1024, max_concurrency=20, provisioned_concurrency=warm),
        )


@pytest.mark.parametrize("instance_type", ["ml.g5.xlarge", "ml.m5d.large", "ml.c6gd.xlarge"])
def test_key_is_left_out_where_the_disk_has_its_own(instance_type: str) -> None:
    stack = new_stack()
    small_endpoint(stack, compute=Instances(instance_type, count=2))
    assert "KmsKeyId" not in _properties(stack, "EndpointConfig")
    assert nag_findings(stack) == []
    assert check_template(template_of(stack).to_json(), region="us-east-1") == []


def test_inferentia_1_has_no_guardrails() -> None:
    stack = new_stack()
    small_endpoint(stack, compute=Instances("ml.inf1.xlarge", count=2))
    assert "DeploymentConfig" not in _properties(stack, "Endpoint")
    with pytest.raises(ValidationError, match=r"deployment: got Canary.*Leave deployment out"):
        small_endpoint(
            new_stack(),
            compute=Instances("ml.inf1.xlarge", count=2),
            deployment=Canary(percent=50, bake=Duration.minutes(5)),
        )


@pytest.mark.parametrize(
    ("compute", "fault"),
    [
        (Instances("m5.large"), "compute.instance_type"),
        (Instances("ml.m5"), "compute.instance_type"),
        (Instances("ml.m5.large", count=0), "compute.count"),
        ("ml.m5.large", "compute"),
    ],
)
def test_refuses_wrong_instances(compute: Any, fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        small_endpoint(new_stack(), compute=compute)
    assert faults(raised.value) == [fault]


def test_the_key_stays_where_some_disk_takes_it() -> None:
    stack = new_stack()
    model = artifact(s3.Bucket.from_bucket_name(stack, "Other", "models"))
    local = Instances("ml.g5.xlarge", count=2)
    small_endpoint(stack, beside=Shadow(name="candidate", model=model, compute=local, percent=10))
    assert "KmsKeyId" in _properties(stack, "EndpointConfig")
    found = assertions.Annotations.from_stack(stack)
    text = assertions.Match.string_like_regexp("NVMe disks of ml.g5.xlarge")
    assert found.find_warning("*", text)


def test_components_need_a_region_that_has_them() -> None:
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(
        app, "Gov", env=cdk.Environment(account="123456789012", region="us-gov-west-1")
    )
    model = InferenceComponents(
        [
            Component(
                name="chat",
                model=artifact(s3.Bucket.from_bucket_name(stack, "Other", "models")),
                memory_mb=512,
            )
        ]
    )
    with pytest.raises(ValidationError, match="a region where CloudFormation has"):
        small_endpoint(stack, model=model, compute=ManagedInstances("ml.m5.large"))


@pytest.mark.parametrize(
    "given", [{"memory_percent": 0}, {"disk_percent": 101}, {"concurrency_share": 1.5}]
)
def test_warnings_have_sensible_thresholds(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        small_endpoint(new_stack()).add_warnings(warnings=SaturationWarnings(**given))
    assert faults(raised.value) == list(given)
