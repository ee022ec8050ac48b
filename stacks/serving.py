"""Serving: the endpoint that follows the registry, and the release of approved models to it."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration
from constructs import Construct

from mlops_constructs import (
    ApprovedModel,
    BlueGreenEndpoint,
    Canary,
    DataCapture,
    EndpointCapture,
    EndpointHours,
    Instances,
    ModelRelease,
    TrackInvocations,
    framework_image,
)
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.training import TrainingStack

# Where captured requests go in the artifacts bucket.
_CAPTURE_PREFIX = "capture"

# One m5.large answers a tabular model several hundred times a second; scale well before.
_REQUESTS_PER_MINUTE = 6000


class ServingStack(PlatformStack):
    """Endpoint and release.

    Attributes:
        endpoint: Serves the approved model.
        capture: What it was asked and answered, for monitors.
        release: Brings a model that was approved to the endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
        data: DataStack,
        training: TrainingStack,
    ) -> None:
        super().__init__(scope, "Serving", setting)
        environment = setting.environment
        # The approved model's parameter is named in the template, not referred to.
        self.add_stack_dependency(training)
        registry = training.registry
        self.endpoint = BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.resource_name(),
            model=ApprovedModel(
                parameter_name=registry.approved_model_parameter_name,
                buckets=[data.artifacts],
                image_repository_arns=[
                    framework_image(self, name, version).repository_arn
                    for name, version in training.pipeline.definition.images.items()
                ],
            ),
            compute=Instances(environment.serving_instance, count=environment.serving_count),
            deployment=Canary(
                percent=environment.canary_percent,
                bake=Duration.minutes(environment.bake_minutes),
            ),
            network=ground.network.job_network,
            encryption_key=ground.key,
            capture=DataCapture(
                bucket=data.artifacts,
                percent=environment.capture_percent,
                prefix=_CAPTURE_PREFIX,
                csv_content_types=("text/csv",),
                json_content_types=("application/json",),
            ),
            alarm_topic=ground.alerts,
        )
        self.capture = EndpointCapture(
            endpoint_name=self.endpoint.endpoint_name,
            bucket=data.artifacts,
            prefix=_CAPTURE_PREFIX,
        )
        self.endpoint.add_warnings(topic=ground.alerts)
        self.endpoint.tell_deployments(ground.alerts)
        if environment.serving_most > environment.serving_count:
            self.endpoint.add_autoscaling(
                min_capacity=environment.serving_count,
                max_capacity=environment.serving_most,
                policies=[TrackInvocations(per_minute=_REQUESTS_PER_MINUTE)],
            )
        self.release = ModelRelease(
            self,
            "Release",
            model_package_group_name=registry.model_package_group_name,
            parameter_name=registry.approved_model_parameter_name,
            endpoint=self.endpoint,
            encryption_key=ground.key,
            notify=ground.alerts,
        )
        if environment.serving_hours is not None:
            start, stop = environment.serving_hours
            EndpointHours(self, "Hours", endpoint=self.endpoint, start_hour=start, stop_hour=stop)
        CfnOutput(self, "EndpointName", value=self.endpoint.endpoint_name)
        CfnOutput(
            self, "ReleaseStateMachineArn", value=self.release.state_machine.state_machine_arn
        )
