"""Rules about tags."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problems, show
from mlops_constructs.rules.feature_group import FEATURE_GROUP
from mlops_constructs.rules.types import SAGEMAKER_TYPES

CREATE_ONLY: Final = (
    FEATURE_GROUP,
    "AWS::SageMaker::DataQualityJobDefinition",
    "AWS::SageMaker::ModelQualityJobDefinition",
    "AWS::SageMaker::ModelBiasJobDefinition",
    "AWS::SageMaker::ModelExplainabilityJobDefinition",
    "AWS::SageMaker::StudioLifecycleConfig",
    "AWS::SageMaker::ProcessingJob",
)
"""Types whose Tags are create-only: a changed tag replaces the resource."""


@rule(
    "TG01",
    *CREATE_ONLY,
    fix=(
        "Leave Tags out and keep stack-wide tags (cdk.Tags) off this type: a later change of a "
        "tag replaces the resource, and a replaced feature group has lost its online data"
    ),
    source="CloudFormation registry schemas: createOnlyProperties /properties/Tags",
    severity="warning",
)
def create_only_tags(resource: Resource) -> Problems:
    """Types whose tags cannot be changed have none."""
    tags = resource["Tags"]
    if tags.present and tags.count != 0:
        yield tags.problem("Tags of this type are create-only")


@rule(
    "TG02",
    *SAGEMAKER_TYPES,
    fix="Keep one of them",
    source="botocore TagList: tag keys must be unique per resource",
)
def unique_keys(resource: Resource) -> Problems:
    """A tag key occurs once."""
    seen: set[str] = set()
    for tag in resource["Tags"].items:
        key = tag["Key"]
        if key.text is not None and key.text in seen:
            yield key.problem(f"The tag {show(key.text)} occurs twice")
        seen.add(key.text or "")


@rule(
    "TG03",
    *SAGEMAKER_TYPES,
    fix="Use another prefix: aws: is reserved",
    source="Tagging AWS Resources user guide; github.com/aws/sagemaker-python-sdk#1362",
)
def reserved_keys(resource: Resource) -> Problems:
    """A tag key does not begin with aws:."""
    for tag in resource["Tags"].items:
        key = tag["Key"]
        if (key.text or "").lower().startswith("aws:"):
            yield key.problem(f"The tag key {show(key.text)}")
