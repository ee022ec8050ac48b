"""Training: the model registry and the pipeline that fills it."""

from __future__ import annotations

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs import ModelRegistry, PipelineDefinition, TrainingPipeline
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.network import NetworkStack


class TrainingStack(PlatformStack):
    """Registry and pipeline.

    Attributes:
        registry: Versions of the model, and which of them is approved.
        pipeline: From raw data to a registered model.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
        data: DataStack,
    ) -> None:
        super().__init__(scope, "Training", setting)
        environment, use_case = setting.environment, setting.use_case
        self.registry = ModelRegistry(
            self,
            "Registry",
            model_package_group_name=self.resource_name(),
            description=f"Models of {use_case.name} in {environment.name}",
        )
        self.pipeline = TrainingPipeline(
            self,
            "Pipeline",
            pipeline_name=self.resource_name(),
            definition=PipelineDefinition.from_folder(use_case.pipeline),
            network=ground.network.job_network,
            encryption_key=ground.key,
            data_bucket=data.data,
            artifacts_bucket=data.artifacts,
            registry=self.registry,
            max_parallel_steps=environment.max_parallel_steps,
        )
        self.pipeline.on_failure("Failed", topic=ground.alerts)
        if environment.retrain is not None:
            self.pipeline.add_schedule("Retrain", schedule=environment.retrain)
        CfnOutput(self, "PipelineName", value=self.pipeline.pipeline_name)
        CfnOutput(self, "ModelPackageGroupName", value=self.registry.model_package_group_name)
