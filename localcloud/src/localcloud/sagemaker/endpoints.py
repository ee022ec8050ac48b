"""Endpoints: their creation, update and deletion."""

from __future__ import annotations

import threading

from localcloud.errors import invalid
from localcloud.sagemaker import checks, crud
from localcloud.sagemaker.deployments import Deployment, reason
from localcloud.sagemaker.fleets import apply_weights, shown_config, start_fleet, weights_of
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
    _refuse_unless_in_service(record)
    config = _config(cloud, request["EndpointConfigName"])
    _refuse_change_of_scaled_variant(cloud, record, config)
    checks.before_store(cloud, "Endpoint", request)
    settings = request.get("DeploymentConfig")
    if request.get("RetainDeploymentConfig"):
        settings = record.hidden.get("deployment")
    record.hidden["deployment"] = settings
    # Weights that were changed since the last deployment go back to those of the configuration,
    # unless the caller keeps them (botocore: RetainAllVariantProperties).
    weights = weights_of(record) if request.get("RetainAllVariantProperties") else {}
    record.data.pop("FailureReason", None)
    crud.set_status(cloud, record, "Updating")
    deployment = Deployment(cloud, record, config, weights, settings or {})
    cloud.runs.start(record.arn, deployment.run)
    return record.data


@operation("UpdateEndpointWeightsAndCapacities")
def update_weights(cloud: SageMaker, request: Json) -> Json:
    """Change weights and instance counts of variants."""
    record = cloud.require("Endpoint", request, "UpdateEndpointWeightsAndCapacities")
    _refuse_unless_in_service(record)
    variants = {item["VariantName"]: item for item in record.data["ProductionVariants"]}
    for wanted in request["DesiredWeightsAndCapacities"]:
        variant = variants.get(wanted["VariantName"])
        if variant is None:
            raise invalid(f'Could not find variant "{wanted["VariantName"]}" of {record.arn}.')
        if wanted.get("DesiredWeight") is not None:
            variant["CurrentWeight"] = variant["DesiredWeight"] = wanted["DesiredWeight"]
        if wanted.get("DesiredInstanceCount") is not None:
            count = wanted["DesiredInstanceCount"]
            variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"] = count
    apply_weights(cloud, record)
    crud.set_status(cloud, record, "Updating")
    cloud.clock.after(10, lambda: crud.set_status(cloud, record, "InService"))
    return record.data


@operation("DeleteEndpoint")
def delete_endpoint(cloud: SageMaker, request: Json) -> Json:
    """Stop an endpoint."""
    record = cloud.require("Endpoint", request, "DeleteEndpoint")
    if record.data["EndpointStatus"] == "Creating":
        raise invalid(f'Cannot update in-progress endpoint "{record.arn}".')
    crud.set_status(cloud, record, "Deleting")
    cloud.runs.stop(record.arn)
    scope = cloud.scope

    def gone() -> None:
        cloud.routes.close(record.arn)
        cloud.store.remove(scope, record)

    cloud.clock.after(20, gone)
    return {}


def restore(cloud: SageMaker, record: Record) -> None:
    """Start the models of an endpoint that was in service when the instance was stopped."""
    config = _config(cloud, record.data["EndpointConfigName"])
    record.data["EndpointStatus"] = "Creating"
    cloud.runs.start(record.arn, lambda stop: _create(cloud, record, config, stop))


def _create(cloud: SageMaker, record: Record, config: Json, stop: threading.Event) -> None:
    try:
        fleet = start_fleet(cloud, record.data["EndpointName"], config)
    except Exception as error:
        crud.set_status(cloud, record, "Failed", FailureReason=reason(error))
        return
    if stop.is_set():
        fleet.stop()
        return
    cloud.routes.put(record.arn, Route(fleet))
    apply_weights(cloud, record)
    crud.set_status(cloud, record, "InService")


def _config(cloud: SageMaker, name: str) -> Json:
    """A copy of a configuration: it may be deleted while the endpoint uses it."""
    record = cloud.require("EndpointConfig", {"EndpointConfigName": name}, "DescribeEndpointConfig")
    return dict(record.data)


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


def _refuse_unless_in_service(record: Record) -> None:
    status = record.data["EndpointStatus"]
    if status != "InService":
        raise invalid(
            f'Cannot update in-progress endpoint "{record.arn}".'
            if status != "Failed"
            else f'Cannot update endpoint "{record.arn}" in status Failed: delete it.'
        )
