"""Who may do what, asked of the policies that are deployed: each question both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.access import Kind, Role, roles_of
from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.access.matrix import as_markdown, make_matrix
from mlops_constructs.access.witness import access, allowed_context
from mlops_constructs.cli import main
from tests.access.support import document, estate_of, one_role, platform

ACCOUNT = "us-east-1:111122223333"
JOB = f"arn:aws:sagemaker:{ACCOUNT}:training-job/mine"
CREATE = "sagemaker:CreateTrainingJob"


@pytest.fixture(scope="module", params=["scientist", "engineer"])
def persona(request: pytest.FixtureRequest) -> Role:
    [found] = [
        role for role in roles_of(estate_of(platform()), Kind.PERSONA) if request.param in role.name
    ]
    return found


def inside(persona: Role) -> dict[str, Any]:
    context = allowed_context(persona, CREATE, JOB)
    assert context is not None
    return context


def test_a_training_job_within_the_guards(persona: Role) -> None:
    assert persona.decide(CREATE, JOB, inside(persona)).allowed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sagemaker:VpcSubnets", None),
        ("sagemaker:VpcSubnets", ["subnet-other"]),
        ("sagemaker:VpcSecurityGroupIds", None),
        ("sagemaker:VpcSecurityGroupIds", ["sg-other"]),
        ("sagemaker:VolumeKmsKey", None),
        ("sagemaker:VolumeKmsKey", f"arn:aws:kms:{ACCOUNT}:key/other"),
        ("sagemaker:OutputKmsKey", None),
        ("sagemaker:InstanceTypes", None),
        ("sagemaker:InstanceTypes", ["ml.p5.48xlarge"]),
        ("sagemaker:InstanceTypes", ["ml.m5.large", "ml.p5.48xlarge"]),
        ("sagemaker:NetworkIsolation", None),
        ("sagemaker:NetworkIsolation", "false"),
    ],
)
def test_no_training_job_outside_of_them(persona: Role, key: str, value: Any) -> None:
    context = inside(persona)
    context.pop(key)
    if value is not None:
        context[key] = value
    assert not persona.decide(CREATE, JOB, context).allowed


def test_nobody_but_a_reviewer_approves(persona: Role) -> None:
    version = f"arn:aws:sagemaker:{ACCOUNT}:model-package/census/1"
    key = "sagemaker:ModelApprovalStatus"
    for action in ("sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"):
        assert not persona.decide(action, version, {key: "Approved"}).allowed
        rejected = persona.decide(action, version, {key: "Rejected"})
        assert rejected.allowed == ("engineer" in persona.name)


def test_the_own_space_and_no_other(persona: Role) -> None:
    space = f"arn:aws:sagemaker:{ACCOUNT}:space/d-1/work"
    app = f"arn:aws:sagemaker:{ACCOUNT}:app/d-1/work/JupyterLab/default"
    session = {"sagemaker:DomainId": "d-1", "sagemaker:UserProfileName": "ana"}

    def owned_by(name: str, sharing: str = "Private") -> dict[str, Any]:
        return {
            **session,
            "sagemaker:OwnerUserProfileArn": f"arn:aws:sagemaker:{ACCOUNT}:user-profile/d-1/{name}",
            "sagemaker:SpaceSharingType": sharing,
        }

    for action, resource in (
        ("sagemaker:CreateApp", app),
        ("sagemaker:DeleteApp", app),
        ("sagemaker:DeleteSpace", space),
        ("sagemaker:UpdateSpace", space),
    ):
        assert persona.decide(action, resource, owned_by("ana")).allowed
        assert not persona.decide(action, resource, owned_by("ben")).allowed
        assert not persona.decide(action, resource, owned_by("ana", "Shared")).allowed
        elsewhere = resource.replace("d-1", "d-2")
        assert not persona.decide(action, elsewhere, owned_by("ana")).allowed
    for name in ("ana", "ben"):
        profile = f"arn:aws:sagemaker:{ACCOUNT}:user-profile/d-1/{name}"
        found = persona.decide("sagemaker:CreatePresignedDomainUrl", profile, session)
        assert found.allowed == (name == "ana")


def test_one_role_is_passed_and_to_sagemaker(persona: Role) -> None:
    key = "iam:PassedToService"
    roles = roles_of(estate_of(platform()))
    passed = {
        role.name
        for role in roles
        if persona.decide("iam:PassRole", role.arn, {key: "sagemaker.amazonaws.com"}).allowed
    }
    assert len(passed) == 1
    assert "JobRole" in passed.pop()
    [job] = [role for role in roles if role.name.endswith("DomainJobRole")]
    assert not persona.decide("iam:PassRole", job.arn, {key: "lambda.amazonaws.com"}).allowed
    assert not persona.decide("iam:PassRole", job.arn).allowed


# --- the table ----------------------------------------------------------------------------------


def role_with(*statements: dict[str, Any], **properties: Any) -> Role:
    [found] = roles_of(one_role(*statements, **properties))
    return found


def guards_of(role: Role, action: str, resource: str = "*") -> list[dict[str, str]]:
    ways = access(role, action, resource).ways
    return [{guard.key: guard.allowed for guard in way} for way in ways]


def test_a_condition_is_a_guard_where_breaking_it_is_refused() -> None:
    role = role_with({"Action": "a:B", "Condition": {"StringLike": {"a:kind": ["x*", "y"]}}})
    assert guards_of(role, "a:B") == [{"a:kind": "x*, y"}]
    assert guards_of(role, "a:C") == []
    # Two statements: what one refuses the other allows.
    free = role_with(
        {"Action": "a:B", "Condition": {"StringLike": {"a:kind": ["x*"]}}}, {"Action": "a:*"}
    )
    assert guards_of(free, "a:B") == [{}]


def test_two_ways_are_both_told() -> None:
    role = role_with(
        {"Action": "a:B", "Condition": {"StringEquals": {"a:kind": "x"}}},
        {"Action": "a:B", "Condition": {"Null": {"a:size": "false"}}},
    )
    assert guards_of(role, "a:B") == [{"a:kind": "x"}, {"a:size": "given"}]


def test_a_deny_takes_away_or_becomes_a_guard() -> None:
    taken = role_with({"Action": "a:*"}, {"Action": "a:B", "Effect": "Deny"})
    assert guards_of(taken, "a:B") == []
    assert guards_of(taken, "a:C") == [{}]
    held = role_with(
        {"Action": "a:*"},
        {
            "Action": "a:B",
            "Effect": "Deny",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}},
        },
    )
    assert guards_of(held, "a:B") == [{"aws:RequestedRegion": "unless not eu-west-1"}]


def test_a_boundary_narrows() -> None:
    limit = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": document({"Action": "a:Get*"})},
    }
    held = one_role({"Action": "a:*"}, PermissionsBoundary={"Ref": "Limit"}).stacks["Test"]
    documents = {"Test": {"Resources": {"Limit": limit, **held.document["Resources"]}}}
    [role] = roles_of(estate_of(documents))
    assert guards_of(role, "a:GetThing") == [{}]
    assert guards_of(role, "a:PutThing") == []
    assert role.unknown == []


def test_policies_from_elsewhere_are_named() -> None:
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    estate = one_role({"Action": "a:B"}, ManagedPolicyArns=[arn])
    assert arn in as_markdown([make_matrix(estate)])


def test_policies_that_only_the_deployment_makes_are_named() -> None:
    included = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://a/b"}}}
    policies = [{"PolicyName": "included", "PolicyDocument": included}]
    assert "- Role: included" in as_markdown([make_matrix(one_role(Policies=policies))])


def test_policies_of_the_same_name_all_count() -> None:
    first, second = (
        {"PolicyName": "p", "PolicyDocument": document({"Action": action})}
        for action in ("a:B", "a:C")
    )
    role = role_with(Policies=[first, second])
    assert guards_of(role, "a:B") == guards_of(role, "a:C") == [{}]


def test_a_policy_may_be_written_as_text() -> None:
    text = json.dumps(document({"Action": "a:B"}))
    role = role_with(Policies=[{"PolicyName": "text", "PolicyDocument": {"Fn::Sub": text}}])
    assert guards_of(role, "a:B") == [{}]
    assert role.unknown == []


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ({"NotAction": "iam:*"}, {("*", "*"): True, ("iam:*", "*"): False}),
        ({"Action": "a:B", "NotResource": "x"}, {("a:B", "*"): True, ("a:B", "x"): False}),
    ],
)
def test_what_a_wildcard_leaves_out_is_a_row(
    statement: dict[str, Any], rows: dict[tuple[str, str], bool]
) -> None:
    matrix = make_matrix(one_role(statement))
    assert {(row.action, row.resource): bool(row.cells) for row in matrix.rows} == rows


def test_what_is_denied_under_a_wildcard_is_a_row() -> None:
    estate = one_role({"Action": "a:*"}, {"Action": "a:B", "Effect": "Deny"})
    matrix = make_matrix(estate)
    assert {row.action: bool(row.cells) for row in matrix.rows} == {"a:*": True, "a:B": False}
    assert "| * | a:B | no |" in as_markdown([matrix])
    assert list(matrix.on_everything) == ["a:*"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": None, "Effect": "Perhaps"}, "neither Effect Allow nor Deny"),
        ({}, "neither Action nor NotAction"),
        ({"Action": "a:B", "Condition": "x"}, "Condition is no object"),
        ({"Action": "a:B", "Condition": {"StringEquals": ["x"]}}, "StringEquals has no keys"),
    ],
)
def test_a_policy_that_iam_would_refuse_is_named(statement: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=f"^Test: Role: .*{message}"):
        make_matrix(one_role(statement))


def test_templates_without_such_roles_say_so() -> None:
    estate = estate_of({"Test": {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}})
    assert "SageMaker assumes none of the roles" in as_markdown([make_matrix(estate)])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, found in platform().items():
        (tmp_path / f"{name}.template.json").write_text(json.dumps(found))
    assert main(["access", str(tmp_path), "--format", "json"]) == 0
    [matrix] = json.loads(capsys.readouterr().out)
    assert matrix["environment"] == "dev"
    [row] = [
        row
        for row in matrix["access"]
        if (row["action"], row["resource"]) == (CREATE, "sagemaker:training-job/*")
    ]
    [way] = next(ways for name, ways in row["roles"].items() if "scientist" in name)
    assert way["sagemaker:NetworkIsolation"] == "true"
    assert main(["access", str(tmp_path)]) == 0
    assert "| start one outside of every VPC | no |" in capsys.readouterr().out
    (tmp_path / "Bad.template.json").write_text("{")
    assert main(["access", str(tmp_path)]) == 2
    assert "not valid JSON" in capsys.readouterr().err


def test_what_is_given_on_every_resource_comes_with_its_reason() -> None:
    estate = one_role(
        {"Action": ["sagemaker:Search", "s3:ListAllMyBuckets"]},
        {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"},
    )
    lines = as_markdown([make_matrix(estate)]).partition("## On every resource")[2].splitlines()
    assert "| sagemaker:Search | takes no resource; reads names and states | Role |" in lines
    assert "| s3:ListAllMyBuckets | **no reason is known** | Role |" in lines
    assert not any("s3:GetObject" in line for line in lines)
