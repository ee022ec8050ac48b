"""What an endpoint runs on decides what else it may have."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import Duration

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.rules import check_template
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Instances, Serverless
from mlops_constructs.serving.deployment import AllAtOnce, Canary
from tests.serving.fixture import faults, make_ground, small_endpoint
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
    assert len(endpoint.alarms) == 3
    assert check_template(template_of(stack).to_json(), region="us-east-1") == []
    assert nag_findings(stack) == []


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


def test_serverless_does_not_track_a_target() -> None:
    endpoint = small_endpoint(new_stack(), compute=Serverless(memory_mb=1024, max_concurrency=5))
    with pytest.raises(ValidationError, match="scale by themselves"):
        endpoint.add_target_tracking(min_capacity=1, max_capacity=2, invocations_per_instance=1)


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


@pytest.mark.parametrize(
    ("capacity", "fault"),
    [
        ({"min_capacity": 0}, "min_capacity"),
        ({"max_capacity": 1}, "max_capacity"),
        ({"min_capacity": 3}, "compute.count"),
        ({"invocations_per_instance": 0}, "invocations_per_instance"),
    ],
)
def test_refuses_wrong_capacities(capacity: dict[str, int], fault: str) -> None:
    endpoint = small_endpoint(new_stack())
    given: dict[str, Any] = {
        "min_capacity": 2,
        "max_capacity": 4,
        "invocations_per_instance": 600,
    } | capacity
    with pytest.raises(ValidationError) as raised:
        endpoint.add_target_tracking(**given)
    assert faults(raised.value) == [fault]


def test_smallest_fleet_must_still_fit_the_deployment() -> None:
    endpoint = small_endpoint(new_stack())
    with pytest.raises(ValidationError, match="Canary of 50 % on a fleet of 1"):
        endpoint.add_target_tracking(min_capacity=1, max_capacity=4, invocations_per_instance=600)


def test_burstable_types_do_not_scale() -> None:
    endpoint = small_endpoint(new_stack(), compute=Instances("ml.t2.medium", count=2))
    with pytest.raises(ValidationError, match="not burstable"):
        endpoint.add_target_tracking(min_capacity=2, max_capacity=4, invocations_per_instance=600)
