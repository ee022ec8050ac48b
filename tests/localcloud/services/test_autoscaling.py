"""Autoscaling adds and removes processes: by load, by backlog, by schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.sagemaker.support import ENDPOINT, Serving
from tests.localcloud.support import until

VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/v0",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def tracking(metric: str, target: float, **more: Any) -> dict[str, Any]:
    return {
        "PolicyName": "track",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 60,
            **more,
        },
    }


@pytest.mark.slow
@pytest.mark.usefixtures("slow_clock")
def test_load_adds_processes_and_its_end_removes_them(serving: Serving) -> None:
    scaling = serving.cloud.client("application-autoscaling")
    serving.create(serving.variant("one"))
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=3)
    # Far below what four clients ask here in a minute of 0.3 s, and above what one asks at ease.
    answer = scaling.put_scaling_policy(
        **VARIANT, **tracking("SageMakerVariantInvocationsPerInstance", 4)
    )
    sides = [alarm["AlarmName"].split("-")[2] for alarm in answer["Alarms"]]
    assert sides == ["AlarmHigh", "AlarmLow"]
    with serving.traffic(clients=4) as traffic:
        until(lambda: serving.processes() == 3)
        until(lambda: serving.described()["EndpointStatus"] == "InService")
    assert set(traffic.counted()) == {"one"}
    # Little traffic, not none: without any there are no data, and nothing is scaled in.
    with serving.traffic(clients=1, pause=0.15):
        until(lambda: serving.processes() == 1, seconds=40)
    activities = scaling.describe_scaling_activities(ServiceNamespace="sagemaker")
    described = [each["Description"] for each in activities["ScalingActivities"]]
    assert described[-1].startswith("Setting desired instance count to ")
    assert "triggered policy track" in activities["ScalingActivities"][0]["Cause"]
    scaling.deregister_scalable_target(**VARIANT)
    assert not serving.cloudwatch.describe_alarms()["MetricAlarms"]


def test_a_queue_wakes_an_endpoint_from_zero_and_lets_it_sleep_again(serving: Serving) -> None:
    scaling = serving.cloud.client("application-autoscaling")
    output = {"S3OutputPath": f"s3://{serving.bucket}/answers"}
    serving.create(serving.variant("late"), AsyncInferenceConfig={"OutputConfig": output})
    scaling.register_scalable_target(**VARIANT, MinCapacity=0, MaxCapacity=2)
    scaling.put_scaling_policy(
        **VARIANT,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": {
                "Namespace": "AWS/SageMaker",
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Dimensions": [{"Name": "EndpointName", "Value": ENDPOINT}],
                "Statistic": "Average",
            },
            "ScaleInCooldown": 60,
        },
    )
    step = scaling.put_scaling_policy(
        **VARIANT,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    serving.alarm(
        "waits",
        "HasBacklogWithoutCapacity",
        1,
        Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}],
        Statistic="Average",
        AlarmActions=[step["PolicyARN"]],
    )
    # The pulse of these tests is coarser than their minute: the alarms see one datum in several.
    serving.cloud.sagemaker.clock.scale, before = 0.002, serving.cloud.sagemaker.clock.scale
    try:
        until(lambda: serving.processes() == 0)
        until(lambda: serving.described()["EndpointStatus"] == "InService")
        taken = serving.runtime.invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"1")
        key = taken["OutputLocation"].removeprefix(f"s3://{serving.bucket}/")
        until(lambda: serving.objects("answers/") == {key: b"late"})
        dimension = {"EndpointName": ENDPOINT}
        assert serving.metric("HasBacklogWithoutCapacity", "Maximum", **dimension) == 1.0
        assert serving.metric("ApproximateAgeOfOldestRequest", "Maximum", **dimension) > 0
        until(lambda: serving.processes() == 0)
    finally:
        serving.cloud.sagemaker.clock.scale = before


@pytest.mark.slow
@pytest.mark.usefixtures("slow_clock")
def test_copies_of_a_component_go_to_zero_and_come_back(serving: Serving) -> None:
    cloud, scaling = serving.cloud, serving.cloud.client("application-autoscaling")
    serving.create(
        {"VariantName": "v0", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/Serving",
    )
    container = serving.container("here")
    cloud.call(
        "CreateInferenceComponent",
        InferenceComponentName="one",
        EndpointName=ENDPOINT,
        Specification={
            "Container": {"Image": container["Image"], "ArtifactUrl": container["ModelDataUrl"]},
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 512},
        },
        RuntimeConfig={"CopyCount": 1},
    )

    def copies() -> tuple[str, int]:
        found = cloud.call("DescribeInferenceComponent", InferenceComponentName="one")
        return found["InferenceComponentStatus"], found["RuntimeConfig"]["CurrentCopyCount"]

    until(lambda: copies() == ("InService", 1))
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/one",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=2)
    scaling.put_scaling_policy(
        **target, **tracking("SageMakerInferenceComponentInvocationsPerCopy", 10)
    )
    step = scaling.put_scaling_policy(
        **target,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": 60,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    serving.alarm(
        "asleep",
        "NoCapacityInvocationFailures",
        1,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "one"}],
        AlarmActions=[step["PolicyARN"]],
    )
    until(lambda: copies() == ("InService", 0), seconds=40)
    with serving.traffic(clients=1, pause=0.05, component="one") as traffic:
        until(lambda: "here" in traffic.counted())
    assert set(traffic.counted()) == {"here", "!ValidationError"}


@pytest.mark.slow
def test_a_schedule_and_new_bounds_change_the_capacity_at_once(serving: Serving) -> None:
    scaling = serving.cloud.client("application-autoscaling")
    serving.create(serving.variant("one"))
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=3)
    moment = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S")
    scaling.put_scheduled_action(
        **VARIANT,
        ScheduledActionName="morning",
        Schedule=f"at({moment})",
        ScalableTargetAction={"MinCapacity": 2},
    )
    until(lambda: serving.processes() == 2)
    (shown,) = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert shown["ScheduledActionName"] == "morning"
    until(lambda: serving.described()["EndpointStatus"] == "InService")
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=1)
    until(lambda: serving.processes() == 1)
    with pytest.raises(ClientError, match="Invalid schedule expression"):
        scaling.put_scheduled_action(
            **VARIANT,
            ScheduledActionName="bad",
            Schedule="each day",
            ScalableTargetAction={"MinCapacity": 2},
        )


def test_what_cannot_be_scaled_is_refused(serving: Serving) -> None:
    scaling = serving.cloud.client("application-autoscaling")
    serving.create(serving.variant("one"))
    with pytest.raises(ClientError, match="MinCapacity 0 is for asynchronous endpoints"):
        scaling.register_scalable_target(**VARIANT, MinCapacity=0, MaxCapacity=1)
    with pytest.raises(ClientError, match="doesn't exist for resourceId"):
        scaling.register_scalable_target(
            **VARIANT | {"ResourceId": f"endpoint/{ENDPOINT}/variant/none"},
            MinCapacity=1,
            MaxCapacity=1,
        )
    provisioned = {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    with pytest.raises(ClientError, match="has no ProvisionedConcurrency"):
        scaling.register_scalable_target(**VARIANT | provisioned, MinCapacity=1, MaxCapacity=1)
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=2)
    with pytest.raises(ClientError, match="Exactly one of PredefinedMetricSpecification"):
        scaling.put_scaling_policy(
            **VARIANT,
            PolicyName="none",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 1.0},
        )
