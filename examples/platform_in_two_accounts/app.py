"""The whole platform in two accounts: data scientists work in dev, customers are served by prod.

Every account has a network, buckets, features, a pipeline, a registry and an endpoint of its own,
so that nothing in dev can touch prod. Both run the same compiled pipeline; they differ in the
sizes below. The account numbers are those of AWS's documentation: write yours.

    cdk deploy -c account=dev --all      cdk deploy -c account=prod --all
"""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_kms as kms, aws_sns as sns
from constructs import Construct

from mlops_constructs import (
    ApprovedModel,
    BlueGreenEndpoint,
    Canary,
    CostTags,
    DataCapture,
    DataQuality,
    DataScientist,
    EndpointCapture,
    Instances,
    ModelMonitorSuite,
    ModelRegistry,
    ModelRelease,
    NetworkFeature,
    NewVpc,
    OpenEngine,
    PipelineDefinition,
    PrivateNetwork,
    S3Dataset,
    S3Folder,
    SecureVpcDomain,
    ServiceRules,
    TrainingPipeline,
    UserProfile,
    framework_image,
)
from mlops_constructs.common.buckets import access_log_bucket, secure_bucket
from mlops_constructs.common.encryption import allow_publishers

# `make definitions` compiles it from a DAG written with the SageMaker SDK.
PIPELINE = Path(__file__).resolve().parents[2] / "pipeline_code" / "census_income"


@dataclass(frozen=True)
class Account:
    """In what the accounts differ."""

    name: str
    number: str
    cidr: str
    instances: int
    users: tuple[str, ...]


ACCOUNTS = (
    Account("dev", "111122223333", "10.30.0.0/16", instances=2, users=("ana", "ben")),
    Account("prod", "444455556666", "10.31.0.0/16", instances=4, users=()),
)


class Ground(cdk.Stack):
    """What is made once and hardly ever changes: key, network, buckets, Studio."""

    def __init__(
        self, scope: Construct, construct_id: str, *, account: Account, env: cdk.Environment
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        self.key = kms.Key(self, "Key", enable_key_rotation=True)
        allow_publishers(self.key, "cloudwatch.amazonaws.com", "events.amazonaws.com")
        self.alerts = sns.Topic(self, "Alerts", master_key=self.key, enforce_ssl=True)
        self.network = PrivateNetwork(
            self,
            "Network",
            vpc=NewVpc(cidr=account.cidr),
            features=[NetworkFeature.JOBS, NetworkFeature.STUDIO, NetworkFeature.EVENTS],
            encryption_key=self.key,
        )
        logs = access_log_bucket(self, "AccessLogs")
        self.data = secure_bucket(self, "Data", encryption_key=self.key, access_logs=logs)
        self.artifacts = secure_bucket(self, "Artifacts", encryption_key=self.key, access_logs=logs)
        if account.users:
            scientist = DataScientist()
            SecureVpcDomain(
                self,
                "Studio",
                domain_name=f"income-{account.name}",
                network=self.network,
                encryption_key=self.key,
                personas=(scientist,),
                user_profiles=[UserProfile(user, persona=scientist) for user in account.users],
            )


class Training(cdk.Stack):
    """Registry and pipeline."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        account: Account,
        env: cdk.Environment,
        ground: Ground,
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        name = f"income-{account.name}"
        self.registry = ModelRegistry(self, "Registry", model_package_group_name=name)
        self.pipeline = TrainingPipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            definition=PipelineDefinition.from_folder(PIPELINE),
            network=ground.network.job_network,
            encryption_key=ground.key,
            data_bucket=ground.data,
            artifacts_bucket=ground.artifacts,
            registry=self.registry,
        )
        self.pipeline.on_failure("Failed", topic=ground.alerts)


class Serving(cdk.Stack):
    """The endpoint, its releases, and its monitor."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        account: Account,
        env: cdk.Environment,
        ground: Ground,
        training: Training,
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        # The approved model's parameter is named in the template, not referred to.
        self.add_stack_dependency(training)
        name, registry = f"income-{account.name}", training.registry
        endpoint = BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            model=ApprovedModel(
                parameter_name=registry.approved_model_parameter_name,
                buckets=[ground.artifacts],
                image_repository_arns=[
                    framework_image(self, image, version).repository_arn
                    for image, version in training.pipeline.definition.images.items()
                ],
            ),
            compute=Instances("ml.m5.large", count=account.instances),
            deployment=Canary(percent=50, bake=cdk.Duration.minutes(10)),
            network=ground.network.job_network,
            encryption_key=ground.key,
            capture=DataCapture(bucket=ground.artifacts, percent=50, prefix="capture"),
            alarm_topic=ground.alerts,
        )
        ModelRelease(
            self,
            "Release",
            model_package_group_name=registry.model_package_group_name,
            parameter_name=registry.approved_model_parameter_name,
            encryption_key=ground.key,
            notify=ground.alerts,
        )
        ModelMonitorSuite(
            self,
            "Monitor",
            monitor_name=name,
            target=EndpointCapture(
                endpoint_name=endpoint.endpoint_name, bucket=ground.artifacts, prefix="capture"
            ),
            monitors=[
                DataQuality(
                    reference=S3Dataset(bucket=ground.artifacts, prefix=f"{name}/baseline"),
                    missing_values=("", "?"),
                )
            ],
            engine=OpenEngine(network=ground.network.job_network),
            reports=S3Folder(bucket=ground.artifacts, prefix="monitoring"),
            encryption_key=ground.key,
            topic=ground.alerts,
        )


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
for account in ACCOUNTS:
    if app.node.try_get_context("account") not in (None, account.name):
        continue
    env = cdk.Environment(account=account.number, region="eu-west-1")
    ground = Ground(app, f"Ground-{account.name}", account=account, env=env)
    training = Training(app, f"Training-{account.name}", account=account, env=env, ground=ground)
    serving = Serving(
        app, f"Serving-{account.name}", account=account, env=env, ground=ground, training=training
    )
    for stack in (ground, training, serving):
        CostTags(project="income", team="ml", environment=account.name, cost_center="ml").apply_to(
            stack
        )
app.synth()
