"""Rules about Application Auto Scaling of endpoints and inference components."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, Reference, show
from mlops_constructs.rules.instances import family
from mlops_constructs.rules.scaling import (
    CONCURRENCY,
    COPIES,
    INSTANCES,
    SCALABLE_TARGET,
    SCALING_POLICY,
    dimension_of,
    segments,
    variant_of,
)
from mlops_constructs.rules.serving import ENDPOINT, variants

_TRACKING: Final = "TargetTrackingScalingPolicyConfiguration"
_METRIC: Final = f"{_TRACKING}.PredefinedMetricSpecification"
_STEPS: Final = "StepScalingPolicyConfiguration"
_DIMENSIONS: Final = {
    "SageMakerVariantInvocationsPerInstance": INSTANCES,
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": INSTANCES,
    "SageMakerVariantProvisionedConcurrencyUtilization": CONCURRENCY,
    "SageMakerInferenceComponentInvocationsPerCopy": COPIES,
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": COPIES,
}


@rule(
    "AS01",
    SCALABLE_TARGET,
    fix="Lower MinCapacity or raise MaxCapacity",
    source="botocore application-autoscaling RegisterScalableTarget",
)
def capacity_range(target: Resource) -> Problems:
    """The minimum capacity is at most the maximum capacity."""
    least, most = target["MinCapacity"].number, target["MaxCapacity"].number
    if least is not None and most is not None and least > most:
        yield target["MinCapacity"].problem(f"MinCapacity is {least}, MaxCapacity {most}")


@rule(
    "AS02",
    SCALABLE_TARGET,
    SCALING_POLICY,
    fix=(
        "Write endpoint/NAME/variant/NAME for the dimensions of a variant, "
        "inference-component/NAME for DesiredCopyCount; the name of an endpoint is "
        "Fn::GetAtt EndpointName, its Ref is the ARN"
    ),
    source="botocore application-autoscaling RegisterScalableTarget.ResourceId",
)
def resource_id_fits(target: Resource) -> Problems:
    """The resource id fits the scalable dimension."""
    resource_id, dimension = target["ResourceId"], target["ScalableDimension"].text
    shapes = {
        INSTANCES: ("endpoint", None, "variant", None),
        CONCURRENCY: ("endpoint", None, "variant", None),
        COPIES: ("inference-component", None),
    }
    parts, shape = segments(resource_id), shapes.get(dimension or "")
    if parts is None or shape is None or parts == [resource_id.reference]:
        return
    if len(parts) != len(shape) or any(
        part == "" if fixed is None else part != fixed
        for part, fixed in zip(parts, shape, strict=True)
    ):
        yield resource_id.problem(f"The ResourceId does not fit {dimension}")
    for part in parts:
        if isinstance(part, Reference) and part.attribute is None and not part.part:
            named = target.scope.resource(part.target)
            if named is not None and named.type == ENDPOINT:
                yield resource_id.problem("The ResourceId has an endpoint's ARN for its name")


@rule(
    "AS03",
    SCALABLE_TARGET,
    fix="Set MinCapacity to 1 or more, or use inference components",
    source=(
        "SageMaker developer guide: Autoscale an asynchronous endpoint; "
        "Scale an endpoint to zero instances"
    ),
)
def zero_is_for_async(target: Resource) -> Problems:
    """Only an asynchronous endpoint scales its instances to zero."""
    if target["ScalableDimension"].text != INSTANCES or target["MinCapacity"].number != 0:
        return
    variant = variant_of(target["ResourceId"])
    config = variant.config if variant is not None else None
    if config is not None and config["AsyncInferenceConfig"].absent:
        yield target["MinCapacity"].problem("MinCapacity is 0 and the endpoint is real-time")


@rule(
    "AS04",
    SCALING_POLICY,
    fix="Give PredefinedMetricSpecification or CustomizedMetricSpecification",
    source="botocore application-autoscaling TargetTrackingScalingPolicyConfiguration",
)
def one_metric(policy: Resource) -> Problems:
    """Target tracking follows one metric."""
    tracking = policy[_TRACKING]
    if not tracking.present:
        return
    predefined = tracking["PredefinedMetricSpecification"]
    customized = tracking["CustomizedMetricSpecification"]
    if predefined.present and customized.present:
        yield tracking.problem("Both metric specifications are given")
    elif predefined.absent and customized.absent:
        yield tracking.problem("No metric specification is given")


@rule(
    "AS05",
    SCALING_POLICY,
    fix="; ".join(f"{metric} is for {dimension}" for metric, dimension in _DIMENSIONS.items()),
    source="botocore application-autoscaling MetricType; SageMaker developer guide",
)
def metric_fits(policy: Resource) -> Problems:
    """The predefined metric fits the scalable dimension."""
    metric, dimension = policy[f"{_METRIC}.PredefinedMetricType"], dimension_of(policy)
    expected = _DIMENSIONS.get(metric.text or "")
    if expected is not None and dimension is not None and dimension != expected:
        yield metric.problem(f"{metric.text} with {dimension}")


@rule(
    "AS06",
    SCALING_POLICY,
    fix="Leave ResourceLabel out: it is for ALBRequestCountPerTarget",
    source="botocore application-autoscaling PredefinedMetricSpecification.ResourceLabel",
)
def no_label(policy: Resource) -> Problems:
    """SageMaker's predefined metrics take no resource label."""
    metric, label = policy[f"{_METRIC}.PredefinedMetricType"], policy[f"{_METRIC}.ResourceLabel"]
    if metric.text in _DIMENSIONS and label.present:
        yield label.problem(f"ResourceLabel with {metric.text}")


