"""Stacks from templates: create, update with replacement, rollback, delete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.test_endpoints import CODE, SKLEARN
from tests.localcloud.support import Cloud, until

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
DEFINITION = {
    "Version": "2020-12-01",
    "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}],
}
GROUP: dict[str, Any] = {
    "FeatureGroupName": "group",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "time",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "time", "FeatureType": "Fractional"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}


class Stack:
    def __init__(self, cloud: Cloud, name: str = "stack") -> None:
        self.cloud = cloud
        self.name = name
        self.client = cloud.client("cloudformation")

    def create(self, resources: dict[str, Any], **sections: Any) -> str:
        self.client.create_stack(**self._request(resources, sections))
        return self.settled()

    def update(self, resources: dict[str, Any], **sections: Any) -> str:
        self.client.update_stack(**self._request(resources, sections))
        return self.settled()

    def delete(self) -> str:
        identifier = self.described()["StackId"]
        self.client.delete_stack(StackName=self.name)
        return self.settled(identifier)

    def described(self, name: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_stacks(StackName=name or self.name)["Stacks"][
            0
        ]
        return found

    def settled(self, name: str | None = None) -> str:
        def status() -> str:
            found = str(self.described(name)["StackStatus"])
            return "" if found.endswith("IN_PROGRESS") else found

        return str(until(status, seconds=30))

    def outputs(self) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.described().get("Outputs", [])}

    def reasons(self) -> str:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(e.get("ResourceStatusReason", "") for e in events)

    def physical_ids(self) -> dict[str, str]:
        found = self.client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}

    def _request(self, resources: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
        return {
            "StackName": self.name,
            "TemplateBody": json.dumps({"Resources": resources, **sections}),
            "Capabilities": ["CAPABILITY_IAM"],
        }


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return Stack(cloud)


def _platform(model_url: str, weight: float = 1.0) -> dict[str, Any]:
    role = {"Fn::GetAtt": ["Role", "Arn"]}
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": weight,
    }
    resources: dict[str, tuple[str, dict[str, Any]]] = {
        "Bucket": ("S3::Bucket", {"Tags": [{"Key": "a", "Value": "b"}]}),
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": TRUST}),
        "Model": (
            "SageMaker::Model",
            {
                "ExecutionRoleArn": role,
                "PrimaryContainer": {
                    "Image": SKLEARN,
                    "ModelDataUrl": model_url,
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                },
            },
        ),
        "Config": ("SageMaker::EndpointConfig", {"ProductionVariants": [variant]}),
        "Endpoint": (
            "SageMaker::Endpoint",
            {
                "EndpointName": "endpoint",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        ),
        "Group": ("SageMaker::FeatureGroup", GROUP),
        "Pipeline": (
            "SageMaker::Pipeline",
            {
                "PipelineName": "pipeline",
                "RoleArn": role,
                "PipelineDefinition": {"PipelineDefinitionBody": json.dumps(DEFINITION)},
            },
        ),
        "Registry": (
            "SageMaker::ModelPackageGroup",
            {"ModelPackageGroupName": "registry", "ModelPackageGroupPolicy": TRUST},
        ),
    }
    return {
        name: {"Type": f"AWS::{kind}", "Properties": properties}
        for name, (kind, properties) in resources.items()
    }


def test_a_platform_is_created_updated_rolled_back_and_deleted(cloud: Cloud, stack: Stack) -> None:
    bucket = cloud.bucket()

    def url(answer: str, code: str = CODE) -> str:
        files = {"code/inference.py": code.replace("{name}", answer)}
        return cloud.put(bucket, f"{answer}/model.tar.gz", archive(files))

    def invoke() -> str:
        answer = cloud.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="endpoint", Body=b"1", ContentType="text/csv"
        )
        return str(answer["Body"].read().decode())

    refs = {name: {"Value": {"Ref": name}} for name in ("Model", "Group", "Registry", "Pipeline")}
    assert stack.create(_platform(url("first")), Outputs=refs) == "CREATE_COMPLETE", stack.reasons()
    arn = f"arn:aws:sagemaker:us-east-1:{cloud.scope.account}"
    outputs = stack.outputs()
    assert (outputs["Group"], outputs["Pipeline"]) == ("group", "pipeline")
    assert outputs["Registry"] == f"{arn}:model-package-group/registry"
    assert outputs["Model"].startswith(f"{arn}:model/stack-model-")
    assert invoke() == "first"
    tags = cloud.client("s3").get_bucket_tagging(Bucket=stack.physical_ids()["Bucket"])["TagSet"]
    assert {"Key": "a", "Value": "b"} in tags

    before = stack.physical_ids()
    assert stack.update(_platform(url("second"))) == "UPDATE_COMPLETE", stack.reasons()
    after = stack.physical_ids()
    replaced = {name for name in before if before[name] != after[name]}
    assert replaced == {"Model", "Config"}
    assert invoke() == "second"
    assert len(cloud.call("ListEndpointConfigs")["EndpointConfigs"]) == 1
    assert len(cloud.call("ListModels")["Models"]) == 1

    broken = url("broken", "def model_fn(model_dir):\n    raise RuntimeError('no weights')\n")
    assert stack.update(_platform(broken)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "no weights" in stack.reasons()
    assert stack.physical_ids() == after
    assert invoke() == "second"
    assert len(cloud.call("ListModels")["Models"]) == 1

    assert stack.delete() == "DELETE_COMPLETE", stack.reasons()
    assert not cloud.sagemaker.store.records(cloud.scope)


def test_what_the_service_refuses_rolls_the_stack_back(cloud: Cloud, stack: Stack) -> None:
    wrong = {**GROUP, "EventTimeFeatureName": "when"}
    resources = {
        "Registry": {
            "Type": "AWS::SageMaker::ModelPackageGroup",
            "Properties": {"ModelPackageGroupName": "registry"},
        },
        "Group": {
            "Type": "AWS::SageMaker::FeatureGroup",
            "DependsOn": "Registry",
            "Properties": wrong,
        },
    }
    assert stack.create(resources) == "ROLLBACK_COMPLETE"
    assert "EventTime feature 'when' must be in the FeatureDefinitions" in stack.reasons()
    assert not cloud.sagemaker.store.records(cloud.scope)


def test_an_endpoint_that_fails_is_removed_with_its_stack(cloud: Cloud, stack: Stack) -> None:
    code = "def model_fn(model_dir):\n    raise RuntimeError('no weights')\n"
    url = cloud.put(cloud.bucket(), "m.tar.gz", archive({"code/inference.py": code}))
    names = ("Role", "Model", "Config", "Endpoint")
    resources = {name: _platform(url)[name] for name in names}
    assert stack.create(resources) == "ROLLBACK_COMPLETE"
    assert "no weights" in stack.reasons()
    until(lambda: not cloud.sagemaker.store.records(cloud.scope))


def test_a_feature_group_grows_in_place_and_never_shrinks(cloud: Cloud, stack: Stack) -> None:
    def resources(*features: dict[str, str]) -> dict[str, Any]:
        definitions = [*GROUP["FeatureDefinitions"], *features]
        properties = {**GROUP, "FeatureDefinitions": definitions}
        return {"Group": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": properties}}

    age = {"FeatureName": "age", "FeatureType": "Integral"}
    assert stack.create(resources()) == "CREATE_COMPLETE"
    created = cloud.call("DescribeFeatureGroup", FeatureGroupName="group")["CreationTime"]
    assert stack.update(resources(age)) == "UPDATE_COMPLETE"
    described = cloud.call("DescribeFeatureGroup", FeatureGroupName="group")
    assert (described["FeatureDefinitions"][-1], described["CreationTime"]) == (age, created)
    assert stack.update(resources()) == "UPDATE_ROLLBACK_COMPLETE"
    assert "Features cannot be removed, changed or reordered: age" in stack.reasons()


def test_a_replacement_under_the_same_name_collides(cloud: Cloud, stack: Stack) -> None:
    resources = {"Group": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": GROUP}}
    assert stack.create(resources) == "CREATE_COMPLETE"
    changed = {**GROUP, "Description": "other"}
    resources = {"Group": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": changed}}
    assert stack.update(resources) == "UPDATE_ROLLBACK_COMPLETE"
    assert "already exists" in stack.reasons()
    assert cloud.call("DescribeFeatureGroup", FeatureGroupName="group")


def test_references_of_studio_types(cloud: Cloud, stack: Stack) -> None:
    role = "arn:aws:iam::123456789012:role/r-execution"
    domain = {"Fn::GetAtt": ["Domain", "DomainId"]}
    resources = {
        "Domain": {
            "Type": "AWS::SageMaker::Domain",
            "Properties": {
                "DomainName": "domain",
                "AuthMode": "IAM",
                "DefaultUserSettings": {"ExecutionRole": role},
            },
        },
        "Profile": {
            "Type": "AWS::SageMaker::UserProfile",
            "Properties": {"DomainId": domain, "UserProfileName": "ann"},
        },
        "Space": {
            "Type": "AWS::SageMaker::Space",
            "Properties": {"DomainId": domain, "SpaceName": "room"},
        },
    }
    refs = {name: {"Value": {"Ref": name}} for name in resources}
    space_arn = {"Value": {"Fn::GetAtt": ["Space", "SpaceArn"]}}
    status = stack.create(resources, Outputs={**refs, "SpaceArn": space_arn})
    assert status == "CREATE_COMPLETE", stack.reasons()
    outputs = stack.outputs()
    identifier = outputs["Domain"]
    assert outputs["Space"] == f"{identifier}|room"
    assert outputs["Profile"] == f"ann|{identifier}"
    assert outputs["SpaceArn"].endswith(f":space/{identifier}/room")
    assert stack.delete() == "DELETE_COMPLETE", stack.reasons()


def test_a_model_package_is_approved_in_place(cloud: Cloud, stack: Stack) -> None:
    def resources(status: str) -> dict[str, Any]:
        specification = {
            "Containers": [{"Image": SKLEARN}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        }
        return {
            "Registry": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                "Properties": {"ModelPackageGroupName": "registry"},
            },
            "Package": {
                "Type": "AWS::SageMaker::ModelPackage",
                "DependsOn": "Registry",
                "Properties": {
                    "ModelPackageGroupName": "registry",
                    "ModelApprovalStatus": status,
                    "InferenceSpecification": specification,
                },
            },
        }

    outputs = {"Package": {"Value": {"Ref": "Package"}}}
    assert stack.create(resources("PendingManualApproval"), Outputs=outputs) == "CREATE_COMPLETE"
    arn = stack.outputs()["Package"]
    assert arn.endswith(":model-package/registry/1")
    assert stack.update(resources("Approved"), Outputs=outputs) == "UPDATE_COMPLETE"
    assert stack.outputs()["Package"] == arn
    described = cloud.call("DescribeModelPackage", ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "Approved"
    assert stack.delete() == "DELETE_COMPLETE", stack.reasons()


def test_network_and_operations(cloud: Cloud, stack: Stack) -> None:
    vpc = {"Ref": "Vpc"}
    schedule_target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution",
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "Input": "{}",
    }
    resources: dict[str, tuple[str, dict[str, Any]]] = {
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": TRUST}),
        "Vpc": ("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "Subnet": ("EC2::Subnet", {"VpcId": vpc, "CidrBlock": "10.0.0.0/24"}),
        "Address": ("EC2::EIP", {"Domain": "vpc"}),
        "Nat": (
            "EC2::NatGateway",
            {
                "SubnetId": {"Ref": "Subnet"},
                "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
            },
        ),
        "FlowLog": (
            "EC2::FlowLog",
            {
                "ResourceId": vpc,
                "ResourceType": "VPC",
                "TrafficType": "ALL",
                "LogGroupName": "flow",
                "DeliverLogsPermissionArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        ),
        "Security": ("EC2::SecurityGroup", {"GroupDescription": "d", "VpcId": vpc}),
        "Ingress": (
            "EC2::SecurityGroupIngress",
            {
                "GroupId": {"Fn::GetAtt": ["Security", "GroupId"]},
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "CidrIp": {"Fn::GetAtt": ["Vpc", "CidrBlock"]},
            },
        ),
        "Alarm": (
            "CloudWatch::Alarm",
            {
                "AlarmName": "alarm",
                "Namespace": "n",
                "MetricName": "m",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanThreshold",
            },
        ),
        "Composite": (
            "CloudWatch::CompositeAlarm",
            {"AlarmRule": {"Fn::Sub": 'ALARM("${Alarm}")'}},
        ),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "ScheduleExpression": "rate(1 day)",
                "ScheduleExpressionTimezone": "Europe/Berlin",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": schedule_target,
            },
        ),
        "Budget": (
            "Budgets::Budget",
            {
                "Budget": {
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": {"Amount": 10, "Unit": "USD"},
                }
            },
        ),
        "Grant": (
            "LakeFormation::PrincipalPermissions",
            {
                "Principal": {"DataLakePrincipalIdentifier": {"Fn::GetAtt": ["Role", "Arn"]}},
                "Resource": {"Database": {"CatalogId": cloud.scope.account, "Name": "d"}},
                "Permissions": ["DESCRIBE"],
                "PermissionsWithGrantOption": [],
            },
        ),
    }
    template = {
        name: {"Type": f"AWS::{kind}", "Properties": properties}
        for name, (kind, properties) in resources.items()
    }
    assert stack.create(template) == "CREATE_COMPLETE", stack.reasons()
    schedule = cloud.client("scheduler").get_schedule(Name=stack.physical_ids()["Schedule"])
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert cloud.client("ec2").describe_flow_logs()["FlowLogs"]
    composites = cloud.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])
    assert composites["CompositeAlarms"][0]["AlarmRule"] == 'ALARM("alarm")'
    assert stack.delete() == "DELETE_COMPLETE", stack.reasons()
    assert not cloud.client("ec2").describe_flow_logs()["FlowLogs"]
    assert not cloud.client("lakeformation").list_permissions()["PrincipalResourcePermissions"]


def test_conditions_on_pseudo_parameters_and_on_ssm_parameters(cloud: Cloud, stack: Stack) -> None:
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/model", Value="none", Type="String")
    group = {"Type": "AWS::SageMaker::ModelPackageGroup"}
    resources = {
        "Here": {**group, "Condition": "Here", "Properties": {"ModelPackageGroupName": "here"}},
        "Model": {
            **group,
            "Condition": "HasModel",
            "Properties": {"ModelPackageGroupName": {"Ref": "Name"}},
        },
    }
    sections = {
        "Parameters": {"Name": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/model"}},
        "Conditions": {
            "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
            "HasModel": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, "none"]}]},
        },
    }
    assert stack.create(resources, **sections) == "CREATE_COMPLETE", stack.reasons()
    assert set(stack.physical_ids()) == {"Here"}
    ssm.put_parameter(Name="/model", Value="approved", Type="String", Overwrite=True)
    stack.client.update_stack(
        StackName="stack",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Name", "UsePreviousValue": True}],
    )
    assert stack.settled() == "UPDATE_COMPLETE", stack.reasons()
    assert stack.physical_ids()["Model"].endswith("/approved")
