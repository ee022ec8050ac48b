"""Inference components: models that share the instances of an endpoint.

Source: SageMaker developer guide, "Inference components", "Scale an endpoint to zero instances";
botocore: CreateInferenceComponent. Each copy of a component is a local process, as each instance of
a variant is. The instances of the endpoint are no processes: they are what the copies must fit on,
by memory, cores and accelerators.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import checks, crud
from localcloud.sagemaker.fleets import (
    MakeInstance,
    instances_of,
    memory_mib,
    model_containers,
)
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.metrics import Meter
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record
from localcloud.serving import Pool

_KIND = "InferenceComponent"
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be"
    " in-progress (if configured) or try to increase the capacity by invoking"
    " UpdateInferenceComponentRuntimeConfig API."
)
_NAME_NEEDED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy"
    " inference components. Please include Inference Component Name header or consider using"
    " SageMaker models."
)
"""Source: langchain issue 16150."""

_UPDATE_SECONDS = 30.0


@dataclass
class Copies:
    """The copies of a component that run.

    Attributes:
        name: Of the component.
        pool: Its copies.
        meter: Writes its metrics.
    """

    name: str
    pool: Pool
    meter: Meter

    def invoked(self, status: int, *, overhead: float, latency: float) -> None:
        """Write what one invocation counts for."""
        self.meter.add("Invocations", 1.0)
        self.meter.add("InvocationsPerCopy", 1.0 / max(1, self.pool.size))
        self.meter.failed(status)
        self.meter.add("ModelLatency", latency)
        self.meter.add("OverheadLatency", overhead)

    def refused(self) -> None:
        """Write that a request came and there was no copy: what wakes a component from zero."""
        self.meter.add("NoCapacityInvocationFailures", 1.0)

    def observe(self, watched: set[str]) -> None:
        """Write the concurrency of the last while; zeros where autoscaling waits for them."""
        peak = self.pool.take_peak()
        if f"inference-component/{self.name}" in watched:
            self.meter.add("InvocationsPerCopy", 0.0)
        elif not peak:
            return
        self.meter.add("ConcurrentRequestsPerCopy", peak / max(1, self.pool.size))


@operation("CreateInferenceComponent")
def create_component(cloud: SageMaker, request: Json) -> Json:
    """Start the copies of a component on an endpoint."""
    endpoint = cloud.require("Endpoint", request, "DescribeEndpoint")
    if endpoint.data["EndpointStatus"] != "InService":
        raise invalid(f'Endpoint "{endpoint.arn}" is not InService.')
    variant = _variant(endpoint, request.get("VariantName"))
    specification = _specification(cloud, request)
    count = (request.get("RuntimeConfig") or {}).get("CopyCount", 1)
    _fits(cloud, endpoint, {request["InferenceComponentName"]: (specification, count)})
    data = {
        "InferenceComponentName": request["InferenceComponentName"],
        "EndpointName": endpoint.data["EndpointName"],
        "EndpointArn": endpoint.arn,
        "VariantName": variant["VariantName"],
        "Specification": specification,
        "RuntimeConfig": _desired(count),
        "InferenceComponentStatus": "Creating",
        "Tags": request.get("Tags"),
    }
    record = crud.store_new(cloud, kind(_KIND), "CreateInferenceComponent", data)
    crud.start(cloud, record)
    cloud.runs.start(record.arn, lambda stop: _deploy(cloud, record, stop))
    return record.data


@operation("UpdateInferenceComponent")
def update_component(cloud: SageMaker, request: Json) -> Json:
    """Replace the model of a component, its number of copies, or both."""
    record = _changeable(cloud, request, "UpdateInferenceComponent")
    renewed = request.get("Specification") is not None
    specification = _specification(cloud, request) if renewed else record.data["Specification"]
    runtime = record.data["RuntimeConfig"]
    count = (request.get("RuntimeConfig") or {}).get("CopyCount", runtime["DesiredCopyCount"])
    _fits(cloud, _endpoint(cloud, record), {record.key[0]: (specification, count)})
    checks.before_store(cloud, _KIND, {**record.data, **request})
    with cloud.store.lock:
        record.data["Specification"] = specification
        record.data["RuntimeConfig"] = _desired(count, runtime)
        record.data.pop("FailureReason", None)
    _update(cloud, record, renewed=renewed)
    return record.data


@operation("UpdateInferenceComponentRuntimeConfig")
def update_runtime(cloud: SageMaker, request: Json) -> Json:
    """Change the number of copies."""
    _changeable(cloud, request, "UpdateInferenceComponentRuntimeConfig")
    set_copies(
        cloud, request["InferenceComponentName"], request["DesiredRuntimeConfig"]["CopyCount"]
    )
    return cloud.require(_KIND, request, "UpdateInferenceComponentRuntimeConfig").data


@operation("DeleteInferenceComponent")
def delete_component(cloud: SageMaker, request: Json) -> Json:
    """Stop the copies of a component."""
    record = cloud.require(_KIND, request, "DeleteInferenceComponent")
    status = record.data["InferenceComponentStatus"]
    if status in {"Creating", "Deleting"}:
        raise invalid(f'Cannot delete inference component "{record.arn}" in status {status}.')
    crud.set_status(cloud, record, "Deleting")
    cloud.runs.stop(record.arn)
    scope = cloud.scope

    def gone() -> None:
        cloud.routes.close_component(record.arn, seconds=0.0)
        cloud.store.remove(scope, record)
        endpoint = cloud.find("Endpoint", record.data)
        if endpoint:
            _show_instances(cloud, endpoint)

    cloud.clock.after(_UPDATE_SECONDS, gone)
    return {}


def restore(cloud: SageMaker, record: Record) -> None:
    """Start the copies of a component again when the local cloud has started again."""
    record.data["InferenceComponentStatus"] = "Creating"
    record.data["RuntimeConfig"]["CurrentCopyCount"] = 0
    cloud.runs.start(record.arn, lambda stop: _deploy(cloud, record, stop))


def chosen(cloud: SageMaker, endpoint: Record, name: str | None) -> Copies:
    """The copies that a request goes to.

    Raises:
        ServiceError: ``ValidationError``: no component is named, or there is none of that name.
    """
    if not name:
        raise ServiceError("ValidationError", _NAME_NEEDED)
    record = cloud.find(_KIND, {"InferenceComponentName": name})
    here = record is not None and record.data["EndpointName"] == endpoint.data["EndpointName"]
    copies = cloud.routes.component(record.arn) if record is not None and here else None
    if copies is None:
        raise ServiceError(
            "ValidationError",
            f"Inference Component {name} not found on endpoint {endpoint.data['EndpointName']}.",
        )
    return copies


def copies_of(cloud: SageMaker, name: str) -> int | None:
    """The number of copies; None while it cannot be changed."""
    record = cloud.find(_KIND, {"InferenceComponentName": name})
    if record is None or record.data["InferenceComponentStatus"] != "InService":
        return None
    return int(record.data["RuntimeConfig"]["CurrentCopyCount"])


def set_copies(cloud: SageMaker, name: str, count: int) -> None:
    """Start copies, or let some leave, until there are ``count``.

    Raises:
        ServiceError: The component is being changed, or its copies do not fit.
    """
    request = {"InferenceComponentName": name}
    record = _changeable(cloud, request, "UpdateInferenceComponentRuntimeConfig")
    wanted = {record.key[0]: (record.data["Specification"], count)}
    _fits(cloud, _endpoint(cloud, record), wanted)
    with cloud.store.lock:
        record.data["RuntimeConfig"] = _desired(count, record.data["RuntimeConfig"])
    _update(cloud, record, renewed=False)


def _desired(count: int, present: Json | None = None) -> Json:
    """The runtime configuration; ``CopyCount`` is what requests call it."""
    current = (present or {}).get("CurrentCopyCount", 0)
    return {"CopyCount": count, "DesiredCopyCount": count, "CurrentCopyCount": current}


def _changeable(cloud: SageMaker, request: Json, operation_name: str) -> Record:
    record = cloud.require(_KIND, request, operation_name)
    status = record.data["InferenceComponentStatus"]
    if status not in {"InService", "Failed"}:
        raise invalid(f'Cannot update inference component "{record.arn}" in status {status}.')
    return record


def _endpoint(cloud: SageMaker, record: Record) -> Record:
    return cloud.require("Endpoint", record.data, "DescribeEndpoint")


def _variant(endpoint: Record, name: str | None) -> Json:
    """The variant of a new component: the one that is named, or the only one.

    A variant with a model takes none (hashicorp/terraform-provider-aws issue 40644).
    """
    variants = endpoint.data["ProductionVariants"]
    found = [each for each in variants if name in (None, each["VariantName"])]
    if not found:
        raise invalid(f'Could not find variant "{name}" of {endpoint.arn}.')
    if found[0].get("DeployedImages"):
        raise invalid(
            f'Variant "{found[0]["VariantName"]}" of {endpoint.arn} has a model: it cannot take'
            " inference components."
        )
    variant: Json = found[0]
    return variant


def _specification(cloud: SageMaker, request: Json) -> Json:
    """The specification as DescribeInferenceComponent shows it."""
    given = request.get("Specification")
    if given is None:
        raise invalid(
            "The local cloud runs inference components with one Specification; Specifications for"
            " several types of instances are not offered."
        )
    if given.get("BaseInferenceComponentName"):
        raise invalid(
            "The local cloud has no adapters: a Specification with BaseInferenceComponentName"
            " cannot run here."
        )
    container = given.get("Container") or {}
    if bool(given.get("ModelName")) == bool(container):
        raise invalid("Exactly one of ModelName and Container must be given.")
    if given.get("ModelName"):
        cloud.require("Model", given, "DescribeModel")
    needs = given.get("ComputeResourceRequirements")
    if not needs:
        raise invalid("ComputeResourceRequirements must be given.")
    shown = {**given}
    if container:
        image = {"SpecifiedImage": container["Image"], "ResolvedImage": container["Image"]}
        shown["Container"] = {**container, "DeployedImage": image}
    return shown


# --- placement -----------------------------------------------------------------------------------


def _fits(cloud: SageMaker, endpoint: Record, wanted: dict[str, tuple[Json, int]]) -> int:
    """How many instances the copies need.

    Args:
        cloud: The service.
        endpoint: On whose instances they are placed.
        wanted: Specification and copies of components that are to change.

    Raises:
        ServiceError: They need more than there may be.
    """
    config = _item(cloud, endpoint)
    copies = dict(wanted)
    for record in cloud.store.records(cloud.scope, _KIND):
        if record.data["EndpointName"] == endpoint.data["EndpointName"]:
            runtime = record.data["RuntimeConfig"]
            present = (record.data["Specification"], runtime["DesiredCopyCount"])
            copies.setdefault(record.key[0], present)
    needed = _instances(config.get("InstanceType") or "", list(copies.values()))
    scaling = config.get("ManagedInstanceScaling") or {}
    managed = scaling.get("Status") == "ENABLED"
    most = scaling.get("MaxInstanceCount") if managed else config.get("InitialInstanceCount")
    if most is not None and needed > most:
        raise invalid(
            f"The copies need {needed} instances of {config.get('InstanceType')}, and the variant"
            f" {config['VariantName']} has at most {most}. Please request fewer copies, or ones"
            " that need less."
        )
    return needed


def _item(cloud: SageMaker, endpoint: Record) -> Json:
    route = cloud.routes.get(endpoint.arn)
    items = route.stable.config["ProductionVariants"] if route else [{"VariantName": ""}]
    item: Json = items[0]
    return item


def _instances(instance_type: str, copies: list[tuple[Json, int]]) -> int:
    """The instances that copies need, the largest placed first, each where it still fits."""
    memory = memory_mib(instance_type)
    free: list[float] = []
    sizes = [
        float(specification["ComputeResourceRequirements"]["MinMemoryRequiredInMb"])
        for specification, count in copies
        for _ in range(count)
    ]
    for size in sorted(sizes, reverse=True):
        if size > memory:
            raise invalid(
                f"A copy needs {size:.0f} MB of memory, and {instance_type} offers"
                f" {memory:.0f} MB here."
            )
        place = next((number for number, left in enumerate(free) if left >= size), None)
        if place is None:
            free.append(memory - size)
        else:
            free[place] -= size
    return len(free)


def _show_instances(cloud: SageMaker, endpoint: Record) -> None:
    """Managed instance scaling: as many instances as the copies need, within its bounds."""
    item = _item(cloud, endpoint)
    scaling = item.get("ManagedInstanceScaling") or {}
    if scaling.get("Status") != "ENABLED":
        return
    needed = max(_fits(cloud, endpoint, {}), int(scaling.get("MinInstanceCount") or 0))
    for variant in endpoint.data["ProductionVariants"]:
        if variant["VariantName"] == item["VariantName"]:
            variant |= {"CurrentInstanceCount": needed, "DesiredInstanceCount": needed}


# --- copies --------------------------------------------------------------------------------------


def _update(cloud: SageMaker, record: Record, *, renewed: bool) -> None:
    crud.set_status(cloud, record, "Updating")
    if renewed:
        cloud.runs.start(record.arn, lambda stop: _deploy(cloud, record, stop))
    else:
        cloud.runs.start(record.arn, lambda stop: _scale(cloud, record, stop))


def _deploy(cloud: SageMaker, record: Record, stop: threading.Event) -> None:
    """Start the copies of a specification; those of the former one leave when they run."""
    specification = record.data["Specification"]
    endpoint = _endpoint(cloud, record)
    name = record.data["InferenceComponentName"]
    former = cloud.routes.component(record.arn)
    meter = former.meter if former else Meter(cloud.clock, [{"InferenceComponentName": name}])
    pool: Pool | None = None
    try:
        pool = Pool(_maker(cloud, record, endpoint, specification, meter), least_busy=True)
        pool.scale(record.data["RuntimeConfig"]["DesiredCopyCount"])
    except ServiceError as error:
        _settle(cloud, record, "Failed" if former is None else "InService", error.message)
        return
    if stop.is_set():
        pool.stop()
        return
    cloud.routes.put_component(record.arn, Copies(name, pool, meter))
    if former:
        former.pool.stop()
    if not stop.is_set():
        _settle(cloud, record, "InService")


def _scale(cloud: SageMaker, record: Record, stop: threading.Event) -> None:
    copies = cloud.routes.component(record.arn)
    cloud.clock.sleep(_UPDATE_SECONDS, stop)
    if copies is None:
        _deploy(cloud, record, stop)
        return
    why = None
    try:
        if not stop.is_set():
            copies.pool.scale(record.data["RuntimeConfig"]["DesiredCopyCount"])
    except ServiceError as error:
        why = error.message
    if not stop.is_set():
        _settle(cloud, record, "InService", why)


def _settle(cloud: SageMaker, record: Record, status: str, why: str | None = None) -> None:
    copies = cloud.routes.component(record.arn)
    with cloud.store.lock:
        record.data["RuntimeConfig"] = {
            **record.data["RuntimeConfig"],
            "CurrentCopyCount": copies.pool.size if copies else 0,
        }
    endpoint = cloud.find("Endpoint", record.data)
    if endpoint:
        _show_instances(cloud, endpoint)
    crud.set_status(cloud, record, status, **({"FailureReason": why} if why else {}))


def _maker(
    cloud: SageMaker, record: Record, endpoint: Record, specification: Json, meter: Meter
) -> MakeInstance:
    if specification.get("ModelName"):
        model = cloud.require("Model", specification, "DescribeModel").data
        containers = model_containers(cloud, model)
    else:
        model, given = {}, specification["Container"]
        container = {"Image": given["Image"], "Environment": given.get("Environment") or {}}
        if given.get("ArtifactUrl"):
            container["ModelDataUrl"] = given["ArtifactUrl"]
        containers = [container]
    startup = specification.get("StartupParameters") or {}
    item = {
        **_item(cloud, endpoint),
        "VariantName": f"{record.data['VariantName']}/{record.data['InferenceComponentName']}",
        **startup,
    }
    name = endpoint.data["EndpointName"]
    return instances_of(cloud, name, item, model=model, containers=containers, meter=meter)
