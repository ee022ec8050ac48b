from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from mlops_constructs import (
    ConnectionSource,
    DeliveryPipeline,
    DeliveryStage,
    StageApproval,
    ValidationError,
    VerificationRole,
)
from mlops_constructs.delivery.stages import verification_role_name, verifier_role_name
from stacks.base import Setting
from stacks.delivery import DeliveryPipelineStack, VerificationStack
from stacks.environments import ENVIRONMENTS
from stacks.platform import new_app
from stacks.use_case import CENSUS_INCOME
from tests.support import nag_findings, new_stack, template_of

CONNECTION = "arn:aws:codeconnections:eu-west-1:111122223333:connection/0a1b"
SOURCE = ConnectionSource(connection_arn=CONNECTION, repository="octo-org/octo-repo")
DEV = DeliveryStage(name="dev", synth=("synth dev",), verify=("smoke",))
PROD = DeliveryStage(
    name="pre-prod",
    account="222233334444",
    region="eu-central-1",
    synth=("synth prod",),
    approval=StageApproval(),
    roll_back=True,
)


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    DeliveryPipeline(
        stack,
        "Delivery",
        pipeline_name="mlops",
        source=SOURCE,
        stages=(DEV, PROD),
        install=("make setup",),
        checks=("make test",),
    )
    return stack


@pytest.fixture(scope="module")
def template(stack: cdk.Stack) -> assertions.Template:
    return template_of(stack)


def _pipeline(template: assertions.Template) -> Any:
    (found,) = template.find_resources("AWS::CodePipeline::Pipeline").values()
    return found["Properties"]


def _buildspec(template: assertions.Template, name: str) -> Any:
    (found,) = template.find_resources(
        "AWS::CodeBuild::Project", {"Properties": {"Name": name}}
    ).values()
    return json.loads(_flat(found["Properties"]["Source"]["BuildSpec"]))


