"""A model that is asked now and then: no instances, and releases by approval.

Whoever approves a version in the registry releases it: the state machine puts its ARN into the
parameter, updates this stack, and puts the old version back if that fails. Between requests the
endpoint costs nothing; the first request after a pause waits for a cold start.
"""

import os

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3, aws_sns as sns
from constructs import Construct

from mlops_constructs import (
    ApprovedModel,
    BlueGreenEndpoint,
    CostTags,
    ModelRegistry,
    ModelRelease,
    Serverless,
    ServiceRules,
    framework_image,
)


class Registry(cdk.Stack):
    """Versions of the churn model; data scientists register them from wherever they train."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.registry = ModelRegistry(
            self,
            "Registry",
            model_package_group_name="churn",
            description="Which customers are about to leave",
        )


class Serving(cdk.Stack):
    """The endpoint and its releases."""

    def __init__(self, scope: Construct, construct_id: str, registry: ModelRegistry) -> None:
        super().__init__(scope, construct_id)
        models = s3.Bucket.from_bucket_name(self, "Models", f"models-{self.account}")
        topic = sns.Topic(self, "Releases", enforce_ssl=True)
        endpoint = BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name="churn",
            model=ApprovedModel(
                parameter_name=registry.approved_model_parameter_name,
                buckets=[models],
                image_repository_arns=[framework_image(self, "xgboost", "1.7-1").repository_arn],
            ),
            compute=Serverless(memory_mb=2048, max_concurrency=20),
        )
        ModelRelease(
            self,
            "Release",
            model_package_group_name=registry.model_package_group_name,
            parameter_name=registry.approved_model_parameter_name,
            notify=topic,
        )
        cdk.CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
registry = Registry(app, "ChurnRegistry")
serving = Serving(app, "ChurnServing", registry.registry)
# The parameter with the approved model is named in the template, not referred to.
serving.add_stack_dependency(registry)
for stack in (registry, serving):
    CostTags(project="churn", team="growth", environment="prod", cost_center="growth-42").apply_to(
        stack
    )
app.synth()
