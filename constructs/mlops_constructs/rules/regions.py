"""Rules about the regions that a template is deployed to."""

from __future__ import annotations

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problem, Problems
from mlops_constructs.rules.types import MISSING_REGIONS, SAGEMAKER_TYPES


@rule(
    "RG01",
    *SAGEMAKER_TYPES,
    fix="Deploy to another region, or leave the resource out of this one",
    source="CloudFormation registry schemas of each region, 2026-10-20",
)
def type_is_in_region(resource: Resource) -> Problems:
    """The resource type exists in the region."""
    region = resource.scope.region
    if region is not None and region in MISSING_REGIONS[resource.type]:
        yield Problem(("Type",), f"{region} has no {resource.type}")