@rule(
    "AS07",
    SCALING_POLICY,
    fix="Give AdjustmentType and at least one of StepAdjustments",
    source="botocore application-autoscaling StepScalingPolicyConfiguration",
)
def steps_are_complete(policy: Resource) -> Problems:
    """A step scaling policy has an adjustment type and steps."""
    if policy["PolicyType"].text != "StepScaling":
        return
    steps = policy[_STEPS]
    if steps.absent:
        yield policy.problem("PolicyType StepScaling without StepScalingPolicyConfiguration")
        return
    if steps["AdjustmentType"].absent:
        yield steps.problem("A step policy without AdjustmentType")
    if steps["StepAdjustments"].empty:
        yield steps.problem("A step policy without StepAdjustments")


@rule(
    "AS08",
    SCALABLE_TARGET,
    fix="Use another family than ml.t2",
    source="aws-cdk aws-sagemaker-alpha ScalableInstanceCount",
)
def not_burstable(target: Resource) -> Problems:
    """Burstable instances do not scale."""
    variant = variant_of(target["ResourceId"])
    instance: Node | None = None
    if variant is not None and variant.node is not None:
        instance = variant.node["InstanceType"]
    if instance is not None and family(instance.text or "") == "t2":
        yield target["ResourceId"].problem(f"The variant runs on {show(instance.text)}")


@rule(
    "AS09",
    SCALABLE_TARGET,
    fix=(
        "Scale instances with DesiredInstanceCount; scale a serverless variant that has "
        "ProvisionedConcurrency with DesiredProvisionedConcurrency"
    ),
    source="SageMaker developer guide: Automatically scale Provisioned Concurrency",
)
def dimension_fits_variant(target: Resource) -> Problems:
    """The scalable dimension fits the compute of the variant."""
    found, dimension = variant_of(target["ResourceId"]), target["ScalableDimension"]
    variant = found.node if found is not None else None
    if variant is None:
        return
    serverless = variant["ServerlessConfig"]
    if serverless.present and dimension.text == INSTANCES:
        yield dimension.problem("DesiredInstanceCount of a serverless variant")
    elif serverless.absent and dimension.text == CONCURRENCY:
        yield dimension.problem("DesiredProvisionedConcurrency of a variant on instances")
    elif serverless["ProvisionedConcurrency"].absent and dimension.text == CONCURRENCY:
        yield dimension.problem("The serverless variant has no ProvisionedConcurrency to scale")


