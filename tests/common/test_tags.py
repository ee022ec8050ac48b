"""Cost tags reach what may carry them, and nothing that a tag would replace."""

from __future__ import annotations

import json
from pathlib import Path

import cfnlint
from aws_cdk import aws_sagemaker as sagemaker, aws_sqs as sqs

from mlops_constructs.common.tags import UNTAGGED, CostTags
from tests.support import new_stack, resources_of

SCHEMAS = Path(str(cfnlint.__file__)).parent / "data" / "schemas" / "resources"


def test_untagged_names_every_sagemaker_type_whose_tags_are_create_only() -> None:
    create_only = set()
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text())
        if schema.get("typeName", "").startswith("AWS::SageMaker::") and (
            "/properties/Tags" in schema.get("createOnlyProperties", [])
        ):
            create_only.add(schema["typeName"])
    assert set(UNTAGGED) == create_only | {"AWS::SageMaker::ModelPackage"}


def test_tags_go_to_what_may_carry_them() -> None:
    stack = new_stack()
    sqs.CfnQueue(stack, "Queue")
    sagemaker.CfnStudioLifecycleConfig(
        stack,
        "Script",
        studio_lifecycle_config_app_type="JupyterLab",
        studio_lifecycle_config_content="Cg==",
        studio_lifecycle_config_name="script",
    )
    CostTags(project="p", team="t", environment="dev", cost_center="c").apply_to(stack)
    queue = resources_of(stack, "AWS::SQS::Queue")["Queue"]["Properties"]
    assert {tag["Key"]: tag["Value"] for tag in queue["Tags"]} == {
        "Project": "p",
        "Team": "t",
        "Environment": "dev",
        "CostCenter": "c",
    }
    script = resources_of(stack, "AWS::SageMaker::StudioLifecycleConfig")["Script"]
    assert "Tags" not in script["Properties"]
