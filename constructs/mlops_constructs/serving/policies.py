"""By what a fleet is scaled: values to hold, steps to take, hours to keep.

| policy | holds or watches | for |
|---|---|---|
| `TrackInvocations` | requests a minute and instance, or copy | `Instances`, components |
| `TrackConcurrency` | requests under way on an instance, or copy | `Instances`, components |
| `TrackBacklog` | waiting requests an instance | `Asynchronous` |
| `TrackProvisionedConcurrency` | the share of warm capacity in use | `Serverless` |
| `TrackUtilization` | CPU, GPU or memory of the instances | `Instances`, `Asynchronous` |
| `TrackMetric` | any metric that falls when capacity is added | all |
| `ScaleOutSteps`, `ScaleInSteps` | any metric, by thresholds | all |

Names of metrics and dimensions: the enum of the CloudFormation registry and the SageMaker developer
guide, "Auto scaling policy overview", "Autoscale an asynchronous endpoint", "Automatically scale
Provisioned Concurrency".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from aws_cdk import Duration, aws_cloudwatch as cloudwatch

from mlops_constructs.common.errors import Problems

_MINUTES_OF_A_DAY = 1440
# botocore, application-autoscaling MetricStatistic: no percentiles.
_STATISTICS = ("Average", "Minimum", "Maximum", "SampleCount", "Sum")


@dataclass(frozen=True, kw_only=True)
class _Tracking:
    """Holds a metric at a value.

    Attributes:
        scale_in_cooldown: Wait after removing capacity, so that it is not added back at once.
        scale_out_cooldown: Wait after adding capacity, until it takes load.
    """

    scale_in_cooldown: Duration = field(default_factory=lambda: Duration.minutes(5))
    scale_out_cooldown: Duration = field(default_factory=lambda: Duration.minutes(1))


@dataclass(frozen=True, kw_only=True)
class TrackInvocations(_Tracking):
    """Holds the requests that an instance, or a copy of a component, takes.

    Attributes:
        per_minute: Requests a minute. Measure what one instance serves within its latency goal,
            and take 70 % of it.
    """

    per_minute: float


@dataclass(frozen=True, kw_only=True)
class TrackConcurrency(_Tracking):
    """Holds the requests under way on an instance, or a copy; it reacts within 10 seconds.

    Attributes:
        requests: How many at a time. For answers that take long or vary much, such as generated
            text.
    """

    requests: float


@dataclass(frozen=True, kw_only=True)
class TrackBacklog(_Tracking):
    """Holds the requests that wait for an instance of an asynchronous endpoint.

    Attributes:
        per_instance: How many may wait.
    """

    per_instance: float


@dataclass(frozen=True, kw_only=True)
class TrackProvisionedConcurrency(_Tracking):
    """Holds how much of the warm capacity of a serverless endpoint is in use.

    Attributes:
        share: Above 0 and at most 1.
    """

    share: float = 0.7


class Utilization(StrEnum):
    """What of the instances is measured, in percent."""

    CPU = "CPUUtilization"
    MEMORY = "MemoryUtilization"
    GPU = "GPUUtilization"
    GPU_MEMORY = "GPUMemoryUtilization"


@dataclass(frozen=True, kw_only=True)
class TrackUtilization(_Tracking):
    """Holds how busy the instances are.

    Attributes:
        of: What is measured.
        percent: 100 for each core or GPU: half of the four GPUs of an instance are 200.
    """

    of: Utilization
    percent: float


@dataclass(frozen=True, kw_only=True)
class TrackMetric(_Tracking):
    """Holds any metric that falls as capacity is added.

    Attributes:
        metric: A plain metric, not an expression, of an average, sum, minimum, maximum or count.
        target: The value.
    """

    metric: cloudwatch.Metric
    target: float


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """Changes capacity by how far a metric is beyond a threshold.

    Attributes:
        metric: What is watched, minute by minute.
        steps: How many instances, by the value from which on.
        minutes: For how many minutes in a row the first value must be passed.
        cooldown: Wait after a change.
    """

    metric: cloudwatch.Metric | cloudwatch.MathExpression
    steps: Mapping[float, int]
    minutes: int = 2
    cooldown: Duration = field(default_factory=lambda: Duration.minutes(5))


@dataclass(frozen=True, kw_only=True)
class ScaleOutSteps(_Steps):
    """Adds instances: ``steps={50: 1, 200: 4}`` adds one from 50 on, and four from 200 on."""


@dataclass(frozen=True, kw_only=True)
class ScaleInSteps(_Steps):
    """Removes instances: ``steps={20: 1, 5: 2}`` removes one at 20 or less, two at 5 or less."""


@dataclass(frozen=True, kw_only=True)
class ScheduledCapacity:
    """Other limits from a moment on, until another schedule changes them.

    Attributes:
        schedule: ``cron(…)``, ``rate(…)`` or ``at(…)``.
        min_capacity: The smallest fleet from then on; unchanged if left out.
        max_capacity: The largest fleet from then on; unchanged if left out.
        time_zone: Of the expression, such as ``Europe/Berlin``.
    """

    schedule: str
    min_capacity: int | None = None
    max_capacity: int | None = None
    time_zone: str = "Etc/UTC"


Tracking = (
    TrackInvocations
    | TrackConcurrency
    | TrackBacklog
    | TrackProvisionedConcurrency
    | TrackUtilization
    | TrackMetric
)
Steps = ScaleOutSteps | ScaleInSteps
ScalingPolicy = Tracking | Steps


def target_value(policy: Tracking) -> float:
    """The value that a policy holds."""
    match policy:
        case TrackInvocations(per_minute=value) | TrackConcurrency(requests=value):
            return value
        case TrackBacklog(per_instance=value) | TrackProvisionedConcurrency(share=value):
            return value
        case TrackUtilization(percent=value) | TrackMetric(target=value):
            return value


def check_policy(problems: Problems, what: str, policy: ScalingPolicy) -> None:
    """Note what makes no sense in a policy by itself."""
    if isinstance(policy, ScaleOutSteps | ScaleInSteps):
        problems.check(
            bool(policy.steps) and all(change >= 1 for change in policy.steps.values()),
            f"{what}.steps",
            got=dict(policy.steps),
            allowed="one step or more, each of one instance or more",
            instead="Write steps={50: 1, 200: 4}.",
        )
        problems.check(
            1 <= policy.minutes <= _MINUTES_OF_A_DAY,
            f"{what}.minutes",
            got=policy.minutes,
            allowed=f"1 to {_MINUTES_OF_A_DAY}: an alarm looks back a day at most",
            instead="Write 2.",
        )
        return
    if isinstance(policy, TrackMetric):
        problems.check(
            policy.metric.statistic in _STATISTICS,
            f"{what}.metric.statistic",
            got=policy.metric.statistic,
            allowed=f"{', '.join(_STATISTICS)}: what Application Auto Scaling tracks",
            instead="Write statistic='Average', or steps by an alarm: ScaleOutSteps(...).",
        )
    value = target_value(policy)
    most = 1 if isinstance(policy, TrackProvisionedConcurrency) else None
    problems.check(
        value > 0 and (most is None or value <= most),
        what,
        got=value,
        allowed="above 0" + ("" if most is None else f" and at most {most}"),
        instead="Measure what one instance takes within its latency goal; take 70 % of it.",
    )


def adjustments(policy: Steps) -> tuple[float, list[dict[str, Any]]]:
    """The threshold of the alarm, and the steps as distances from it (L1 spelling)."""
    out = isinstance(policy, ScaleOutSteps)
    ordered = sorted(policy.steps.items(), reverse=not out)
    threshold = ordered[0][0]
    near, far = (
        ("metricIntervalLowerBound", "metricIntervalUpperBound")
        if out
        else ("metricIntervalUpperBound", "metricIntervalLowerBound")
    )
    found: list[dict[str, Any]] = [
        {
            near: value - threshold,
            far: following - threshold,
            "scalingAdjustment": change if out else -change,
        }
        for (value, change), (following, _) in pairwise(ordered)
    ]
    value, change = ordered[-1]
    found.append({near: value - threshold, "scalingAdjustment": change if out else -change})
    return threshold, found
