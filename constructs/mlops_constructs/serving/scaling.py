"""Autoscaling: a scalable target, its policies, and the way back from zero.

| what is scaled | smallest | by |
|---|---|---|
| `Instances`, a variant | 1 | any policy but backlog and provisioned concurrency |
| `Asynchronous` | 0 | backlog, utilization, own metrics, steps |
| `Serverless` with provisioned concurrency | 1 | provisioned concurrency |
| a component of `ManagedInstances` | 0 | requests, concurrency, own metrics, steps |

**Zero.** Without an instance there is no value a target could be held at: an alarm adds the first
one, on ``HasBacklogWithoutCapacity`` of an asynchronous endpoint and on
``NoCapacityInvocationFailures`` of a component, whose callers get errors until it runs. AWS's
example of the latter asks for more than one failure; here one is enough.

**The instance type.** The service refuses an update that changes the instance type of a scaled
variant, or takes the variant away, until the target is deregistered; CloudFormation deregisters
only after it has updated (SageMaker developer guide, "Update or delete endpoints that use automatic
scaling"). So it takes two deployments: one with ``paused=True``, which deregisters, and one with
the new type and without it. A deployment that forgets fails before any traffic moves.

Facts: Application Auto Scaling registers a target only when the endpoint exists, so that its
resource id is built from the endpoint's attribute; burstable types are not supported (CDK's own
SageMaker library, and the guide, "Automatic scaling of models").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jsii
from aws_cdk import (
    CfnResource,
    Duration,
    aws_applicationautoscaling as autoscaling,
    aws_cloudwatch as cloudwatch,
)
from constructs import Construct, IValidation

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.times import check_schedule, check_time_zone
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving.policies import (
    ScaleOutSteps,
    ScalingPolicy,
    ScheduledCapacity,
    Steps,
    TrackBacklog,
    TrackConcurrency,
    Tracking,
    TrackInvocations,
    TrackMetric,
    TrackProvisionedConcurrency,
    TrackUtilization,
    adjustments,
    target_value,
)

#: What of a variant or component is scaled (CloudFormation registry, ``ScalableDimension``).
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"

#: What waits for an instance of an asynchronous endpoint.
BACKLOG = "ApproximateBacklogSizePerInstance"

# The first has the id and the name that it had when it was the only one: renaming it would
# deregister fleets.
_KINDS: Mapping[type, tuple[str, str]] = {
    TrackInvocations: ("Policy", "invocations-per-instance"),
    TrackConcurrency: ("Concurrency", "concurrency"),
    TrackBacklog: ("Backlog", "backlog-per-instance"),
    TrackProvisionedConcurrency: ("Provisioned", "provisioned-concurrency"),
}
_PREDEFINED: Mapping[tuple[type, str], str] = {
    (TrackInvocations, INSTANCES): "SageMakerVariantInvocationsPerInstance",
    (TrackInvocations, COPIES): "SageMakerInferenceComponentInvocationsPerCopy",
    (TrackConcurrency, INSTANCES): "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    (TrackConcurrency, COPIES): (
        "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    ),
    (TrackProvisionedConcurrency, CONCURRENCY): (
        "SageMakerVariantProvisionedConcurrencyUtilization"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What is scaled.

    Attributes:
        resource_id: As Application Auto Scaling calls it.
        dimension: `INSTANCES`, `CONCURRENCY` or `COPIES`.
        metric: Makes a metric of the instances or the backlog, by its name.
        without_capacity: Makes the metric that tells that there are requests and no capacity, with
            the minutes that it must last; None if there always is some.
    """

    resource_id: str
    dimension: str
    metric: Callable[[str], cloudwatch.Metric]
    without_capacity: Callable[[], tuple[cloudwatch.Metric, int]] | None


