"""The endpoint as a platform has it: following the registry, in a VPC, captured and scaled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_cloudwatch as cloudwatch

from mlops_constructs.rules import check_template
from mlops_constructs.serving.alarms import RollbackAlarms
from mlops_constructs.serving.deployment import Canary
from mlops_constructs.serving.endpoint import BlueGreenEndpoint
from mlops_constructs.serving.policies import TrackInvocations
from tests.serving.fixture import (
    NAME,
    PARAMETER,
    REPOSITORY,
    lint_findings,
    make_ground,
    references,
    small_endpoint,
)
from tests.support import nag_findings, new_stack, resources_of, template_of


@dataclass
class Deployed:
    endpoint: BlueGreenEndpoint
    template: Mapping[str, Any]
    findings: list[str]

    def only(self, resource_type: str) -> dict[str, Any]:
        """The one resource of a type."""
        (found,) = (
            resource
            for resource in self.template["Resources"].values()
            if resource["Type"] == f"AWS::{resource_type}"
        )
        return dict(found)


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    ground = make_ground()
    endpoint = BlueGreenEndpoint(
        ground.stack,
        "Endpoint",
        deployment=Canary(percent=50, bake=Duration.minutes(10)),
        **ground.arguments(),
    )
    endpoint.add_autoscaling(
        min_capacity=2, max_capacity=4, policies=[TrackInvocations(per_minute=600)]
    )
    findings = nag_findings(ground.stack)
    return Deployed(endpoint, template_of(ground.stack).to_json(), findings)


def test_no_finding_of_any_checker(deployed: Deployed) -> None:
    assert deployed.findings == []
    assert check_template(deployed.template, region="us-east-1") == []


@pytest.mark.slow
def test_cfn_lint_has_no_finding(deployed: Deployed) -> None:
    assert lint_findings(deployed.template) == []


def test_what_cloudformation_replaces_has_no_name(deployed: Deployed) -> None:
    assert "ModelName" not in deployed.only("SageMaker::Model")["Properties"]
    config = deployed.only("SageMaker::EndpointConfig")["Properties"]
    assert "EndpointConfigName" not in config
    assert config["ProductionVariants"] == [
        {
            "VariantName": "AllTraffic",
            "ModelName": {"Fn::GetAtt": ["EndpointModel0F230181", "ModelName"]},
            "InitialVariantWeight": 1,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 2,
        }
    ]
    properties = deployed.only("SageMaker::Endpoint")["Properties"]
    assert properties["EndpointName"] == NAME
    assert properties["EndpointConfigName"] == {
        "Fn::GetAtt": ["EndpointConfig24AD0A28", "EndpointConfigName"]
    }


def test_ids_are_part_of_the_contract(deployed: Deployed) -> None:
    assert {
        name: resource["Type"].removeprefix("AWS::")
        for name, resource in deployed.template["Resources"].items()
    } == {
        "EndpointServerErrorsEC26E6F3": "CloudWatch::Alarm",
        "EndpointModelErrors53DB0079": "CloudWatch::Alarm",
        "EndpointLatency7AF74AC2": "CloudWatch::Alarm",
        "EndpointClientErrorsCA892C0A": "CloudWatch::Alarm",
        "EndpointRole47E61C54": "IAM::Role",
        "EndpointRoleDefaultPolicy365DA438": "IAM::Policy",
        "EndpointModel0F230181": "SageMaker::Model",
        "EndpointConfig24AD0A28": "SageMaker::EndpointConfig",
        "Endpoint8024A810": "SageMaker::Endpoint",
        "EndpointTargetTrackingTarget140D9477": "ApplicationAutoScaling::ScalableTarget",
        "EndpointTargetTrackingPolicyDFDFC4A4": "ApplicationAutoScaling::ScalingPolicy",
    }


def test_follows_the_parameter(deployed: Deployed) -> None:
    (name,) = (key for key in deployed.template["Parameters"] if key != "BootstrapVersion")
    assert deployed.template["Parameters"][name]["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert deployed.template["Parameters"][name]["Default"] == PARAMETER
    container = deployed.only("SageMaker::Model")["Properties"]["PrimaryContainer"]
    assert container == {"ModelPackageName": {"Ref": name}}
    assert deployed.template["Conditions"] == {
        "EndpointModelIsApproved3929CA36": {
            "Fn::Not": [{"Fn::Equals": [{"Ref": name}, "none"]}],
        }
    }


def test_nothing_that_is_always_there_needs_what_an_approval_brings(deployed: Deployed) -> None:
    resources = deployed.template["Resources"]
    later = {name for name, resource in resources.items() if "Condition" in resource}
    assert {resources[name]["Type"].split("::")[2] for name in later} == {
        "Alarm",
        "Model",
        "EndpointConfig",
        "Endpoint",
        "ScalableTarget",
        "ScalingPolicy",
    }
    for name in resources.keys() - later:
        assert not references(resources[name].get("Properties")) & later, name
    assert not references(deployed.template.get("Outputs", {})) & later


def test_sagemaker_waits_for_the_policy(deployed: Deployed) -> None:
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        waits = deployed.only(f"SageMaker::{kind}")["DependsOn"]
        assert "EndpointRoleDefaultPolicy365DA438" in waits


def test_private_by_default(deployed: Deployed) -> None:
    model = deployed.only("SageMaker::Model")["Properties"]
    assert model["EnableNetworkIsolation"] is True
    assert len(model["VpcConfig"]["Subnets"]) == 2
    config = deployed.only("SageMaker::EndpointConfig")["Properties"]
    assert "KmsKeyId" in config
    assert "KmsKeyId" in config["DataCaptureConfig"]


def test_alarms_watch_the_name_and_roll_back(deployed: Deployed) -> None:
    alarms = {
        name: resource["Properties"]
        for name, resource in deployed.template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    # An endpoint knows its alarms by name, so that they must exist before it.
    comparing = alarms.pop("EndpointClientErrorsCA892C0A")
    for properties in alarms.values():
        assert properties["Namespace"] == "AWS/SageMaker"
        assert properties["Dimensions"] == [
            {"Name": "EndpointName", "Value": NAME},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ]
        assert properties["TreatMissingData"] == "notBreaching"
        assert len(properties["AlarmActions"]) == len(properties["OKActions"]) == 1
    latency = alarms["EndpointLatency7AF74AC2"]
    assert (latency["ExtendedStatistic"], latency["Threshold"]) == ("p99", 2_000_000)
    errors = alarms["EndpointServerErrorsEC26E6F3"]
    assert (errors["Statistic"], errors["Threshold"]) == ("Average", 0.05)
    rollback = deployed.only("SageMaker::Endpoint")["Properties"]["DeploymentConfig"][
        "AutoRollbackConfiguration"
    ]
    names = [*alarms, "EndpointClientErrorsCA892C0A"]
    assert rollback["Alarms"] == [{"AlarmName": {"Ref": name}} for name in names]
    assert {(a["EvaluationPeriods"], a["DatapointsToAlarm"]) for a in alarms.values()} == {(5, 2)}
    assert comparing["TreatMissingData"] == "notBreaching"


def test_client_errors_of_the_new_fleet_are_compared_with_those_of_all(deployed: Deployed) -> None:
    alarm = deployed.template["Resources"]["EndpointClientErrorsCA892C0A"]
    found = {metric["Id"]: metric for metric in alarm["Properties"]["Metrics"]}
    assert {name: metric["Expression"] for name, metric in found.items() if "Expression" in metric}
    (expression,) = (m["Expression"] for m in found.values() if "Expression" in m)
    assert expression == "IF(requests >= 20, new - every, 0)"
    config = {"Fn::GetAtt": ["EndpointConfig24AD0A28", "EndpointConfigName"]}
    for name, statistic, dimensions in (
        ("requests", "SampleCount", {"EndpointConfigName": config}),
        ("new", "Average", {"EndpointConfigName": config}),
        ("every", "Average", {}),
    ):
        stat = found[name]["MetricStat"]
        assert stat["Stat"] == statistic
        assert stat["Metric"]["MetricName"] == "Invocation4XXErrors"
        assert {d["Name"]: d["Value"] for d in stat["Metric"]["Dimensions"]} == dimensions | {
            "EndpointName": NAME,
            "VariantName": "AllTraffic",
        }
    # The configuration is there only once a model is.
    assert alarm["Condition"] == "EndpointModelIsApproved3929CA36"


def test_role_may_do_what_the_model_needs_and_no_more(deployed: Deployed) -> None:
    statements = deployed.only("IAM::Policy")["Properties"]["PolicyDocument"]["Statement"]
    actions = {
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert {action.split(":")[0] for action in actions} == {
        "cloudwatch",
        "ec2",
        "ecr",
        "kms",
        "logs",
        "s3",
    }
    assert not {action for action in actions if "*" in action}
    assert {action for action in actions if action.startswith(("s3:", "kms:"))} == {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKey",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    }
    by_action = {json.dumps(statement["Action"]): statement for statement in statements}
    assert by_action['"s3:PutObject"']["Resource"]["Fn::Join"][1][1] == f"/capture/{NAME}/*"
    assert by_action['"kms:CreateGrant"']["Condition"] == {
        "Bool": {"kms:GrantIsForAWSResource": "true"}
    }
    pulls = next(found for action, found in by_action.items() if "BatchGetImage" in action)
    assert pulls["Resource"] == REPOSITORY


def test_scaling_keeps_the_size_of_the_fleet(deployed: Deployed) -> None:
    assert deployed.only("SageMaker::Endpoint")["Properties"]["RetainAllVariantProperties"] is True
    target = deployed.only("ApplicationAutoScaling::ScalableTarget")["Properties"]
    assert target["ResourceId"] == {
        "Fn::Join": [
            "",
            [
                "endpoint/",
                {"Fn::GetAtt": ["Endpoint8024A810", "EndpointName"]},
                "/variant/AllTraffic",
            ],
        ]
    }
    policy = deployed.only("ApplicationAutoScaling::ScalingPolicy")["Properties"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 600,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }


def test_same_input_same_template() -> None:
    def synthesise() -> str:
        ground = make_ground()
        BlueGreenEndpoint(ground.stack, "Endpoint", **ground.arguments())
        return json.dumps(template_of(ground.stack).to_json())

    assert synthesise() == synthesise()


def test_makes_what_is_not_passed_in_and_stays_clean() -> None:
    stack = new_stack()
    endpoint = small_endpoint(stack, encryption_key=None)
    assert endpoint.condition is None
    (key,) = resources_of(stack, "AWS::KMS::Key").values()
    assert key["DeletionPolicy"] == "Retain"
    assert nag_findings(stack) == []
    template = template_of(stack).to_json()
    assert check_template(template, region="us-east-1") == []
    model = next(iter(resources_of(stack, "AWS::SageMaker::Model").values()))["Properties"]
    assert "VpcConfig" not in model
    assert "Conditions" not in template


def test_own_alarms_roll_back_too() -> None:
    stack = new_stack()
    own = cloudwatch.Alarm.from_alarm_arn(
        stack, "Business", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:refunds"
    )
    small_endpoint(stack, rollback=RollbackAlarms(error_rate=0.01, own=[own]))
    endpoint = next(iter(resources_of(stack, "AWS::SageMaker::Endpoint").values()))
    alarms = endpoint["Properties"]["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert len(alarms) == 5
    assert alarms[4] == {"AlarmName": "refunds"}


def test_weak_choices_warn() -> None:
    stack = new_stack()
    small_endpoint(
        stack, network_isolation=False, deployment=Canary(percent=50, bake=Duration.minutes(1))
    )
    warnings = " ".join(
        str(found.entry.data)
        for found in cdk.assertions.Annotations.from_stack(stack).find_warning(
            "*", cdk.assertions.Match.any_value()
        )
    )
    assert "network_isolation=False" in warnings
    assert "A bake of 60 s ends before an alarm of 2 minutes can fire" in warnings
    (model,) = resources_of(stack, "AWS::SageMaker::Model").values()
    assert model["Properties"]["EnableNetworkIsolation"] is False
