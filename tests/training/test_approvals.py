"""Approval by people and by rule, the audit trail, and groups that are there already."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam, aws_kms as kms, aws_sns as sns

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.registry import ModelRegistry
from tests.support import nag_findings, new_stack, resources_of, template_of


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    """One stack with everything; tests read it."""
    stack = new_stack()
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    topic = sns.Topic(stack, "Topic", master_key=key, enforce_ssl=True)
    registry = ModelRegistry(stack, "Registry", model_package_group_name="census-dev")
    registry.ask_for_approval("Ask", topic=topic)
    registry.ask_for_approval("Promote", topic=topic, stage="Production")
    registry.approve_when(
        "Good", minimum={"auc": 0.93}, maximum={"bias-violations": 0}, encryption_key=key
    )
    registry.add_audit_trail("Audit", encryption_key=key)
    return stack


def _rules(stack: cdk.Stack) -> dict[str, Any]:
    return {
        name: rule["Properties"] for name, rule in resources_of(stack, "AWS::Events::Rule").items()
    }


def _rule(stack: cdk.Stack, start: str) -> Any:
    (found,) = (rule for name, rule in _rules(stack).items() if name.startswith(start))
    return found


def test_people_are_told_how_to_approve_and_reject(stack: cdk.Stack) -> None:
    rule = _rule(stack, "RegistryAsk")
    assert rule["EventPattern"]["detail"] == {
        "ModelPackageGroupName": ["census-dev"],
        "ModelApprovalStatus": ["PendingManualApproval"],
        "UpdatedModelPackageFields": [{"exists": False}, "ModelApprovalStatus"],
    }
    message = json.dumps(rule["Targets"][0]["InputTransformer"]["InputTemplate"])
    assert "--model-package-arn <detail-ModelPackageArn>" in message
    assert "--model-approval-status Approved" in message
    assert "--model-approval-status Rejected" in message


def test_people_are_asked_about_a_stage(stack: cdk.Stack) -> None:
    rule = _rule(stack, "RegistryPromote")
    detail = rule["EventPattern"]["detail"]
    assert detail["ModelLifeCycle"] == {"Stage": ["Production"], "StageStatus": ["PendingApproval"]}
    assert detail["ModelApprovalStatus"] == ["Approved"], "what is not good enough is not asked for"
    message = json.dumps(rule["Targets"][0]["InputTransformer"]["InputTemplate"])
    assert "waits for approval for Production" in message
    assert "--model-life-cycle Stage=Production,StageStatus=Approved" in message


def test_a_rule_may_change_versions_of_this_group_only(stack: cdk.Stack) -> None:
    statements = [
        statement
        for policy in resources_of(stack, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sagemaker:UpdateModelPackage" in statement["Action"]
    ]
    (statement,) = statements
    assert "model-package/census-dev/*" in json.dumps(statement["Resource"])
    (machine,) = resources_of(stack, "AWS::StepFunctions::StateMachine").values()
    definition = json.dumps(machine["Properties"]["DefinitionString"])
    assert "By rule: auc >= 0.93, bias-violations <= 0" in definition


def test_the_audit_trail_holds_changes_and_who_made_them(stack: cdk.Stack) -> None:
    (group,) = (
        each
        for each in resources_of(stack, "AWS::Logs::LogGroup").values()
        if "/aws/events/model-registry/census-dev" in json.dumps(each["Properties"])
    )
    name = json.dumps(group["Properties"]["LogGroupName"])
    assert "AWS::StackId" in name, "what one stack leaves is not in the way of the next"
    assert group["DeletionPolicy"] == "Retain"
    assert group["Properties"]["KmsKeyId"]
    assert group["Properties"]["RetentionInDays"] == 3653
    (policy,) = resources_of(stack, "AWS::Logs::ResourcePolicy").values()
    assert "events.amazonaws.com" in json.dumps(policy["Properties"]["PolicyDocument"])
    changes = _rule(stack, "RegistryAuditChanges")
    assert changes["EventPattern"]["detail"] == {"ModelPackageGroupName": ["census-dev"]}
    calls = _rule(stack, "RegistryAuditCalls")
    assert calls["EventPattern"]["detail-type"] == ["AWS API Call via CloudTrail"]
    assert "UpdateModelPackage" in calls["EventPattern"]["detail"]["eventName"]
    for rule in (changes, calls):
        arn = json.dumps(rule["Targets"][0]["Arn"])
        assert ":log-group:" in arn
        assert not arn.endswith(':*"]]}'), "EventBridge takes the group's ARN without a star"


def test_no_findings(stack: cdk.Stack) -> None:
    assert nag_findings(stack) == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "without one every version would be approved"),
        ({"minimum": {"auc": float("nan")}}, r"minimum\['auc'\]: got nan"),
        ({"maximum": {"it's": 1.0}}, "for a key of the versions' customer metadata"),
    ],
)
def test_rules_that_cannot_be(limits: dict[str, Any], said: str) -> None:
    stack = new_stack()
    registry = ModelRegistry(stack, "Registry", model_package_group_name="census-dev")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/1")
    with pytest.raises(ValidationError, match=said):
        registry.approve_when("Good", encryption_key=key, **limits)


def test_a_group_that_is_there_is_adopted() -> None:
    stack = new_stack()
    registry = ModelRegistry(stack, "Registry", model_package_group_name="census-dev", adopt=True)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    registry.grant_register(role)
    registry.on_approved("Approved")
    template = template_of(stack).to_json()
    types = {each["Type"] for each in template["Resources"].values()}
    assert "AWS::SageMaker::ModelPackageGroup" not in types
    assert ":model-package-group/census-dev" in json.dumps(template)
    with pytest.raises(ValidationError, match=r"resource: got 'adopt=True'.*cdk import"):
        _ = registry.resource
