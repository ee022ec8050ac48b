"""Monitoring: drift of what the endpoint is asked, and one dashboard for all that runs."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    ModelMonitorSuite,
    ModelQuality,
    OpenEngine,
    PackageBaselines,
    ProblemType,
    S3Folder,
    Severity,
)
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.serving import ServingStack
from stacks.training import TrainingStack

_HALF, _THIRD, _QUARTER = 12, 8, 6

# Where those who learn the truth put it, and how long they may take.
_TRUTH_PREFIX = "ground-truth"
_TRUTH_DELAY_HOURS = 24

# What the model's answers hold, see the pipeline's inference code.
_LABEL, _PROBABILITY = "label", "probability"

# The pipeline's parameter that makes its steps run anew, and whose value says why.
_DATA_VERSION = "DataVersion"


class MonitoringStack(PlatformStack):
    """Monitor and dashboard.

    Attributes:
        monitor: Compares what was asked and answered with what the served model was trained on.
        retraining: Starts the training pipeline when it sees something critical.
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
        environment, use_case, pipeline = setting.environment, setting.use_case, training.pipeline
        truth = S3Folder(bucket=data.artifacts, prefix=_TRUTH_PREFIX)
        # The endpoint and the pipeline are named in the template, not referred to.
        self.add_stack_dependency(serving)
        self.monitor = ModelMonitorSuite(
            self,
            "Monitor",
            monitor_name=self.resource_name(),
            target=serving.capture,
            monitors=[
                DataQuality(
                    missing_values=use_case.missing_values,
                    ignore=use_case.ignored,
                    capture_columns=use_case.columns,
                ),
                ModelQuality(
                    problem_type=ProblemType.BINARY,
                    positive_label=use_case.positive_label,
                    ground_truth=truth,
                    label_delay_hours=_TRUTH_DELAY_HOURS,
                    inference_attribute=_LABEL,
                    probability_attribute=_PROBABILITY,
                ),
                BiasDrift(
                    ground_truth=truth,
                    inference_attribute=_LABEL,
                    probability_attribute=_PROBABILITY,
                ),
                AttributionDrift(probability_attribute=_PROBABILITY),
            ],
            # A model's baselines come with it; the pipeline puts everything below its name.
            baselines=PackageBaselines(
                model_package_group_name=training.registry.model_package_group_name,
                folders=[S3Folder(bucket=data.artifacts, prefix=pipeline.pipeline_name)],
            ),
            engine=OpenEngine(network=ground.network.job_network),
            reports=S3Folder(bucket=data.artifacts, prefix="monitoring"),
            encryption_key=ground.key,
            topic=ground.alerts,
        )
        self.retraining = self.monitor.retrain(
            "Retrain",
            pipeline_name=pipeline.pipeline_name,
            starter=pipeline.starter.machine,
            parameters={_DATA_VERSION: "$.detail.until"},
            severity=Severity.CRITICAL,
            approval=None
            if environment.retrain_approval_days is None
            else Duration.days(environment.retrain_approval_days),
        )
        self.dashboard = self._make_dashboard(data, training, serving)
        made = self.monitor.open_monitor
        if made is not None:
            CfnOutput(self, "MonitorPipelineName", value=made.pipeline_name)

    def _make_dashboard(
        self, data: DataStack, training: TrainingStack, serving: ServingStack
    ) -> cloudwatch.Dashboard:
        endpoint, pipeline = serving.endpoint, training.pipeline
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
                pipeline.widgets(width=_THIRD),
                self.monitor.widgets(),
                data.features.widgets(width=_QUARTER),
            ],
        )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_HALF)
