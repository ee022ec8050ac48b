"""How scalable targets and scaling policies belong to endpoints in a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops_constructs.rules.engine.template import Resource, Scope
from mlops_constructs.rules.engine.values import Node, Reference, Text
from mlops_constructs.rules.serving import config_of, endpoint_named, variants

SCALABLE_TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
SCALING_POLICY: Final = "AWS::ApplicationAutoScaling::ScalingPolicy"

INSTANCES: Final = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY: Final = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES: Final = "sagemaker:inference-component:DesiredCopyCount"


@dataclass(frozen=True)
class Variant:
    """A variant that a ResourceId names."""

    endpoint: Resource | None
    config: Resource | None
    node: Node | None


def segments(resource_id: Node) -> list[str | Reference] | None:
    """The parts of a ResourceId between slashes; None unless each is a literal or a reference."""
    value = resource_id.value
    parts = value.parts if isinstance(value, Text) else (value,)
    found: list[str | Reference] = [""]
    for part in parts:
        if isinstance(part, str):
            head, *rest = part.split("/")
            if head and found[-1] != "":
                return None
            found[-1] = head or found[-1]
            found.extend(rest)
        elif isinstance(part, Reference) and found[-1] == "":
            found[-1] = part
        else:
            return None
    return found


def dimension_of(policy: Resource) -> str | None:
    """The scalable dimension of a policy, its own or its target's."""
    if policy["ScalableDimension"].present:
        return policy["ScalableDimension"].text
    target = policy["ScalingTargetId"].target
    if target is None or target.type != SCALABLE_TARGET:
        return None
    return target["ScalableDimension"].text


def variant_of(resource_id: Node) -> Variant | None:
    """The variant that a ResourceId names, when its endpoint is in the template."""
    parts = segments(resource_id)
    if parts is None or len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":
        return None
    endpoint = endpoint_named(Node(parts[1], resource_id.path, resource_id.scope))
    config = config_of(endpoint) if endpoint is not None else None
    matching = []
    if config is not None:
        name = Node(parts[3], resource_id.path, resource_id.scope)
        matching = [v for v in variants(config) if v["VariantName"].same_as(name)]
    return Variant(endpoint, config, matching[0] if len(matching) == 1 else None)


def scaled_endpoints(scope: Scope) -> dict[str, Resource]:
    """The logical ids of scaled endpoints, with a target that scales them."""

    def make() -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for target in scope.of_type(SCALABLE_TARGET):
            variant = variant_of(target["ResourceId"])
            if variant is not None and variant.endpoint is not None:
                found.setdefault(variant.endpoint.logical_id, target)
        return found

    return scope.once("scaled endpoints", make)
