"""What a domain shows, and what comes with it: portal, images, Docker, spaces; where it works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from mlops_constructs import allow_data_destruction
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import (
    DataScientist,
    DockerAccess,
    HideableApp,
    SecureVpcDomain,
    StudioApp,
    StudioImage,
    StudioPortal,
    StudioSpace,
    StudioTool,
    UserProfile,
)
from tests.support import nag_findings, new_stack, resources_of, schema_findings, template_of

SCIENTIST = DataScientist()
IMAGE = StudioImage(image_name="lab", app_image_config_name="lab-config", version=3)


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    allow_data_destruction(stack)
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(SCIENTIST,),
        user_profiles=(UserProfile("ana", SCIENTIST),),
        portal=StudioPortal(
            hidden_tools=(StudioTool.PROJECTS, StudioTool.JUMP_START),
            hidden_apps=tuple(HideableApp),
        ),
        custom_images=(
            IMAGE,
            StudioImage(
                image_name="editor", app_image_config_name="config", app=StudioApp.CODE_EDITOR
            ),
        ),
        docker=DockerAccess(trusted_accounts=("111122223333",)),
        spaces=(
            StudioSpace(name="work", owner="ana"),
            StudioSpace(name="team", owner="ana", shared=True, app=StudioApp.CODE_EDITOR),
        ),
        destroy_data=True,
    )
    return stack


def domain(stack: cdk.Stack) -> dict[str, Any]:
    [found] = resources_of(stack, "AWS::SageMaker::Domain").values()
    return cast("dict[str, Any]", found["Properties"])


def test_canvas_and_projects_are_hidden_unless_asked_for() -> None:
    stack = new_stack()
    SecureVpcDomain(stack, "Studio", domain_name="plain")
    settings = domain(stack)["DefaultUserSettings"]["StudioWebPortalSettings"]
    assert settings == {
        "HiddenMlTools": ["JumpStart", "Projects"],
        "HiddenAppTypes": ["Canvas"],
    }
    assert "DockerSettings" not in domain(stack)["DomainSettings"]

    stack = new_stack()
    portal = StudioPortal(hidden_tools=(), hidden_apps=())
    SecureVpcDomain(stack, "Studio", domain_name="open", portal=portal)
    assert "StudioWebPortalSettings" not in domain(stack)["DefaultUserSettings"]


@pytest.mark.parametrize(
    ("choices", "definition"), [(StudioTool, "MlTools"), (HideableApp, "AppType")]
)
def test_the_choices_are_those_of_the_registry(choices: Any, definition: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::SageMaker::Domain")
    assert schema is not None
    known = schema.schema["definitions"][definition]["enum"]
    assert {choice.value for choice in choices} == set(known)


def test_images_go_to_their_app(stack: cdk.Stack) -> None:
    settings = domain(stack)["DefaultUserSettings"]
    assert settings["JupyterLabAppSettings"]["CustomImages"] == [
        {"ImageName": "lab", "AppImageConfigName": "lab-config", "ImageVersionNumber": 3}
    ]
    assert settings["CodeEditorAppSettings"]["CustomImages"] == [
        {"ImageName": "editor", "AppImageConfigName": "config"}
    ]


def test_docker_pulls_from_trusted_accounts_only(stack: cdk.Stack) -> None:
    assert domain(stack)["DomainSettings"]["DockerSettings"] == {
        "EnableDockerAccess": "ENABLED",
        "VpcOnlyTrustedAccounts": ["111122223333"],
    }


def test_spaces_are_private_or_shared_and_go_before_their_owner(stack: cdk.Stack) -> None:
    spaces = resources_of(stack, "AWS::SageMaker::Space")
    found = {s["Properties"]["SpaceName"]: s for s in spaces.values()}
    assert found["work"]["Properties"]["SpaceSharingSettings"] == {"SharingType": "Private"}
    assert found["team"]["Properties"]["SpaceSharingSettings"] == {"SharingType": "Shared"}
    assert found["team"]["Properties"]["SpaceSettings"] == {"AppType": "CodeEditor"}
    [profile] = resources_of(stack, "AWS::SageMaker::UserProfile")
    assert all(profile in space["DependsOn"] for space in spaces.values())
    [users] = [
        call
        for call in resources_of(stack, "Custom::StudioDomainDeletion").values()
        if call["Properties"]["Part"] == "Users"
    ]
    assert users["Properties"]["Spaces"] == ["team", "work"]
    assert set(spaces) < set(users["DependsOn"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"docker": DockerAccess(trusted_accounts=())}, "docker.trusted_accounts"),
        ({"docker": DockerAccess(trusted_accounts=("123",))}, "docker.trusted_accounts"),
        (
            {"docker": DockerAccess(trusted_accounts=("111122223333",) * 21)},
            "docker.trusted_accounts",
        ),
        (
            {"custom_images": (StudioImage(image_name="a:b", app_image_config_name="c"),)},
            "custom_images[0].image_name",
        ),
        (
            {"custom_images": (StudioImage(image_name="a", app_image_config_name="c--"),)},
            "custom_images[0].app_image_config_name",
        ),
        (
            {
                "custom_images": (
                    StudioImage(image_name="a", app_image_config_name="c", version=-1),
                )
            },
            "custom_images[0].version",
        ),
        ({"custom_images": (IMAGE,) * 201}, "custom_images"),
        ({"spaces": (StudioSpace(name="work", owner="eve"),)}, "spaces['work'].owner"),
        ({"spaces": (StudioSpace(name="Work", owner="ana"),)}, "spaces['Work'].name"),
        ({"spaces": (StudioSpace(name="work", owner="ana"),) * 2}, "spaces"),
    ],
)
def test_refuses(arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(
            new_stack(),
            "Studio",
            domain_name="x",
            personas=(SCIENTIST,),
            user_profiles=(UserProfile("ana", SCIENTIST),),
            **arguments,
        )
    assert [problem.what for problem in error.value.problems] == [what]


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "eu-south-2"])
def test_works_in_every_partition(region: str) -> None:
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "S", env=cdk.Environment(region=region))
    allow_data_destruction(stack)
    SecureVpcDomain(stack, "Studio", domain_name="x", destroy_data=True)
    template = json.dumps(template_of(stack).to_json())
    assert "arn:aws:" not in template


def test_no_findings(stack: cdk.Stack, tmp_path: Path) -> None:
    assert nag_findings(stack, regulated=True) == []
    assert schema_findings(stack, tmp_path) == []
