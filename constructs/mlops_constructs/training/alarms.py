"""Alarms of a pipeline: an execution failed, took too long, did not start, or none has succeeded.

Failures and durations are of metrics that the service writes when an execution ends. Staleness is
the absence of a success: missing data breaches. CloudWatch evaluates at most seven days
(PutMetricAlarm: period times evaluation periods); for more, see `staleness`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_kms as kms,
    aws_sns as sns,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import check_type
from mlops_constructs.training.staleness import stale_alarm

_MOST_DAYS = 366
_CLOUDWATCH_DAYS = 7


def check_alarms(
    problems: Problems, *, max_duration: Duration | None, stale_after_days: int | None
) -> None:
    """Note what no alarm can watch."""
    typed = check_type(problems, "max_duration", max_duration, Duration | None)
    if not check_type(problems, "stale_after_days", stale_after_days, int | None) or not typed:
        return
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
        allowed=f"1 to {_MOST_DAYS}, or None for no such alarm",
        instead=f"Write {_MOST_DAYS}, or start the pipeline more often.",
    )


def make_alarms(
    scope: Construct,
    *,
    pipeline_name: str,
    pipeline_arn: str,
    encryption_key: kms.IKey,
    topic: sns.ITopic,
    failed: cloudwatch.IMetric,
    duration: cloudwatch.IMetric,
    succeeded: cloudwatch.IMetric,
    max_duration: Duration | None,
    stale_after_days: int | None,
    dead_letters: Sequence[sqs.IQueue],
) -> dict[str, cloudwatch.Alarm]:
    """The alarms by what they watch: ``failed``, ``duration``, ``stale``, ``starts``."""
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
    if stale_after_days is not None and stale_after_days > _CLOUDWATCH_DAYS:
        made["stale"] = stale_alarm(
            scope,
            pipeline_name=pipeline_name,
            pipeline_arn=pipeline_arn,
            days=stale_after_days,
            encryption_key=encryption_key,
        )
    elif stale_after_days is not None:
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
    if dead_letters:
        waiting = {
            f"q{at}": queue.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(5), statistic="Maximum"
            )
            for at, queue in enumerate(dead_letters)
        }
        made["starts"] = cloudwatch.Alarm(
            scope,
            "Starts",
            metric=cloudwatch.MathExpression(
                expression=" + ".join(f"FILL({name}, 0)" for name in waiting),
                using_metrics=waiting,
                period=Duration.minutes(5),
            ),
            alarm_description=f"A start of {pipeline_name} could not be delivered",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=_AT_LEAST,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
    if (key := topic.master_key) is not None:
        allow_publishers(key, "cloudwatch.amazonaws.com")
    for alarm in made.values():
        alarm.add_alarm_action(actions.SnsAction(topic))
    return made


_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
