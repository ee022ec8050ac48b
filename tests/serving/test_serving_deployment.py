"""Deployment policies: what they become, and that their arithmetic fits service and fleet."""

from __future__ import annotations

import math
from typing import Any

import pytest
from aws_cdk import Duration
from hypothesis import given, settings, strategies as st

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.rules import check_template
from mlops_constructs.serving.deployment import (
    AllAtOnce,
    Canary,
    Deployment,
    Linear,
    Rolling,
    default_policy,
)

_TEN = Duration.minutes(10)


def _problems(policy: Deployment, count: int) -> list[str]:
    problems = Problems("Stack/Endpoint")
    policy.check(problems, count)
    try:
        problems.raise_if_any()
    except ValidationError as error:
        return [str(problem) for problem in error.problems]
    return []


def _pascal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: _pascal(item) for key, item in value.items()}
    return value


def _waits(policy: Deployment, count: int) -> tuple[int, int]:
    """The waits of a deployment together, by the service's documentation, and the timeout.

    A share of the fleet is rounded down to whole instances, which takes the most steps.
    """
    (kind, update) = next(iter(policy.to_property().items()))
    timeout = update["maximumExecutionTimeoutInSeconds"]

    def steps_of(percent: int) -> int:
        return math.ceil(count / max(1, count * percent // 100))

    if kind == "rollingUpdatePolicy":
        batches = steps_of(update["maximumBatchSize"]["value"])
        return batches * update["waitIntervalInSeconds"], timeout
    routing = update["trafficRoutingConfiguration"]
    steps = {"ALL_AT_ONCE": 0, "CANARY": 1}.get(
        routing["type"], steps_of(routing.get("linearStepSize", {"value": 100})["value"])
    )
    total = update["terminationWaitInSeconds"] + steps * routing["waitIntervalInSeconds"]
    return total, timeout


@pytest.mark.parametrize(
    ("policy", "update"),
    [
        (
            AllAtOnce(bake=_TEN),
            {
                "blueGreenUpdatePolicy": {
                    "trafficRoutingConfiguration": {
                        "type": "ALL_AT_ONCE",
                        "waitIntervalInSeconds": 600,
                    },
                    "terminationWaitInSeconds": 600,
                    "maximumExecutionTimeoutInSeconds": 4800,
                }
            },
        ),
        (
            Canary(percent=10, bake=_TEN),
            {
                "blueGreenUpdatePolicy": {
                    "trafficRoutingConfiguration": {
                        "type": "CANARY",
                        "canarySize": {"type": "CAPACITY_PERCENT", "value": 10},
                        "waitIntervalInSeconds": 600,
                    },
                    "terminationWaitInSeconds": 600,
                    "maximumExecutionTimeoutInSeconds": 4800,
                }
            },
        ),
        (
            Linear(percent=25, bake=_TEN),
            {
                "blueGreenUpdatePolicy": {
                    "trafficRoutingConfiguration": {
                        "type": "LINEAR",
                        "linearStepSize": {"type": "CAPACITY_PERCENT", "value": 25},
                        "waitIntervalInSeconds": 600,
                    },
                    "terminationWaitInSeconds": 600,
                    "maximumExecutionTimeoutInSeconds": 8400,
                }
            },
        ),
        (
            Rolling(percent=50, bake=_TEN),
            {
                "rollingUpdatePolicy": {
                    "maximumBatchSize": {"type": "CAPACITY_PERCENT", "value": 50},
                    "waitIntervalInSeconds": 600,
                    "maximumExecutionTimeoutInSeconds": 4500,
                }
            },
        ),
    ],
)
def test_what_a_policy_becomes(policy: Deployment, update: dict[str, Any]) -> None:
    assert policy.to_property() == update


@pytest.mark.parametrize(
    ("policy", "count", "told"),
    [
        (Canary(percent=50), 1, "Write count=2, or deployment=AllAtOnce()."),
        (Canary(percent=10), 4, "Write count=10, or deployment=Canary(percent=25)."),
        (Linear(percent=10), 3, "Write count=10, or deployment=Linear(percent=34)."),
        (Rolling(percent=5), 2, "Write count=20, or deployment=Rolling(percent=50)."),
        (Canary(percent=60), 10, "Write Canary(percent=50), or AllAtOnce()."),
        (Canary(percent=0), 10, "Write Canary(percent=1), or AllAtOnce()."),
        (Linear(percent=5), 100, "Write Linear(percent=10), or AllAtOnce()."),
        (Rolling(percent=4), 100, "Write Rolling(percent=5), or AllAtOnce()."),
        (AllAtOnce(bake=Duration.minutes(61)), 1, "Write Duration.hours(1) at most."),
        (Linear(percent=10, bake=Duration.hours(1)), 10, "Bake for a shorter time"),
        # Ten batches of a fleet of ten are in time; a tenth of fifteen is one instance.
        (Rolling(percent=10, bake=Duration.minutes(45)), 15, "on a fleet of 15"),
    ],
)
def test_says_what_fits_instead(policy: Deployment, count: int, told: str) -> None:
    (problem,) = _problems(policy, count)
    assert told in problem


def test_batches_of_an_even_fleet_are_in_time() -> None:
    assert _problems(Rolling(percent=10, bake=Duration.minutes(45)), 10) == []


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 64])
def test_default_fits_the_fleet(count: int) -> None:
    assert _problems(default_policy(count), count) == []


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from([Canary, Linear, Rolling]),
    percent=st.integers(-5, 120),
    minutes=st.integers(0, 90),
    count=st.integers(1, 60),
)
def test_what_is_accepted_also_passes_the_rules(
    kind: type[Canary | Linear | Rolling], percent: int, minutes: int, count: int
) -> None:
    policy = kind(percent=percent, bake=Duration.minutes(minutes))
    if _problems(policy, count):
        return
    waits, timeout = _waits(policy, count)
    assert waits < timeout <= 28800
    assert timeout >= 600
    template = {
        "Resources": {
            "Config": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {
                    "ProductionVariants": [
                        {
                            "VariantName": "AllTraffic",
                            "ModelName": "model",
                            "InstanceType": "ml.m5.large",
                            "InitialInstanceCount": count,
                            "InitialVariantWeight": 1,
                        }
                    ]
                },
            },
            "Endpoint": {
                "Type": "AWS::SageMaker::Endpoint",
                "Properties": {
                    "EndpointName": "endpoint",
                    "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                    "DeploymentConfig": _pascal(policy.to_property()),
                },
            },
        }
    }
    found = check_template(template, region="us-east-1")
    assert [finding for finding in found if finding.rule.startswith("EP")] == []
