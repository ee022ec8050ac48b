"""What the construct adds so that a used domain can be deleted, and what it keeps otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from mlops_constructs import allow_data_destruction
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import DataScientist, SecureVpcDomain, UserProfile
from tests.support import nag_findings, new_stack, resources_of, template_of

SCIENTIST = DataScientist()
USERS = (UserProfile("ben", SCIENTIST), UserProfile("ana", SCIENTIST))


def made(*, destroy: bool, **arguments: Any) -> cdk.Stack:
    stack = new_stack()
    allow_data_destruction(stack)
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(SCIENTIST,),
        user_profiles=USERS,
        destroy_data=destroy,
        **arguments,
    )
    return stack


@pytest.fixture(scope="module")
def gone() -> cdk.Stack:
    return made(destroy=True, home_efs=True)


@pytest.fixture(scope="module")
def spared() -> cdk.Stack:
    return made(destroy=True, home_efs=True, keep_home_directories=True)


@pytest.fixture(scope="module")
def kept() -> cdk.Stack:
    return made(destroy=False, home_efs=True)


def calls(stack: cdk.Stack) -> dict[str, tuple[str, dict[str, Any]]]:
    """The two calls by part, each with its logical id."""
    found = resources_of(stack, "Custom::StudioDomainDeletion")
    return {call["Properties"]["Part"]: (name, call) for name, call in found.items()}


def statements(stack: cdk.Stack) -> Iterator[dict[str, Any]]:
    for name, policy in resources_of(stack, "AWS::IAM::Policy").items():
        if "Deletion" in name:
            yield from policy["Properties"]["PolicyDocument"]["Statement"]


def test_cloudformation_calls_before_and_after_the_profiles_go(gone: cdk.Stack) -> None:
    last, domain = calls(gone)["Domain"]
    _, users = calls(gone)["Users"]
    profiles = resources_of(gone, "AWS::SageMaker::UserProfile")
    assert set(profiles) < set(users["DependsOn"])
    assert all(last in profile["DependsOn"] for profile in profiles.values())
    assert "DomainId" in json.dumps(domain["Properties"]["DomainId"])
    assert users["Properties"]["UserProfiles"] == ["ana", "ben"]
    for call in (domain, users):
        # They are deleted while the function still may do what it must.
        assert any("DeletionPolicy" in name for name in call["DependsOn"])
        assert call["Properties"]["ServiceTimeout"] == "3600"


def test_the_domain_carries_the_mark_only_if_it_may_go(gone: cdk.Stack, kept: cdk.Stack) -> None:
    mark = {"Key": "mlops-constructs:delete-with-stack", "Value": "true"}
    [domain] = resources_of(gone, "AWS::SageMaker::Domain").values()
    assert mark in domain["Properties"]["Tags"]
    [domain] = resources_of(kept, "AWS::SageMaker::Domain").values()
    assert mark not in domain["Properties"].get("Tags", [])


def test_home_directories_take_two_keys_and_may_be_spared(
    gone: cdk.Stack, spared: cdk.Stack
) -> None:
    for stack, word in ((gone, "Delete"), (spared, "Keep")):
        assert {c["Properties"]["HomeDirectories"] for _, c in calls(stack).values()} == {word}
        actions = json.dumps(list(statements(stack)))
        assert ("elasticfilesystem:DeleteFileSystem" in actions) is (word == "Delete")
    logs = [resources_of(stack, "AWS::Logs::LogGroup") for stack in (gone, spared)]
    assert [
        next(log["DeletionPolicy"] for name, log in found.items() if "Deletion" in name)
        for found in logs
    ] == ["Delete", "Retain"]


@pytest.mark.parametrize(("home_efs", "destroy"), [(False, True), (True, False), (False, False)])
def test_there_must_be_something_to_spare(home_efs: bool, destroy: bool) -> None:
    with pytest.raises(ValidationError, match="keep_home_directories"):
        made(destroy=destroy, home_efs=home_efs, keep_home_directories=True)


def test_it_may_change_only_what_is_this_domains(gone: cdk.Stack) -> None:
    reads = ("Describe", "List")
    for statement in statements(gone):
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        assert not any("*" in action for action in actions)
        if all(action.split(":")[1].startswith(reads) for action in actions):
            continue
        resources = json.dumps(statement["Resource"])
        assert statement["Resource"] != "*"
        if actions[0].split(":")[0] in ("ec2", "elasticfilesystem"):
            [condition] = [c for kind in statement["Condition"].values() for c in kind.items()]
            assert condition[0] in ("aws:ResourceTag/ManagedByAmazonSageMakerResource", "ec2:Vpc")
            assert "Domain" in json.dumps(condition[1]) or "Vpc" in json.dumps(condition[1])
        else:
            assert "StudioDomain" in resources or "StudioDeletion" in resources


def test_only_the_function_is_shipped(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "S")
    allow_data_destruction(stack)
    SecureVpcDomain(stack, "Studio", domain_name="d", destroy_data=True)
    app.synth()
    [asset] = [p for p in tmp_path.glob("asset.*") if p.is_dir()]
    files = sorted(p.relative_to(asset).as_posix() for p in asset.rglob("*") if p.is_file())
    names = ("__init__", "calls", "domain", "index", "leftovers")
    assert files == [f"deletion_function/{name}.py" for name in names]


def test_a_domain_that_stays_keeps_what_it_stands_on(kept: cdk.Stack) -> None:
    template_of(kept).resource_count_is("AWS::Lambda::Function", 0)
    for name in ("SageMaker::Domain", "SageMaker::UserProfile", "EC2::VPC", "EC2::Subnet"):
        for resource in resources_of(kept, f"AWS::{name}").values():
            assert resource["DeletionPolicy"] == "Retain"


def test_no_findings(gone: cdk.Stack, spared: cdk.Stack) -> None:
    assert [nag_findings(stack, regulated=True) for stack in (gone, spared)] == [[], []]
