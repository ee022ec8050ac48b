"""Cost-allocation tags on every resource that may carry them, and on no other.

On some types ``Tags`` is create-only: adding one tag to the app would replace the resource, and
with a feature group its online data would go. `UNTAGGED` names those types; a test compares it
with the registry schemas.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Tags
from constructs import Construct

#: Types that an app-wide tag would replace (create-only ``Tags`` in the CloudFormation registry,
#: schemas of 2026-10-20), and versioned model packages, whose creation refuses tags (botocore,
#: CreateModelPackage.Tags).
UNTAGGED: tuple[str, ...] = (
    "AWS::SageMaker::DataQualityJobDefinition",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelBiasJobDefinition",
    "AWS::SageMaker::ModelExplainabilityJobDefinition",
    "AWS::SageMaker::ModelPackage",
    "AWS::SageMaker::ModelQualityJobDefinition",
    "AWS::SageMaker::ProcessingJob",
    "AWS::SageMaker::Project",
    "AWS::SageMaker::StudioLifecycleConfig",
)


@dataclass(frozen=True, kw_only=True)
class CostTags:
    """The four tags that cost reports are made by.

    Attributes:
        project: What the resources serve, such as ``census-income``.
        team: Who runs them.
        environment: ``dev``, ``staging``, ``prod``, …
        cost_center: Who pays.
    """

    project: str
    team: str
    environment: str
    cost_center: str

    def apply_to(self, scope: Construct) -> None:
        """Tag everything below ``scope`` that can take a new tag without being replaced."""
        tags = Tags.of(scope)
        for name, value in (
            ("Project", self.project),
            ("Team", self.team),
            ("Environment", self.environment),
            ("CostCenter", self.cost_center),
        ):
            tags.add(name, value, exclude_resource_types=list(UNTAGGED))