class Autoscaling(Construct):
    """The scalable target of a variant or component, and its policies.

    Attributes:
        target: The scalable target; None while it is paused.
        policies: The scaling policies.
        alarms: The alarms that steps are taken by.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        scaled: Scaled,
        min_capacity: int,
        max_capacity: int,
        policies: Sequence[ScalingPolicy],
        schedules: Mapping[str, ScheduledCapacity],
        paused: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self._scaled = scaled
        self.target: autoscaling.CfnScalableTarget | None = None
        self.policies: list[autoscaling.CfnScalingPolicy] = []
        self.alarms: list[cloudwatch.Alarm] = []
        if paused:
            return
        self.target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension=scaled.dimension,
            resource_id=scaled.resource_id,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            scheduled_actions=[_action(name, each) for name, each in schedules.items()] or None,
        )
        for index, policy in enumerate(policies):
            if isinstance(policy, Tracking):
                self._track(index, policy)
            else:
                self._step(f"Steps{index}", policy)
        if 0 in (min_capacity, *(each.min_capacity for each in schedules.values())):
            self._leave_zero()

    @property
    def resources(self) -> list[CfnResource]:
        """What must not exist before the endpoint does; its alarms may."""
        return [*([self.target] if self.target else []), *self.policies]

    def _track(self, index: int, policy: Tracking) -> None:
        construct_id, name = _KINDS.get(type(policy), (f"Tracking{index}", f"tracking-{index}"))
        if self.node.try_find_child(construct_id) is not None:
            construct_id, name = f"{construct_id}{index}", f"{name}-{index}"
        configuration: dict[str, Any] = {
            "targetValue": target_value(policy),
            **self._metric(policy),
            "scaleInCooldown": int(policy.scale_in_cooldown.to_seconds()),
            "scaleOutCooldown": int(policy.scale_out_cooldown.to_seconds()),
        }
        self._policy(
            construct_id,
            name,
            "TargetTrackingScaling",
            target_tracking_scaling_policy_configuration=configuration,
        )

    def _metric(self, policy: Tracking) -> dict[str, Any]:
        predefined = _PREDEFINED.get((type(policy), self._scaled.dimension))
        if predefined is not None:
            return {"predefinedMetricSpecification": {"predefinedMetricType": predefined}}
        match policy:
            case TrackUtilization(of=which):
                metric = self._scaled.metric(which.value)
            case TrackMetric(metric=given):
                metric = given
            case _:
                metric = self._scaled.metric(BACKLOG)
        dimensions = metric.dimensions or {}
        return {
            "customizedMetricSpecification": {
                "namespace": metric.namespace,
                "metricName": metric.metric_name,
                "dimensions": [
                    {"name": name, "value": value} for name, value in sorted(dimensions.items())
                ],
                "statistic": metric.statistic,
            }
        }

    def _step(self, construct_id: str, policy: Steps) -> None:
        out = isinstance(policy, ScaleOutSteps)
        threshold, steps = adjustments(policy)
        operator = cloudwatch.ComparisonOperator
        self._steps(
            construct_id,
            metric=policy.metric.with_(period=Duration.minutes(1)),
            threshold=threshold,
            operator=operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            if out
            else operator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
            minutes=policy.minutes,
            cooldown=policy.cooldown,
            adjustments=steps,
            description=f"{'Adds' if out else 'Removes'} capacity: {self.node.path}",
        )

    def _leave_zero(self) -> None:
        assert self._scaled.without_capacity is not None, "checked before"  # noqa: S101 (for mypy)
        metric, minutes = self._scaled.without_capacity()
        self._steps(
            "FromZero",
            metric=metric,
            threshold=1,
            operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            minutes=minutes,
            cooldown=Duration.minutes(5),
            adjustments=[{"metricIntervalLowerBound": 0, "scalingAdjustment": 1}],
            description=f"Requests wait and nothing runs: {self.node.path}",
        )

    def _steps(
        self,
        construct_id: str,
        *,
        metric: cloudwatch.IMetric,
        threshold: float,
        operator: cloudwatch.ComparisonOperator,
        minutes: int,
        cooldown: Duration,
        adjustments: list[dict[str, Any]],
        description: str,
    ) -> None:
        policy = self._policy(
            construct_id,
            construct_id.lower(),
            "StepScaling",
            step_scaling_policy_configuration={
                "adjustmentType": "ChangeInCapacity",
                "metricAggregationType": "Average",
                "cooldown": int(cooldown.to_seconds()),
                "stepAdjustments": adjustments,
            },
        )
        alarm = cloudwatch.Alarm(
            self,
            f"{construct_id}Alarm",
            metric=metric,
            threshold=threshold,
            comparison_operator=operator,
            evaluation_periods=minutes,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(_TakeStep(policy))
        alarm.node.add_validation(_SameCondition(alarm, policy))
        self.alarms.append(alarm)

    def _policy(
        self, construct_id: str, name: str, kind: str, **configuration: Any
    ) -> autoscaling.CfnScalingPolicy:
        assert self.target is not None, "not paused"  # noqa: S101 (for mypy)
        policy = autoscaling.CfnScalingPolicy(
            self,
            construct_id,
            policy_name=name,
            policy_type=kind,
            scaling_target_id=self.target.ref,
            **configuration,
        )
        self.policies.append(policy)
        return policy


@jsii.implements(cloudwatch.IAlarmAction)
class _TakeStep:
    """Lets an alarm start a scaling policy; CDK's own action wants its own L2 policy."""

    def __init__(self, policy: autoscaling.CfnScalingPolicy) -> None:
        self._arn = policy.ref

    def bind(self, scope: Construct, alarm: cloudwatch.IAlarm) -> cloudwatch.AlarmActionConfig:
        """The action."""
        del scope, alarm
        return cloudwatch.AlarmActionConfig(alarm_action_arn=self._arn)


