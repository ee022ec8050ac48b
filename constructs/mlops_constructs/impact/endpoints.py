"""What an endpoint refuses at an update, which one needs the old and the new template to see.

Sources: SageMaker developer guide, "Serverless Inference" (feature exclusions), "Update or delete
endpoints that use automatic scaling" and "Deployment guardrails", "Exclusions"; for asynchronous
endpoints github.com/aws/sagemaker-python-sdk#3124.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mlops_constructs.impact.changes import Action
from mlops_constructs.impact.comparison import Comparison
from mlops_constructs.impact.values import ABSENT, Attribute, Text, show
from mlops_constructs.impact.views import Resource, View

_ENDPOINT: Final = "AWS::SageMaker::Endpoint"
_CONFIG: Final = "AWS::SageMaker::EndpointConfig"
_TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
_FAILS: Final = "so the deployment will fail"

_Variants = Mapping[str, Mapping[str, Any]]


def update_notes(comparison: Comparison, logical_id: str) -> Iterator[str]:
    """What else is to be known about the move of an endpoint to another configuration."""
    outcome = comparison.outcomes[logical_id]
    old, new = outcome.old, outcome.new
    if outcome.type != _ENDPOINT or outcome.action != Action.BLUE_GREEN or not (old and new):
        return
    before, after = _config_of(comparison.old, old), _config_of(comparison.new, new)
    if before is None or after is None:
        return
    yield from _kind(before, after)
    were, become = _variants(before), _variants(after)
    yield from _names(new, were, become)
    for target_id, variant in _scaled(comparison.old, logical_id, old):
        if variant not in were:
            continue
        kind = were[variant].get("InstanceType", ABSENT)
        then = become.get(variant, {}).get("InstanceType", ABSENT)
        if variant not in become or kind != then:
            what = f"InstanceType: {show(kind)} → {show(then)}" if variant in become else "removed"
            yield (
                f"variant {show(variant)}, {what}: the service refuses it while {target_id} scales "
                f"that variant, {_FAILS}. It takes two: first without {target_id} and its "
                "policies (`add_autoscaling(paused=True)`), then with this change"
            )


def _kind(before: Resource, after: Resource) -> Iterator[str]:
    was, becomes = _is_serverless(before), _is_serverless(after)
    if becomes and not was:
        yield (
            "instances → serverless: the service refuses to turn an endpoint serverless, "
            f"{_FAILS}: give the serverless one another name"
        )
    if was and not becomes:
        yield "serverless → instances: there is no way back, not even for a rollback of the stack"
    name = "AsyncInferenceConfig"
    if name in before.properties and name not in after.properties:
        yield (
            f"{name}: the service refuses to remove it, {_FAILS}: give the real-time endpoint "
            "another name"
        )


def _names(endpoint: Resource, were: _Variants, become: _Variants) -> Iterator[str]:
    settings = endpoint.properties.get("DeploymentConfig")
    guarded = isinstance(settings, dict) and (
        "BlueGreenUpdatePolicy" in settings or "RollingUpdatePolicy" in settings
    )
    if guarded and were.keys() != become.keys():
        yield (
            f"variants {_listed(were)} → {_listed(become)}: deployment guardrails need equal names "
            "before and after; deploy it without DeploymentConfig, or keep the names"
        )


def _listed(variants: _Variants) -> str:
    return ", ".join(variants)


def _config_of(view: View, endpoint: Resource) -> Resource | None:
    """The configuration of an endpoint, when it is in the template."""
    name = endpoint.properties.get("EndpointConfigName")
    if isinstance(name, Attribute):
        found = view.resources.get(name.target)
        return found if found and found.type == _CONFIG else None
    for resource in view.resources.values():
        if resource.type == _CONFIG and resource.properties.get("EndpointConfigName") == name:
            return resource
    return None


def _variants(config: Resource) -> dict[str, Mapping[str, Any]]:
    """The production variants by their names, as far as those are known."""
    found = config.properties.get("ProductionVariants")
    variants = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {
        each["VariantName"]: each for each in variants if isinstance(each.get("VariantName"), str)
    }


def _is_serverless(config: Resource) -> bool:
    return any("ServerlessConfig" in each for each in _variants(config).values())


def _scaled(view: View, logical_id: str, endpoint: Resource) -> Iterator[tuple[str, str]]:
    """The scalable targets of an endpoint by logical id, with the variant that each scales."""
    name = endpoint.properties.get("EndpointName")
    for target_id, resource in view.resources.items():
        if resource.type != _TARGET:
            continue
        match _segments(resource.properties.get("ResourceId")):
            case ["endpoint", named, "variant", str(variant)]:
                refers = isinstance(named, Attribute) and named.target == logical_id
                if refers or (isinstance(named, str) and named == name):
                    yield target_id, variant


def _segments(resource_id: Any) -> list[Any]:
    """What stands between the slashes: text, or what the deployment knows."""
    parts = resource_id.parts if isinstance(resource_id, Text) else (resource_id,)
    found: list[Any] = []
    for part in parts:
        found += [each for each in part.split("/") if each] if isinstance(part, str) else [part]
    return found
