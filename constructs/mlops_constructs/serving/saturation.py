"""Warnings before callers notice anything: an endpoint that runs full.

They roll nothing back. Metric names: SageMaker developer guide, "Amazon SageMaker AI metrics in
Amazon CloudWatch", "Alarms and logs for tracking metrics from asynchronous endpoints" and "… from
serverless endpoints". CPU and GPU are 100 for each core or device there, so that memory and disk
are what can be watched without knowing the instance.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.serving.compute import Asynchronous, Compute, ManagedInstances, Serverless
from mlops_constructs.serving.interface import ServingEndpoint


@dataclass(frozen=True, kw_only=True)
class SaturationWarnings:
    """When an endpoint is said to run full.

    Attributes:
        memory_percent: Memory of the instances, or of the serverless capacity.
        disk_percent: Disk of the instances; data capture stops when it is nearly full, and the
            developer guide asks to stay below 75 %.
        concurrency_share: How much of ``max_concurrency`` a serverless endpoint uses.
        oldest_request: How long the oldest request of an asynchronous endpoint may wait.
        minutes: For how long.
    """

    memory_percent: int = 85
    disk_percent: int = 75
    concurrency_share: float = 0.8
    oldest_request: Duration | None = None
    minutes: int = 5

    def check(self, problems: Problems) -> None:
        """Note what makes no sense."""
        for what, given, most in (
            ("memory_percent", self.memory_percent, 100),
            ("disk_percent", self.disk_percent, 100),
            ("concurrency_share", self.concurrency_share, 1),
            ("minutes", self.minutes, 60),
        ):
            problems.check(
                0 < given <= most,
                what,
                got=given,
                allowed=f"above 0 and at most {most}",
                instead="Leave it out.",
            )

    def build(
        self, scope: Construct, endpoint: ServingEndpoint, compute: Compute
    ) -> list[cloudwatch.Alarm]:
        """Make the alarms that fit the compute."""
        oldest = self.oldest_request or Duration.minutes(30)
        memory = (
            "Memory",
            endpoint.metric_memory_utilization(),
            self.memory_percent,
            f"memory is more than {self.memory_percent} % full",
        )
        wanted = []
        if isinstance(compute, Serverless):
            share = self.concurrency_share
            wanted = [
                memory,
                (
                    "Concurrency",
                    endpoint.metric_concurrency_utilization(),
                    share,
                    f"more than {share:.0%} of the allowed concurrency is used",
                ),
            ]
        elif not isinstance(compute, ManagedInstances):
            wanted = [
                memory,
                (
                    "Disk",
                    endpoint.metric_disk_utilization(),
                    self.disk_percent,
                    f"the disk is more than {self.disk_percent} % full",
                ),
            ]
        if isinstance(compute, Asynchronous):
            wanted.append(
                (
                    "Backlog",
                    endpoint.metric_oldest_request(),
                    oldest.to_seconds(),
                    f"a request waits for more than {oldest.to_minutes():g} minutes",
                )
            )
        return [
            cloudwatch.Alarm(
                scope,
                construct_id,
                metric=metric,
                threshold=threshold,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=self.minutes,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description=f"{endpoint.endpoint_name}: {text}",
            )
            for construct_id, metric, threshold, text in wanted
        ]