@jsii.implements(IValidation)
class _SameCondition:
    """Lets an alarm exist when its policy does, whoever has set the policy's condition last.

    An endpoint that stands in working hours takes its scaling away at night; an alarm that stayed
    would name a policy that is not there. Validations run when the app is complete, right before
    its templates are written.
    """

    def __init__(self, alarm: cloudwatch.Alarm, policy: autoscaling.CfnScalingPolicy) -> None:
        self._alarm = cast("CfnResource", alarm.node.default_child)
        self._policy = policy

    def validate(self) -> list[str]:
        """Take the condition; there is nothing to refuse."""
        condition = self._policy.cfn_options.condition
        if condition is not None:
            self._alarm.cfn_options.condition = condition
        return []


def check_capacity(
    problems: Problems,
    *,
    min_capacity: int,
    max_capacity: int,
    least: int,
    schedules: Mapping[str, ScheduledCapacity],
    instead: str,
) -> None:
    """Note capacities that the service would refuse, those of schedules included.

    Args:
        problems: Where to note it.
        min_capacity: The smallest capacity.
        max_capacity: The largest capacity.
        least: What the service allows at least.
        schedules: Other limits, by name.
        instead: The way out of a minimum that is too small.
    """
    limits = {"": (min_capacity, max_capacity)}
    for name, schedule in schedules.items():
        if schedule.min_capacity is None and schedule.max_capacity is None:
            problems.add(
                f"schedules[{name!r}]",
                got=schedule.schedule,
                allowed="a schedule that changes min_capacity, max_capacity or both",
                instead="Give one of them.",
            )
        check_schedule(problems, f"schedules[{name!r}].schedule", schedule.schedule)
        check_time_zone(problems, f"schedules[{name!r}].time_zone", schedule.time_zone)
        limits[f"schedules[{name!r}]."] = (
            min_capacity if schedule.min_capacity is None else schedule.min_capacity,
            max_capacity if schedule.max_capacity is None else schedule.max_capacity,
        )
    for place, (smallest, largest) in limits.items():
        problems.check(
            is_token(smallest) or smallest >= least,
            f"{place}min_capacity",
            got=smallest,
            allowed=f"{least} or more",
            instead=instead,
        )
        problems.check(
            is_token(largest) or is_token(smallest) or largest >= max(smallest, 1),
            f"{place}max_capacity",
            got=largest,
            allowed=f"min_capacity, {smallest}, or more",
            instead="Raise max_capacity.",
        )


def _action(name: str, schedule: ScheduledCapacity) -> dict[str, Any]:
    limits = {
        key: value
        for key, value in (
            ("minCapacity", schedule.min_capacity),
            ("maxCapacity", schedule.max_capacity),
        )
        if value is not None
    }
    return {
        "scheduledActionName": name,
        "schedule": schedule.schedule,
        "timezone": schedule.time_zone,
        "scalableTargetAction": limits,
    }
