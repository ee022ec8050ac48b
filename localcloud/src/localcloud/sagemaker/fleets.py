"""The model servers behind endpoints: the instances of each variant as local processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from uuid import uuid4

from localcloud.compute.ports import S3Uri
from localcloud.emulator import Scope
from localcloud.sagemaker import metrics, shared
from localcloud.sagemaker.adapters import EmulatorLogs, EmulatorObjects
from localcloud.sagemaker.metrics import INSTANCE_NAMESPACE, Meter, Utilization
from localcloud.sagemaker.routes import Fleet, Variant
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.serving import Container, Instance, ModelProcess, MultiModel, Pool, ServerlessPool
from localcloud.serving.model_process import STARTUP_SECONDS
from localcloud.serving.multi_model import missing_model
from localcloud.settings import client_environment

MakeInstance = Callable[[], Instance]


def start_fleet(
    cloud: SageMaker, endpoint: str, config: Json, counts: Mapping[str, int] | None = None
) -> Fleet:
    """Start the instances of all variants of a configuration, shadow variants among them.

    A variant without a model, as inference components use it, gets no instance.

    Args:
        cloud: The service.
        endpoint: The name of the endpoint, under which the containers log.
        config: The endpoint configuration.
        counts: Instances of variants that are not to have as many as the configuration says.

    Raises:
        ServiceError: A model cannot be loaded; the message says why. Nothing is left running.
    """
    fleet = Fleet(config, {})
    try:
        for item in config["ProductionVariants"]:
            count = (counts or {}).get(item["VariantName"], item.get("InitialInstanceCount", 1))
            variant = _variant(cloud, endpoint, config, item)
            fleet.variants[variant.name] = variant
            _start(variant, count)
        for item in config.get("ShadowProductionVariants") or ():
            shadow = _variant(cloud, endpoint, config, item)
            fleet.shadows[shadow.name] = shadow
            _start(shadow, item.get("InitialInstanceCount", 1))
    except BaseException:
        fleet.stop()
        raise
    return fleet


def _start(variant: Variant, count: int) -> None:
    if isinstance(variant.pool, ServerlessPool):
        variant.pool.prepare()
    elif variant.pool is not None:
        variant.pool.scale(count)


def _variant(cloud: SageMaker, endpoint: str, config: Json, item: Json) -> Variant:
    name, weight = item["VariantName"], item.get("InitialVariantWeight", 1.0)
    meter = metrics.of_variant(cloud.clock, endpoint, name, config)
    if not item.get("ModelName"):
        return Variant(name, weight, None, meter)
    model = cloud.require("Model", {"ModelName": item["ModelName"]}, "DescribeModel").data
    containers = model_containers(cloud, model)
    for container in containers:
        shared.require_readable(cloud, str(model.get("ExecutionRoleArn") or ""), container)
    make = instances_of(cloud, endpoint, item, model=model, containers=containers, meter=meter)
    serverless = item.get("ServerlessConfig")
    pool = (
        ServerlessPool(
            make,
            cloud.clock.after,
            most=serverless["MaxConcurrency"],
            warm=serverless.get("ProvisionedConcurrency") or 0,
        )
        if serverless
        else Pool(make, least_busy=_least_busy(item))
    )
    direct = (model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct"
    names = container_names(containers) if direct else []
    return Variant(
        name,
        weight,
        pool,
        meter,
        hostnames=tuple(names),
        multi_model=any(each.get("Mode") == "MultiModel" for each in containers),
        utilization=Utilization(
            Meter(
                cloud.clock,
                [{"EndpointName": endpoint, "VariantName": name}],
                INSTANCE_NAMESPACE,
            ),
            memory_mib(item.get("InstanceType") or "")
            if not serverless
            else serverless["MemorySizeInMB"],
        ),
        container_meters={
            each: Meter(
                cloud.clock,
                [{"EndpointName": endpoint, "VariantName": name, "ContainerName": each}],
            )
            for each in names
        },
    )


def _least_busy(item: Json) -> bool:
    strategy = (item.get("RoutingConfig") or {}).get("RoutingStrategy")
    return strategy == "LEAST_OUTSTANDING_REQUESTS"


def instances_of(
    cloud: SageMaker,
    endpoint: str,
    item: Json,
    *,
    model: Json,
    containers: list[Json],
    meter: Meter,
) -> MakeInstance:
    """What makes the instances of a variant; the model may be deleted meanwhile, as in AWS.

    Args:
        cloud: The service.
        endpoint: The name of the endpoint.
        item: The variant: its name, type of instance and timeouts.
        model: Says whether the containers are isolated.
        containers: The definitions of the containers.
        meter: Writes the metrics of the variant.
    """
    scope = cloud.scope
    objects, logs = EmulatorObjects(cloud, scope), EmulatorLogs(cloud, scope)
    health = item.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_SECONDS

    def process(container: Json, identifier: str) -> ModelProcess:
        return ModelProcess(
            container,
            objects,
            cloud.settings.work_dir / "models" / uuid4().hex[:12],
            logs=logs,
            log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
            log_stream=f"{item['VariantName']}/i-{identifier}",
            environment=container_environment(cloud, scope),
            isolated=bool(model.get("EnableNetworkIsolation")),
            startup_seconds=float(health),
        )

    def many(container: Json, identifier: str) -> MultiModel:
        prefix = S3Uri.parse(container["ModelDataUrl"])
        settings = container.get("MultiModelConfig") or {}

        def load(target: str) -> ModelProcess:
            location = prefix.join(target.lstrip("/"))
            if location.key not in objects.list(location.bucket, location.key):
                raise missing_model(location.bucket, location.key)
            single = {**container, "ModelDataUrl": str(location), "Mode": "SingleModel"}
            return process(single, identifier)

        return MultiModel(
            load,
            memory_mib=memory_mib(item.get("InstanceType") or ""),
            observe=meter.add,
            on_loaded=loaded.add,
            cached=settings.get("ModelCacheSetting") != "Disabled",
        )

    loaded = Meter(
        cloud.clock,
        [{"EndpointName": endpoint, "VariantName": item["VariantName"]}],
        INSTANCE_NAMESPACE,
    )

    def make() -> Instance:
        identifier = uuid4().hex[:8]
        made: list[tuple[str, Container]] = []
        for name, container in zip(container_names(containers), containers, strict=True):
            multi = container.get("Mode") == "MultiModel"
            made.append(
                (name, many(container, identifier) if multi else process(container, identifier))
            )
        return Instance(made)

    return make


def container_names(containers: list[Json]) -> list[str]:
    """The names under which the service speaks of the containers of a model."""
    if len(containers) == 1:
        return [containers[0].get("ContainerHostname") or "primary"]
    return [
        container.get("ContainerHostname") or f"container-{number}"
        for number, container in enumerate(containers, 1)
    ]


_MIB_FOR_EACH_CPU = {"c": 2048, "r": 8192}
"""EC2's ratio of its compute- and memory-optimised families; the others have 4 GiB (EC2 user
guide, "Instance types")."""
_SMALL = {"medium": 1, "large": 2, "xlarge": 4}


def memory_mib(instance_type: str) -> float:
    """The memory of an instance, in MiB, but not more than half of what this machine has."""
    family, _, size = instance_type.removeprefix("ml.").partition(".")
    cpus = _SMALL.get(size) or 4 * int(size.removesuffix("xlarge") or 1)
    has = cpus * _MIB_FOR_EACH_CPU.get(family[:1], 4096)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    return min(float(has), machine / 2)


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
    arn = container["ModelPackageName"]
    package = shared.find(cloud, arn) or cloud.require(
        "ModelPackage", {"ModelPackageArn": arn}, "DescribeModelPackage"
    )
    specification = shared.first_container(package.data)
    environment = {
        **(specification.get("Environment") or {}),
        **(container.get("Environment") or {}),
    }
    return {**specification, **container, "Environment": environment}


def described(cloud: SageMaker, items: list[Json], kept: Mapping[str, Json]) -> list[Json]:
    """Variants as DescribeEndpoint shows them.

    Args:
        cloud: The service.
        items: The variants of a configuration.
        kept: Members of variants that do not come from it.
    """
    shown = []
    for item in items:
        weight = item.get("InitialVariantWeight", 1.0)
        variant: Json = {
            "VariantName": item["VariantName"],
            "DeployedImages": _images(cloud, item),
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if item.get("ServerlessConfig"):
            variant["CurrentServerlessConfig"] = item["ServerlessConfig"]
            variant["DesiredServerlessConfig"] = item["ServerlessConfig"]
        elif item.get("InitialInstanceCount") is not None:
            count = item["InitialInstanceCount"]
            variant |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        for member in ("ManagedInstanceScaling", "RoutingConfig"):
            if item.get(member):
                variant[member] = item[member]
        shown.append(variant | kept.get(item["VariantName"], {}))
    return shown


def _images(cloud: SageMaker, variant: Json) -> list[Json]:
    if not variant.get("ModelName"):
        return []
    model = cloud.find("Model", {"ModelName": variant["ModelName"]})
    # A model may be deleted while an endpoint uses it.
    containers = model_containers(cloud, model.data) if model else []
    images = [container.get("Image") for container in containers]
    return [{"SpecifiedImage": image, "ResolvedImage": image} for image in images]


def shown_config(cloud: SageMaker, config: Json, kept: Mapping[str, Json] | None = None) -> Json:
    """The members of DescribeEndpoint that come from its configuration."""
    capture = config.get("DataCaptureConfig")
    shadows = config.get("ShadowProductionVariants")
    return {
        "ProductionVariants": described(cloud, config["ProductionVariants"], kept or {}),
        "ShadowProductionVariants": shadows and described(cloud, shadows, {}),
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


def kept_properties(record: Record, excluded: set[str]) -> dict[str, Json]:
    """What the variants of an endpoint keep over an update that retains their properties."""
    kept: dict[str, Json] = {}
    for variant in record.data["ProductionVariants"]:
        members: Json = {}
        if "DesiredWeight" not in excluded:
            members |= {m: variant[m] for m in ("CurrentWeight", "DesiredWeight") if m in variant}
        if "DesiredInstanceCount" not in excluded:
            counts = ("CurrentInstanceCount", "DesiredInstanceCount")
            members |= {m: variant[m] for m in counts if m in variant}
        kept[variant["VariantName"]] = members
    return kept


def apply_weights(cloud: SageMaker, record: Record) -> None:
    """Spread the requests by the weights that the endpoint shows."""
    route = cloud.routes.get(record.arn)
    if route:
        for item in record.data["ProductionVariants"]:
            route.stable.variants[item["VariantName"]].weight = item["CurrentWeight"]
