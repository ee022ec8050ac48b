"""Spaces that come with a domain, private or shared; users make their own besides.

Name, ownership and sharing are create-only (registry schema of AWS::SageMaker::Space). Idle
shutdown and the size of volumes are the domain's. A shared space runs as the domain's default
role, which may do nothing until it is granted something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import RemovalPolicy, aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.studio.lifecycle import StudioApp


@dataclass(frozen=True, kw_only=True)
class StudioSpace:
    """A space.

    Attributes:
        name: Its name, unique in the domain.
        owner: The name of a user profile of the domain; a shared space has an owner too, who may
            delete it.
        shared: Whether all users of the domain work in it.
        app: What runs in it.
    """

    name: str
    owner: str
    shared: bool = False
    app: StudioApp = StudioApp.JUPYTER_LAB


def check_spaces(problems: Problems, spaces: Sequence[StudioSpace], users: Sequence[str]) -> None:
    """Note everything that is wrong with the spaces."""
    names = [space.name for space in spaces]
    problems.check(
        len(set(names)) == len(names),
        "spaces",
        got=names,
        allowed="different names",
        instead="Rename the spaces that share a name.",
    )
    for space in spaces:
        what = f"spaces[{space.name!r}]"
        check_name(problems, f"{what}.name", space.name)
        problems.check(
            space.owner in users,
            f"{what}.owner",
            got=space.owner,
            allowed=", ".join(sorted(users)) or "nobody: the domain has no user profiles",
            instead="Name a user profile of the domain.",
        )


def make_spaces(
    scope: Construct,
    spaces: Sequence[StudioSpace],
    *,
    domain_id: str,
    profiles: Mapping[str, sagemaker.CfnUserProfile],
    removal_policy: RemovalPolicy,
) -> dict[str, sagemaker.CfnSpace]:
    """The resources of the spaces, by name.

    Args:
        scope: The parent; a space's name is its id.
        spaces: The spaces.
        domain_id: The domain.
        profiles: The user profiles, by name.
        removal_policy: That of the domain: a space's volume holds its users' work.
    """
    made: dict[str, sagemaker.CfnSpace] = {}
    for space in spaces:
        resource = sagemaker.CfnSpace(
            scope,
            space.name,
            domain_id=domain_id,
            space_name=space.name,
            space_settings={"appType": space.app.value},
            space_sharing_settings={"sharingType": "Shared" if space.shared else "Private"},
            ownership_settings={"ownerUserProfileName": space.owner},
        )
        resource.apply_removal_policy(removal_policy)
        resource.node.add_dependency(profiles[space.owner])
        made[space.name] = resource
    return made
