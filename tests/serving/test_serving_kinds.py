"""All ways to serve: what each becomes, and that the service rules and checkers accept it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from mlops_constructs.rules import check_template
from tests.serving.fixture import lint_findings
from tests.serving.kinds import IMAGE, PACKAGE, make_kinds
from tests.support import nag_findings, template_of


@dataclass
class Deployed:
    template: Mapping[str, Any]
    findings: list[str]

    def of(self, kind: str, endpoint: str) -> dict[str, Any]:
        """The one resource of a type whose logical id begins with the endpoint's id."""
        (found,) = self.all(kind, endpoint).values()
        return found

    def all(self, kind: str, endpoint: str) -> dict[str, dict[str, Any]]:
        """The properties of all such resources."""
        return {
            name: resource["Properties"]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == f"AWS::{kind}" and name.startswith(endpoint)
        }


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    kinds = make_kinds()
    findings = nag_findings(kinds.stack)
    return Deployed(template_of(kinds.stack).to_json(), findings)


def test_no_finding_of_any_checker(deployed: Deployed) -> None:
    assert [line for line in deployed.findings if "/Caller/" not in line] == []
    found = check_template(deployed.template, region="us-east-1")
    assert [finding for finding in found if finding.severity == "error"] == []


@pytest.mark.slow
def test_cfn_lint_has_no_finding(deployed: Deployed) -> None:
    assert lint_findings(deployed.template) == []


def test_nothing_that_is_replaced_has_a_name(deployed: Deployed) -> None:
    for kind, name in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
        for properties in deployed.all(f"SageMaker::{kind}", "").values():
            assert name not in properties


def test_a_queue_with_its_answers_and_topics(deployed: Deployed) -> None:
    config = deployed.of("SageMaker::EndpointConfig", "Async")
    queue = config["AsyncInferenceConfig"]
    assert queue["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 4}
    output = queue["OutputConfig"]
    assert output["S3OutputPath"]["Fn::Join"][1][-1] == "/answers/"
    assert output["S3FailurePath"]["Fn::Join"][1][-1] == "/failures/"
    assert "Fn::ImportValue" in output["KmsKeyId"]
    assert set(output["NotificationConfig"]) == {
        "SuccessTopic",
        "ErrorTopic",
        "IncludeInferenceResponseIn",
    }
    (variant,) = config["ProductionVariants"]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 1200
    container = deployed.of("SageMaker::Model", "Async")["PrimaryContainer"]
    assert container["ModelDataSource"] == {
        "S3DataSource": {
            "S3Uri": "s3://models/llm/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    }
    assert "DeploymentConfig" in deployed.of("SageMaker::Endpoint", "Async")


def test_callers_of_a_queue_exchange_payloads_and_answers(deployed: Deployed) -> None:
    text = json.dumps(deployed.of("IAM::Policy", "Caller"))
    assert "sagemaker:InvokeEndpointAsync" in text
    assert "/payloads/*" in text
    assert "/answers/*" in text
    own = json.dumps(deployed.of("IAM::Policy", "AsyncRole"))
    assert "sns:Publish" in own
    assert "/answers/*" in own
    assert "/payloads/*" in own


def test_a_queue_scales_from_zero(deployed: Deployed) -> None:
    target = deployed.of("ApplicationAutoScaling::ScalableTarget", "Async")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 4)
    policies = deployed.all("ApplicationAutoScaling::ScalingPolicy", "Async")
    backlog = next(p for p in policies.values() if p["PolicyName"] == "backlog-per-instance")
    assert backlog["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"] == {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "async"}],
        "Statistic": "Average",
    }
    (name,) = (n for n, p in policies.items() if p["PolicyType"] == "StepScaling")
    assert policies[name]["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    ]
    (alarm,) = (
        a
        for a in deployed.all("CloudWatch::Alarm", "Async").values()
        if a.get("MetricName") == "HasBacklogWithoutCapacity"
    )
    assert alarm["AlarmActions"] == [{"Ref": name}]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (60, 2, 1)
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "async"}]


def test_serverless_scales_its_warm_capacity(deployed: Deployed) -> None:
    target = deployed.of("ApplicationAutoScaling::ScalableTarget", "Serverless")
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredProvisionedConcurrency"
    policy = deployed.of("ApplicationAutoScaling::ScalingPolicy", "Serverless")
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 0.7
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"
    }
    assert "RetainAllVariantProperties" not in deployed.of("SageMaker::Endpoint", "Serverless")


