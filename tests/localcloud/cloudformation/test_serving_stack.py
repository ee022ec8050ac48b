"""Endpoints with inference components and autoscaling, by templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.sagemaker.support import ENDPOINT, TINY, Serving
from tests.localcloud.support import Cloud, until

pytestmark = pytest.mark.slow
ROLE = "arn:aws:iam::123456789012:role/Serving"


def template(container: dict[str, Any], *, copies: int, name: str) -> str:
    variant = {"VariantName": "v0", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    component = {
        "InferenceComponentName": "one",
        "EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]},
        "VariantName": "v0",
        "Specification": {
            "Container": {
                "Image": container["Image"],
                "ArtifactUrl": container["ModelDataUrl"],
                "Environment": {"NAME": name},
            },
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 512},
        },
        "RuntimeConfig": {"CopyCount": copies},
    }
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/one",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
        "MinCapacity": 1,
        "MaxCapacity": 2,
    }
    policy = {
        "PolicyName": "track",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": {"Ref": "Target"},
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 100,
            # A quarter of an hour takes 90 ms in this cloud: it would scale in meanwhile.
            "DisableScaleIn": True,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
            },
        },
    }
    scaling = "AWS::ApplicationAutoScaling"
    resources: dict[str, Any] = {
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant], "ExecutionRoleArn": ROLE},
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": ENDPOINT,
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        "Component": {"Type": "AWS::SageMaker::InferenceComponent", "Properties": component},
        "Target": {
            "Type": f"{scaling}::ScalableTarget",
            "Properties": target,
            "DependsOn": "Component",
        },
        "Policy": {"Type": f"{scaling}::ScalingPolicy", "Properties": policy},
    }
    return json.dumps({"Resources": resources})


SAYS_NAME = """
import os
def answer(body, headers):
    return 200, os.environ["NAME"].encode()
"""


def test_components_are_deployed_updated_and_deleted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.serving.model_process._SERVER", TINY)
    serving, formation = Serving(cloud), cloud.client("cloudformation")
    container = serving.container(SAYS_NAME)

    def settled() -> str:
        def status() -> str:
            stacks = formation.describe_stacks(StackName="serving")["Stacks"]
            return str(stacks[0]["StackStatus"])

        until(lambda: not status().endswith("IN_PROGRESS"))
        return status()

    body = template(container, copies=1, name="old")
    stack = formation.create_stack(StackName="serving", TemplateBody=body)["StackId"]
    assert settled() == "CREATE_COMPLETE", formation.describe_stack_events(StackName="serving")
    assert serving.invoke(InferenceComponentName="one") == "old"
    alarms = serving.cloudwatch.describe_alarms()["MetricAlarms"]
    assert [alarm["MetricName"] for alarm in alarms] == ["InvocationsPerCopy"] * 2

    body = template(container, copies=2, name="new")
    formation.update_stack(StackName="serving", TemplateBody=body)
    assert settled() == "UPDATE_COMPLETE"
    assert serving.invoke(InferenceComponentName="one") == "new"
    described = cloud.call("DescribeInferenceComponent", InferenceComponentName="one")
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 2

    formation.delete_stack(StackName="serving")
    until(
        lambda: (
            formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            == "DELETE_COMPLETE"
        )
    )
    assert not cloud.call("ListInferenceComponents")["InferenceComponents"]
    assert not cloud.call("ListEndpoints")["Endpoints"]
    assert not serving.cloudwatch.describe_alarms()["MetricAlarms"]