@rule(
    "AS10",
    SCALABLE_TARGET,
    fix="Name one of the configuration's ProductionVariants",
    source="botocore application-autoscaling RegisterScalableTarget.ResourceId",
)
def variant_exists(target: Resource) -> Problems:
    """The scaled variant is one of the endpoint's."""
    found, parts = variant_of(target["ResourceId"]), segments(target["ResourceId"])
    if found is None or found.config is None or parts is None:
        return
    names = [variant["VariantName"].text for variant in variants(found.config)]
    if isinstance(parts[3], str) and names and None not in names and parts[3] not in names:
        yield target["ResourceId"].problem(f"The endpoint has no variant {show(parts[3])}")


@rule(
    "AS11",
    SCALING_POLICY,
    fix=(
        "Cover the range without overlap and gap; leave the lowest lower bound out if one is "
        "negative, and the highest upper bound out if one is positive"
    ),
    source="botocore application-autoscaling StepAdjustment",
)
def steps_cover_range(policy: Resource) -> Problems:
    """The steps of a step scaling policy neither overlap nor leave a gap."""
    steps = policy[f"{_STEPS}.StepAdjustments"]
    bounds = []
    for step in steps.items:
        lower = _bound(step["MetricIntervalLowerBound"], float("-inf"))
        upper = _bound(step["MetricIntervalUpperBound"], float("inf"))
        if lower is None or upper is None:
            return
        if lower >= upper:
            yield step.problem("The lower bound is not below the upper bound")
            return
        if (lower, upper) == (float("-inf"), float("inf")):
            yield step.problem("A step has neither a lower nor an upper bound")
            return
        bounds.append((lower, upper))
    bounds.sort()
    for (_, upper), (lower, _) in pairwise(bounds):
        if upper != lower:
            kind = "overlap" if upper > lower else "leave a gap"
            yield steps.problem(f"The steps {kind} between {lower:g} and {upper:g}")
    if bounds and float("-inf") < bounds[0][0] < 0:
        yield steps.problem("The lowest step has a negative lower bound")
    if bounds and 0 < bounds[-1][1] < float("inf"):
        yield steps.problem("The highest step has a positive upper bound")


def _bound(node: Node, otherwise: float) -> float | None:
    return otherwise if node.absent else node.number


@rule(
    "AS12",
    SCALING_POLICY,
    fix="Give the configuration of the PolicyType",
    source="botocore application-autoscaling PutScalingPolicy",
)
def configuration_fits_type(policy: Resource) -> Problems:
    """A scaling policy has the configuration of its type, and no other."""
    kind, tracking, steps = policy["PolicyType"], policy[_TRACKING], policy[_STEPS]
    if kind.text == "TargetTrackingScaling" and tracking.absent:
        yield kind.problem("TargetTrackingScaling without its configuration")
    if kind.text == "TargetTrackingScaling" and steps.present:
        yield steps.problem("StepScalingPolicyConfiguration with TargetTrackingScaling")
    if kind.text == "StepScaling" and tracking.present:
        yield tracking.problem("TargetTrackingScalingPolicyConfiguration with StepScaling")


@rule(
    "AS13",
    SCALING_POLICY,
    fix="Give a share between 0 and 1, such as 0.7",
    source="SageMaker developer guide: Automatically scale Provisioned Concurrency",
)
def utilization_is_a_share(policy: Resource) -> Problems:
    """The target of a utilization metric is a share."""
    target = policy[f"{_TRACKING}.TargetValue"]
    metric = policy[f"{_METRIC}.PredefinedMetricType"].text
    is_share = metric == "SageMakerVariantProvisionedConcurrencyUtilization"
    if is_share and target.number is not None and not 0 < target.number <= 1:
        yield target.problem(f"TargetValue is {target.text}")


