"""The alarms that roll a deployment back, there by default.

They watch the endpoint by its literal name, so that they exist before it and the endpoint can name
them. They treat missing data as healthy: without traffic there is nothing to judge by, and an
alarm that fires before a deployment starts would end it (SageMaker developer guide, "Auto-Rollback
Configuration and Monitoring").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_sns,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.serving.interface import ServingEndpoint

#: botocore, AlarmList: at most ten, and three are ours.
_MOST_OWN = 7


@dataclass(frozen=True, kw_only=True)
class RollbackAlarms:
    """When a deployment is rolled back.

    Attributes:
        error_rate: The share of requests answered with a 5xx status, above 0 and at most 1.
        model_error_rate: The share of requests that the model did not answer with a 2xx status.
        p99_latency: The 99th percentile of the time in the model's container.
        minutes: For how many minutes in a row a threshold must be passed.
        own: Further alarms, such as one on a business metric; at most 7.
    """

    error_rate: float = 0.05
    model_error_rate: float = 0.05
    p99_latency: Duration = field(default_factory=lambda: Duration.seconds(2))
    minutes: int = 2
    own: Sequence[cloudwatch.IAlarm] = ()

    def check(self, problems: Problems) -> None:
        """Note what makes no sense or what the service would refuse."""
        for what, rate in (
            ("rollback.error_rate", self.error_rate),
            ("rollback.model_error_rate", self.model_error_rate),
        ):
            problems.check(
                0 < rate <= 1,
                what,
                got=rate,
                allowed="a share above 0 and at most 1",
                instead="Write 0.05 for 5 % of the requests.",
            )
        problems.check(
            1 <= self.minutes <= 60,
            "rollback.minutes",
            got=self.minutes,
            allowed="1 to 60",
            instead="Write 2.",
        )
        problems.check(
            len(self.own) <= _MOST_OWN,
            "rollback.own",
            got=f"{len(self.own)} alarms",
            allowed=f"at most {_MOST_OWN}; an endpoint takes ten alarms and three are made here",
            instead="Put several into one composite alarm.",
        )

    def build(
        self, scope: Construct, endpoint: ServingEndpoint, topic: aws_sns.ITopic | None
    ) -> list[cloudwatch.Alarm]:
        """Make the three alarms of an endpoint; ``topic`` is told when they fire and recover."""
        latency = int(self.p99_latency.to_milliseconds())
        alarms = [
            self._alarm(scope, construct_id, metric, threshold, f"{endpoint.endpoint_name}: {text}")
            for construct_id, metric, threshold, text in (
                (
                    "ServerErrors",
                    endpoint.metric_server_errors(),
                    self.error_rate,
                    f"more than {self.error_rate:.1%} of the requests end with a 5xx status",
                ),
                (
                    "ModelErrors",
                    endpoint.metric_model_errors(),
                    self.model_error_rate,
                    f"the model fails more than {self.model_error_rate:.1%} of the requests",
                ),
                (
                    "Latency",
                    endpoint.metric_latency(),
                    latency * 1000,
                    f"1 % of the requests take the model longer than {latency} ms",
                ),
            )
        ]
        for alarm in alarms:
            if topic is not None:
                action = actions.SnsAction(topic)
                alarm.add_alarm_action(action)
                alarm.add_ok_action(action)
            else:
                acknowledge(
                    alarm,
                    {
                        "NIST.800.53.R5-CloudWatchAlarmAction": "No topic was passed in; the "
                        "alarm acts by rolling back deployments of the endpoint, which read it."
                    },
                )
        return alarms

    def _alarm(
        self,
        scope: Construct,
        construct_id: str,
        metric: cloudwatch.Metric,
        threshold: float,
        description: str,
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            scope,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=self.minutes,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
