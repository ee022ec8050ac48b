"""Alarms of groups and streams. Missing data is healthy: without traffic nothing fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.feature_store.types import BatchOperation, Operation

if TYPE_CHECKING:
    from mlops_constructs.feature_store.metrics import FeatureGroupMetrics

_FAILS = "fails by an error of the "


@dataclass(frozen=True, kw_only=True)
class FeatureGroupAlarms:
    """When somebody is told about a feature group.

    A record that is throttled is late or, if its writer gives up, lost.

    Attributes:
        throttled: Throttled requests of one operation in a minute, 0 or more.
        read_latency: The 99th percentile of GetRecord's time, 1 ms at least.
        write_latency: The 99th percentile of PutRecord's time, 1 ms at least.
        failed_writes: PutRecord requests of a minute with a 4xx code, or 5xx code, 0 or more.
        capacity_used: Percent of the provisioned units, above 0 and at most 100.
        batches: Whether throttled and failed BatchWriteRecord calls, by which `runtime.ingest`
            writes, and throttled BatchGetRecord calls are watched by the same thresholds.
            CloudWatch counts them for the whole account and region: once is enough there.
        minutes: For how many minutes in a row a threshold must be passed, 1 to 60.
    """

    throttled: int = 0
    read_latency: Duration = field(default_factory=lambda: Duration.millis(100))
    write_latency: Duration = field(default_factory=lambda: Duration.millis(250))
    failed_writes: int = 0
    capacity_used: float = 80
    batches: bool = False
    minutes: int = 5

    def check(self, problems: Problems) -> None:
        """Note what makes no sense."""
        for what, value, good, allowed, instead in (
            ("throttled", self.throttled, self.throttled >= 0, "0 or more", "Write 0."),
            (
                "failed_writes",
                self.failed_writes,
                self.failed_writes >= 0,
                "0 or more",
                "Write 0.",
            ),
            (
                "capacity_used",
                self.capacity_used,
                0 < self.capacity_used <= 100,
                "percent, above 0 and at most 100",
                "Write 80 for 80 %.",
            ),
            ("minutes", self.minutes, 1 <= self.minutes <= 60, "1 to 60", "Write 5."),
        ):
            problems.check(good, f"alarms.{what}", got=value, allowed=allowed, instead=instead)
        for what, latency in (
            ("read_latency", self.read_latency),
            ("write_latency", self.write_latency),
        ):
            problems.check(
                latency.to_milliseconds() >= 1,
                f"alarms.{what}",
                got=f"{latency.to_milliseconds():g} ms",
                allowed="at least 1 ms",
                instead="Write Duration.millis(100).",
            )

    def build(
        self, scope: Construct, group: FeatureGroupMetrics, topic: sns.ITopic | None
    ) -> list[cloudwatch.Alarm]:
        """Make the alarms of a group, those that its stores allow.

        Raises:
            ValidationError: If a threshold makes no sense.
        """
        problems = Problems(scope)
        self.check(problems)
        problems.raise_if_any()
        minute = Duration.minutes(1)
        wanted: list[tuple[str, cloudwatch.IMetric, float, str]] = [
            (
                f"{operation}Throttled",
                group.metric_throttled_requests(operation, period=minute),
                self.throttled,
                f"{operation} is throttled",
            )
            for operation in group.operations
        ]
        for operation, latency in (
            (Operation.GET_RECORD, self.read_latency),
            (Operation.PUT_RECORD, self.write_latency),
        ):
            if operation in group.operations:
                milliseconds = int(latency.to_milliseconds())
                wanted.append(
                    (
                        f"{operation}Latency",
                        group.metric_latency(operation, period=minute),
                        milliseconds * 1000,
                        f"1 % of {operation} take longer than {milliseconds} ms",
                    )
                )
        write = Operation.PUT_RECORD
        for side, failed in (
            ("client", group.metric_client_errors(write, period=minute)),
            ("server", group.metric_server_errors(write, period=minute)),
        ):
            wanted.append(
                (
                    f"{write}{side.capitalize()}Errors",
                    failed,
                    self.failed_writes,
                    f"{write} {_FAILS}{side}",
                )
            )
        for kind, used in (
            ("Read", group.metric_read_capacity_used),
            ("Write", group.metric_write_capacity_used),
        ):
            if group.provisioned_units(kind) is not None:
                wanted.append(
                    (
                        f"{kind}Capacity",
                        used(period=minute),
                        self.capacity_used,
                        f"more than {self.capacity_used:g} % of the {kind.lower()} units are used",
                    )
                )
        if self.batches:
            wanted += self._of_batches(group, minute)
        return [
            make_alarm(
                scope,
                construct_id,
                metric=metric,
                threshold=threshold,
                periods=self.minutes,
                description=f"{group.feature_group_name}: {text}",
                topic=topic,
            )
            for construct_id, metric, threshold, text in wanted
        ]

    def _of_batches(
        self, group: FeatureGroupMetrics, period: Duration
    ) -> list[tuple[str, cloudwatch.IMetric, float, str]]:
        """Id, metric, threshold and text of each."""
        read, write = BatchOperation.BATCH_GET_RECORD, BatchOperation.BATCH_WRITE_RECORD
        wanted: list[tuple[str, cloudwatch.IMetric, float, str]] = []
        for operation, name, suffix, threshold, text in (
            (write, "ThrottledRequests", "Throttled", self.throttled, "is throttled"),
            (read, "ThrottledRequests", "Throttled", self.throttled, "is throttled"),
            (write, "Operation4XXErrors", "ClientErrors", self.failed_writes, _FAILS + "client"),
            (write, "Operation5XXErrors", "ServerErrors", self.failed_writes, _FAILS + "server"),
        ):
            if operation is read and Operation.GET_RECORD not in group.operations:
                continue
            metric = group.metric_of_batches(name, operation=operation, period=period)
            told = f"{operation}, of any group, {text}"
            wanted.append((f"{operation}{suffix}", metric, threshold, told))
        return wanted


def make_alarm(
    scope: Construct,
    construct_id: str,
    *,
    metric: cloudwatch.IMetric,
    threshold: float,
    periods: int,
    description: str,
    topic: sns.ITopic | None,
) -> cloudwatch.Alarm:
    """An alarm above a threshold that tells the topic when it fires and recovers."""
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        metric=metric,
        threshold=threshold,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=periods,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description=description,
    )
    if topic is None:
        acknowledge(
            alarm,
            {
                "NIST.800.53.R5-CloudWatchAlarmAction": "No topic was passed in; the alarm is "
                "there for dashboards and for composite alarms."
            },
        )
        return alarm
    action = actions.SnsAction(topic)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)
    return alarm