def _statements(template: assertions.Template, role: str) -> list[Any]:
    return [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        if policy["Properties"]["Roles"][0]["Ref"].startswith(role)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def _flat(value: Any) -> str:
    match value:
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(_flat(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
    return str(value)


def _assumed(template: assertions.Template, role: str) -> list[str]:
    resources = [
        statement["Resource"]
        for statement in _statements(template, role)
        if statement["Action"] == "sts:AssumeRole"
    ]
    return [
        _flat(each)
        for resource in resources
        for each in (resource if isinstance(resource, list) else [resource])
    ]


def test_stages_and_actions_are_in_order(template: assertions.Template) -> None:
    pipeline = _pipeline(template)
    assert (pipeline["PipelineType"], pipeline["ExecutionMode"]) == ("V2", "SUPERSEDED")
    assert [
        (stage["Name"], [(action["RunOrder"], action["Name"]) for action in stage["Actions"]])
        for stage in pipeline["Stages"]
    ] == [
        ("Source", [(1, "Commit")]),
        ("Build", [(1, "Build")]),
        ("DeployDev", [(1, "Deploy"), (2, "Verify")]),
        ("ApprovePreProd", [(1, "Compare"), (2, "Approve")]),
        ("DeployPreProd", [(1, "Deploy")]),
    ]
    assert [stage.get("OnFailure") for stage in pipeline["Stages"]] == [
        *[None] * 4,
        {"Result": "ROLLBACK"},
    ]


def test_what_was_checked_is_what_is_compared_and_deployed(template: assertions.Template) -> None:
    build = _buildspec(template, "mlops-build")
    assert build["phases"]["build"]["commands"] == [
        "make test",
        'export ASSEMBLY="$CODEBUILD_SRC_DIR/.assemblies/dev"',
        "synth dev",
        'export ASSEMBLY="$CODEBUILD_SRC_DIR/.assemblies/pre-prod"',
        "synth prod",
    ]
    assert build["artifacts"] == {"base-directory": ".assemblies", "files": ["**/*"]}
    for name in ("compare", "deploy"):
        commands = _buildspec(template, f"mlops-pre-prod-{name}")["phases"]["build"]["commands"]
        assert commands[0] == 'export ASSEMBLY="$CODEBUILD_SRC_DIR_Assemblies/pre-prod"'
        assert '--app "$ASSEMBLY"' in commands[1]
        assert "synth" not in "".join(commands)


def test_only_the_builds_of_a_stage_take_roles_there(template: assertions.Template) -> None:
    assert _assumed(template, "DeliveryBuildRole") == []
    here = "arn:<AWS::Partition>:iam::222233334444:role"
    place = "222233334444-eu-central-1"
    assert _assumed(template, "DeliveryPreProdCompareRole") == [
        f"{here}/cdk-hnb659fds-lookup-role-{place}"
    ]
    assert _assumed(template, "DeliveryPreProdDeployRole") == [
        f"{here}/cdk-hnb659fds-{name}-role-{place}"
        for name in ("deploy", "file-publishing", "image-publishing", "lookup")
    ]
    assert _assumed(template, "DeliveryDevVerifyRole") == [
        "arn:<AWS::Partition>:iam::<AWS::AccountId>:role/mlops-dev-verification"
    ]


def test_only_the_build_writes_artifacts(template: assertions.Template) -> None:
    writers = [
        role
        for role in ("Build", "DevDeploy", "DevVerify", "PreProdCompare", "PreProdDeploy")
        if "s3:PutObject" in json.dumps(_statements(template, f"Delivery{role}Role"))
    ]
    assert writers == ["Build"]


def test_the_verification_takes_its_role_before_it_calls_aws(
    template: assertions.Template,
) -> None:
    commands = _buildspec(template, "mlops-dev-verify")["phases"]["build"]["commands"]
    assert commands[-2:] == ["export AWS_PROFILE=stage", "smoke"]
    assert any("role/mlops-dev-verification" in command for command in commands)
    assert any("credential_source = EcsContainer" in command for command in commands)


def test_the_verification_role_trusts_that_build_only(template: assertions.Template) -> None:
    other = new_stack()
    VerificationRole(
        other,
        "Verification",
        pipeline_account="111122223333",
        pipeline_name="mlops",
        stage_name="dev",
    )
    (role,) = template_of(other).find_resources("AWS::IAM::Role").values()
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trusted = _flat(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"])
    assert trusted == "arn:<AWS::Partition>:iam::111122223333:role/mlops-dev-verifier"
    assert role["Properties"]["RoleName"] == "mlops-dev-verification"
    verifiers = [
        found["Properties"]["RoleName"]
        for found in template.find_resources("AWS::IAM::Role").values()
        if "RoleName" in found["Properties"]
    ]
    assert verifiers == ["mlops-dev-verifier"]
    assert nag_findings(other, regulated=True) == []


def test_failures_are_told(template: assertions.Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.codepipeline"],
                "detail-type": ["CodePipeline Pipeline Execution State Change"],
                "detail": {"pipeline": ["mlops"], "state": ["FAILED"]},
            }
        },
    )


def test_nag_finds_nothing(stack: cdk.Stack) -> None:
    assert nag_findings(stack) == []


def test_names_of_roles_fit_with_the_longest_names() -> None:
    pipeline, stage = "p" * 30, "s" * 16
    assert len(verification_role_name(pipeline, stage)) <= 64
    assert len(verifier_role_name(pipeline, stage)) <= 64


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        DeliveryPipeline(
            new_stack(),
            "Delivery",
            pipeline_name="m" * 31,
            source=ConnectionSource(
                connection_arn="arn:aws:s3:::bucket", repository="octo-repo", branch="release/*"
            ),
            stages=(
                DeliveryStage(name="build", synth=()),
                DeliveryStage(name="pre-prod", synth=("x",), account="1234", region="europe"),
                DeliveryStage(
                    name="pre-prod", synth=("x",), approval=StageApproval(note="n" * 901)
                ),
            ),
        )
    assert [problem.what for problem in error.value.problems] == [
        "pipeline_name",
        "source.connection_arn",
        "source.repository",
        "source.branch",
        "stages['build'].name",
        "stages['build'].synth",
        "stages['pre-prod']",
        "stages['pre-prod'].account",
        "stages['pre-prod'].region",
        "stages['pre-prod']",
        "stages['pre-prod'].approval.note",
    ]


def test_names_are_no_stages() -> None:
    with pytest.raises(ValidationError) as error:
        DeliveryPipeline(
            new_stack(),
            "Delivery",
            pipeline_name="mlops",
            source=SOURCE,
            stages=["dev"],  # type: ignore[list-item]  # what is refused
        )
    assert "stages: got ['dev']; allowed: a list or tuple of DeliveryStage" in str(error.value)


def test_the_platform_is_delivered_in_the_order_of_its_environments() -> None:
    stack = DeliveryPipelineStack(
        new_app(validate=False),
        ENVIRONMENTS,
        connection_arn=CONNECTION,
        repository="octo-org/octo-repo",
    )
    template = template_of(stack)
    assert [stage["Name"] for stage in _pipeline(template)["Stages"]] == [
        "Source",
        "Build",
        "DeployDev",
        "ApproveStaging",
        "DeployStaging",
        "ApproveProd",
        "DeployProd",
    ]
    assert 'env=prod --output "$ASSEMBLY"' in json.dumps(
        _buildspec(template, "census-income-build")["phases"]["build"]["commands"][-1]
    ).replace('\\"', '"')


def test_the_platforms_verification_may_run_the_pipeline_and_ask_the_endpoint() -> None:
    stack = VerificationStack(
        new_app(validate=False),
        Setting(ENVIRONMENTS[0], CENSUS_INCOME),
        pipeline_account="111122223333",
    )
    assert nag_findings(stack) == []
    granted = json.dumps(_statements(template_of(stack), "Verification"))
    assert "sagemaker:StartPipelineExecution" in granted
    assert "sagemaker:InvokeEndpoint" in granted
    assert "sts:AssumeRole" not in granted
