"""A registry in one account, an endpoint in another: who lets whom in, what starts a release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr, aws_kms as kms, aws_s3 as s3, aws_sns as sns

from mlops_constructs import (
    ApprovalBus,
    ApprovedModelParameter,
    ModelRegistry,
    ModelRelease,
    RegistryAccount,
    RegistrySharing,
    StageAccount,
    ValidationError,
)
from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.rules import check_template
from tests.serving.fixture import faults, lint_findings
from tests.support import feature_flags, nag_findings, template_of

HERE, THERE, PROD = "111122223333", "444455556666", "777788889999"


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
        StageAccount(account=PROD, stage="Production"),
        notify=sns.Topic(central, "People", master_key=key, enforce_ssl=True),
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
    key = kms.Key(prod, "Key", enable_key_rotation=True)
    for stage in (None, "Production"):
        ModelRelease(
            prod,
            f"Release{stage or ''}",
            model_package_group_name="churn",
            parameter_name=parameter.parameter_name,
            stack="Serving",
            registry=RegistryAccount(account=HERE, event_bus=bus.event_bus),
            stage=stage,
            encryption_key=key,
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
    (found,) = _all(deployed.registry, "SageMaker::ModelPackageGroup")
    group, versions = found["ModelPackageGroupPolicy"]["Statement"]
    for statement in (group, versions):
        principals = json.dumps(statement["Principal"])
        assert (principals.count(THERE), principals.count(PROD)) == (1, 1)
    assert "model-package-group/churn" in json.dumps(group["Resource"])
    assert "model-package/churn/*" in json.dumps(versions["Resource"])
    # AWS checks CreateModel on the version, too, when the version is of another account.
    assert versions["Action"] == [
        "sagemaker:CreateModel",
        "sagemaker:DescribeModelPackage",
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
    rules = {each["Description"]: each for each in _all(deployed.registry, "Events::Rule")}
    rule = rules[f"Approvals of churn for {THERE}"]
    detail = rule["EventPattern"]["detail"]
    assert detail["ModelApprovalStatus"] == ["Approved"]
    assert "ModelLifeCycle" not in detail
    (target,) = rule["Targets"]
    assert f":events:eu-west-1:{THERE}:event-bus/churn-approvals" in json.dumps(target["Arn"])
    assert "RoleArn" in target
    (bus,) = _all(deployed.serving, "Events::EventBus")
    assert bus["Name"] == "churn-approvals"
    (policy,) = _all(deployed.serving, "Events::EventBusPolicy")
    statement = policy["Statement"]
    assert HERE in json.dumps(statement["Principal"])
    assert statement["Condition"] == {"StringEquals": {"events:source": "aws.sagemaker"}}


def test_an_account_of_a_stage_hears_of_its_stage(deployed: Deployed) -> None:
    rules = {each["Description"]: each for each in _all(deployed.registry, "Events::Rule")}
    rule = rules[f"Approvals of churn for {PROD}"]
    assert rule["EventPattern"]["detail"] == {
        "ModelPackageGroupName": ["churn"],
        "ModelApprovalStatus": ["Approved"],
        "ModelLifeCycle": {"Stage": ["Production"], "StageStatus": ["Approved"]},
        "UpdatedModelPackageFields": [
            {"exists": False},
            "ModelApprovalStatus",
            "ModelLifeCycle",
        ],
    }
    (target,) = rule["Targets"]
    assert f":events:eu-west-1:{PROD}:event-bus/churn-approvals" in json.dumps(target["Arn"])


def test_an_approval_that_gets_lost_is_told(deployed: Deployed) -> None:
    alarms = _all(deployed.registry, "CloudWatch::Alarm")
    rules = {
        name: resource["Properties"]["Description"]
        for name, resource in deployed.registry["Resources"].items()
        if resource["Type"] == "AWS::Events::Rule"
    }
    watched = set()
    for alarm in alarms:
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Events", "FailedInvocations")
        [dimension] = alarm["Dimensions"]
        watched.add(rules[dimension["Value"]["Ref"]])
        assert alarm["AlarmActions"]
    assert watched == {f"Approvals of churn for {account}" for account in (THERE, PROD)}
    (key,) = _all(deployed.registry, "KMS::Key")
    assert "cloudwatch.amazonaws.com" in json.dumps(key["KeyPolicy"])


def test_a_release_of_a_stage_listens_to_it_and_asks_again(deployed: Deployed) -> None:
    rules = _all(deployed.serving, "Events::Rule")
    (rule,) = (rule for rule in rules if "ModelLifeCycle" in rule["EventPattern"]["detail"])
    assert rule["EventPattern"]["account"] == [HERE]
    assert rule["EventPattern"]["detail"]["ModelLifeCycle"]["Stage"] == ["Production"]
    (asked,) = (
        definition
        for machine in _all(deployed.serving, "StepFunctions::StateMachine")
        if "ModelLifeCycle" in (definition := json.dumps(machine["DefinitionString"]))
    )
    assert "ModelLifeCycle.Stage = 'Production'" in asked


def test_the_release_listens_there_and_describes_the_others_package(deployed: Deployed) -> None:
    rules = _all(deployed.serving, "Events::Rule")
    (rule,) = (rule for rule in rules if "ModelLifeCycle" not in rule["EventPattern"]["detail"])
    assert "EventBusName" in rule
    assert rule["EventPattern"]["account"] == [HERE]
    statements = [
        statement
        for policy in _all(deployed.serving, "IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    found = [s["Resource"] for s in statements if "DescribeModelPackage" in json.dumps(s["Action"])]
    assert len(found) == 2
    for each in found:
        assert f":sagemaker:eu-west-1:{HERE}:model-package/churn/*" in json.dumps(each)
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
        RegistrySharing(
            stack,
            "Sharing",
            group=registry.resource,
            accounts=["prod", 5],  # type: ignore[list-item]  # the mistake
            buckets=[],
        )
    assert faults(raised.value) == ["accounts", "buckets"]
    twice: list[str | StageAccount] = [THERE, StageAccount(account=THERE, stage="prod 1")]
    with pytest.raises(ValidationError) as raised:
        RegistrySharing(
            stack, "Twice", group=registry.resource, accounts=twice, buckets=[s3.Bucket(stack, "B")]
        )
    assert faults(raised.value) == ["accounts", "stage"]
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
