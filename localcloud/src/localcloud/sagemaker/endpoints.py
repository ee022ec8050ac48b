"""Endpoints: their creation, update and deletion."""

from __future__ import annotations

import threading
from typing import Any

from localcloud.errors import invalid
from localcloud.sagemaker import capacity, checks, crud
from localcloud.sagemaker.asynchronous import open_queue
from localcloud.sagemaker.deployments import Deployment, reason
from localcloud.sagemaker.fleets import apply_weights, kept_properties, shown_config, start_fleet
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.routes import Route
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record


@operation("CreateEndpoint")
def create_endpoint(cloud: SageMaker, request: Json) -> Json:
    """Start the models of an endpoint; it is in service when all are loaded."""
    record = crud.store_new(
        cloud, kind("Endpoint"), "CreateEndpoint", {**request, "EndpointStatus": "Creating"}
    )
    config = _config(cloud, record.data["EndpointConfigName"])
    record.data |= shown_config(cloud, config)
    record.hidden["deployment"] = record.data.pop("DeploymentConfig", None)
    crud.start(cloud, record)
    cloud.runs.start(record.arn, lambda stop: _create(cloud, record, config, stop))
    return record.data


@operation("UpdateEndpoint")
def update_endpoint(cloud: SageMaker, request: Json) -> Json:
    """Move an endpoint to another configuration, as its deployment configuration says."""
    record = cloud.require("Endpoint", request, "UpdateEndpoint")
    capacity.require_in_service(record)
    config = _config(cloud, request["EndpointConfigName"])
    _refuse_change_of_scaled_variant(cloud, record, config)
    settings = request.get("DeploymentConfig")
    if request.get("RetainDeploymentConfig"):
        settings = record.hidden.get("deployment")
    _refuse_change_of_kind(cloud, record, config, settings or {})
    checks.before_store(cloud, "Endpoint", request)
    record.hidden["deployment"] = settings
    # Weights and counts that were changed since the last deployment go back to those of the
    # configuration, unless the caller keeps them (botocore: RetainAllVariantProperties).
    excluded = {
        each["VariantPropertyType"]
        for each in request.get("ExcludeRetainedVariantProperties") or ()
    }
    retains = request.get("RetainAllVariantProperties")
    kept = kept_properties(record, excluded) if retains else {}
    record.data.pop("FailureReason", None)
    crud.set_status(cloud, record, "Updating")
    deployment = Deployment(cloud, record, config, kept, settings or {})
    cloud.runs.start(record.arn, deployment.run)
    return record.data


@operation("UpdateEndpointWeightsAndCapacities")
def update_weights(cloud: SageMaker, request: Json) -> Json:
    """Change weights, instance counts and concurrencies of variants."""
    record = cloud.require("Endpoint", request, "UpdateEndpointWeightsAndCapacities")
    capacity.change_variants(cloud, record, request["DesiredWeightsAndCapacities"])
    return record.data


@operation("DeleteEndpoint")
def delete_endpoint(cloud: SageMaker, request: Json) -> Json:
    """Stop an endpoint."""
    record = cloud.require("Endpoint", request, "DeleteEndpoint")
    if record.data["EndpointStatus"] == "Creating":
        raise invalid(f'Cannot update in-progress endpoint "{record.arn}".')
    name = record.data["EndpointName"]
    components = [
        each.data["InferenceComponentName"]
        for each in cloud.store.records(cloud.scope, "InferenceComponent")
        if each.data["EndpointName"] == name
    ]
    if components:
        raise invalid(
            f'Cannot delete endpoint "{record.arn}": delete its inference components first:'
            f" {', '.join(components)}."
        )
    crud.set_status(cloud, record, "Deleting")
    cloud.runs.stop(record.arn)
    scope = cloud.scope

    def gone() -> None:
        _deregister(cloud, name)
        cloud.routes.close(record.arn, seconds=0.0)
        cloud.store.remove(scope, record)

    cloud.clock.after(20, gone)
    return {}


