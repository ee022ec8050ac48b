"""Autoscaling: what is scaled by what, steps as the service writes them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_cloudwatch as cloudwatch, aws_s3 as s3
from hypothesis import given, settings, strategies as st

from mlops_constructs import (
    AllAtOnce,
    Asynchronous,
    AsyncOutput,
    BlueGreenEndpoint,
    Component,
    InferenceComponents,
    Instances,
    ManagedInstances,
    ScaleInSteps,
    ScaleOutSteps,
    ScheduledCapacity,
    Serverless,
    TrackBacklog,
    TrackConcurrency,
    TrackInvocations,
    TrackMetric,
    TrackProvisionedConcurrency,
    TrackUtilization,
    Utilization,
    ValidationError,
)
from mlops_constructs.rules import check_template
from mlops_constructs.serving.policies import adjustments
from tests.serving.fixture import faults, small_endpoint
from tests.serving.kinds import artifact
from tests.support import nag_findings, new_stack, resources_of, template_of

_METRIC = cloudwatch.Metric(namespace="Shop", metric_name="Carts", statistic="Average")
_P99 = cloudwatch.Metric(namespace="Shop", metric_name="Carts", statistic="p99")
_SUM: Any = cloudwatch.MathExpression(expression="a * 2", using_metrics={"a": _METRIC})
_CPU = TrackUtilization(of=Utilization.CPU, percent=50)
# Made once: each is a call to jsii.
_COOLDOWN = Duration.minutes(5)
_INVOCATIONS = [TrackInvocations(per_minute=600)]


def _fleet(**given: Any) -> BlueGreenEndpoint:
    return small_endpoint(new_stack(), **given)


def _queue(**given: Any) -> BlueGreenEndpoint:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Answers", "answers")
    compute = Asynchronous("ml.m5.large", output=AsyncOutput(bucket=bucket), **given)
    return small_endpoint(stack, compute=compute)


def _components() -> BlueGreenEndpoint:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Parts", "models")
    model = InferenceComponents([Component(name="chat", model=artifact(bucket), memory_mb=512)])
    return small_endpoint(stack, model=model, compute=ManagedInstances("ml.m5.large", max_count=4))


def _serverless(warm: int | None = 2) -> BlueGreenEndpoint:
    compute = Serverless(memory_mb=1024, max_concurrency=5, provisioned_concurrency=warm)
    return _fleet(compute=compute)


@pytest.mark.parametrize(
    ("capacity", "fault"),
    [
        ({"min_capacity": 0}, "min_capacity"),
        ({"max_capacity": 1}, "max_capacity"),
        ({"min_capacity": 3}, "compute.count"),
        ({"policies": [TrackInvocations(per_minute=0)]}, "policies[0]"),
        ({"policies": []}, "policies"),
        ({"policies": [TrackBacklog(per_instance=1)]}, "policies[0]"),
        ({"policies": _INVOCATIONS * 2}, "policies"),
        ({"policies": [ScaleOutSteps(metric=_METRIC, steps={50: 1})]}, "policies"),
        ({"policies": [ScaleInSteps(metric=_METRIC, steps={})]}, "policies[0].steps"),
        (
            {"policies": [ScaleInSteps(metric=_METRIC, steps={1: 1}, minutes=0)]},
            "policies[0].minutes",
        ),
        ({"policies": [TrackMetric(metric=_P99, target=10)]}, "policies[0].metric.statistic"),
        ({"policies": [TrackMetric(metric=_SUM, target=10)]}, "policies[0].metric"),
        ({"policies": [_CPU, _CPU]}, "policies"),
        ({"policies": [TrackUtilization(of=Utilization.GPU, percent=50)]}, "policies[0].of"),
        ({"policies": _INVOCATIONS[0]}, "policies"),
        ({"min_capacity": 2.5}, "min_capacity"),
        (
            {"schedules": {"Night": ScheduledCapacity(schedule="cron(0 1 * * ? *)")}},
            "schedules['Night']",
        ),
        (
            {"schedules": {"Night": ScheduledCapacity(schedule="at night", max_capacity=3)}},
            "schedules['Night'].schedule",
        ),
        (
            {"schedules": {"Night": ScheduledCapacity(schedule="cron(0 1 * * *)", max_capacity=3)}},
            "schedules['Night'].schedule",
        ),
        (
            {
                "schedules": {
                    "Night": ScheduledCapacity(
                        schedule="cron(0 1 * * ? *)", max_capacity=3, time_zone="Mars/Base"
                    )
                }
            },
            "schedules['Night'].time_zone",
        ),
        (
            {
                "schedules": {
                    "Night": ScheduledCapacity(schedule="cron(0 1 * * ? *)", min_capacity=0)
                }
            },
            "schedules['Night'].min_capacity",
        ),
        ({"variant": "challenger"}, "variant"),
        ({"component": "chat"}, "component"),
    ],
)
def test_refuses(capacity: dict[str, Any], fault: str) -> None:
    arguments: dict[str, Any] = {
        "min_capacity": 2,
        "max_capacity": 4,
        "policies": _INVOCATIONS,
    } | capacity
    with pytest.raises(ValidationError) as raised:
        _fleet().add_autoscaling(**arguments)
    assert faults(raised.value) == [fault]


@pytest.mark.parametrize(
    ("make", "policy", "told"),
    [
        (_queue, TrackInvocations(per_minute=1), "Write TrackBacklog(...)."),
        (_queue, TrackProvisionedConcurrency(), "Write TrackBacklog(...)."),
        (_serverless, TrackInvocations(per_minute=1), "Write TrackProvisionedConcurrency(...)."),
        (_components, TrackUtilization(of=Utilization.GPU, percent=50), "with ManagedInstances"),
    ],
)
def test_each_compute_has_its_policies(
    make: Callable[[], BlueGreenEndpoint], policy: Any, told: str
) -> None:
    endpoint = make()
    component = "chat" if make is _components else None
    with pytest.raises(ValidationError) as raised:
        endpoint.add_autoscaling(
            min_capacity=1, max_capacity=2, policies=[policy], component=component
        )
    assert told in str(raised.value)


def test_smallest_fleet_must_still_fit_the_deployment() -> None:
    with pytest.raises(ValidationError, match="Canary of 50 % on a fleet of 1"):
        _fleet().add_autoscaling(min_capacity=1, max_capacity=4, policies=_INVOCATIONS)
    endpoint = _fleet(deployment=AllAtOnce())
    endpoint.add_autoscaling(min_capacity=1, max_capacity=4, policies=_INVOCATIONS)


def test_burstable_types_do_not_scale_and_trainium_does() -> None:
    with pytest.raises(ValidationError, match="not burstable"):
        _fleet(compute=Instances("ml.t2.medium", count=2)).add_autoscaling(
            min_capacity=2, max_capacity=4, policies=_INVOCATIONS
        )
    _fleet(compute=Instances("ml.trn1.2xlarge", count=2)).add_autoscaling(
        min_capacity=2, max_capacity=4, policies=_INVOCATIONS
    )


def test_serverless_scales_what_is_provisioned_only() -> None:
    for warm, most, fault in ((None, 5, "compute.provisioned_concurrency"), (2, 6, "max_capacity")):
        with pytest.raises(ValidationError) as raised:
            _serverless(warm).add_autoscaling(
                min_capacity=1, max_capacity=most, policies=[TrackProvisionedConcurrency()]
            )
        assert faults(raised.value) == [fault]


def test_of_components_copies_are_scaled() -> None:
    with pytest.raises(ValidationError, match="Write component='chat'"):
        _components().add_autoscaling(min_capacity=1, max_capacity=4, policies=_INVOCATIONS)


def test_one_target_for_each_variant() -> None:
    endpoint = _fleet()
    endpoint.add_autoscaling(min_capacity=2, max_capacity=4, policies=_INVOCATIONS)
    with pytest.raises(ValidationError, match="in one call"):
        endpoint.add_autoscaling(
            min_capacity=2, max_capacity=4, policies=[TrackConcurrency(requests=5)]
        )


def test_all_kinds_of_policies_on_one_fleet() -> None:
    stack = new_stack()
    endpoint = small_endpoint(stack, compute=Instances("ml.g5.xlarge", count=2))
    endpoint.add_autoscaling(
        min_capacity=2,
        max_capacity=8,
        policies=[
            TrackInvocations(per_minute=600),
            TrackConcurrency(requests=5),
            TrackUtilization(of=Utilization.GPU, percent=70),
            TrackUtilization(of=Utilization.CPU, percent=300),
            TrackMetric(metric=_METRIC, target=10),
            ScaleOutSteps(metric=_SUM, steps={100: 1, 500: 3}),
            ScaleInSteps(metric=_METRIC, steps={20: 1}, minutes=3),
        ],
    )
    assert nag_findings(stack) == []
    template = template_of(stack).to_json()
    assert check_template(template, region="us-east-1") == []
    found = {
        each["Properties"]["PolicyName"]: each["Properties"]
        for each in resources_of(stack, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
    }
    assert len(found) == 7
    # The metric's own period is five minutes: three in a row would be a quarter of an hour.
    (removes,) = (
        each["Properties"]
        for each in resources_of(stack, "AWS::CloudWatch::Alarm").values()
        if each["Properties"].get("MetricName") == "Carts"
    )
    assert (removes["Period"], removes["EvaluationPeriods"]) == (60, 3)
    custom = [
        each["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
        for each in found.values()
        if "CustomizedMetricSpecification"
        in each.get("TargetTrackingScalingPolicyConfiguration", {})
    ]
    assert {(each["Namespace"], each["MetricName"]) for each in custom} == {
        ("/aws/sagemaker/Endpoints", "GPUUtilization"),
        ("/aws/sagemaker/Endpoints", "CPUUtilization"),
        ("Shop", "Carts"),
    }


def test_a_paused_fleet_has_no_target_and_keeps_its_size() -> None:
    def templates(paused: bool) -> dict[str, Any]:
        stack = new_stack()
        small_endpoint(stack).add_autoscaling(
            min_capacity=2, max_capacity=4, policies=_INVOCATIONS, paused=paused
        )
        found: dict[str, Any] = template_of(stack).to_json()["Resources"]
        return found

    running, paused = templates(paused=False), templates(paused=True)
    gone = {running[name]["Type"] for name in running.keys() - paused.keys()}
    assert gone == {
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
    }
    # Pausing must not touch the endpoint: the update would be one more deployment.
    assert {name: paused[name] for name in paused} == {name: running[name] for name in paused}


def _applied(policy: ScaleOutSteps | ScaleInSteps, value: float) -> int:
    """What a step policy does at a value, read as Application Auto Scaling reads it."""
    threshold, steps = adjustments(policy)
    distance = value - threshold
    out = isinstance(policy, ScaleOutSteps)
    if (distance < 0) if out else (distance > 0):
        return 0
    for step in steps:
        lower = step.get("metricIntervalLowerBound", float("-inf"))
        upper = step.get("metricIntervalUpperBound", float("inf"))
        if (lower <= distance < upper) if out else (lower < distance <= upper):
            return int(step["scalingAdjustment"])
    raise AssertionError(f"no step for {value}")


@settings(max_examples=100, deadline=None)
@given(
    steps=st.dictionaries(st.integers(-100, 100), st.integers(1, 9), min_size=1, max_size=5),
    value=st.integers(-120, 120),
)
def test_steps_do_what_they_say(steps: dict[float, int], value: int) -> None:
    reached = [limit for limit in steps if limit <= value]
    added = _applied(ScaleOutSteps(metric=_METRIC, steps=steps, cooldown=_COOLDOWN), value)
    assert added == (steps[max(reached)] if reached else 0)
    below = [limit for limit in steps if limit >= value]
    removed = _applied(ScaleInSteps(metric=_METRIC, steps=steps, cooldown=_COOLDOWN), value)
    assert removed == (-steps[min(below)] if below else 0)


def test_capacities_may_be_known_at_deployment_only() -> None:
    stack = new_stack()
    least: Any = cdk.CfnParameter(stack, "Least", type="Number").value_as_number
    small_endpoint(stack).add_autoscaling(min_capacity=least, max_capacity=4, policies=_INVOCATIONS)
    (target,) = resources_of(stack, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert target["Properties"]["MinCapacity"] == {"Ref": "Least"}


def test_an_alarm_goes_when_its_policy_goes() -> None:
    endpoint = _queue()
    scaling = endpoint.add_autoscaling(
        min_capacity=0, max_capacity=2, policies=[TrackBacklog(per_instance=5)]
    )
    stack = cdk.Stack.of(endpoint)
    by_day = cdk.CfnCondition(stack, "ByDay", expression=cdk.Fn.condition_equals("a", "a"))
    for policy in scaling.policies:
        policy.cfn_options.condition = by_day
    alarms = resources_of(stack, "AWS::CloudWatch::Alarm")
    (waiting,) = (
        alarm
        for alarm in alarms.values()
        if alarm["Properties"].get("MetricName") == "HasBacklogWithoutCapacity"
    )
    assert waiting["Condition"] == "ByDay"


def test_a_queue_leaves_zero() -> None:
    endpoint = _queue()
    scaling = endpoint.add_autoscaling(
        min_capacity=0, max_capacity=2, policies=[TrackBacklog(per_instance=5)]
    )
    assert len(scaling.alarms) == 1
    warm = _queue().add_autoscaling(
        min_capacity=1, max_capacity=2, policies=[TrackBacklog(per_instance=5)]
    )
    assert warm.alarms == []
    at_night = _queue().add_autoscaling(
        min_capacity=1,
        max_capacity=2,
        policies=[TrackBacklog(per_instance=5)],
        schedules={"Night": ScheduledCapacity(schedule="cron(0 1 * * ? *)", min_capacity=0)},
    )
    assert len(at_night.alarms) == 1
