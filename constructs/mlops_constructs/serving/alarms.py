"""The alarms that roll a deployment back, there by default.

| alarm | watches | fires when |
|---|---|---|
| ``ServerErrors`` | 5xx answers | more than ``error_rate`` of the requests |
| ``ModelErrors`` | answers of the model other than 2xx | more than ``model_error_rate`` of them |
| ``Latency`` | time in the model | the 99th percentile is above ``p99_latency`` |
| ``ClientErrors`` | 4xx answers of the new fleet | ``client_error_rise`` above the endpoint's |

They watch the endpoint by its literal name, so that they exist before it and the endpoint can name
them. The last one compares: callers cause 4xx answers, so that only a difference between the new
configuration and the endpoint as a whole is a model's fault. It ends with the deployment, when both
are the same.

**Low traffic.** Minutes without a request have no data, and CloudWatch takes them for healthy: an
alarm that fires without traffic would end every deployment before it starts (SageMaker developer
guide, "Auto-Rollback Configuration and Monitoring"). "Two bad minutes in a row" would then never be
seen where a request comes every other minute; so it is ``minutes`` bad ones of ``within``. And 4xx
answers are compared only in minutes with ``least_requests`` on the new fleet.

Metrics by ``EndpointConfigName``: the same guide, which watches a new fleet that way. Neither
serverless nor asynchronous endpoints publish ``InvocationModelErrors`` (the guide's lists of their
metrics, which it calls exhaustive).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as actions,
    aws_sns,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge

#: A metric by its name and statistic, of one variant or component.
Measure = Callable[[str, str], cloudwatch.Metric]

#: botocore, AlarmList: at most ten.
MOST_ALARMS = 10


@dataclass(frozen=True, kw_only=True)
class RollbackAlarms:
    """When a deployment is rolled back.

    Attributes:
        error_rate: The share of requests answered with a 5xx status, above 0 and at most 1.
        model_error_rate: The share of requests that the model did not answer with a 2xx status.
        p99_latency: The 99th percentile of the time in the model's container; 2 seconds unless
            given, a minute for inference components, 15 minutes for asynchronous endpoints.
        client_error_rise: By how much the share of 4xx answers of the new fleet may be above that
            of the endpoint; None for no such alarm.
        least_requests: How many requests a minute the new fleet must have for that comparison.
        minutes: For how many minutes a threshold must be passed.
        within: Of how many minutes; ``minutes`` or more, at most 60. 5, or ``minutes`` if that is
            more, unless given.
        own: Further alarms, such as one on a business metric or on the quality of the model; ten
            alarms are allowed with those made here.
    """

    error_rate: float = 0.05
    model_error_rate: float = 0.05
    p99_latency: Duration | None = None
    client_error_rise: float | None = 0.1
    least_requests: int = 20
    minutes: int = 2
    within: int | None = None
    own: Sequence[cloudwatch.IAlarm] = ()

    @property
    def _within(self) -> int:
        return max(self.minutes, 5) if self.within is None else self.within

    def check(self, problems: Problems, made: int) -> None:
        """Note what makes no sense or what the service would refuse.

        Args:
            problems: Where to note it.
            made: How many alarms are made for the endpoint.
        """
        for what, rate in (
            ("rollback.error_rate", self.error_rate),
            ("rollback.model_error_rate", self.model_error_rate),
            ("rollback.client_error_rise", self.client_error_rise),
        ):
            problems.check(
                rate is None or 0 < rate <= 1,
                what,
                got=rate,
                allowed="a share above 0 and at most 1",
                instead="Write 0.05 for 5 % of the requests.",
            )
        longest = self.p99_latency
        latency = 1 if longest is None else longest.to_milliseconds(integral=False)
        problems.check(
            latency >= 1,
            "rollback.p99_latency",
            got=f"{latency:g} ms",
            allowed="a millisecond or more",
            instead="Write Duration.millis(250).",
        )
        problems.check(
            self.least_requests >= 1,
            "rollback.least_requests",
            got=self.least_requests,
            allowed="1 or more a minute",
            instead="Write 20.",
        )
        problems.check(
            1 <= self.minutes <= 60,
            "rollback.minutes",
            got=self.minutes,
            allowed="1 to 60",
            instead="Write 2.",
        )
        problems.check(
            self.minutes > 60 or self.minutes <= self._within <= 60,
            "rollback.within",
            got=self.within,
            allowed=f"minutes, {self.minutes}, to 60",
            instead="Leave it out.",
        )
        most = MOST_ALARMS - made
        problems.check(
            len(self.own) <= most,
            "rollback.own",
            got=f"{len(self.own)} alarms",
            allowed=f"at most {most}; an endpoint takes ten alarms and {made} are made here",
            instead="Put several into one composite alarm.",
        )

    def errors_and_latency(
        self,
        scope: Construct,
        name: str,
        measures: Sequence[Measure],
        *,
        usual_latency: Duration,
        with_model_errors: bool = True,
    ) -> list[cloudwatch.Alarm]:
        """The alarms on what callers see, by absolute thresholds.

        Args:
            scope: The parent of the alarms.
            name: What is watched, for descriptions.
            measures: Whose metrics are watched; of several the worst counts.
            usual_latency: The threshold where the user gave none.
            with_model_errors: Whether the service publishes errors of the model.
        """
        latency = int((self.p99_latency or usual_latency).to_milliseconds(integral=False))
        wanted = [
            (
                "ServerErrors",
                ("Invocation5XXErrors", "Average"),
                self.error_rate,
                f"more than {self.error_rate:.1%} of the requests end with a 5xx status",
            ),
            (
                "ModelErrors",
                ("InvocationModelErrors", "Average"),
                self.model_error_rate,
                f"the model fails more than {self.model_error_rate:.1%} of the requests",
            ),
            (
                "Latency",
                ("ModelLatency", "p99"),
                latency * 1000,
                f"1 % of the requests take the model longer than {latency} ms",
            ),
        ]
        return [
            self._alarm(
                scope,
                construct_id,
                _worst([measure(*metric) for measure in measures]),
                threshold,
                f"{name}: {text}",
            )
            for construct_id, metric, threshold, text in wanted
            if with_model_errors or construct_id != "ModelErrors"
        ]

    def client_errors(
        self, scope: Construct, name: str, new_fleet: Measure, all_fleets: Measure
    ) -> list[cloudwatch.Alarm]:
        """The alarm that compares a new fleet with the endpoint as a whole; none if not wanted."""
        if self.client_error_rise is None:
            return []
        rise = cloudwatch.MathExpression(
            expression=f"IF(requests >= {self.least_requests}, new - every, 0)",
            using_metrics={
                "requests": new_fleet("Invocation4XXErrors", "SampleCount"),
                "new": new_fleet("Invocation4XXErrors", "Average"),
                "every": all_fleets("Invocation4XXErrors", "Average"),
            },
            label="4xx rate of the new fleet above that of the endpoint",
            period=Duration.minutes(1),
        )
        text = (
            f"{name}: the share of 4xx answers of the new fleet is more than "
            f"{self.client_error_rise:.1%} above that of the endpoint"
        )
        return [self._alarm(scope, "ClientErrors", rise, self.client_error_rise, text)]

    def _alarm(
        self,
        scope: Construct,
        construct_id: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            scope,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=self._within,
            datapoints_to_alarm=self.minutes,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )


def tell(alarms: Sequence[cloudwatch.Alarm], topic: aws_sns.ITopic | None, *, without: str) -> None:
    """Let a topic know when alarms fire and recover.

    Args:
        alarms: The alarms.
        topic: Who is told, if anybody.
        without: What an alarm is good for that tells nobody.
    """
    for alarm in alarms:
        if topic is not None:
            action = actions.SnsAction(topic)
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        else:
            acknowledge(
                alarm,
                {"NIST.800.53.R5-CloudWatchAlarmAction": f"No topic was passed in; {without}"},
            )


def _worst(metrics: Sequence[cloudwatch.Metric]) -> cloudwatch.IMetric:
    if len(metrics) == 1:
        return metrics[0]
    using = {f"m{index}": metric for index, metric in enumerate(metrics)}
    return cloudwatch.MathExpression(
        expression="MAX(METRICS())", using_metrics=using, period=Duration.minutes(1)
    )
