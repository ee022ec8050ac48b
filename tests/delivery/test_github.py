from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from mlops_constructs import (
    GitHubBranch,
    GitHubDeployRole,
    GitHubEnvironment,
    GitHubSubject,
    ValidationError,
)
from mlops_constructs.delivery.github import GitHubTrust
from stacks.base import Setting
from stacks.delivery import DeliveryStack
from stacks.environments import ENVIRONMENTS
from stacks.platform import new_app
from stacks.use_case import CENSUS_INCOME
from tests.support import nag_findings, new_stack, resources_of

REPOSITORY = "octo-org/octo-repo"
PROD = GitHubEnvironment("prod")


def _role(stack: cdk.Stack) -> dict[str, Any]:
    (role,) = resources_of(stack, "AWS::IAM::Role").values()
    found: dict[str, Any] = role["Properties"]
    return found


def _statements(stack: cdk.Stack) -> list[dict[str, Any]]:
    return [
        statement
        for policy in resources_of(stack, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize(
    ("trust", "subject"),
    [
        (PROD, "repo:octo-org/octo-repo:environment:prod"),
        (GitHubBranch("release/1"), "repo:octo-org/octo-repo:ref:refs/heads/release/1"),
        (GitHubSubject("repo:octo-org@1/octo-repo@2:environment:p"), None),
    ],
)
def test_it_trusts_one_subject_exactly(trust: GitHubTrust, subject: str | None) -> None:
    stack = new_stack()
    GitHubDeployRole(stack, "Role", repository=REPOSITORY, trust=trust)
    expected = trust.subject if isinstance(trust, GitHubSubject) else subject
    (statement,) = _role(stack)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": expected,
        }
    }
    assert statement["Principal"]["Federated"]


def test_it_may_only_take_the_roles_of_the_bootstrap() -> None:
    stack = new_stack()
    GitHubDeployRole(stack, "Role", repository=REPOSITORY, trust=PROD, qualifier="mine")
    (statement,) = _statements(stack)
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    names = [
        "".join(part if isinstance(part, str) else "*" for part in resource["Fn::Join"][1])
        for resource in statement["Resource"]
    ]
    assert names == [
        f"arn:*:iam::*:role/cdk-mine-{name}-role-*-*"
        for name in ("deploy", "file-publishing", "image-publishing", "lookup")
    ]
    assert "ManagedPolicyArns" not in _role(stack)


def test_the_roles_are_those_that_stacks_are_deployed_with() -> None:
    """The names come from CDK's own synthesizer."""
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "S", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    GitHubDeployRole(stack, "Role", repository=REPOSITORY, trust=PROD)
    (artifact,) = app.synth().stacks
    deploy = str(artifact.assume_role_arn).partition("role/")[2]
    assert deploy.startswith("cdk-")
    assert deploy in json.dumps(_statements(stack))


def test_a_provider_is_made_once_and_passed_on() -> None:
    stack = new_stack()
    first = GitHubDeployRole(stack, "One", repository=REPOSITORY, trust=PROD)
    GitHubDeployRole(
        stack,
        "Two",
        repository=REPOSITORY,
        trust=GitHubEnvironment("dev"),
        provider=first.provider,
    )
    (provider,) = resources_of(stack, "AWS::IAM::OIDCProvider").values()
    assert provider["Properties"]["Url"] == "https://token.actions.githubusercontent.com"
    assert provider["Properties"]["ClientIdList"] == ["sts.amazonaws.com"]
    assert isinstance(first.role, iam.Role)


def test_nag_finds_nothing() -> None:
    stack = new_stack()
    GitHubDeployRole(stack, "Role", repository=REPOSITORY, trust=PROD)
    assert nag_findings(stack) == []


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        GitHubDeployRole(
            new_stack(),
            "Role",
            repository="octo-org/*",
            trust=GitHubEnvironment("*"),
            qualifier="far-too-long",
            session=cdk.Duration.minutes(5),
        )
    text = str(error.value)
    assert len(error.value.problems) == 4
    assert "repository: got 'octo-org/*'" in text
    assert "trust=GitHubEnvironment: got '*'; allowed: one exact name" in text
    assert "session: got '300 s'; allowed: 1 to 12 hours" in text


@pytest.mark.parametrize("make_provider", [True, False])
def test_the_delivery_stack_lets_its_environment_deploy_and_verify(make_provider: bool) -> None:
    stack = DeliveryStack(
        new_app(validate=False),
        Setting(ENVIRONMENTS[-1], CENSUS_INCOME),
        repository=REPOSITORY,
        make_provider=make_provider,
    )
    assert stack.deployer.subject == "repo:octo-org/octo-repo:environment:prod"
    assert _role(stack)["RoleName"] == "census-income-prod-deploy"
    # What .github/workflows/deploy-environment.yml asks for.
    assert _role(stack)["MaxSessionDuration"] == 10_800
    actions = {
        action
        for statement in _statements(stack)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert actions == {
        "sts:AssumeRole",
        "sagemaker:StartPipelineExecution",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:ListPipelineExecutionSteps",
        "sagemaker:DescribeEndpoint",
        "sagemaker:InvokeEndpoint",
    }
    assert len(resources_of(stack, "AWS::IAM::OIDCProvider")) == make_provider
    assert nag_findings(stack) == []
