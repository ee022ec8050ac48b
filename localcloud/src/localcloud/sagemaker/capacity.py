"""How much of everything there is behind an endpoint, and its change: by hand or by autoscaling."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import components, crud
from localcloud.sagemaker.deployments import reason
from localcloud.sagemaker.fleets import apply_weights
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.serving import ServerlessPool

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"

_UPDATE_SECONDS = 10.0


def require_in_service(record: Record) -> None:
    """Refuse to change an endpoint that is being changed, or that has failed.

    Raises:
        ServiceError: In the words of the service.
    """
    status = record.data["EndpointStatus"]
    if status != "InService":
        raise invalid(
            f'Cannot update in-progress endpoint "{record.arn}".'
            if status != "Failed"
            else f'Cannot update endpoint "{record.arn}" in status Failed: delete it.'
        )


def change_variants(cloud: SageMaker, record: Record, wanted: Sequence[Json]) -> None:
    """Give variants other weights, instance counts and concurrencies.

    The weights count at once. Instances are started, or leave when they have answered what they
    took, while the endpoint is ``Updating``.

    Raises:
        ServiceError: The endpoint, or what is wanted of it, does not allow it.
    """
    require_in_service(record)
    variants = {item["VariantName"]: item for item in record.data["ProductionVariants"]}
    for each in wanted:
        _check(record, variants.get(each["VariantName"]), each)
    for each in wanted:
        variant = variants[each["VariantName"]]
        if each.get("DesiredWeight") is not None:
            variant["CurrentWeight"] = variant["DesiredWeight"] = each["DesiredWeight"]
        if each.get("DesiredInstanceCount") is not None:
            variant["DesiredInstanceCount"] = each["DesiredInstanceCount"]
        if each.get("ServerlessUpdateConfig"):
            before = variant["CurrentServerlessConfig"]
            variant["DesiredServerlessConfig"] = {**before, **each["ServerlessUpdateConfig"]}
    apply_weights(cloud, record)
    crud.set_status(cloud, record, "Updating")
    cloud.runs.start(record.arn, lambda stop: _change(cloud, record, stop))


def _check(record: Record, variant: Json | None, wanted: Json) -> None:
    name = wanted["VariantName"]
    if variant is None:
        raise invalid(f'Could not find variant "{name}" of {record.arn}.')
    count = wanted.get("DesiredInstanceCount")
    if count is not None and variant.get("CurrentServerlessConfig"):
        raise invalid(f'Variant "{name}" is serverless: it has no instance count.')
    if count == 0 and not record.data.get("AsyncInferenceConfig"):
        raise invalid(
            f'Variant "{name}" cannot have 0 instances: only variants of asynchronous endpoints'
            " can."
        )
    if wanted.get("ServerlessUpdateConfig") and not variant.get("CurrentServerlessConfig"):
        raise invalid(f'Variant "{name}" is not serverless: it has no ServerlessUpdateConfig.')


def _change(cloud: SageMaker, record: Record, stop: threading.Event) -> None:
    route = cloud.routes.get(record.arn)
    failed: Json = {}
    cloud.clock.sleep(_UPDATE_SECONDS, stop)
    for item in record.data["ProductionVariants"]:
        variant = route.stable.variants.get(item["VariantName"]) if route else None
        pool = variant.pool if variant else None
        if pool is None:
            continue
        try:
            if isinstance(pool, ServerlessPool):
                serverless = item["DesiredServerlessConfig"]
                pool.resize(
                    most=serverless["MaxConcurrency"],
                    warm=serverless.get("ProvisionedConcurrency") or 0,
                )
                item["CurrentServerlessConfig"] = serverless
            else:
                pool.scale(item["DesiredInstanceCount"])
                item["CurrentInstanceCount"] = item["DesiredInstanceCount"]
        except ServiceError as error:
            item["DesiredInstanceCount"] = item["CurrentInstanceCount"]
            failed["FailureReason"] = reason(error)
    crud.set_status(cloud, record, "InService", **failed)


# --- what autoscaling sees -----------------------------------------------------------------------


def current(cloud: SageMaker, target: Json) -> int | None:
    """The capacity of a scalable target; None while it cannot be changed."""
    if target["ScalableDimension"] == COPIES:
        return components.copies_of(cloud, target["ResourceId"].rsplit("/", 1)[-1])
    found = _variant_of(cloud, target)
    if found is None or found[0].data["EndpointStatus"] != "InService":
        return None
    variant = found[1]
    if target["ScalableDimension"] == PROVISIONED:
        serverless = variant.get("CurrentServerlessConfig") or {}
        return int(serverless.get("ProvisionedConcurrency") or 0)
    return int(variant.get("CurrentInstanceCount") or 0)


def change(cloud: SageMaker, target: Json, wanted: int) -> None:
    """Give a scalable target another capacity.

    Raises:
        ServiceError: It is gone, or being changed.
    """
    if target["ScalableDimension"] == COPIES:
        name = target["ResourceId"].rsplit("/", 1)[-1]
        components.set_copies(cloud, name, wanted)
        return
    found = _variant_of(cloud, target)
    if found is None:
        raise invalid(f"SageMaker resource doesn't exist for resourceId: {target['ResourceId']}")
    name = found[1]["VariantName"]
    if target["ScalableDimension"] == PROVISIONED:
        serverless = found[1]["CurrentServerlessConfig"]
        change: Json = {
            "MaxConcurrency": serverless["MaxConcurrency"],
            "ProvisionedConcurrency": wanted,
        }
        change_variants(cloud, found[0], [{"VariantName": name, "ServerlessUpdateConfig": change}])
    else:
        change_variants(cloud, found[0], [{"VariantName": name, "DesiredInstanceCount": wanted}])


def check(cloud: SageMaker, target: Json, least: int) -> None:
    """Refuse a scalable target that the service could not scale so.

    Sources: SageMaker developer guide, "Automatic scaling prerequisites", "Autoscale an
    asynchronous endpoint", "Automatically scale Provisioned Concurrency".

    Raises:
        ServiceError: ``ValidationException``.
    """
    found = _variant_of(cloud, target)
    if found is None or target["ScalableDimension"] == COPIES:
        return
    record, variant = found
    serverless = variant.get("CurrentServerlessConfig")
    if target["ScalableDimension"] == PROVISIONED:
        if not (serverless or {}).get("ProvisionedConcurrency"):
            raise invalid(
                f"The variant of {target['ResourceId']} has no ProvisionedConcurrency to scale."
            )
    elif serverless:
        raise invalid(f"The variant of {target['ResourceId']} is serverless: it has no instances.")
    elif least == 0 and not record.data.get("AsyncInferenceConfig"):
        raise invalid(
            "MinCapacity 0 is for asynchronous endpoints; the MinCapacity of other variants is at"
            " least 1."
        )


def _variant_of(cloud: SageMaker, target: Json) -> tuple[Record, Json] | None:
    parts = target["ResourceId"].split("/")
    record = cloud.find("Endpoint", {"EndpointName": parts[1]}) if parts[0] == "endpoint" else None
    for variant in record.data["ProductionVariants"] if record else ():
        if record and variant["VariantName"] == parts[-1]:
            return record, variant
    return None
