"""AWS's own container images: which account holds them in which region.

The table ``images.json`` comes from the SageMaker Python SDK (its ``source`` says which version)
by ``tools/update_images.py``; synth never imports the SDK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypedDict

from aws_cdk import CfnMapping, Stack
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.pseudo import PARTITION, REGION, URL_SUFFIX
from mlops_constructs.common.tokens import is_token


class _Image(TypedDict):
    repository: str
    tag: str
    accounts: str


class _Table(TypedDict):
    source: str
    frameworks: dict[str, dict[str, _Image]]
    accounts: dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class FrameworkImage:
    """A container image and what a role needs to pull it.

    Attributes:
        uri: The image, ``<account>.dkr.ecr.<region>.<suffix>/<repository>:<tag>``.
        repository_arn: The ECR repository that it lies in, for `allow_image_pull`.
    """

    uri: str
    repository_arn: str


def framework_image(
    scope: Construct, framework: str = "xgboost", version: str | None = None
) -> FrameworkImage:
    """AWS's image of a framework in the region of the scope's stack.

    In a stack without a region the account is looked up at deployment, in a mapping of which the
    stack holds one per family of images; a region that the mapping lacks then fails the
    deployment before anything is made.

    Args:
        scope: A construct in the stack that uses the image.
        framework: ``xgboost``, ``sklearn``, ``model-monitor`` or ``clarify``.
        version: The framework's version, such as ``3.2-0``; by default the newest of the table.

    Raises:
        ValidationError: If the framework or version is unknown, or AWS has no such image in the
            stack's region.
    """
    table = _table()
    problems = Problems(scope)
    versions = table["frameworks"].get(framework)
    if versions is None:
        problems.add(
            "framework",
            got=framework,
            allowed=", ".join(table["frameworks"]),
            instead="Take one of these, or make a FrameworkImage of an image of your own.",
        )
        problems.raise_if_any()
        raise AssertionError  # for the type checker: the line above has raised
    version = version or next(reversed(versions))
    problems.check(
        version in versions,
        "version",
        got=version,
        allowed=", ".join(versions),
        instead=f"Take one of these versions of {framework}, or run tools/update_images.py with a "
        "newer SageMaker SDK.",
    )
    problems.raise_if_any()
    image = versions[version]
    region = Stack.of(scope).region
    account = _account(scope, problems, framework, image["accounts"], region)
    tag = f":{image['tag']}" if image["tag"] else ""
    repository = image["repository"]
    return FrameworkImage(
        uri=f"{account}.dkr.ecr.{region}.{URL_SUFFIX}/{repository}{tag}",
        repository_arn=f"arn:{PARTITION}:ecr:{region}:{account}:repository/{repository}",
    )


def _account(scope: Construct, problems: Problems, framework: str, family: str, region: str) -> str:
    accounts = _table()["accounts"][family]
    if is_token(region):
        return _mapping(Stack.of(scope), family, accounts).find_in_map(REGION, "Account")
    problems.check(
        region in accounts,
        "region",
        got=region,
        allowed=", ".join(accounts),
        instead=f"AWS has no {framework} image there: deploy to one of these regions, or make a "
        "FrameworkImage of a copy in a repository of your own.",
    )
    problems.raise_if_any()
    return accounts[region]


def _mapping(stack: Stack, family: str, accounts: Mapping[str, str]) -> CfnMapping:
    construct_id = f"{family.title().replace('-', '')}ImageAccounts"
    found = stack.node.try_find_child(construct_id)
    if isinstance(found, CfnMapping):
        return found
    return CfnMapping(
        stack,
        construct_id,
        mapping={region: {"Account": account} for region, account in accounts.items()},
    )


@cache
def _table() -> _Table:
    text = resources.files(__package__).joinpath("images.json").read_text(encoding="utf-8")
    table: _Table = json.loads(text)
    return table
