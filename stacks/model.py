"""Builds the stacks of one more use case: from its data to an endpoint that is watched for drift.

They are the platform's own, but for what the platform presumes of its use case: a monitor of
predictions needs to know what is predicted and when the truth comes; Studio and governance are
there once for a team.
"""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs import (
    DataQuality,
    ModelMonitorSuite,
    OpenEngine,
    S3Dataset,
    S3Folder,
)
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.environments import Environment
from stacks.network import NetworkStack
from stacks.serving import ServingStack
from stacks.training import TrainingStack
from stacks.use_case import UseCase


@dataclass(frozen=True)
class Model:
    """The stacks of one use case in one environment, in the order of deployment."""

    network: NetworkStack
    data: DataStack
    training: TrainingStack
    serving: ServingStack
    drift: DriftStack


class DriftStack(PlatformStack):
    """A monitor of what the endpoint is asked.

    Attributes:
        monitor: Compares what was asked with what the model was trained on.
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
        super().__init__(scope, "Drift", setting)
        # The endpoint and the pipeline are named in the template, not referred to.
        self.add_stack_dependency(serving)
        self.monitor = ModelMonitorSuite(
            self,
            "Monitor",
            monitor_name=self.resource_name(),
            target=serving.capture,
            monitors=[
                DataQuality(
                    # The pipeline's first step writes its training data here.
                    reference=S3Dataset(
                        bucket=data.artifacts, prefix=f"{training.pipeline.pipeline_name}/baseline"
                    ),
                    missing_values=setting.use_case.missing_values,
                    ignore=setting.use_case.ignored,
                    capture_columns=setting.use_case.columns,
                )
            ],
            engine=OpenEngine(network=ground.network.job_network),
            reports=S3Folder(bucket=data.artifacts, prefix="monitoring"),
            encryption_key=ground.key,
            topic=ground.alerts,
        )
        made = self.monitor.open_monitor
        if made is not None:
            CfnOutput(self, "MonitorPipelineName", value=made.pipeline_name)


def build_model(app: cdk.App, environment: Environment, use_case: UseCase) -> Model:
    """Add the stacks of a use case in one environment to the app."""
    setting = Setting(environment, use_case)
    network = NetworkStack(app, setting)
    data = DataStack(app, setting, ground=network)
    training = TrainingStack(app, setting, ground=network, data=data)
    serving = ServingStack(app, setting, ground=network, data=data, training=training)
    drift = DriftStack(app, setting, ground=network, data=data, training=training, serving=serving)
    return Model(network, data, training, serving, drift)
