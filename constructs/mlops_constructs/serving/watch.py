"""Which alarms an endpoint has, by what it runs on and what runs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import CfnResource, Duration, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.serving.alarms import Measure, RollbackAlarms
from mlops_constructs.serving.compute import Asynchronous, Compute, ManagedInstances, Serverless
from mlops_constructs.serving.deployment import Deployment
from mlops_constructs.serving.interface import ServingEndpoint
from mlops_constructs.serving.variants import Challenger, Shadow


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Makes the alarms of one endpoint.

    A shadow has none: what only copies get wrong is no reason to roll back. Challengers together
    have one of each kind, for the worst of them, so that ten are enough for an endpoint of ten
    variants. Inference components have their own, which roll back that component alone.

    Attributes:
        endpoint: The endpoint, for its metrics.
        rollback: The thresholds.
        compute: What it runs on.
        deployment: How it moves to a new model.
        beside: What runs beside its own variant.
    """

    endpoint: ServingEndpoint
    rollback: RollbackAlarms
    compute: Compute
    deployment: Deployment | None
    beside: Sequence[Challenger | Shadow]

    @property
    def is_shared(self) -> bool:
        """Whether it is an endpoint of inference components."""
        return isinstance(self.compute, ManagedInstances)

    @property
    def compares_fleets(self) -> bool:
        """Whether there is an old and a new fleet during a deployment."""
        return self.deployment is not None and not self.is_shared

    @property
    def rolls_back(self) -> bool:
        """Whether updates are rolled back by alarms."""
        return self.deployment is not None and self.deployment.guards

    @property
    def count(self) -> int:
        """How many alarms an update of the endpoint, or of a component, is rolled back by."""
        each = 3 if self._has_model_errors else 2
        compared = self.compares_fleets and self.rollback.client_error_rise is not None
        return each * (2 if self._challengers else 1) + compared

    def before(self) -> list[cloudwatch.Alarm]:
        """The alarms that need nothing of the endpoint but its name."""
        if self.is_shared:
            return []
        name = self.endpoint.endpoint_name
        alarms = self._make(self.endpoint, name, [self._variant(self.endpoint.variant_name)])
        if self._challengers:
            alarms += self._make(
                Construct(self.endpoint, "Challengers"),
                f"{name}, {', '.join(self._challengers)}",
                [self._variant(each) for each in self._challengers],
            )
        return alarms

    def between(self, config_name: str) -> list[cloudwatch.Alarm]:
        """The alarm that needs the configuration, which every new model replaces."""
        if not self.compares_fleets:
            return []
        endpoint = self.endpoint
        return self.rollback.client_errors(
            endpoint,
            endpoint.endpoint_name,
            lambda name, statistic: endpoint.metric(
                name, statistic=statistic, config_name=config_name
            ),
            self._variant(endpoint.variant_name),
        )

    def component(self, scope: Construct, component: str) -> list[cloudwatch.Alarm]:
        """The alarms of one inference component."""
        endpoint = self.endpoint
        return self._make(
            scope,
            endpoint.component_name(component),
            [
                lambda name, statistic: endpoint.component_metric(
                    component, name, statistic=statistic
                )
            ],
        )

    def deployment_config(self, alarms: Sequence[cloudwatch.Alarm]) -> dict[str, Any] | None:
        """``DeploymentConfig`` of an endpoint or a component (L1 spelling)."""
        if self.deployment is None or not self.rolls_back:
            return None
        names = [alarm.alarm_name for alarm in (*alarms, *self.rollback.own)]
        return {
            **self.deployment.to_property(),
            "autoRollbackConfiguration": {"alarms": [{"alarmName": name} for name in names]},
        }

    @property
    def _has_model_errors(self) -> bool:
        return not isinstance(self.compute, Serverless | Asynchronous)

    @property
    def _challengers(self) -> list[str]:
        return [each.name for each in self.beside if not isinstance(each, Shadow)]

    def _variant(self, variant: str) -> Measure:
        endpoint = self.endpoint
        return lambda name, statistic: endpoint.metric(
            name, statistic=statistic, variant_name=variant
        )

    def _make(
        self, scope: Construct, name: str, measures: Sequence[Measure]
    ) -> list[cloudwatch.Alarm]:
        return self.rollback.errors_and_latency(
            scope,
            name,
            measures,
            usual_latency=_usual_latency(self.compute),
            with_model_errors=self._has_model_errors,
        )


def resources_of(alarms: Sequence[cloudwatch.Alarm]) -> list[CfnResource]:
    """The resources of alarms, which conditions are set on."""
    return [cast("CfnResource", alarm.node.default_child) for alarm in alarms]


def _usual_latency(compute: Compute) -> Duration:
    """What is slow, unless the user knows better.

    Asynchronous requests may take 15 minutes unless they ask for more, others a minute (botocore,
    ``InvocationTimeoutSeconds``; SageMaker runtime, InvokeEndpoint).
    """
    match compute:
        case Asynchronous():
            return Duration.minutes(15)
        case ManagedInstances():
            return Duration.minutes(1)
    return Duration.seconds(2)
