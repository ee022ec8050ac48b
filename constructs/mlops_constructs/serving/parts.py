"""The configuration of an endpoint with its variants, and its inference components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import (
    CfnCondition,
    aws_cloudwatch as cloudwatch,
    aws_kms as kms,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.serving.asynchronous import Asynchronous
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.checks import ServedModel
from mlops_constructs.serving.components import Adapter, InferenceComponents
from mlops_constructs.serving.compute import Compute
from mlops_constructs.serving.containers import all_of
from mlops_constructs.serving.hosting import Host, only_if
from mlops_constructs.serving.variants import Challenger, Shadow
from mlops_constructs.serving.watch import Watch

_ON_LOCAL_DISK = (
    "The model lies on the instance's own NVMe disk, which its hardware encrypts; a KMS key would "
    "not apply to it and may fail the call."
)


@dataclass(frozen=True)
class MadeComponent:
    """An inference component.

    Attributes:
        component: Its resource.
        condition: That it exists; None if it always does.
        alarms: What rolls its updates back.
    """

    component: sagemaker.CfnInferenceComponent
    condition: CfnCondition | None
    alarms: Sequence[cloudwatch.Alarm] = ()


def make_config(
    scope: Construct,
    host: Host,
    *,
    variant_name: str,
    model: ServedModel,
    compute: Compute,
    beside: Sequence[Challenger | Shadow],
    capture: DataCapture | None,
    encryption_key: kms.IKey | None,
) -> tuple[sagemaker.CfnEndpointConfig, CfnCondition | None]:
    """The configuration and its models, and the condition that all of them exist.

    Args:
        scope: The endpoint's construct.
        host: Where the models run.
        variant_name: The endpoint's own variant.
        model: What that serves.
        compute: What it runs on.
        beside: The other variants.
        capture: The data capture, if any.
        encryption_key: For the volumes; None where the disks have a key of their own.
    """
    production, shadows, conditions = _make_variants(
        scope, host, variant_name, model, compute, beside=beside
    )
    shared = isinstance(model, InferenceComponents)
    config = sagemaker.CfnEndpointConfig(
        scope,
        "Config",
        production_variants=production,
        shadow_production_variants=shadows or None,
        kms_key_id=None if encryption_key is None else encryption_key.key_arn,
        data_capture_config=capture.to_property() if capture is not None else None,
        async_inference_config=compute.to_config() if isinstance(compute, Asynchronous) else None,
        execution_role_arn=host.role.role_arn if shared else None,
        vpc_config=host.vpc_config if shared else None,
        enable_network_isolation=host.isolated if shared else None,
    )
    if encryption_key is None:
        acknowledge(
            config,
            {"NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured": _ON_LOCAL_DISK},
        )
    return config, all_of(scope, "AllAreApproved", conditions)


def make_components(
    scope: Construct,
    host: Host,
    model: InferenceComponents,
    *,
    endpoint: sagemaker.CfnEndpoint,
    watch: Watch,
    names: dict[str, str],
) -> dict[str, MadeComponent]:
    """The components of an endpoint by their names within it.

    Args:
        scope: The endpoint's construct.
        host: Where their models run.
        model: The components.
        endpoint: The endpoint.
        watch: Makes their alarms.
        names: What callers call each component.
    """
    made: dict[str, MadeComponent] = {}
    places = {each.name: Construct(scope, f"Component-{each.name}") for each in model.components}
    for base in model.bases:
        place = places[base.name]
        alarms = watch.component(place, base.name)
        created, condition = host.make_model(place, base.model)
        component = sagemaker.CfnInferenceComponent(
            place,
            "Component",
            endpoint_name=endpoint.attr_endpoint_name,
            variant_name=watch.endpoint.variant_name,
            inference_component_name=names[base.name],
            specification=base.to_specification(created.attr_model_name),
            runtime_config={"copyCount": base.copies},
            deployment_config=watch.deployment_config(alarms),
        )
        made[base.name] = MadeComponent(component, condition, alarms)
    for adapter in model.components:
        if isinstance(adapter, Adapter):
            base_made = made[adapter.base]
            component = sagemaker.CfnInferenceComponent(
                places[adapter.name],
                "Component",
                endpoint_name=endpoint.attr_endpoint_name,
                inference_component_name=names[adapter.name],
                specification={
                    "baseInferenceComponentName": names[adapter.base],
                    "container": {"artifactUrl": adapter.artifact_url},
                },
            )
            component.node.add_dependency(base_made.component)
            made[adapter.name] = MadeComponent(component, base_made.condition)
    for each in made.values():
        wait_for_policy(each.component, host.role)
        only_if(each.condition, [each.component])
    return made


def _make_variants(
    scope: Construct,
    host: Host,
    variant_name: str,
    model: ServedModel,
    compute: Compute,
    *,
    beside: Sequence[Challenger | Shadow],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[CfnCondition | None]]:
    if isinstance(model, InferenceComponents):
        return [_variant(variant_name, None, compute, 1)], [], []
    own, others = _weights(beside)
    made, condition = host.make_model(scope, model)
    production = [_variant(variant_name, made, compute, own)]
    shadows: list[dict[str, Any]] = []
    conditions = [condition]
    for each in beside:
        made, condition = host.make_model(Construct(scope, f"Variant-{each.name}"), each.model)
        kind = shadows if isinstance(each, Shadow) else production
        kind.append(_variant(each.name, made, each.compute, others[each.name]))
        conditions.append(condition)
    return production, shadows, conditions


def _variant(
    name: str, model: sagemaker.CfnModel | None, compute: Compute, weight: float
) -> dict[str, Any]:
    found: dict[str, Any] = {"variantName": name}
    if model is not None:
        found["modelName"] = model.attr_model_name
    return {**found, "initialVariantWeight": weight, **compute.to_variant()}


def _weights(beside: Sequence[Challenger | Shadow]) -> tuple[float, dict[str, float]]:
    """The weight of the endpoint's own variant, and those of the others by name.

    A challenger's weight counts among all production variants, a shadow's against the one that
    it copies.
    """
    shares = {each.name: each.percent for each in beside}
    if not beside:
        return 1, {}
    if isinstance(beside[0], Shadow):
        return 100, shares
    return 100 - sum(shares.values()), shares
