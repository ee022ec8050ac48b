"""The model registry: a group that stays, and a parameter that is never overwritten."""

from __future__ import annotations

import json
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam, aws_kms as kms, aws_sns as sns
from aws_cdk.aws_events_targets import SnsTopic

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.registry import ModelRegistry
from tests.support import nag_findings, new_stack, resources_of, template_of

PARAMETER = "/mlops/census-dev/approved-model"


@pytest.fixture
def stack() -> cdk.Stack:
    return new_stack()


def registry(stack: cdk.Stack, **arguments: Any) -> ModelRegistry:
    given: dict[str, Any] = {"model_package_group_name": "census-dev"}
    return ModelRegistry(stack, "Registry", **(given | arguments))


def test_group_is_kept(stack: cdk.Stack) -> None:
    made = registry(stack, description="Models of the census")
    (group,) = resources_of(stack, "AWS::SageMaker::ModelPackageGroup").values()
    assert group["Properties"] == {
        "ModelPackageGroupName": "census-dev",
        "ModelPackageGroupDescription": "Models of the census",
    }
    assert group["UpdateReplacePolicy"] == "Retain"
    assert group["DeletionPolicy"] == "RetainExceptOnCreate", "a failed deployment leaves nothing"
    assert made.model_package_group_name == "census-dev"


def test_parameter_is_made_once_and_never_overwritten(stack: cdk.Stack) -> None:
    made = registry(stack)
    assert made.approved_model_parameter_name == PARAMETER
    assert resources_of(stack, "AWS::SSM::Parameter") == {}
    (resource,) = resources_of(stack, "Custom::ApprovedModelParameter").values()
    calls = {
        event: json.loads(resource["Properties"][event])
        for event in ("Create", "Update", "Delete")
        if event in resource["Properties"]
    }
    assert calls.keys() == {"Create", "Update"}
    for call in calls.values():
        assert call["action"] == "PutParameter"
        assert call["parameters"]["Overwrite"] is False
        assert call["parameters"]["Value"] == "none"
        assert call["parameters"]["Name"] == PARAMETER
        assert call["ignoreErrorCodesMatching"] == "ParameterAlreadyExists"


def test_no_findings(stack: cdk.Stack) -> None:
    made = registry(stack)
    topic = sns.Topic(stack, "Topic", enforce_ssl=True)
    cdk.Validations.of(topic).acknowledge(
        cdk.Acknowledgment(id="NIST.800.53.R5-SNSEncryptedKMS", reason="of the test")
    )
    made.on_approved("Approved", SnsTopic(topic))
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
    made.grant_read_versions(role)
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(id="NIST.800.53.R5-IAMNoInlinePolicy", reason="of the test")
    )
    assert nag_findings(stack) == []


def test_events_of_this_group_only(stack: cdk.Stack) -> None:
    made = registry(stack)
    made.on_approved("Approved")
    made.on_rejected("Rejected")
    rules = resources_of(stack, "AWS::Events::Rule")
    for status in ("Approved", "Rejected"):
        (rule,) = (rule for name, rule in rules.items() if name.startswith(f"Registry{status}"))
        assert rule["Properties"]["EventPattern"] == {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Package State Change"],
            "detail": {
                "ModelPackageGroupName": ["census-dev"],
                "ModelApprovalStatus": [status],
                # Not those of a version that has the status already and whose metadata changed.
                "UpdatedModelPackageFields": [{"exists": False}, "ModelApprovalStatus"],
            },
        }


_GRANTS = {
    "grant_register": {
        "sagemaker:AddTags",
        "sagemaker:CreateModelPackage",
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
    },
    "grant_approve": {
        "sagemaker:DescribeModelPackage",
        "sagemaker:ListModelPackages",
        "sagemaker:UpdateModelPackage",
    },
    "grant_read_versions": {
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:ListModelPackages",
        "ssm:GetParameter",
        "ssm:GetParameters",
    },
    "grant_release": {"ssm:GetParameter", "ssm:PutParameter"},
}