def test_components_run_on_managed_instances(deployed: Deployed) -> None:
    config = deployed.of("SageMaker::EndpointConfig", "Components")
    assert config["ProductionVariants"] == [
        {
            "VariantName": "AllTraffic",
            "InitialVariantWeight": 1,
            "InstanceType": "ml.g5.2xlarge",
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": {
                "Status": "ENABLED",
                "MinInstanceCount": 0,
                "MaxInstanceCount": 4,
            },
        }
    ]
    assert config["EnableNetworkIsolation"] is True
    assert {"ExecutionRoleArn", "VpcConfig"} <= set(config)
    found = {
        properties["InferenceComponentName"]: properties
        for properties in deployed.all("SageMaker::InferenceComponent", "Components").values()
    }
    assert set(found) == {"components-chat", "components-rank", "components-legal"}
    chat = found["components-chat"]
    assert chat["RuntimeConfig"] == {"CopyCount": 2}
    assert chat["Specification"]["ComputeResourceRequirements"] == {
        "MinMemoryRequiredInMb": 8192,
        "NumberOfAcceleratorDevicesRequired": 1,
    }
    policy = chat["DeploymentConfig"]["RollingUpdatePolicy"]
    assert policy["MaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 50}
    assert len(chat["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]) == 3
    assert found["components-legal"]["Specification"] == {
        "BaseInferenceComponentName": "components-chat",
        "Container": {"ArtifactUrl": "s3://models/legal.tar.gz"},
    }
    assert "DeploymentConfig" not in deployed.of("SageMaker::Endpoint", "Components")


def test_a_component_waits_for_its_approval_alone(deployed: Deployed) -> None:
    conditions = {
        name: resource.get("Condition")
        for name, resource in deployed.template["Resources"].items()
        if resource["Type"] == "AWS::SageMaker::InferenceComponent"
    }
    assert sorted(map(bool, conditions.values())) == [False, False, True]
    (endpoint,) = (
        resource
        for name, resource in deployed.template["Resources"].items()
        if resource["Type"] == "AWS::SageMaker::Endpoint" and name.startswith("Components")
    )
    assert "Condition" not in endpoint


def test_a_component_scales_from_zero(deployed: Deployed) -> None:
    target = deployed.of("ApplicationAutoScaling::ScalableTarget", "Components")
    assert target["ScalableDimension"] == "sagemaker:inference-component:DesiredCopyCount"
    assert "components-chat" in json.dumps(target["ResourceId"])
    (alarm,) = (
        a
        for a in deployed.all("CloudWatch::Alarm", "Components").values()
        if a.get("MetricName") == "NoCapacityInvocationFailures"
    )
    assert alarm["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "components-chat"}]
    (waiting,) = (
        resource["DependsOn"]
        for name, resource in deployed.template["Resources"].items()
        if resource["Type"] == "AWS::ApplicationAutoScaling::ScalableTarget"
        and name.startswith("Components")
    )
    assert any("Chat" in name or "chat" in name for name in waiting)


def test_many_models_in_one_container(deployed: Deployed) -> None:
    assert deployed.of("SageMaker::Model", "Many")["PrimaryContainer"] == {
        "Image": IMAGE,
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://models/all/",
        "MultiModelConfig": {"ModelCacheSetting": "Disabled"},
    }


def test_containers_one_after_the_other(deployed: Deployed) -> None:
    model = deployed.of("SageMaker::Model", "Serial")
    assert model["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert model["Containers"] == [
        {"Image": IMAGE, "ModelDataUrl": "s3://models/1/model.tar.gz"},
        {"ModelPackageName": PACKAGE},
    ]
    policy = deployed.of("SageMaker::Endpoint", "Serial")["DeploymentConfig"]
    assert "RollingUpdatePolicy" in policy


def test_containers_side_by_side(deployed: Deployed) -> None:
    model = deployed.of("SageMaker::Model", "Direct")
    assert model["InferenceExecutionConfig"] == {"Mode": "Direct"}
    assert [each["ContainerHostname"] for each in model["Containers"]] == ["ranker", "filter"]


def test_challengers_get_their_share(deployed: Deployed) -> None:
    variants = deployed.of("SageMaker::EndpointConfig", "Tested")["ProductionVariants"]
    assert {each["VariantName"]: each["InitialVariantWeight"] for each in variants} == {
        "AllTraffic": 85,
        "bold": 10,
        "bolder": 5,
    }
    endpoint = deployed.of("SageMaker::Endpoint", "Tested")
    alarms = endpoint["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    # Three for each side, and one that compares fleets.
    assert len(alarms) == 7
    assert endpoint["RetainAllVariantProperties"] is True
    assert endpoint["ExcludeRetainedVariantProperties"] == [
        {"VariantPropertyType": "DesiredWeight"}
    ]


def test_the_worst_challenger_counts(deployed: Deployed) -> None:
    (alarm,) = (
        properties
        for name, properties in deployed.all("CloudWatch::Alarm", "TestedChallengers").items()
        if "ServerErrors" in name
    )
    watched = {
        dimension["Value"]
        for metric in alarm["Metrics"]
        for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
        if dimension["Name"] == "VariantName"
    }
    assert watched == {"bold", "bolder"}
    assert "MAX(METRICS())" in {metric.get("Expression") for metric in alarm["Metrics"]}


def test_an_endpoint_of_two_approvals_waits_for_both(deployed: Deployed) -> None:
    conditions = deployed.template["Conditions"]
    (name,) = (
        resource["Condition"]
        for logical_id, resource in deployed.template["Resources"].items()
        if resource["Type"] == "AWS::SageMaker::Endpoint" and logical_id.startswith("Tested")
    )
    assert len(conditions[name]["Fn::And"]) == 2


def test_variants_scale_by_themselves(deployed: Deployed) -> None:
    targets = deployed.all("ApplicationAutoScaling::ScalableTarget", "Tested")
    by_variant = {
        json.dumps(each["ResourceId"]).split("/variant/")[1][:4]: each for each in targets.values()
    }
    assert set(by_variant) == {"AllT", "bold"}
    assert by_variant["bold"]["ScheduledActions"] == [
        {
            "ScheduledActionName": "Morning",
            "Schedule": "cron(0 7 ? * MON-FRI *)",
            "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": 6},
        }
    ]


def test_a_shadow_gets_copies(deployed: Deployed) -> None:
    config = deployed.of("SageMaker::EndpointConfig", "Shadowed")
    (own,), (shadow,) = config["ProductionVariants"], config["ShadowProductionVariants"]
    assert shadow["VariantName"] == "candidate"
    assert shadow["InitialVariantWeight"] / own["InitialVariantWeight"] == 0.2
    alarms = deployed.of("SageMaker::Endpoint", "Shadowed")["DeploymentConfig"]
    # What only copies get wrong is no reason to roll back.
    assert len(alarms["AutoRollbackConfiguration"]["Alarms"]) == 4


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("Async", ["ApproximateBacklogSize", "GPUUtilization", "ModelLatency"]),
        ("Components", ["components-chat", "components-legal", "InferenceComponentName"]),
        ("Many", ["LoadedModelCount", "ModelCacheHit", "EndpointConfigName"]),
        ("Tested", ["bolder", "Invocation4XXErrors", "OverheadLatency", "p99", "a-b-test"]),
    ],
)
def test_a_dashboard_shows_what_there_is(
    deployed: Deployed, endpoint: str, shown: list[str]
) -> None:
    text = json.dumps(deployed.of("CloudWatch::Dashboard", endpoint))
    for expected in shown:
        assert expected in text


def test_warnings_fit_the_compute(deployed: Deployed) -> None:
    def watched(endpoint: str) -> set[str]:
        found = deployed.all("CloudWatch::Alarm", f"{endpoint}Warnings").values()
        return {alarm["MetricName"] for alarm in found}

    assert watched("Async") == {
        "MemoryUtilization",
        "DiskUtilization",
        "ApproximateAgeOfOldestRequest",
    }
    assert watched("Serverless") == {
        "MemoryUtilization",
        "ServerlessConcurrentExecutionsUtilization",
    }
    assert watched("Tested") == {"MemoryUtilization", "DiskUtilization"}
    rolled_back = json.dumps(deployed.of("SageMaker::Endpoint", "Tested"))
    assert "Warnings" not in rolled_back


def test_a_topic_is_told_of_deployments(deployed: Deployed) -> None:
    rule = deployed.of("Events::Rule", "Tested")
    assert rule["EventPattern"]["detail"] == {"EndpointName": ["tested"]}
    assert rule["EventPattern"]["detail-type"] == [
        "SageMaker Endpoint Deployment State Change",
        "SageMaker Endpoint State Change",
    ]
    (target,) = rule["Targets"]
    assert set(target["InputTransformer"]["InputPathsMap"].values()) == {
        "$.detail-type",
        "$.detail.EndpointStatus",
        "$.detail.PendingDeploymentSummary",
    }
