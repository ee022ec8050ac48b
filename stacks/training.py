"""Training: the model registry and the pipeline that fills it."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration
from constructs import Construct

from mlops_constructs import ModelRegistry, PipelineDefinition, TrainingPipeline
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.environments import Environment
from stacks.network import NetworkStack

# Jobs wait for spot instances up to two hours each, as the pipeline allows.
_LONGEST_RUN = Duration.hours(6)


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
            adopt=environment.adopt_models,
        )
        self.registry.add_audit_trail("Audit", encryption_key=ground.key)
        self.registry.ask_for_approval("Ask", topic=ground.alerts)
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
            parameters=environment.pipeline_parameters,
            max_parallel_steps=environment.max_parallel_steps,
        )
        self.pipeline.on_failure("Failed", topic=ground.alerts)
        self._start(environment, data, use_case.pipeline.name)
        self.pipeline.add_alarms(
            "Alarms",
            topic=ground.alerts,
            max_duration=_LONGEST_RUN,
            stale_after_days=environment.stale_after_days,
        )
        CfnOutput(self, "PipelineName", value=self.pipeline.pipeline_name)
        CfnOutput(self, "ModelPackageGroupName", value=self.registry.model_package_group_name)

    def _start(self, environment: Environment, data: DataStack, folder: str) -> None:
        """Retrain by the clock and on new data; another DataVersion makes cached steps run."""
        declared = self.pipeline.definition.parameters
        fresh = {"DataVersion": TrainingPipeline.START_TIME} if "DataVersion" in declared else {}
        if environment.retrain is not None:
            self.pipeline.add_schedule("Retrain", schedule=environment.retrain, parameters=fresh)
        if environment.retrain_on_data:
            self.pipeline.on_object_created(
                "NewData", bucket=data.data, prefix=f"{folder}/raw/", parameters=fresh
            )
