"""What personas may do: read off the policies as they are deployed."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk import aws_iam as iam

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import DataScientist, MlEngineer, Persona, SecureVpcDomain
from tests.support import new_stack, resources_of

Statement = dict[str, Any]
SCIENTIST, ENGINEER, JOBS = "datascientist", "mlengineer", "JobRole"


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    SecureVpcDomain(stack, "Studio", domain_name="census-dev")
    return stack


def statements(stack: cdk.Stack, role: str) -> list[Statement]:
    """All statements of one role, those of overflow policies included."""
    policies = resources_of(stack, "AWS::IAM::Policy") | resources_of(
        stack, "AWS::IAM::ManagedPolicy"
    )
    return [
        statement
        for policy in policies.values()
        if any(role in held["Ref"] for held in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def about(stack: cdk.Stack, role: str, action: str) -> list[Statement]:
    return [s for s in statements(stack, role) if action in listed(s["Action"])]


@pytest.mark.parametrize("role", [SCIENTIST, ENGINEER])
@pytest.mark.parametrize(
    "action", ["CreateTrainingJob", "CreateProcessingJob", "CreateHyperParameterTuningJob"]
)
def test_jobs_are_held_to_network_key_instances_and_isolation(
    stack: cdk.Stack, role: str, action: str
) -> None:
    [statement] = about(stack, role, f"sagemaker:{action}")
    conditions = statement["Condition"]
    key = {
        "Fn::GetAtt": [conditions["ArnEquals"]["sagemaker:VolumeKmsKey"]["Fn::GetAtt"][0], "Arn"]
    }
    assert conditions["ArnEquals"] == {
        "sagemaker:VolumeKmsKey": key,
        "sagemaker:OutputKmsKey": key,
    }
    assert conditions["Bool"] == {"sagemaker:NetworkIsolation": "true"}
    allowed = conditions["ForAllValues:StringEquals"]
    assert len(allowed["sagemaker:VpcSubnets"]) == 2
    [group] = allowed["sagemaker:VpcSecurityGroupIds"]
    assert "JobGroup" in group["Fn::GetAtt"][0]
    assert conditions["ForAllValues:StringLike"] == {
        "sagemaker:InstanceTypes": ["ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge"]
    }


@pytest.mark.parametrize("role", [SCIENTIST, ENGINEER])
def test_a_list_key_that_is_left_out_is_refused(stack: cdk.Stack, role: str) -> None:
    for statement in statements(stack, role):
        conditions = statement.get("Condition", {})
        for operator, keys in conditions.items():
            if not operator.startswith("ForAllValues:"):
                continue
            for key in keys:
                in_own_space = "sagemaker:OwnerUserProfileArn" in conditions.get("ArnLike", {})
                assert in_own_space or conditions["Null"][key] == "false", statement["Action"]


#: Keys that the actions of the guards lack (service authorization reference).
LACKING = {
    "sagemaker:CreateAutoMLJob": {"InstanceTypes", "NetworkIsolation"},
    "sagemaker:CreateTransformJob": {"VpcSubnets", "VpcSecurityGroupIds", "NetworkIsolation"},
    "sagemaker:CreateModel": {"InstanceTypes", "VolumeKmsKey", "OutputKmsKey"},
    "sagemaker:CreateEndpointConfig": {"OutputKmsKey"},
}


@pytest.mark.parametrize("action", LACKING)
def test_no_condition_on_a_key_that_the_action_lacks(stack: cdk.Stack, action: str) -> None:
    found = about(stack, ENGINEER, action)
    assert found
    for statement in found:
        keys = {key for group in statement["Condition"].values() for key in group}
        assert not keys & {f"sagemaker:{key}" for key in LACKING[action]}


def test_roles_are_passed_by_name_to_sagemaker_only(stack: cdk.Stack) -> None:
    for role in (SCIENTIST, ENGINEER):
        [statement] = about(stack, role, "iam:PassRole")
        assert JOBS in statement["Resource"]["Fn::GetAtt"][0]
        assert statement["Condition"] == {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        }


def test_only_given_job_roles_are_passed() -> None:
    stack = new_stack()
    own = iam.Role(stack, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    studio = SecureVpcDomain(
        stack, "Studio", domain_name="x", personas=(DataScientist(job_roles=(own,)),)
    )
    assert studio.job_role is None
    [statement] = about(stack, SCIENTIST, "iam:PassRole")
    assert stack.resolve(statement["Resource"]) == stack.resolve(own.role_arn)


@pytest.mark.parametrize(
    "action",
    ["CreateSpace", "UpdateSpace", "DeleteSpace", "CreateApp", "DeleteApp"],
)
def test_spaces_and_apps_are_the_users_own(stack: cdk.Stack, action: str) -> None:
    [statement] = about(stack, SCIENTIST, f"sagemaker:{action}")
    assert statement["Condition"]["ArnLike"]["sagemaker:OwnerUserProfileArn"].endswith(
        "user-profile/${sagemaker:DomainId}/${sagemaker:UserProfileName}"
    )
    assert statement["Condition"]["StringEquals"] == {"sagemaker:SpaceSharingType": "Private"}


def test_a_data_scientist_makes_no_models_endpoints_or_pipelines(stack: cdk.Stack) -> None:
    actions = {a for s in statements(stack, SCIENTIST) for a in listed(s["Action"])}
    for noun in ("Model", "Endpoint", "EndpointConfig", "Pipeline", "ModelPackage"):
        for verb in ("Create", "Update", "Delete"):
            assert f"sagemaker:{verb}{noun}" not in actions
    assert "sagemaker:StartPipelineExecution" in actions


def test_an_engineers_trials_have_the_prefix(stack: cdk.Stack) -> None:
    for action in (
        "CreateEndpoint", "CreateEndpointConfig", "CreateModel", "CreatePipeline",
        "DeleteEndpoint", "InvokeEndpoint", "UpdateEndpoint", "UpdatePipeline",
    ):  # fmt: skip
        for statement in about(stack, ENGINEER, f"sagemaker:{action}"):
            for resource in listed(statement["Resource"]):
                assert resource["Fn::Join"][1][-1].endswith("/trial-*")


def test_nobody_approves_a_model(stack: cdk.Stack) -> None:
    assert about(stack, SCIENTIST, "sagemaker:UpdateModelPackage") == []
    for action in ("CreateModelPackage", "UpdateModelPackage"):
        [statement] = about(stack, ENGINEER, f"sagemaker:{action}")
        assert statement["Condition"] == {
            "StringNotEquals": {
                "sagemaker:ModelApprovalStatus": "Approved",
                "sagemaker:ModelLifeCycle:stageStatus": "Approved",
            }
        }


def test_nobody_changes_domains_profiles_roles_or_keys(stack: cdk.Stack) -> None:
    for role in (SCIENTIST, ENGINEER, "DefaultRole", JOBS):
        for statement in statements(stack, role):
            for action in listed(statement["Action"]):
                assert action != "*"
                assert not action.endswith(":*")
                assert action.split(":")[1] not in {
                    "CreateDomain", "UpdateDomain", "DeleteDomain", "CreateUserProfile",
                    "UpdateUserProfile", "DeleteUserProfile", "PutKeyPolicy", "CreateRole",
                    "AttachRolePolicy", "PutRolePolicy",
                }  # fmt: skip


def test_everything_only_where_no_resource_can_be_named(stack: cdk.Stack) -> None:
    free = {
        "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics",
        "logs:DescribeLogGroups", "sagemaker:GetSearchSuggestions", "sagemaker:List*",
        "sagemaker:Search",
    }  # fmt: skip
    for role in (SCIENTIST, ENGINEER):
        for statement in statements(stack, role):
            if statement["Resource"] == "*":
                assert set(listed(statement["Action"])) <= free


def test_grants_on_the_key_are_for_aws_resources(stack: cdk.Stack) -> None:
    for role in (SCIENTIST, ENGINEER, "DefaultRole", JOBS):
        [statement] = about(stack, role, "kms:CreateGrant")
        assert statement["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        assert statement["Resource"] != "*"


def test_the_default_role_can_do_nothing(stack: cdk.Stack) -> None:
    actions = {a for s in statements(stack, "DefaultRole") for a in listed(s["Action"])}
    assert {a.split(":")[0] for a in actions} == {"kms", "logs"}


def test_every_action_of_sagemaker_exists(stack: cdk.Stack) -> None:
    session = botocore.session.get_session()
    known = set(session.get_service_model("sagemaker").operation_names)
    known |= set(session.get_service_model("sagemaker-runtime").operation_names)
    used = {
        action.removeprefix("sagemaker:")
        for role in (SCIENTIST, ENGINEER)
        for statement in statements(stack, role)
        for action in listed(statement["Action"])
        if action.startswith("sagemaker:") and not action.endswith("*")
    }
    tagging = {
        value
        for role in (SCIENTIST, ENGINEER)
        for statement in about(stack, role, "sagemaker:AddTags")
        for value in listed(statement["Condition"]["StringEquals"]["sagemaker:TaggingAction"])
    }
    assert used | tagging <= known


def test_policies_fit_into_iam(stack: cdk.Stack) -> None:
    # IAM quotas: 10,240 characters of inline policies for a role, 6,144 for a managed policy.
    for kind, most in (("Policy", 10_240), ("ManagedPolicy", 6_144)):
        for policy in resources_of(stack, f"AWS::IAM::{kind}").values():
            text = json.dumps(
                deployed(policy["Properties"]["PolicyDocument"]), separators=(",", ":")
            )
            assert len(text) <= most


def deployed(value: Any) -> Any:
    """The value with its intrinsics replaced by text as long as what they stand for."""
    if isinstance(value, list):
        return [deployed(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        return "".join(deployed(part) for part in value["Fn::Join"][1])
    if "Fn::GetAtt" in value:
        return "x" * 130
    if "Ref" in value:
        return {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-northeast-1"}.get(
            value["Ref"], "x" * 24
        )
    return {key: deployed(item) for key, item in value.items()}


@pytest.mark.parametrize(
    ("persona", "field"),
    [
        (DataScientist(name="Data Scientist"), "name"),
        (DataScientist(name="x" * 41), "name"),
        (DataScientist(instance_types=()), "instance_types"),
        (DataScientist(instance_types="ml.m5.large"), "instance_types"),
        (DataScientist(app_instance_types=("t3.medium",)), "app_instance_types"),
        (MlEngineer(trial_prefix="trial"), "trial_prefix"),
        (MlEngineer(trial_prefix=""), "trial_prefix"),
    ],
)
def test_refuses(persona: Persona, field: str) -> None:
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(new_stack(), "Studio", domain_name="x", personas=(persona,))
    assert [problem.what for problem in error.value.problems] == [
        f"personas[{persona.name!r}].{field}"
    ]
