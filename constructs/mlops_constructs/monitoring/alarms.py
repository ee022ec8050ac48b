"""Alarms on runs: missing data is no alarm, because a run without data is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems

_WEEK_HOURS = 168


class Severity(StrEnum):
    """How bad a violation is.

    Critical: a column or many requests are missing or unreadable, or a fifth of the data moved.
    """

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class ViolationAlarm:
    """When violations of one severity become an alarm, and when it is over.

    With ``of_last`` larger than ``runs`` the alarm has hysteresis: ``runs=1, of_last=3`` fires at
    the first bad run and is over after three good ones; ``runs=2, of_last=4`` fires at the second
    bad run of four, and one odd run never does.

    Attributes:
        at_least: So many in one run, 1 or more.
        runs: In so many runs of the last ``of_last``.
        of_last: How many runs it looks back on, at least ``runs``; a week of them at most.
    """

    at_least: int = 1
    runs: int = 1
    of_last: int = 1


def check_alarms(
    problems: Problems, wanted: Mapping[Severity, ViolationAlarm], *, hours: int
) -> None:
    """Note alarms that CloudWatch would refuse or that would never be silent."""
    for severity, alarm in wanted.items():
        problems.check(
            alarm.at_least >= 1,
            f"violation_alarms[{severity}].at_least",
            got=alarm.at_least,
            allowed="1 or more",
            instead="Write 1, or leave the severity out.",
        )
        most = max(1, _WEEK_HOURS // max(1, hours))
        problems.check(
            1 <= alarm.runs <= alarm.of_last <= most,
            f"violation_alarms[{severity}]",
            got=f"runs={alarm.runs}, of_last={alarm.of_last}",
            allowed=f"1 <= runs <= of_last <= {most}: an alarm looks back a week at most",
            instead="Write runs=2, of_last=3 to keep a single odd run from alarming.",
        )


def make_alarm(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    metric: cloudwatch.IMetric,
    threshold: int,
    topic: sns.ITopic,
    runs: int = 1,
    of_last: int = 1,
    below: bool = False,
) -> cloudwatch.Alarm:
    """An alarm that tells the topic when it fires and when it is over."""
    comparison = cloudwatch.ComparisonOperator
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=of_last,
        datapoints_to_alarm=runs if runs < of_last else None,
        comparison_operator=comparison.LESS_THAN_THRESHOLD
        if below
        else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    tell = actions.SnsAction(topic)  # type: ignore[arg-type,unused-ignore]  # jsii's ITopicRef
    alarm.add_alarm_action(tell)
    alarm.add_ok_action(tell)
    return alarm


def failed_executions(pipeline_name: str, period: Duration) -> cloudwatch.Metric:
    """Failed executions of a pipeline, in the spelling of the developer guide."""
    return cloudwatch.Metric(
        namespace="AWS/Sagemaker/ModelBuildingPipeline",
        metric_name="ExecutionFailed",
        dimensions_map={"PipelineName": pipeline_name},
        statistic="Sum",
        period=period,
    )
