"""SecureVpcDomain: the domain, its profiles and scripts, and what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, assertions, aws_ec2 as ec2, aws_iam as iam, aws_kms as kms

from mlops_constructs import CostTags, allow_data_destruction
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import (
    DataScientist,
    IdentityCenter,
    LifecycleScript,
    MlEngineer,
    NetworkFeature,
    PrivateNetwork,
    SecureVpcDomain,
    SpaceVolumes,
    StudioApp,
    UserProfile,
)
from tests.support import (
    feature_flags,
    nag_findings,
    new_stack,
    resources_of,
    schema_findings,
    template_of,
)

SCIENTIST, ENGINEER = DataScientist(), MlEngineer()
OTHER = DataScientist(name="other")
SETUP = LifecycleScript(name="setup", script="#!/bin/bash\necho ready\n", default=True)


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    """A domain with everything on."""
    stack = new_stack()
    CostTags(project="p", team="t", environment="dev", cost_center="c").apply_to(stack)
    cdk.Tags.of(stack).add("Added", "later")
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(SCIENTIST, ENGINEER),
        user_profiles=(UserProfile("ana", SCIENTIST), UserProfile("ben", ENGINEER)),
        lifecycle_scripts=(
            SETUP,
            LifecycleScript(name="editor", script="#!/bin/bash\n", app=StudioApp.CODE_EDITOR),
        ),
        home_efs=True,
    )
    return stack


@pytest.fixture(scope="module")
def plain() -> cdk.Stack:
    stack = new_stack()
    SecureVpcDomain(stack, "Studio", domain_name="census-dev")
    return stack


def domain(stack: cdk.Stack) -> dict[str, Any]:
    [found] = resources_of(stack, "AWS::SageMaker::Domain").values()
    assert isinstance(found, dict)
    return found


def refused(**arguments: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(new_stack(), "Studio", **({"domain_name": "census-dev"} | arguments))
    return [problem.what for problem in error.value.problems]


def test_secure_by_default(plain: cdk.Stack) -> None:
    template_of(plain).has_resource_properties(
        "AWS::SageMaker::Domain",
        {
            "AppNetworkAccessType": "VpcOnly",
            "AuthMode": "IAM",
            "HomeEfsFileSystemCreation": "Disabled",
            "KmsKeyId": {"Fn::GetAtt": assertions.Match.any_value()},
            "DomainSettings": {"ExecutionRoleIdentityConfig": "USER_PROFILE_NAME"},
            "TagPropagation": "ENABLED",
        },
    )
    settings = domain(plain)["Properties"]["DefaultUserSettings"]
    assert settings["AutoMountHomeEFS"] == "Disabled"
    assert len(settings["SecurityGroups"]) == 1
    for app in ("JupyterLabAppSettings", "CodeEditorAppSettings"):
        assert settings[app]["AppLifecycleManagement"]["IdleSettings"] == {
            "LifecycleManagement": "ENABLED",
            "IdleTimeoutInMinutes": 120,
            "MinIdleTimeoutInMinutes": 60,
            "MaxIdleTimeoutInMinutes": 120,
        }


def test_no_lambda_function(plain: cdk.Stack) -> None:
    template_of(plain).resource_count_is("AWS::Lambda::Function", 0)


def test_shared_spaces_stop_too(plain: cdk.Stack) -> None:
    settings = domain(plain)["Properties"]["DefaultSpaceSettings"]
    assert settings["JupyterLabAppSettings"]["AppLifecycleManagement"]
    assert settings["ExecutionRole"] == domain(plain)["Properties"]["DefaultUserSettings"].get(
        "ExecutionRole"
    )


def test_domain_and_profiles_wait_for_the_policies_of_their_roles(stack: cdk.Stack) -> None:
    assert any("DefaultRoleDefaultPolicy" in name for name in domain(stack)["DependsOn"])
    profiles = resources_of(stack, "AWS::SageMaker::UserProfile")
    for profile in profiles.values():
        role = profile["Properties"]["UserSettings"]["ExecutionRole"]["Fn::GetAtt"][0]
        assert role in profile["DependsOn"]
        assert any("DefaultPolicy" in name for name in profile["DependsOn"])


def test_profiles_have_the_roles_of_their_personas(stack: cdk.Stack) -> None:
    found = {
        profile["Properties"]["UserProfileName"]: profile["Properties"]["UserSettings"][
            "ExecutionRole"
        ]["Fn::GetAtt"][0]
        for profile in resources_of(stack, "AWS::SageMaker::UserProfile").values()
    }
    assert "datascientist" in found["ana"]
    assert "mlengineer" in found["ben"]


def test_studio_may_set_the_source_identity(stack: cdk.Stack) -> None:
    [profile] = [
        p
        for p in resources_of(stack, "AWS::SageMaker::UserProfile").values()
        if p["Properties"]["UserProfileName"] == "ana"
    ]
    role = profile["Properties"]["UserSettings"]["ExecutionRole"]["Fn::GetAtt"][0]
    trust = resources_of(stack, "AWS::IAM::Role")[role]["Properties"]["AssumeRolePolicyDocument"]
    assert "sts:SetSourceIdentity" in json.dumps(trust)


def test_studio_assumes_its_roles_for_this_account_only(stack: cdk.Stack) -> None:
    """The role of jobs is left open: what AutoML sends is not documented."""
    roles = resources_of(stack, "AWS::IAM::Role")
    for name, role in roles.items():
        trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        sources = [s.get("Condition", {}).get("ArnLike", {}).get("aws:SourceArn") for s in trust]
        if "Personas" in name or "DefaultRole" in name:
            assert {s["Action"] for s in trust} == {"sts:AssumeRole", "sts:SetSourceIdentity"}
            for source in sources:
                assert source["Fn::Join"][1][-2:] == [{"Ref": "AWS::AccountId"}, ":*"]
        elif "JobRole" in name:
            assert sources == [None]


def test_the_domain_is_retained_unless_both_keys_are_turned() -> None:
    stack = new_stack()
    SecureVpcDomain(stack, "Studio", domain_name="kept", lifecycle_scripts=(SETUP,))
    assert domain(stack)["DeletionPolicy"] == domain(stack)["UpdateReplacePolicy"] == "Retain"
    assert "destroy_data" in refused(destroy_data=True)

    stack = new_stack()
    allow_data_destruction(stack)
    SecureVpcDomain(stack, "Studio", domain_name="gone", destroy_data=True)
    assert domain(stack)["DeletionPolicy"] == "Delete"


def test_home_efs_on_purpose(stack: cdk.Stack) -> None:
    properties = domain(stack)["Properties"]
    assert properties["HomeEfsFileSystemCreation"] == "Enabled"
    assert properties["DefaultUserSettings"]["AutoMountHomeEFS"] == "Enabled"
    assert "elasticfilesystem" in json.dumps(resources_of(stack, "AWS::EC2::VPCEndpoint"))


def test_identity_center_signs_users_in() -> None:
    stack = new_stack()
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        authentication=IdentityCenter(),
        personas=(SCIENTIST,),
        user_profiles=(UserProfile("ana", SCIENTIST, sso_user_name="ana@example.com"),),
    )
    assert domain(stack)["Properties"]["AuthMode"] == "SSO"
    template_of(stack).has_resource_properties(
        "AWS::SageMaker::UserProfile",
        {"SingleSignOnUserIdentifier": "UserName", "SingleSignOnUserValue": "ana@example.com"},
    )


def test_given_network_and_key_are_used_across_stacks() -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    ground, studio = cdk.Stack(app, "Ground"), cdk.Stack(app, "Studio")
    key = kms.Key(ground, "Key", enable_key_rotation=True)
    network = PrivateNetwork(ground, "Network", encryption_key=key)
    SecureVpcDomain(studio, "Studio", domain_name="census-dev", network=network, encryption_key=key)
    template_of(studio).resource_count_is("AWS::EC2::VPC", 0)
    template_of(studio).resource_count_is("AWS::KMS::Key", 0)
    assert ground.dependencies == []
    assert nag_findings(studio) == []


def test_more_security_groups_and_idle_for_ever() -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network")
    group = ec2.SecurityGroup(stack, "Group", vpc=network.vpc)
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        network=network,
        security_groups=(group,),
        idle_shutdown=None,
        space_volumes=SpaceVolumes(default_gb=5, maximum_gb=5),
    )
    settings = domain(stack)["Properties"]["DefaultUserSettings"]
    assert len(settings["SecurityGroups"]) == 2
    assert settings["JupyterLabAppSettings"] == {}
    warnings = assertions.Annotations.from_stack(stack).find_warning(
        "*", assertions.Match.string_like_regexp("idle_shutdown=None")
    )
    assert len(warnings) == 1


def test_a_login_role_may_open_studio_as_one_user() -> None:
    stack = new_stack()
    studio = SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(SCIENTIST,),
        user_profiles=(UserProfile("ana", SCIENTIST),),
    )
    login = iam.Role(stack, "Login", assumed_by=iam.AccountRootPrincipal())
    studio.grant_presigned_url(login, "ana")
    policies = json.dumps(
        [
            policy["Properties"]["PolicyDocument"]
            for key, policy in resources_of(stack, "AWS::IAM::Policy").items()
            if key.startswith("Login")
        ]
    )
    assert "sagemaker:CreatePresignedDomainUrl" in policies
    assert "/ana" in policies
    with pytest.raises(ValidationError, match="allowed: ana"):
        studio.grant_presigned_url(login, "eve")


def test_persona_roles_can_be_granted_more() -> None:
    stack = new_stack()
    studio = SecureVpcDomain(stack, "Studio", domain_name="census-dev")
    assert studio.persona_role(DataScientist()) is studio.persona_role("data-scientist")
    with pytest.raises(ValidationError, match="data-scientist, ml-engineer"):
        studio.persona_role("chief")


# --- lifecycle scripts --------------------------------------------------------------------------


def test_scripts_are_named_by_their_content_and_carry_no_tags(stack: cdk.Stack) -> None:
    configs = resources_of(stack, "AWS::SageMaker::StudioLifecycleConfig")
    assert len(configs) == 2
    for config in configs.values():
        assert "Tags" not in config["Properties"]
        # The domain that is kept refers to them; a replaced one is not in use any more.
        assert config["DeletionPolicy"] == "Retain"
        assert config["UpdateReplacePolicy"] == "Delete"
    [content] = [
        config["Properties"]["StudioLifecycleConfigContent"]
        for config in configs.values()
        if config["Properties"]["StudioLifecycleConfigName"] == SETUP.config_name("census-dev")
    ]
    assert base64.b64decode(content).decode() == SETUP.script


def test_another_script_has_another_name() -> None:
    other = LifecycleScript(name="setup", script="#!/bin/bash\n", default=True)
    assert other.config_name("a") != SETUP.config_name("a")
    assert other.config_name("a") != other.config_name("b")
    assert other.config_name("a").startswith("setup-")


def test_the_default_script_is_in_the_resource_spec(stack: cdk.Stack) -> None:
    settings = domain(stack)["Properties"]["DefaultUserSettings"]
    lab, editor = settings["JupyterLabAppSettings"], settings["CodeEditorAppSettings"]
    assert [lab["DefaultResourceSpec"]["LifecycleConfigArn"]] == lab["LifecycleConfigArns"]
    assert len(editor["LifecycleConfigArns"]) == 1
    assert "DefaultResourceSpec" not in editor


@pytest.mark.parametrize(
    "scripts",
    [
        (SETUP, SETUP),
        (SETUP, LifecycleScript(name="other", script="x", default=True)),
        (LifecycleScript(name="Setup", script="x"),),
        (LifecycleScript(name="x" * 53, script="x"),),
        (LifecycleScript(name="empty", script=""),),
        (LifecycleScript(name="large", script="x" * 12_289),),
        (LifecycleScript(name="windows", script="#!/bin/bash\r\n"),),
    ],
)
def test_refuses_scripts(scripts: tuple[LifecycleScript, ...]) -> None:
    found = refused(lifecycle_scripts=scripts)
    assert found
    assert all(what.startswith("lifecycle_scripts") for what in found)


def test_the_largest_script_fits() -> None:
    script = LifecycleScript(name="x" * 52, script="x" * 12_288)
    stack = new_stack()
    SecureVpcDomain(stack, "Studio", domain_name="census-dev", lifecycle_scripts=(script,))
    [config] = resources_of(stack, "AWS::SageMaker::StudioLifecycleConfig").values()
    assert len(config["Properties"]["StudioLifecycleConfigContent"]) == 16_384
    assert len(config["Properties"]["StudioLifecycleConfigName"]) == 63


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"domain_name": "Census"}, "domain_name"),
        ({"domain_name": "x" * 64}, "domain_name"),
        ({"idle_shutdown": Duration.minutes(59)}, "idle_shutdown"),
        ({"idle_shutdown": Duration.days(366)}, "idle_shutdown"),
        ({"idle_shutdown": Duration.seconds(3630)}, "idle_shutdown"),
        ({"space_volumes": SpaceVolumes(default_gb=200)}, "space_volumes"),
        ({"space_volumes": SpaceVolumes(default_gb=1)}, "space_volumes"),
        ({"personas": (DataScientist(), DataScientist())}, "personas"),
        ({"user_profiles": (UserProfile("ana", OTHER),)}, "user_profiles['ana'].persona"),
        (
            {"user_profiles": (UserProfile("ana", SCIENTIST, sso_user_name="ana"),)},
            "user_profiles['ana'].sso_user_name",
        ),
        (
            {
                "authentication": IdentityCenter(),
                "user_profiles": (UserProfile("ana", SCIENTIST),),
            },
            "user_profiles['ana'].sso_user_name",
        ),
        (
            {"user_profiles": (UserProfile("ana", SCIENTIST), UserProfile("ana", SCIENTIST))},
            "user_profiles",
        ),
        ({"user_profiles": (UserProfile("Ana", SCIENTIST),)}, "user_profiles['Ana'].name"),
    ],
)  # fmt: skip
def test_refuses(arguments: dict[str, Any], what: str) -> None:
    assert refused(**arguments) == [what]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"personas": ("data-scientist",)}, "personas: got ['data-scientist']"),
        ({"user_profiles": ["ana"]}, "user_profiles: got ['ana']"),
        ({"user_profiles": "ana"}, "user_profiles: got 'ana'"),
        ({"spaces": ("team",), "lifecycle_scripts": ("x",)}, "spaces: got ['team']"),
        ({"idle_shutdown": 3600}, "idle_shutdown: got 3600; allowed: a Duration"),
    ],
)
def test_refuses_names_and_numbers_where_a_type_is_wanted(
    arguments: dict[str, Any], what: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        SecureVpcDomain(new_stack(), "Domain", domain_name="census", **arguments)
    assert what in str(refused.value)


def test_refuses_a_fifth_security_group() -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network")
    groups = [ec2.SecurityGroup(stack, f"Group{i}", vpc=network.vpc) for i in range(4)]
    with pytest.raises(ValidationError, match="security_groups"):
        SecureVpcDomain(stack, "Studio", domain_name="x", network=network, security_groups=groups)
    SecureVpcDomain(stack, "Three", domain_name="x", network=network, security_groups=groups[:3])


@pytest.mark.parametrize(
    ("features", "home_efs", "missing"),
    [
        ([NetworkFeature.JOBS], False, "STUDIO"),
        ([NetworkFeature.STUDIO], False, "JOBS"),
        ([NetworkFeature.STUDIO, NetworkFeature.JOBS], True, "HOME_EFS"),
    ],
)
def test_refuses_a_network_without_the_endpoints(
    features: list[NetworkFeature], home_efs: bool, missing: str
) -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network", features=features)
    with pytest.raises(ValidationError, match=rf"Add NetworkFeature\.{missing}"):
        SecureVpcDomain(stack, "Studio", domain_name="x", network=network, home_efs=home_efs)


def test_refuses_regions_without_studio() -> None:
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Far", env=cdk.Environment(region="ca-west-1"))
    with pytest.raises(ValidationError, match="AWS::SageMaker::Domain"):
        SecureVpcDomain(stack, "Studio", domain_name="x")


def test_reports_everything_that_is_wrong_at_once() -> None:
    assert refused(
        domain_name="A",
        idle_shutdown=Duration.minutes(1),
        space_volumes=SpaceVolumes(default_gb=0),
        lifecycle_scripts=(LifecycleScript(name="x", script=""),),
        destroy_data=True,
    ) == ["domain_name", "idle_shutdown", "space_volumes", "lifecycle_scripts['x'].script",
          "destroy_data"]  # fmt: skip


def test_refuses_before_it_makes_anything() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError):
        SecureVpcDomain(stack, "Studio", domain_name="A")
    assert stack.node.find_child("Studio").node.children == []


# --- validators ---------------------------------------------------------------------------------


def test_no_findings(stack: cdk.Stack, plain: cdk.Stack) -> None:
    assert nag_findings(stack, regulated=True) == []
    assert nag_findings(plain, regulated=True) == []


def test_the_template_fits_the_schemas(stack: cdk.Stack, tmp_path: Path) -> None:
    assert schema_findings(stack, tmp_path) == []
