"""Rules about fixed names, and about names where CloudFormation hands out ARNs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems
from mlops_constructs.rules.monitoring import DEFINITIONS, SCHEDULE
from mlops_constructs.rules.serving import ENDPOINT, ENDPOINT_CONFIG, MODEL

_REPLACED: Final = {
    MODEL: "ModelName",
    ENDPOINT_CONFIG: "EndpointConfigName",
    **dict.fromkeys(DEFINITIONS, "JobDefinitionName"),
}


@dataclass(frozen=True)
class _Link:
    """A property that names another resource.

    Attributes:
        type: The type that has the property.
        paths: Where: members, `*` for every item of a list.
        targets: The types of what is named.
        name: The property, and attribute, that is the name of what is named.
    """

    type: str
    paths: tuple[str, ...]
    targets: tuple[str, ...]
    name: str


_LINKS: Final = (
    _Link(ENDPOINT, ("EndpointConfigName",), (ENDPOINT_CONFIG,), "EndpointConfigName"),
    _Link(
        ENDPOINT_CONFIG,
        ("ProductionVariants.*.ModelName", "ShadowProductionVariants.*.ModelName"),
        (MODEL,),
        "ModelName",
    ),
    _Link(
        SCHEDULE,
        ("MonitoringScheduleConfig.MonitoringJobDefinitionName",),
        DEFINITIONS,
        "JobDefinitionName",
    ),
    _Link(
        SCHEDULE,
        (
            "MonitoringScheduleConfig.MonitoringJobDefinition"
            ".MonitoringInputs.*.EndpointInput.EndpointName",
        ),
        (ENDPOINT,),
        "EndpointName",
    ),
    _Link(
        "AWS::SageMaker::InferenceComponent",
        ("EndpointName",),
        (ENDPOINT,),
        "EndpointName",
    ),
    _Link(
        "AWS::SageMaker::InferenceComponent",
        ("Specification.ModelName", "Specifications.*.ModelName"),
        (MODEL,),
        "ModelName",
    ),
    _Link("AWS::SageMaker::InferenceExperiment", ("EndpointName",), (ENDPOINT,), "EndpointName"),
    _Link(
        "AWS::SageMaker::InferenceExperiment",
        ("ModelVariants.*.ModelName",),
        (MODEL,),
        "ModelName",
    ),
    *(
        _Link(
            definition,
            (
                f"{definition.split('::')[2].removesuffix('JobDefinition')}JobInput"
                ".EndpointInput.EndpointName",
            ),
            (ENDPOINT,),
            "EndpointName",
        )
        for definition in DEFINITIONS
    ),
)
_LINKED_TYPES: Final = tuple(dict.fromkeys(link.type for link in _LINKS))


def _links(resource: Resource) -> Iterator[tuple[_Link, Node]]:
    for link in _LINKS:
        if link.type == resource.type:
            for path in link.paths:
                listed, _, member = path.rpartition(".*.")
                parents = resource[listed].items if listed else [resource]
                yield from ((link, parent[member]) for parent in parents)


@rule(
    "NM01",
    *_REPLACED,
    fix="Leave the name out: CloudFormation makes one up for each replacement",
    source=(
        "CloudFormation user guide: Name type; "
        "github.com/philschmid/terraform-aws-sagemaker-huggingface#6"
    ),
    severity="warning",
)
def no_fixed_name(resource: Resource) -> Problems:
    """What every change replaces has no fixed name."""
    name = resource[_REPLACED[resource.type]]
    if name.fixed:
        yield name.problem(f"{name.path[-1]} is fixed: a replacement would need it a second time")


@rule(
    "NM02",
    *_LINKED_TYPES,
    fix="Use Fn::GetAtt of the name's attribute; Ref of this type is the ARN",
    source="CloudFormation registry schemas: primaryIdentifier",
)
def name_not_arn(resource: Resource) -> Problems:
    """A resource is named by its name, not by its ARN."""
    for link, node in _links(resource):
        reference, target = node.reference, node.target
        if reference is None or reference.part or target is None:
            continue
        is_arn = reference.attribute is None or reference.attribute.endswith("Arn")
        if target.type in link.targets and is_arn:
            yield node.problem(f"{node.path[-1]} is the ARN of {target.logical_id}")


@rule(
    "NM03",
    *_LINKED_TYPES,
    fix="Use Fn::GetAtt or Ref instead of the literal name, or add DependsOn",
    source="CloudFormation user guide: DependsOn attribute",
)
def named_resource_first(resource: Resource) -> Problems:
    """What is named is made before the resource that names it."""
    for link, node in _links(resource):
        if not isinstance(node.value, str):
            continue
        target = resource.scope.find(link.targets, link.name, node)
        if target is not None and not resource.depends(target):
            yield node.problem(f"The resource does not wait for {target.logical_id}")


@rule(
    "NM04",
    "AWS::SageMaker::Domain",
    "AWS::SageMaker::UserProfile",
    "AWS::SageMaker::Space",
    fix="Use Fn::GetAtt StudioLifecycleConfigArn",
    source="CloudFormation registry schema StudioLifecycleConfig: primaryIdentifier",
)
def lifecycle_arn(resource: Resource) -> Problems:
    """A lifecycle configuration is given by its ARN; its Ref is the name."""
    for settings in (
        "DefaultUserSettings",
        "DefaultSpaceSettings",
        "UserSettings",
        "SpaceSettings",
    ):
        for app in ("JupyterLab", "CodeEditor", "KernelGateway", "JupyterServer"):
            for arn in resource[f"{settings}.{app}AppSettings.LifecycleConfigArns"].items:
                target, reference = arn.target, arn.reference
                if target is None or reference is None or reference.attribute is not None:
                    continue
                if target.type == "AWS::SageMaker::StudioLifecycleConfig":
                    yield arn.problem(f"The Ref of {target.logical_id} is its name")