@rule(
    "AS14",
    SCALABLE_TARGET,
    fix="Give scheduled actions different names, each a MinCapacity up to its MaxCapacity",
    source="botocore application-autoscaling PutScheduledAction",
)
def scheduled_actions(target: Resource) -> Problems:
    """Scheduled actions have unique names and a capacity range."""
    names: set[str] = set()
    for action in target["ScheduledActions"].items:
        name = action["ScheduledActionName"]
        if name.text is not None and name.text in names:
            yield name.problem(f"The name {show(name.text)} occurs twice")
        names.add(name.text or "")
        capacity = action["ScalableTargetAction"]
        least, most = capacity["MinCapacity"].number, capacity["MaxCapacity"].number
        if least is not None and most is not None and least > most:
            yield capacity.problem(f"MinCapacity is {least}, MaxCapacity {most}")


@rule(
    "AS15",
    SCALABLE_TARGET,
    SCALING_POLICY,
    fix="Set ServiceNamespace to sagemaker",
    source="botocore application-autoscaling RegisterScalableTarget.ServiceNamespace",
)
def namespace_fits(resource: Resource) -> Problems:
    """The service namespace is that of the scalable dimension."""
    namespace, dimension = resource["ServiceNamespace"], resource["ScalableDimension"].text
    if (dimension or "").startswith("sagemaker:") and namespace.text not in (None, "sagemaker"):
        yield namespace.problem(f"ServiceNamespace is {show(namespace.text)} for {dimension}")


@rule(
    "AS16",
    SCALING_POLICY,
    fix="Give ScalingTargetId the Ref of the target, or add DependsOn",
    source="botocore application-autoscaling PutScalingPolicy (ObjectNotFoundException)",
)
def target_first(policy: Resource) -> Problems:
    """The scalable target is registered before its scaling policy is made."""
    target = policy.scope.find([SCALABLE_TARGET], "ResourceId", policy["ResourceId"])
    if target is None or policy["ResourceId"].text is None or policy.depends(target):
        return
    if policy["ScalableDimension"].same_as(target["ScalableDimension"]):
        yield policy["ResourceId"].problem(f"The policy does not wait for {target.logical_id}")


@rule(
    "AS17",
    SCALABLE_TARGET,
    fix="Build the ResourceId from Fn::GetAtt EndpointName, or add DependsOn",
    source="botocore application-autoscaling RegisterScalableTarget.ResourceId",
)
def endpoint_first(target: Resource) -> Problems:
    """The endpoint is made before its variant is registered for scaling."""
    found = variant_of(target["ResourceId"])
    if found is not None and found.endpoint is not None and not target.depends(found.endpoint):
        yield target["ResourceId"].problem(
            f"The target does not wait for the endpoint {found.endpoint.logical_id}"
        )


@rule(
    "AS18",
    SCALABLE_TARGET,
    fix="Let InitialInstanceCount lie between MinCapacity and MaxCapacity",
    source="aws-cdk aws-sagemaker-alpha InstanceProductionVariant.autoScaleInstanceCount",
    severity="warning",
)
def initial_count_in_range(target: Resource) -> Problems:
    """A variant starts with a count that its scaling allows."""
    found = variant_of(target["ResourceId"])
    if found is None or found.node is None or target["ScalableDimension"].text != INSTANCES:
        return
    count = found.node["InitialInstanceCount"].number
    least, most = target["MinCapacity"].number, target["MaxCapacity"].number
    if count is not None and (
        (least is not None and count < least) or (most is not None and count > most)
    ):
        yield target["ResourceId"].problem(f"The variant starts with {count} instances")


@rule(
    "AS19",
    SCALING_POLICY,
    fix="Give a capacity of 0 or more",
    source="botocore application-autoscaling StepAdjustment.ScalingAdjustment",
)
def exact_capacity(policy: Resource) -> Problems:
    """An exact capacity is not negative."""
    steps = policy[_STEPS]
    if steps["AdjustmentType"].text == "ExactCapacity":
        for step in steps["StepAdjustments"].items:
            adjustment = step["ScalingAdjustment"]
            if adjustment.number is not None and adjustment.number < 0:
                yield adjustment.problem(f"ScalingAdjustment is {adjustment.text}")
