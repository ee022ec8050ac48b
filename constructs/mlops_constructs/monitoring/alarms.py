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


class Severity(StrEnum):
    """How bad a violation is.

    Critical: a column or many requests are missing or unreadable, or a fifth of the data moved.
    """

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class ViolationAlarm:
    """When violations of one severity become an alarm.

    Attributes:
        at_least: So many in one run, 1 or more.
        consecutive_runs: In so many runs one after the other, 1 to 7.
    """

    at_least: int = 1
    consecutive_runs: int = 1


def check_alarms(problems: Problems, wanted: Mapping[Severity, ViolationAlarm]) -> None:
    """Note alarms that CloudWatch would refuse or that would never be silent."""
    for severity, alarm in wanted.items():
        problems.check(
            alarm.at_least >= 1,
            f"violation_alarms[{severity}].at_least",
            got=alarm.at_least,
            allowed="1 or more",
            instead="Write 1, or leave the severity out.",
        )
        problems.check(
            1 <= alarm.consecutive_runs <= 7,
            f"violation_alarms[{severity}].consecutive_runs",
            got=alarm.consecutive_runs,
            allowed="1 to 7: an alarm looks back a week at most",
            instead="Write 2 or 3 to keep a single odd run from alarming.",
        )


def make_alarm(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    metric: cloudwatch.IMetric,
    threshold: int,
    runs: int,
    topic: sns.ITopic,
) -> cloudwatch.Alarm:
    """An alarm that tells the topic when it fires and when it is over."""
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=runs,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
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
