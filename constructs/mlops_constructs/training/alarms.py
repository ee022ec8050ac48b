"""Alarms of a pipeline: an execution failed, took too long, or none has succeeded for days.

Failures and durations are of metrics that the service writes when an execution ends. Staleness is
the absence of a success: missing data breaches. CloudWatch evaluates at most seven days
(PutMetricAlarm: period times evaluation periods), which bounds it.
"""

from __future__ import annotations

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems

_MOST_DAYS = 7


def check_alarms(
    problems: Problems, *, max_duration: Duration | None, stale_after_days: int | None
) -> None:
    """Note what no alarm can watch."""
    problems.check(
        max_duration is None or max_duration.is_unresolved() or max_duration.to_milliseconds() > 0,
        "max_duration",
        got="0",
        allowed="more than nothing, or None for no such alarm",
        instead="Write how long an execution may take, such as Duration.hours(2).",
    )
    problems.check(
        stale_after_days is None or 1 <= stale_after_days <= _MOST_DAYS,
        "stale_after_days",
        got=stale_after_days,
        allowed=f"1 to {_MOST_DAYS}, as far as CloudWatch looks back, or None for no such alarm",
        instead=f"Write {_MOST_DAYS}, or start the pipeline more often.",
    )


def make_alarms(
    scope: Construct,
    *,
    pipeline_name: str,
    topic: sns.ITopic,
    failed: cloudwatch.IMetric,
    duration: cloudwatch.IMetric,
    succeeded: cloudwatch.IMetric,
    max_duration: Duration | None,
    stale_after_days: int | None,
) -> dict[str, cloudwatch.Alarm]:
    """The alarms by what they watch: ``failed``, ``duration``, ``stale``."""
    made = {
        "failed": cloudwatch.Alarm(
            scope,
            "Failed",
            metric=failed,
            alarm_description=f"An execution of {pipeline_name} failed",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=_AT_LEAST,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
    }
    if max_duration is not None:
        made["duration"] = cloudwatch.Alarm(
            scope,
            "Duration",
            metric=duration,
            alarm_description=f"An execution of {pipeline_name} took too long",
            threshold=max_duration.to_milliseconds(),
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
    if stale_after_days is not None:
        made["stale"] = cloudwatch.Alarm(
            scope,
            "Stale",
            metric=succeeded,
            alarm_description=f"{pipeline_name} has not succeeded for {stale_after_days} days",
            threshold=1,
            evaluation_periods=stale_after_days,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
    if (key := topic.master_key) is not None:
        allow_publishers(key, "cloudwatch.amazonaws.com")
    for alarm in made.values():
        alarm.add_alarm_action(actions.SnsAction(topic))
    return made


_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
