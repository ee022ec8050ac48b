"""Tags that must be there: in any app, and in the platform's templates."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3, aws_sagemaker as sagemaker, aws_sns as sns
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from mlops_constructs import CostTags, RequiredTags, ValidationError
from mlops_constructs.common.required_tags import COST_TAGS
from mlops_constructs.common.tags import UNTAGGED
from tests.support import new_stack

_SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "__snapshots__" / "test_templates"


def complaint(stack: cdk.Stack) -> str:
    """What a synth says that fails."""
    with pytest.raises(RuntimeError) as error:
        cdk.App.of(stack).synth()  # type: ignore[union-attr]  # a stack of a test is in an app
    return str(error.value)


def filled(stack: cdk.Stack) -> None:
    s3.Bucket(stack, "Data")
    sns.Topic(stack, "Told")
    # No tags on these: one cannot have any, the other would be replaced by a later one.
    cdk.CfnWaitConditionHandle(stack, "Handle")
    sagemaker.CfnFeatureGroup(
        stack,
        "Features",
        feature_group_name="f",
        record_identifier_feature_name="id",
        event_time_feature_name="at",
        feature_definitions=[],
    )


def test_what_lacks_tags_is_named() -> None:
    stack = new_stack()
    filled(stack)
    RequiredTags().apply_to(stack)
    cdk.Tags.of(stack.node.find_child("Told")).add("Team", "t")
    said = complaint(stack)
    assert "AWS::S3::Bucket lacks the tags Project, Team, Environment, CostCenter." in said
    assert "AWS::SNS::Topic lacks the tags Project, Environment, CostCenter." in said
    assert "Test/Data/Resource" in said
    assert "FeatureGroup" not in said


def test_tags_that_are_added_anywhere_count() -> None:
    stack = new_stack()
    filled(stack)
    RequiredTags().apply_to(stack)
    CostTags(project="p", team="t", environment="dev", cost_center="c").apply_to(stack)
    cdk.App.of(stack).synth()  # type: ignore[union-attr]  # a stack of a test is in an app


def test_values_may_be_held_to_a_list() -> None:
    stack = new_stack()
    s3.Bucket(stack, "Data")
    cdk.Tags.of(stack).add("Environment", "production")
    RequiredTags({"Environment": ("dev", "prod")}).apply_to(stack)
    assert "has the tag Environment='production' (allowed: dev, prod)" in complaint(stack)


@pytest.mark.parametrize("tags", [(), ("",), ("aws:cost",), ("x" * 129,), "Project"])
def test_refuses_keys(tags: tuple[str, ...] | str) -> None:
    with pytest.raises(ValidationError, match="RequiredTags"):
        RequiredTags(tags)


@pytest.mark.parametrize("path", sorted(_SNAPSHOTS.glob("test_template*prod*.json")), ids=str)
def test_everything_in_the_platform_that_can_be_tagged_is(path: Path) -> None:
    for name, resource in json.loads(path.read_text())["Resources"].items():
        kind = resource["Type"]
        if kind in UNTAGGED or kind.startswith("Custom::"):
            continue
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        tagging = schema.get("tagging", {"taggable": False})
        member = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2]
        if tagging.get("taggable") is False or member not in schema["properties"]:
            continue
        given = resource.get("Properties", {}).get(member, [])
        keys = set(given) if isinstance(given, dict) else {tag["Key"] for tag in given}
        assert keys >= set(COST_TAGS), f"{name} ({kind})"