def _deregister(cloud: SageMaker, endpoint: str) -> None:
    """End the autoscaling of the variants, as the service does.

    It needs the caller's permission for that (awslabs/stable-diffusion-aws-extension issue 161).
    """
    client: Any = cloud.clients.client("application-autoscaling", cloud.scope)
    for target in cloud.store.records(cloud.scope, "ScalableTarget"):
        if target.data["ResourceId"].startswith(f"endpoint/{endpoint}/"):
            members = ("ServiceNamespace", "ResourceId", "ScalableDimension")
            client.deregister_scalable_target(**{member: target.data[member] for member in members})


def restore(cloud: SageMaker, record: Record) -> None:
    """Start the models of an endpoint that was in service when the instance was stopped."""
    config = _config(cloud, record.data["EndpointConfigName"])
    record.data["EndpointStatus"] = "Creating"
    cloud.runs.start(record.arn, lambda stop: _create(cloud, record, config, stop))


def _create(cloud: SageMaker, record: Record, config: Json, stop: threading.Event) -> None:
    counts = {
        item["VariantName"]: item["DesiredInstanceCount"]
        for item in record.data["ProductionVariants"]
        if item.get("DesiredInstanceCount") is not None
    }
    try:
        fleet = start_fleet(cloud, record.data["EndpointName"], config, counts)
    except Exception as error:
        crud.set_status(cloud, record, "Failed", FailureReason=reason(error))
        return
    if stop.is_set():
        fleet.stop()
        return
    cloud.routes.put(record.arn, Route(fleet))
    open_queue(cloud, record)
    apply_weights(cloud, record)
    crud.set_status(cloud, record, "InService")


def _config(cloud: SageMaker, name: str) -> Json:
    """A copy of a configuration: it may be deleted while the endpoint uses it."""
    record = cloud.require("EndpointConfig", {"EndpointConfigName": name}, "DescribeEndpointConfig")
    return dict(record.data)


def _refuse_change_of_kind(cloud: SageMaker, record: Record, config: Json, settings: Json) -> None:
    """What an update cannot change.

    Sources: SageMaker developer guide, "Serverless Inference" (an instance-based endpoint does not
    become serverless), "Deployment guardrails", "Exclusions" (the variants keep their names);
    sagemaker-python-sdk issue 3124 (an asynchronous endpoint stays one). The words are not the
    service's, which are not published.
    """
    route = cloud.routes.get(record.arn)
    before = route.stable.config if route else config
    if before.get("AsyncInferenceConfig") and not config.get("AsyncInferenceConfig"):
        raise invalid(
            f'Endpoint "{record.arn}" cannot be updated: AsyncInferenceConfig cannot be removed.'
        )
    was, becomes = _serverless(before), _serverless(config)
    if not was and becomes:
        raise invalid(
            f'Endpoint "{record.arn}" cannot be updated: an instance-based endpoint cannot become'
            " serverless."
        )
    names = {item["VariantName"] for item in config["ProductionVariants"]}
    guarded = settings.get("BlueGreenUpdatePolicy") or settings.get("RollingUpdatePolicy")
    if (
        guarded
        and not becomes
        and names != {v["VariantName"] for v in before["ProductionVariants"]}
    ):
        raise invalid(
            f'Endpoint "{record.arn}" cannot be updated with a DeploymentConfig: the variants of'
            " both configurations must have the same names."
        )


def _serverless(config: Json) -> bool:
    return any(item.get("ServerlessConfig") for item in config["ProductionVariants"])


def _refuse_change_of_scaled_variant(cloud: SageMaker, record: Record, config: Json) -> None:
    """An autoscaled variant keeps its instance type until its target is deregistered.

    Source: SageMaker developer guide, "Update or delete endpoints that use automatic scaling".
    """
    route = cloud.routes.get(record.arn)
    variants = route.stable.config["ProductionVariants"] if route else []
    before = {variant["VariantName"]: variant.get("InstanceType") for variant in variants}
    after = {
        variant["VariantName"]: variant.get("InstanceType")
        for variant in config["ProductionVariants"]
    }
    for target in cloud.store.records(cloud.scope, "ScalableTarget"):
        parts = target.data["ResourceId"].split("/")
        if parts[:2] != ["endpoint", record.data["EndpointName"]] or parts[-1] not in before:
            continue
        if before[parts[-1]] != after.get(parts[-1]):
            raise invalid(
                f'The variant(s) "{parts[-1]}" must be deregistered as scalable targets with'
                " AutoScaling before they can be removed or have their instance type updated."
            )
