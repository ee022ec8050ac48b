"""What personas do with buckets, projects and models of a hub, and the tags that tell costs."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam, aws_s3 as s3

from mlops_constructs.access import Role, roles_of
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import (
    Administrator,
    CuratedHub,
    DataScientist,
    MlEngineer,
    ModelReviewer,
    ProjectData,
    ProjectTemplates,
    SecureVpcDomain,
    UserProfile,
)
from tests.access.support import estate_of
from tests.support import nag_findings, new_stack, resources_of, template_of

OBJECT = "arn:aws:s3:::data/{}"


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    data = s3.Bucket.from_bucket_name(stack, "Data", "data")
    launch = iam.Role(
        stack, "Launch", assumed_by=iam.ServicePrincipal("cloudformation.amazonaws.com")
    )
    scientist = DataScientist(
        data=(
            ProjectData(
                bucket=data,
                read=("census/raw/",),
                write=(f"users/{ProjectData.USER}/", "census/out/"),
            ),
        )
    )
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(scientist, MlEngineer(), ModelReviewer(), Administrator()),
        user_profiles=(UserProfile("ana", scientist),),
        projects=ProjectTemplates(launch_role=launch),
        hub=CuratedHub(name="reviewed", description="Models that we looked at"),
    )
    return stack


@pytest.fixture(scope="module")
def roles(stack: cdk.Stack) -> dict[str, Role]:
    return {
        name: role
        for role in roles_of(estate_of({"Test": dict(template_of(stack).to_json())}))
        for name in ("datascientist", "mlengineer", "modelreviewer", "administrator", "JobRole")
        if name in role.name
    }


@pytest.mark.parametrize(
    ("key", "read", "write"),
    [
        ("census/raw/adult.csv", True, False),
        ("census/out/model", True, True),
        ("users/ana/notes", True, True),
        ("users/ben/notes", False, False),
        ("users/ana2/notes", False, False),
        ("census/rawer/x", False, False),
        ("other/x", False, False),
    ],
)
def test_a_data_scientist_has_exactly_the_projects_prefixes(
    roles: dict[str, Role], key: str, read: bool, write: bool
) -> None:
    ana = {"aws:SourceIdentity": "ana"}
    role = roles["datascientist"]
    assert role.decide("s3:GetObject", OBJECT.format(key), ana).allowed is read
    assert role.decide("s3:PutObject", OBJECT.format(key), ana).allowed is write
    prefix = {"s3:prefix": key.rpartition("/")[0] + "/"}
    assert role.decide("s3:ListBucket", "arn:aws:s3:::data", ana | prefix).allowed is read
    assert not role.decide("s3:DeleteObject", OBJECT.format(key), ana).allowed
    # A session without a source identity is nobody's.
    if key.startswith("users/"):
        assert not role.decide("s3:GetObject", OBJECT.format(key)).allowed
    assert not roles["mlengineer"].decide("s3:GetObject", OBJECT.format(key), ana).allowed


def test_jobs_work_for_every_user(roles: dict[str, Role]) -> None:
    job = roles["JobRole"]
    for key, read, write in (
        ("census/raw/adult.csv", True, False),
        ("users/ben/out", True, True),
        ("other/x", False, False),
    ):
        assert job.decide("s3:GetObject", OBJECT.format(key)).allowed is read
        assert job.decide("s3:PutObject", OBJECT.format(key)).allowed is write


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"read": ("raw",)}, "read"),
        ({"read": ("/raw/",)}, "read"),
        ({"write": ("raw/*/",)}, "write"),
        ({"write": "raw/"}, "write"),
        ({}, ""),
    ],
)
def test_refuses_prefixes(data: dict[str, tuple[str, ...]], what: str) -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Data", "data")
    persona = DataScientist(data=(ProjectData(bucket=bucket, **data),))
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(stack, "Studio", domain_name="x", personas=(persona,))
    [problem] = error.value.problems
    assert problem.what == f"personas['data-scientist'].data[0]{'.' if what else ''}{what}"


# --- projects -----------------------------------------------------------------------------------


def test_studio_finds_the_templates_and_shows_the_tool(stack: cdk.Stack) -> None:
    [domain] = resources_of(stack, "AWS::SageMaker::Domain").values()
    tags = {tag["Key"]: tag["Value"] for tag in domain["Properties"]["Tags"]}
    location = tags["sagemaker:projectS3TemplatesLocation"]["Fn::Join"][1]
    assert location[0] == "s3://"
    assert location[-1] == "/templates/"
    portal = domain["Properties"]["DefaultUserSettings"]["StudioWebPortalSettings"]
    assert "HiddenMlTools" not in portal
    [templates] = resources_of(stack, "AWS::S3::Bucket").values()
    [rule] = templates["Properties"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == ["https://*.sagemaker.aws"]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]


def test_an_engineer_makes_projects_and_nobody_else(roles: dict[str, Role]) -> None:
    project = "arn:aws:sagemaker:us-east-1:111122223333:project/x"
    passing = {"iam:PassedToService": "cloudformation.amazonaws.com"}
    [launch] = {
        str(statement["Resource"])
        for statement in roles["mlengineer"].statements
        if "cloudformation.amazonaws.com" in json.dumps(statement)
    }
    for name in ("mlengineer", "datascientist", "modelreviewer"):
        is_engineer = name == "mlengineer"
        role = roles[name]
        assert role.decide("sagemaker:CreateProject", project).allowed is is_engineer
        assert role.decide("iam:PassRole", launch, passing).allowed is is_engineer
        assert not role.decide("iam:PassRole", roles["JobRole"].arn, passing).allowed


def test_a_prefix_of_templates_ends_in_a_slash() -> None:
    stack = new_stack()
    role = iam.Role.from_role_name(stack, "Launch", "launch")
    with pytest.raises(ValidationError, match=r"projects\.prefix"):
        SecureVpcDomain(
            stack,
            "Studio",
            domain_name="x",
            projects=ProjectTemplates(launch_role=role, prefix="templates"),
        )


# --- models of a hub ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "who"),
    [
        ("TrainHubModel", {"datascientist", "mlengineer"}),
        ("DeployHubModel", {"mlengineer"}),
        ("CreateHubContentReference", {"administrator"}),
        ("DescribeHubContent", {"datascientist", "mlengineer", "modelreviewer", "administrator"}),
    ],
)
def test_models_of_the_hub(roles: dict[str, Role], action: str, who: set[str]) -> None:
    def may(name: str, hub: str, account: str = "111122223333") -> bool:
        arn = f"arn:aws:sagemaker:us-east-1:{account}:hub-content/{hub}/Model/x"
        return roles[name].decide(f"sagemaker:{action}", arn).allowed

    people = [name for name in roles if name != "JobRole"]
    assert {name for name in people if may(name, "reviewed")} == who
    if action != "DescribeHubContent":
        assert not any(may(name, "another") for name in people)
    public = {name for name in people if may(name, "SageMakerPublicHub", "aws")}
    assert public == ({"administrator"} if action == "DescribeHubContent" else set())


def test_the_hub_stays_and_says_what_is_wrong_with_it(stack: cdk.Stack) -> None:
    [hub] = resources_of(stack, "AWS::SageMaker::Hub").values()
    assert hub["Properties"]["HubName"] == "reviewed"
    assert hub["DeletionPolicy"] == "Retain"
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(
            new_stack(),
            "Studio",
            domain_name="x",
            hub=CuratedHub(name="Hub", description="", keywords=("LLM",)),
        )
    found = [problem.what for problem in error.value.problems]
    assert found == ["hub.name", "hub.description", "hub.keywords"]


# --- costs --------------------------------------------------------------------------------------


def test_a_users_costs_carry_the_users_tag(stack: cdk.Stack) -> None:
    studio = stack.node.find_child("Studio")
    assert isinstance(studio, SecureVpcDomain)
    key, value = studio.cost_tag("ana")
    [profile] = resources_of(stack, "AWS::SageMaker::UserProfile").values()
    assert {"Key": key, "Value": value} in profile["Properties"]["Tags"]
    assert value == "census-dev/ana"
    with pytest.raises(ValidationError, match="allowed: ana"):
        studio.cost_tag("eve")


def test_no_findings(stack: cdk.Stack) -> None:
    assert nag_findings(stack, regulated=True) == []
