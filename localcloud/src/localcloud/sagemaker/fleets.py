"""The model servers behind endpoints: one local process for each container of each variant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import uuid4

from localcloud.emulator import Scope
from localcloud.sagemaker.adapters import EmulatorLogs, EmulatorObjects
from localcloud.sagemaker.routes import Fleet, Variant
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.serving import ModelProcess
from localcloud.settings import client_environment


def start_fleet(cloud: SageMaker, endpoint: str, config: Json) -> Fleet:
    """Start the processes of all production variants of a configuration.

    A variant without a model, as inference components use it, gets no process.

    Args:
        cloud: The service.
        endpoint: The name of the endpoint, under which the containers log.
        config: The endpoint configuration.

    Raises:
        ServiceError: A model cannot be loaded; the message says why. Nothing is left running.
    """
    fleet = Fleet(config, {})
    try:
        for item in config["ProductionVariants"]:
            variant = Variant(item["VariantName"], item.get("InitialVariantWeight", 1.0), [])
            fleet.variants[variant.name] = variant
            for process in _processes(cloud, endpoint, item):
                variant.processes.append(process)
                process.start()
    except Exception:
        fleet.stop()
        raise
    return fleet


def _processes(cloud: SageMaker, endpoint: str, variant: Json) -> Iterator[ModelProcess]:
    if not variant.get("ModelName"):
        return
    model = cloud.require("Model", {"ModelName": variant["ModelName"]}, "DescribeModel").data
    scope = cloud.scope
    for container in model_containers(cloud, model):
        identifier = uuid4().hex[:8]
        yield ModelProcess(
            container,
            EmulatorObjects(cloud, scope),
            cloud.settings.work_dir / "models" / identifier,
            logs=EmulatorLogs(cloud, scope),
            log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
            log_stream=f"{variant['VariantName']}/i-{identifier}",
            environment=container_environment(cloud, scope),
            isolated=bool(model.get("EnableNetworkIsolation")),
        )


def container_environment(cloud: SageMaker, scope: Scope) -> dict[str, str]:
    """What containers get to reach this cloud, in the account that they belong to."""
    environment = client_environment(cloud.settings.url, scope.region)
    return environment | {"AWS_ACCESS_KEY_ID": scope.account}


def model_containers(cloud: SageMaker, model: Json) -> list[Json]:
    """The containers of a model, with what their model packages add."""
    containers = model.get("Containers") or [model["PrimaryContainer"]]
    return [_with_package(cloud, container) for container in containers]


def _with_package(cloud: SageMaker, container: Json) -> Json:
    if not container.get("ModelPackageName"):
        return container
    package = cloud.require(
        "ModelPackage", {"ModelPackageArn": container["ModelPackageName"]}, "DescribeModelPackage"
    )
    specification = package.data["InferenceSpecification"]["Containers"][0]
    environment = {
        **(specification.get("Environment") or {}),
        **(container.get("Environment") or {}),
    }
    return {**specification, **container, "Environment": environment}


def described(cloud: SageMaker, config: Json, weights: Mapping[str, float]) -> list[Json]:
    """The variants as DescribeEndpoint shows them."""
    shown = []
    for item in config["ProductionVariants"]:
        weight = weights.get(item["VariantName"], item.get("InitialVariantWeight", 1.0))
        variant: Json = {
            "VariantName": item["VariantName"],
            "DeployedImages": _images(cloud, item),
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if item.get("ServerlessConfig"):
            variant["CurrentServerlessConfig"] = item["ServerlessConfig"]
            variant["DesiredServerlessConfig"] = item["ServerlessConfig"]
        elif item.get("InitialInstanceCount"):
            count = item["InitialInstanceCount"]
            variant |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        shown.append(variant)
    return shown


def _images(cloud: SageMaker, variant: Json) -> list[Json]:
    if not variant.get("ModelName"):
        return []
    model = cloud.find("Model", {"ModelName": variant["ModelName"]})
    # A model may be deleted while an endpoint uses it.
    containers = model_containers(cloud, model.data) if model else []
    images = [container.get("Image") for container in containers]
    return [{"SpecifiedImage": image, "ResolvedImage": image} for image in images]


def shown_config(cloud: SageMaker, config: Json, weights: dict[str, float] | None = None) -> Json:
    """The members of DescribeEndpoint that come from its configuration."""
    capture = config.get("DataCaptureConfig")
    return {
        "ProductionVariants": described(cloud, config, weights or {}),
        "AsyncInferenceConfig": config.get("AsyncInferenceConfig"),
        "DataCaptureConfig": capture
        and {
            "EnableCapture": capture.get("EnableCapture", False),
            "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        },
    }


def weights_of(record: Record) -> dict[str, float]:
    """The weights of an endpoint's variants now."""
    return {
        item["VariantName"]: item["CurrentWeight"] for item in record.data["ProductionVariants"]
    }


def apply_weights(cloud: SageMaker, record: Record) -> None:
    """Spread the requests by the weights that the endpoint shows."""
    route = cloud.routes.get(record.arn)
    if route:
        for name, weight in weights_of(record).items():
            route.stable.variants[name].weight = weight
