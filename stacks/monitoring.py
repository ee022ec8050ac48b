"""Monitoring: drift of what the endpoint is asked, and one dashboard for all that runs."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs import (
    DataQuality,
    EndpointCapture,
    ModelMonitorSuite,
    OpenEngine,
    S3Dataset,
    S3Folder,
)
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.serving import CAPTURE_PREFIX, ServingStack
from stacks.training import TrainingStack

_HALF, _QUARTER = 12, 6


class MonitoringStack(PlatformStack):
    """Monitor and dashboard.

    Attributes:
        monitor: Compares what was asked with what the model was trained on.
        dashboard: Traffic, errors, latency, training, drift and features on one page.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
        data: DataStack,
        training: TrainingStack,
        serving: ServingStack,
    ) -> None:
        super().__init__(scope, "Monitoring", setting)
        # The endpoint and the pipeline are named in the template, not referred to.
        self.add_stack_dependency(serving)
        self.monitor = ModelMonitorSuite(
            self,
            "Monitor",
            monitor_name=self.resource_name(),
            target=EndpointCapture(
                endpoint_name=serving.endpoint.endpoint_name,
                bucket=data.artifacts,
                prefix=CAPTURE_PREFIX,
            ),
            monitors=[
                DataQuality(
                    # The pipeline writes its training data here, see its Preprocess step.
                    reference=S3Dataset(
                        bucket=data.artifacts, prefix=f"{training.pipeline.pipeline_name}/baseline"
                    ),
                    missing_values=setting.use_case.missing_values,
                )
            ],
            engine=OpenEngine(network=ground.network.job_network),
            reports=S3Folder(bucket=data.artifacts, prefix="monitoring"),
            encryption_key=ground.key,
            topic=ground.alerts,
        )
        self.dashboard = self._make_dashboard(data, training, serving)
        made = self.monitor.open_monitor
        if made is not None:
            CfnOutput(self, "MonitorPipelineName", value=made.pipeline_name)

    def _make_dashboard(
        self, data: DataStack, training: TrainingStack, serving: ServingStack
    ) -> cloudwatch.Dashboard:
        endpoint, pipeline, monitor = serving.endpoint, training.pipeline, self.monitor
        day = Duration.days(1)
        return cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self.resource_name(),
            widgets=[
                [
                    _graph("Requests a minute", endpoint.metric_invocations()),
                    _graph(
                        "Errors",
                        endpoint.metric_client_errors(),
                        endpoint.metric_server_errors(),
                        endpoint.metric_model_errors(),
                    ),
                ],
                [
                    _graph(
                        "Latency of the model in microseconds",
                        endpoint.metric_latency(statistic="p50"),
                        endpoint.metric_latency(statistic="p99"),
                    ),
                    _graph(
                        "Load of the instances in percent",
                        endpoint.metric_cpu_utilization(),
                        endpoint.metric_memory_utilization(),
                    ),
                ],
                [
                    _graph("Violations", monitor.metric_violations(), monitor.metric_run_failed()),
                    _graph(
                        "Pipeline runs a day",
                        pipeline.metric_succeeded(period=day),
                        pipeline.metric_failed(period=day),
                    ),
                ],
                data.features.widgets(width=_QUARTER),
            ],
        )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_HALF)