def test_grants(stack: cdk.Stack) -> None:
    made = registry(stack)
    roles = {grant: f"Role{number}" for number, grant in enumerate(_GRANTS)}
    for grant, name in roles.items():
        role = iam.Role(stack, name, assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        getattr(made, grant)(role)
    policies = resources_of(stack, "AWS::IAM::Policy")
    for grant, actions in _GRANTS.items():
        (policy,) = (
            policy["Properties"]["PolicyDocument"]["Statement"]
            for name, policy in policies.items()
            if name.startswith(roles[grant])
        )
        assert _actions(policy) == actions
        assert "Resource::*" not in str(policy)


def _actions(statements: list[dict[str, Any]]) -> set[str]:
    given = [statement["Action"] for statement in statements]
    return {action for each in given for action in ([each] if isinstance(each, str) else each)}


def test_approving_a_version_and_approving_it_for_a_stage_are_two_rights(stack: cdk.Stack) -> None:
    made = registry(stack)
    reviewer, lead = (
        iam.Role(stack, name, assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        for name in ("Reviewer", "Lead")
    )
    made.grant_approve(reviewer)
    made.grant_approve_stage(lead, "Production")
    topic = sns.Topic(stack, "Topic")
    for refused in (
        lambda: made.grant_approve_stage(lead, "in production"),
        lambda: made.ask_for_approval("Ask", topic=topic, stage="-"),
    ):
        with pytest.raises(ValidationError, match="1 to 63 letters"):
            refused()
    conditions = {
        name[:4]: statement["Condition"]
        for name, policy in resources_of(stack, "AWS::IAM::Policy").items()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sagemaker:UpdateModelPackage" in statement["Action"]
    }
    assert conditions == {
        "Revi": {"Null": {"sagemaker:ModelLifeCycle:stage": "true"}},
        "Lead": {
            "StringEquals": {"sagemaker:ModelLifeCycle:stage": "Production"},
            "Null": {"sagemaker:ModelApprovalStatus": "true"},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"model_package_group_name": "Census"}, "model_package_group_name"),
        ({"model_package_group_name": "x" * 64}, "model_package_group_name"),
        ({"model_package_group_name": cdk.Aws.STACK_NAME}, "model_package_group_name"),
        ({"description": "x" * 1025}, "description"),
        ({"approved_model_parameter_name": "approved"}, "approved_model_parameter_name"),
        ({"approved_model_parameter_name": "/aws/approved"}, "approved_model_parameter_name"),
        ({"approved_model_parameter_name": "/a b"}, "approved_model_parameter_name"),
    ],
)
def test_bad_input(stack: cdk.Stack, arguments: dict[str, str], what: str) -> None:
    with pytest.raises(ValidationError) as refused:
        registry(stack, **arguments)
    assert {problem.what for problem in refused.value.problems} >= {what}


def test_wrong_types_are_refused_by_the_name_of_the_argument(stack: cdk.Stack) -> None:
    group = registry(stack)
    key: Any = kms.Key(stack, "Key", enable_key_rotation=True)
    wrong: Any = {
        "accounts": lambda: group.grant_deploy(cast("Any", 123456789012), buckets=[]),
        "buckets": lambda: group.grant_deploy("123456789012", buckets=cast("Any", ["models"])),
        "minimum": lambda: group.approve_when(
            "Text", minimum=cast("Any", {"auc": "0.9"}), encryption_key=key
        ),
        "minimum['auc'] and maximum['auc']": lambda: group.approve_when(
            "Never", minimum={"auc": 0.9}, maximum={"auc": 0.8}, encryption_key=key
        ),
    }
    for what, use in wrong.items():
        with pytest.raises(ValidationError) as refused:
            use()
        assert what in {problem.what for problem in refused.value.problems}
        group.node.try_remove_child("Deploy")


def test_two_registries_share_a_function(stack: cdk.Stack) -> None:
    registry(stack)
    ModelRegistry(stack, "Other", model_package_group_name="other-dev")
    template_of(stack).resource_count_is("AWS::Lambda::Function", 1)
    assert nag_findings(stack) == []
