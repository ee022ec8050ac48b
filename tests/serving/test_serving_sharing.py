"""A registry in one account, an endpoint in another: who lets whom in, what starts a release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr, aws_kms as kms, aws_s3 as s3

from mlops_constructs import (
    ApprovalBus,
    ApprovedModelParameter,
    ModelRegistry,
    ModelRelease,
    RegistryAccount,
    RegistrySharing,
    ValidationError,
)
from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.rules import check_template
from tests.serving.fixture import faults, lint_findings
from tests.support import feature_flags, nag_findings, template_of

HERE, THERE = "111122223333", "444455556666"


@dataclass
class Deployed:
    registry: Mapping[str, Any]
    serving: Mapping[str, Any]
    findings: list[str]


def _all(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == f"AWS::{kind}"
    ]


def _app() -> cdk.App:
    return cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    app = _app()
    central = cdk.Stack(app, "Central", env=cdk.Environment(account=HERE, region="eu-west-1"))
    key = kms.Key(central, "Key", enable_key_rotation=True)
    registry = ModelRegistry(central, "Registry", model_package_group_name="churn")
    registry.grant_deploy(
        THERE,
        buckets=[secure_bucket(central, "Models", encryption_key=key)],
        repositories=[
            ecr.Repository(
                central,
                "Image",
                encryption_key=key,
                encryption=ecr.RepositoryEncryption.KMS,
                image_scan_on_push=True,
            )
        ],
    )
    prod = cdk.Stack(app, "Prod", env=cdk.Environment(account=THERE, region="eu-west-1"))
    parameter = ApprovedModelParameter(prod, "Approved", model_package_group_name="churn")
    bus = ApprovalBus(prod, "Bus", model_package_group_name="churn", registry_account=HERE)
    ModelRelease(
        prod,
        "Release",
        model_package_group_name="churn",
        parameter_name=parameter.parameter_name,
        stack="Serving",
        registry=RegistryAccount(account=HERE, event_bus=bus.event_bus),
        encryption_key=kms.Key(prod, "Key", enable_key_rotation=True),
    )
    findings = nag_findings(app)
    return Deployed(template_of(central).to_json(), template_of(prod).to_json(), findings)


def test_no_finding_of_any_checker(deployed: Deployed) -> None:
    assert deployed.findings == []
    for template in (deployed.registry, deployed.serving):
        assert check_template(template, region="eu-west-1") == []


@pytest.mark.slow
def test_cfn_lint_has_no_finding(deployed: Deployed) -> None:
    for template in (deployed.registry, deployed.serving):
        assert lint_findings(template) == []


def test_the_group_lets_the_other_account_describe(deployed: Deployed) -> None:
    (group,) = _all(deployed.registry, "SageMaker::ModelPackageGroup")
    (statement,) = group["ModelPackageGroupPolicy"]["Statement"]
    assert json.dumps(statement["Principal"]).count(THERE) == 1
    assert statement["Action"] == [
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:ListModelPackages",
    ]


def test_bucket_key_and_repository_let_it_read(deployed: Deployed) -> None:
    (bucket,) = _all(deployed.registry, "S3::BucketPolicy")
    (key,) = _all(deployed.registry, "KMS::Key")
    (image,) = _all(deployed.registry, "ECR::Repository")
    allowed = {
        action
        for document in (
            bucket["PolicyDocument"],
            key["KeyPolicy"],
            image["RepositoryPolicyText"],
        )
        for statement in document["Statement"]
        if THERE in json.dumps(statement.get("Principal"))
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert allowed == {
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:DescribeKey",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    }


def test_approvals_are_passed_on_to_the_bus_of_the_other_account(deployed: Deployed) -> None:
    (rule,) = _all(deployed.registry, "Events::Rule")
    assert rule["EventPattern"]["detail"]["ModelApprovalStatus"] == ["Approved"]
    (target,) = rule["Targets"]
    assert f":events:eu-west-1:{THERE}:event-bus/churn-approvals" in json.dumps(target["Arn"])
    assert "RoleArn" in target
    (bus,) = _all(deployed.serving, "Events::EventBus")
    assert bus["Name"] == "churn-approvals"
    (policy,) = _all(deployed.serving, "Events::EventBusPolicy")
    statement = policy["Statement"]
    assert HERE in json.dumps(statement["Principal"])
    assert statement["Condition"] == {"StringEquals": {"events:source": "aws.sagemaker"}}


def test_the_release_listens_there_and_describes_the_others_package(deployed: Deployed) -> None:
    rules = _all(deployed.serving, "Events::Rule")
    (rule,) = (rule for rule in rules if "EventBusName" in rule)
    assert rule["EventPattern"]["account"] == [HERE]
    statements = [
        statement
        for policy in _all(deployed.serving, "IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    (found,) = (
        s["Resource"] for s in statements if "DescribeModelPackage" in json.dumps(s["Action"])
    )
    assert f":sagemaker:eu-west-1:{HERE}:model-package/churn/*" in json.dumps(found)
    (parameter,) = (
        resource
        for resource in deployed.serving["Resources"].values()
        if resource["Type"] == "Custom::ApprovedModelParameter"
    )
    assert "/mlops/churn/approved-model" in parameter["Properties"]["Create"]


def test_what_cannot_be_shared_from_here_warns() -> None:
    app = _app()
    stack = cdk.Stack(app, "Central", env=cdk.Environment(account=HERE, region="eu-west-1"))
    registry = ModelRegistry(stack, "Registry", model_package_group_name="churn")
    RegistrySharing(
        stack,
        "Sharing",
        group=registry.resource,
        accounts=[THERE],
        buckets=[s3.Bucket.from_bucket_name(stack, "Elsewhere", "models")],
    )
    warnings = cdk.assertions.Annotations.from_stack(stack).find_warning(
        "*", cdk.assertions.Match.string_like_regexp("cannot be changed from here")
    )
    assert warnings


def test_refuses_what_is_no_account() -> None:
    stack = cdk.Stack(_app(), "Central")
    registry = ModelRegistry(stack, "Registry", model_package_group_name="churn")
    with pytest.raises(ValidationError) as raised:
        RegistrySharing(stack, "Sharing", group=registry.resource, accounts=["prod"], buckets=[])
    assert faults(raised.value) == ["accounts", "buckets"]
    registry.grant_deploy(THERE, buckets=[s3.Bucket(stack, "Models")])
    with pytest.raises(ValidationError) as raised:
        registry.grant_deploy(HERE, buckets=[s3.Bucket(stack, "More")])
    assert faults(raised.value) == ["grant_deploy"]
    with pytest.raises(ValidationError) as raised:
        ApprovalBus(stack, "Bus", model_package_group_name="Churn_", registry_account="1")
    assert faults(raised.value) == ["model_package_group_name", "registry_account"]
    with pytest.raises(ValidationError) as raised:
        ApprovedModelParameter(
            stack, "Parameter", model_package_group_name="churn", parameter_name="approved"
        )
    assert faults(raised.value) == ["parameter_name"]
