"""Governance: what the environment may cost, what drifts in it, and one page to look at."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs import DriftWatch, TaggedBudget
from mlops_constructs.common.console import console_url
from stacks.base import PlatformStack, Setting
from stacks.monitoring import MonitoringStack
from stacks.network import NetworkStack
from stacks.serving import ServingStack
from stacks.training import TrainingStack

_WIDTH = 8


class GovernanceStack(PlatformStack):
    """Budget, drift detection and the dashboard of the environment.

    Attributes:
        budget: What everything with the environment's tag may cost.
        drift: Looks for changes by hand in all other stacks.
        dashboard: The environment on one page, with a link to the model's.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
        training: TrainingStack,
        serving: ServingStack,
        monitoring: MonitoringStack,
        watched: Sequence[Stack],
    ) -> None:
        super().__init__(scope, "Governance", setting)
        environment = setting.environment
        # Endpoint, pipeline and dashboard are named in the template, not referred to.
        self.add_stack_dependency(monitoring)
        self.budget = TaggedBudget(
            self,
            "Budget",
            monthly=environment.monthly_budget,
            tag=("Environment", environment.name),
            topic=ground.alerts,
        )
        self.drift = DriftWatch(self, "Drift", stacks=watched, topic=ground.alerts)
        self.dashboard = self._make_dashboard(training, serving, monitoring, watched)

    def _make_dashboard(
        self,
        training: TrainingStack,
        serving: ServingStack,
        monitoring: MonitoringStack,
        watched: Sequence[Stack],
    ) -> cloudwatch.Dashboard:
        day = Duration.days(1)
        console = console_url(self)
        model = f"#dashboards:name={self.resource_name()}"
        lines = [
            f"## {self.resource_name()}",
            f"[The model: traffic, errors, drift]({model})",
            f"[Cost and budgets]({console}/billing/home#/budgets)",
            "",
            *(
                f"[{stack.stack_name}]({console}/cloudformation/home#/stacks"
                f"?filteringText={stack.stack_name})"
                for stack in watched
            ),
        ]
        endpoint, pipeline, monitor = serving.endpoint, training.pipeline, monitoring.monitor
        return cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self.resource_name("environment"),
            widgets=[
                [
                    cloudwatch.TextWidget(markdown="\n\n".join(lines), width=_WIDTH, height=12),
                    cloudwatch.SingleValueWidget(
                        title="Now, and pipeline runs of the last day",
                        width=2 * _WIDTH,
                        height=6,
                        metrics=[
                            endpoint.metric_invocations(),
                            endpoint.metric_server_errors(),
                            pipeline.metric_succeeded(period=day),
                            pipeline.metric_failed(period=day),
                            monitor.metric_violations(),
                        ],
                    ),
                ],
            ],
        )
