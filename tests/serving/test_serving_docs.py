"""docs/serving.md tells the truth: its code builds, its table is what the impact gate says."""

from __future__ import annotations

import inspect
import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam, aws_s3 as s3

import mlops_constructs
from mlops_constructs import BlueGreenEndpoint, FrameworkImage, ModelRegistry
from tests.serving import safety
from tests.serving.fixture import REPOSITORY, make_ground
from tests.serving.kinds import IMAGE, artifact, given_topic

_BLOCKS = re.findall(
    r"^```py\n(.*?)^```$", safety.PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the snippets take for granted."""
    ground = make_ground()
    registry = ModelRegistry(ground.stack, "Registry", model_package_group_name="churn")
    return {
        # Only what is named: each name loads its module.
        **{
            name: getattr(mlops_constructs, name)
            for name in mlops_constructs.__all__
            if any(re.search(rf"\b{name}\b", code) for code in _BLOCKS)
        },
        "Duration": cdk.Duration,
        "bucket": ground.bucket,
        "network": ground.network,
        "topic": given_topic(ground.stack),
        "caller": iam.Role(
            ground.stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        ),
        "registry": registry,
        "image": FrameworkImage(uri=IMAGE, repository_arn=REPOSITORY),
        "model": artifact(s3.Bucket.from_bucket_name(ground.stack, "Models", "models")),
        "place": ground.stack,
    }


@pytest.mark.slow
@pytest.mark.parametrize("code", _BLOCKS, ids=range(len(_BLOCKS)))
def test_code_builds(code: str, names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    index = _BLOCKS.index(code)
    stack = cdk.Stack(names["place"].node.root, f"Page{index}")
    before = {child.node.path for child in stack.node.find_all()}
    exec(compile(code, f"docs/serving.md, block {index}", "exec"), dict(names) | {"stack": stack})
    assert len(stack.node.find_all()) > len(before)


def test_every_argument_has_a_row() -> None:
    told = {name for change in safety.CHANGES for name in re.split(r", ", change.argument)}
    arguments = set(inspect.signature(BlueGreenEndpoint.__init__).parameters)
    assert arguments - {"self", "scope", "construct_id"} <= told
    adding = {name for name in vars(BlueGreenEndpoint) if name.startswith(("add_", "tell_"))}
    assert adding <= told


@pytest.mark.slow
def test_the_table_is_what_deploying_would_do() -> None:
    page = safety.PAGE.read_text(encoding="utf-8")
    assert safety.page_with(safety.table()) == page, "run python -m tests.serving.safety"
