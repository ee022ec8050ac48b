"""Alarms of the native engine, which has no metric of violations: of what its runs' events say.

A run with violations ends with an exit message that says so, and SageMaker tells EventBridge of it;
how often a rule matched is a metric (EventBridge user guide, "Monitoring Amazon EventBridge":
``AWS/Events``, ``TriggeredRules`` by ``RuleName``). That metric is delivered with best effort, as
the guide says: who must not miss a run answers the event itself (`ModelMonitorSuite.on_violation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, aws_cloudwatch as cloudwatch, aws_events as events, aws_sns as sns
from constructs import Construct

from mlops_constructs.monitoring.alarms import Severity, ViolationAlarm, make_alarm


def run_pattern(schedule_arns: Sequence[str], outcome: Mapping[str, object]) -> events.EventPattern:
    """The events of runs of some schedules that ended in some way.

    Args:
        schedule_arns: The schedules.
        outcome: What the event's detail says of the end.
    """
    return events.EventPattern(
        source=["aws.sagemaker"],
        detail_type=["SageMaker Processing Job State Change"],
        detail={**outcome, "MonitoringScheduleArn": list(schedule_arns)},
    )


def with_violations() -> dict[str, object]:
    """How a run with violations ended."""
    return {"ExitMessage": events.Match.prefix("CompletedWithViolations")}


def without_answer() -> dict[str, object]:
    """How a run without an answer ended."""
    return {"ProcessingJobStatus": ["Failed", "Stopped"]}


def settings_of(wanted: Mapping[Severity, ViolationAlarm]) -> ViolationAlarm | None:
    """The settings of the alarm for any violation: runs of this engine have no severity."""
    return wanted.get(Severity.WARNING) or wanted.get(Severity.CRITICAL)


def alarm_of_events(
    scope: Construct,
    construct_id: str,
    *,
    pattern: events.EventPattern,
    description: str,
    period: Duration,
    topic: sns.ITopic,
    runs: int = 1,
    of_last: int = 1,
) -> cloudwatch.Alarm:
    """A rule without targets, and an alarm of how often it matched.

    Args:
        scope: The parent.
        construct_id: The alarm's id; the rule's has ``Seen`` at its end.
        pattern: What is counted.
        description: Of both.
        period: What counts as one run.
        topic: Whom the alarm tells.
        runs: In so many runs of the last ``of_last``.
        of_last: How many runs it looks back on.
    """
    rule = events.Rule(scope, f"{construct_id}Seen", description=description, event_pattern=pattern)
    return make_alarm(
        scope,
        construct_id,
        description=description,
        metric=cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="TriggeredRules",
            dimensions_map={"RuleName": rule.rule_name},
            statistic="Sum",
            period=period,
        ),
        threshold=1,
        runs=runs,
        of_last=of_last,
        topic=topic,
    )
