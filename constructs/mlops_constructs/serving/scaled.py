"""What of an endpoint can be scaled, and by which policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch, aws_sagemaker as sagemaker

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving.checks import ServedModel
from mlops_constructs.serving.components import InferenceComponents
from mlops_constructs.serving.compute import (
    Asynchronous,
    Compute,
    Instances,
    ManagedInstances,
    Serverless,
)
from mlops_constructs.serving.deployment import Deployment
from mlops_constructs.serving.interface import ServingEndpoint
from mlops_constructs.serving.policies import (
    ScaleInSteps,
    ScaleOutSteps,
    ScalingPolicy,
    ScheduledCapacity,
    TrackBacklog,
    TrackConcurrency,
    Tracking,
    TrackInvocations,
    TrackMetric,
    TrackProvisionedConcurrency,
    TrackUtilization,
    check_policy,
)
from mlops_constructs.serving.scaling import (
    BACKLOG,
    CONCURRENCY,
    COPIES,
    INSTANCES,
    Scaled,
    check_capacity,
)

_ANY = (TrackMetric, ScaleOutSteps, ScaleInSteps)
_POLICIES: Mapping[type, tuple[type, ...]] = {
    Instances: (TrackInvocations, TrackConcurrency, TrackUtilization, *_ANY),
    Asynchronous: (TrackBacklog, TrackUtilization, *_ANY),
    ManagedInstances: (TrackInvocations, TrackConcurrency, *_ANY),
    Serverless: (TrackProvisionedConcurrency,),
}


def what_is_scaled(
    endpoint_: ServingEndpoint,
    compute: Compute,
    *,
    endpoint: sagemaker.CfnEndpoint,
    name: str,
    is_component: bool,
) -> Scaled:
    """The resource id, the dimension and the metrics of a variant or component.

    Args:
        endpoint_: The endpoint's construct, for its metrics.
        compute: What it runs on.
        endpoint: The endpoint's resource.
        name: The variant's or component's name.
        is_component: Which of the two it is.
    """
    if is_component:
        return Scaled(
            resource_id=f"inference-component/{endpoint_.component_name(name)}",
            dimension=COPIES,
            metric=lambda metric: endpoint_.component_metric(name, metric, statistic="Average"),
            without_capacity=lambda: (
                endpoint_.component_metric(name, "NoCapacityInvocationFailures", statistic="Sum"),
                1,
            ),
        )

    def metric(named: str) -> cloudwatch.Metric:
        if named == BACKLOG:
            return endpoint_.endpoint_metric(named, statistic="Average")
        return endpoint_.metric(
            named,
            statistic="Average",
            variant_name=name,
            namespace="/aws/sagemaker/Endpoints",
        )

    def waiting() -> tuple[cloudwatch.Metric, int]:
        return endpoint_.endpoint_metric("HasBacklogWithoutCapacity", statistic="Average"), 2

    return Scaled(
        resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{name}",
        dimension=CONCURRENCY if isinstance(compute, Serverless) else INSTANCES,
        metric=metric,
        without_capacity=waiting if isinstance(compute, Asynchronous) else None,
    )


def check_scaling(
    problems: Problems,
    *,
    compute: Compute,
    beside: Mapping[str, Instances],
    model: ServedModel,
    deployment: Deployment | None,
    min_capacity: int,
    max_capacity: int,
    policies: Sequence[ScalingPolicy],
    schedules: Mapping[str, ScheduledCapacity],
    variant: str | None,
    component: str | None,
) -> None:
    """Note everything about a call of ``add_autoscaling`` that the service would refuse."""
    compute = beside.get(variant or "", compute)
    _check_what(problems, compute, beside, model, variant=variant, component=component)
    zero = isinstance(compute, Asynchronous | ManagedInstances)
    check_capacity(
        problems,
        min_capacity=min_capacity,
        max_capacity=max_capacity,
        least=0 if zero else 1,
        schedules=schedules,
        instead="Write 1: real-time fleets and provisioned concurrency do not scale to zero. "
        "Asynchronous(...), inference components, and Serverless(...) without provisioned "
        "concurrency cost nothing while nobody asks.",
    )
    _check_policies(problems, compute, policies, schedules)
    _check_gpu(problems, compute, policies)
    _check_start(problems, compute, min_capacity, max_capacity)
    if deployment is not None and component is None:
        lowest = [min_capacity, *(each.min_capacity for each in schedules.values())]
        smallest = min(
            (each for each in lowest if each is not None and not is_token(each)), default=None
        )
        if smallest is not None and smallest >= (0 if zero else 1):
            deployment.check(problems, max(smallest, 1))


def _check_what(
    problems: Problems,
    compute: Compute,
    beside: Mapping[str, Instances],
    model: ServedModel,
    *,
    variant: str | None,
    component: str | None,
) -> None:
    if isinstance(model, InferenceComponents):
        names = [each.name for each in model.bases]
        problems.check(
            component in names and variant is None,
            "component",
            got=component,
            allowed=f"one of {', '.join(names)}: copies are scaled, and the service adds the "
            "instances that they need",
            instead=f"Write component={names[0]!r}." if names else "Add a component.",
        )
        return
    problems.check(
        component is None,
        "component",
        got=component,
        allowed="none on an endpoint without inference components",
        instead="Leave it out.",
    )
    problems.check(
        variant is None or variant in beside,
        "variant",
        got=variant,
        allowed=", ".join(beside) or "none: the endpoint has one variant",
        instead="Leave it out for the endpoint's own variant.",
    )
    if isinstance(compute, Instances | Asynchronous):
        problems.check(
            not compute.is_burstable,
            "compute.instance_type",
            got=compute.instance_type,
            allowed="a type that is not burstable",
            instead="Write Instances('ml.m5.large').",
        )


def _check_policies(
    problems: Problems,
    compute: Compute,
    policies: Sequence[ScalingPolicy],
    schedules: Mapping[str, ScheduledCapacity],
) -> None:
    allowed = _POLICIES[type(compute)]
    names = ", ".join(kind.__name__ for kind in allowed)
    problems.check(
        bool(policies) or bool(schedules),
        "policies",
        got=[],
        allowed="a policy or a schedule, or both",
        instead=f"Write one of {names}.",
    )
    for index, policy in enumerate(policies):
        if isinstance(policy, allowed):
            check_policy(problems, f"policies[{index}]", policy)
        else:
            problems.add(
                f"policies[{index}]",
                got=policy,
                allowed=f"{names} with {type(compute).__name__}",
                instead=f"Write {allowed[0].__name__}(...).",
            )
    tracked = [
        type(policy).__name__
        + (f" of {policy.of.name}" if isinstance(policy, TrackUtilization) else "")
        for policy in policies
        if isinstance(policy, allowed) and not isinstance(policy, _ANY)
    ]
    twice = sorted({each for each in tracked if tracked.count(each) > 1})
    problems.check(
        not twice,
        "policies",
        got=twice,
        allowed="one policy for each metric",
        instead="Leave one of them out.",
    )
    shrinks = any(isinstance(policy, Tracking | ScaleInSteps) for policy in policies)
    problems.check(
        shrinks or not policies or bool(schedules),
        "policies",
        got=[type(policy).__name__ for policy in policies],
        allowed="a policy that also removes capacity",
        instead="Add ScaleInSteps(...), or track a value.",
    )


def _check_gpu(problems: Problems, compute: Compute, policies: Sequence[ScalingPolicy]) -> None:
    """A metric that no instance writes would never scale anything."""
    if not isinstance(compute, Instances | Asynchronous) or is_token(compute.instance_type):
        return
    for index, policy in enumerate(policies):
        if isinstance(policy, TrackUtilization) and policy.of.name.startswith("GPU"):
            problems.check(
                compute.has_gpu,
                f"policies[{index}].of",
                got=f"{policy.of.name} of {compute.instance_type}",
                allowed="what the instances have: this type has no GPU and writes no such metric",
                instead="Write of=Utilization.CPU, or another instance type.",
            )


def _check_start(
    problems: Problems, compute: Compute, min_capacity: int, max_capacity: int
) -> None:
    if isinstance(compute, Serverless):
        warm = compute.provisioned_concurrency
        problems.check(
            warm is not None,
            "compute.provisioned_concurrency",
            got=None,
            allowed="some provisioned concurrency to scale; the rest scales by itself",
            instead=f"Write Serverless(..., provisioned_concurrency={max(min_capacity, 1)}).",
        )
        problems.check(
            is_token(compute.max_concurrency) or max_capacity <= compute.max_concurrency,
            "max_capacity",
            got=max_capacity,
            allowed=f"at most max_concurrency, {compute.max_concurrency}",
            instead="Lower it, or raise max_concurrency.",
        )
        what, start = "compute.provisioned_concurrency", warm
    elif isinstance(compute, ManagedInstances):
        return
    else:
        what, start = "compute.count", compute.count
    least = max(min_capacity, 1)
    if start is None or is_token(start) or max_capacity < least:
        return
    fitting = min(max(start, least), max_capacity)
    problems.check(
        start == fitting,
        what,
        got=start,
        allowed=f"min_capacity to max_capacity, {min_capacity} to {max_capacity}",
        instead=f"Write {what.rpartition('.')[2]}={fitting}.",
    )
