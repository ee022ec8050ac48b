"""Autoscaling of a fleet by target tracking on requests a minute and instance.

Facts: Application Auto Scaling registers a target only when the endpoint exists, so that its
resource id is built from the endpoint's attribute; a real-time variant has at least one instance;
burstable types are not supported (CDK's own SageMaker library, and the SageMaker developer guide,
"Automatic scaling of models").
"""

from __future__ import annotations

from aws_cdk import Duration, aws_applicationautoscaling as autoscaling, aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving.compute import Compute, Instances
from mlops_constructs.serving.deployment import Deployment

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class TargetTracking(Construct):
    """The scalable target of a variant and its policy.

    Attributes:
        target: The scalable target.
        policy: The scaling policy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: sagemaker.CfnEndpoint,
        variant_name: str,
        compute: Compute,
        deployment: Deployment | None,
        min_capacity: int,
        max_capacity: int,
        invocations_per_instance: int,
        scale_in_cooldown: Duration,
        scale_out_cooldown: Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        problems = Problems(self)
        if isinstance(compute, Instances):
            _check_capacity(problems, compute, min_capacity, max_capacity)
            if deployment is not None and min_capacity >= 1:
                deployment.check(problems, min_capacity)
        else:
            problems.add(
                "compute",
                got="Serverless",
                allowed="Instances",
                instead="Serverless endpoints scale by themselves up to max_concurrency.",
            )
        problems.check(
            invocations_per_instance >= 1,
            "invocations_per_instance",
            got=invocations_per_instance,
            allowed="1 or more requests a minute",
            instead="Measure what one instance serves within its latency goal; take 70 % of it.",
        )
        problems.raise_if_any()
        self.target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension=_DIMENSION,
            resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{variant_name}",
            min_capacity=min_capacity,
            max_capacity=max_capacity,
        )
        self.policy = autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name="invocations-per-instance",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration={
                "targetValue": invocations_per_instance,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                },
                "scaleInCooldown": int(scale_in_cooldown.to_seconds()),
                "scaleOutCooldown": int(scale_out_cooldown.to_seconds()),
            },
        )


def _check_capacity(
    problems: Problems, compute: Instances, min_capacity: int, max_capacity: int
) -> None:
    problems.check(
        not compute.family.startswith("t"),
        "compute.instance_type",
        got=compute.instance_type,
        allowed="a type that is not burstable",
        instead="Write Instances('ml.m5.large').",
    )
    problems.check(
        min_capacity >= 1,
        "min_capacity",
        got=min_capacity,
        allowed="1 or more; real-time variants do not scale to zero",
        instead="Write 1, or serve with Serverless(...).",
    )
    problems.check(
        max_capacity >= max(min_capacity, 1),
        "max_capacity",
        got=max_capacity,
        allowed=f"min_capacity, {min_capacity}, or more",
        instead="Raise max_capacity.",
    )
    if not is_token(compute.count) and max_capacity >= min_capacity:
        problems.check(
            min_capacity <= compute.count <= max_capacity,
            "compute.count",
            got=compute.count,
            allowed=f"min_capacity to max_capacity, {min_capacity} to {max_capacity}",
            instead=f"Write count={min(max(compute.count, min_capacity), max_capacity)}.",
        )
