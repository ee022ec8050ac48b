"""Every way to serve, each as an endpoint in one stack, and what they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import Duration, aws_iam as iam, aws_kms as kms, aws_s3 as s3, aws_sns as sns

from mlops_constructs import (
    Adapter,
    ApprovedModel,
    Asynchronous,
    AsyncInput,
    AsyncOutput,
    BlueGreenEndpoint,
    Canary,
    Challenger,
    Component,
    DataCapture,
    DirectContainers,
    InferenceComponents,
    Instances,
    ManagedInstances,
    ModelArtifact,
    ModelPackage,
    MultiModel,
    Rolling,
    SaturationWarnings,
    ScheduledCapacity,
    SerialPipeline,
    Serverless,
    Shadow,
    TrackBacklog,
    TrackConcurrency,
    TrackInvocations,
    TrackProvisionedConcurrency,
    TrackUtilization,
    Utilization,
)
from tests.serving.fixture import REPOSITORY, Ground, make_ground

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/census/3"


def artifact(bucket: s3.IBucket, version: int = 1, **given: Any) -> ModelArtifact:
    """A model of image and artifact."""
    arguments: dict[str, Any] = {
        "image": IMAGE,
        "model_data_url": f"s3://models/{version}/model.tar.gz",
        "buckets": [bucket],
        "image_repository_arns": [REPOSITORY],
    }
    return ModelArtifact(**(arguments | given))


@dataclass
class Kinds:
    """A stack with an endpoint of each kind."""

    ground: Ground
    endpoints: dict[str, BlueGreenEndpoint]
    caller: iam.Role

    @property
    def stack(self) -> cdk.Stack:
        """Where they are."""
        return self.ground.stack


def make_kinds() -> Kinds:
    """One endpoint of each kind, with what is special about it."""
    ground = make_ground()
    stack, bucket = ground.stack, ground.bucket
    shared: dict[str, Any] = {
        "network": ground.network,
        "encryption_key": ground.key,
        "alarm_topic": ground.topic,
    }
    reads: dict[str, Any] = {"buckets": [bucket], "image_repository_arns": [REPOSITORY]}
    package = ModelPackage(arn=PACKAGE, **reads)
    caller = iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    queue = BlueGreenEndpoint(
        stack,
        "Async",
        endpoint_name="async",
        model=ModelArtifact(image=IMAGE, model_data_url="s3://models/llm/", **reads),
        compute=Asynchronous(
            "ml.g5.xlarge",
            input=AsyncInput(bucket=bucket),
            output=AsyncOutput(bucket=bucket),
            on_success=ground.topic,
            on_error=ground.topic,
            include_answer=True,
            concurrency=4,
            startup_timeout=Duration.minutes(20),
        ),
        capture=DataCapture(bucket=bucket, percent=10),
        **shared,
    )
    queue.add_autoscaling(
        min_capacity=0,
        max_capacity=4,
        policies=[
            TrackBacklog(per_instance=5),
            TrackUtilization(of=Utilization.GPU, percent=80),
        ],
    )
    queue.grant_invoke(caller)
    queue.add_warnings(topic=ground.topic)
    queue.add_dashboard()

    serverless = BlueGreenEndpoint(
        stack,
        "Serverless",
        endpoint_name="serverless",
        model=package,
        compute=Serverless(memory_mb=2048, max_concurrency=20, provisioned_concurrency=2),
        encryption_key=ground.key,
        alarm_topic=ground.topic,
    )
    serverless.add_autoscaling(
        min_capacity=1, max_capacity=10, policies=[TrackProvisionedConcurrency()]
    )
    serverless.add_warnings(topic=ground.topic)

    components = BlueGreenEndpoint(
        stack,
        "Components",
        endpoint_name="components",
        model=InferenceComponents(
            [
                Component(
                    name="chat",
                    model=artifact(bucket),
                    memory_mb=8192,
                    accelerators=1,
                    copies=2,
                    startup_timeout=Duration.minutes(10),
                ),
                Component(
                    name="rank",
                    model=ApprovedModel(parameter_name="/mlops/rank/approved-model", **reads),
                    memory_mb=1024,
                    cpus=0.5,
                    copies=2,
                ),
                Adapter(name="legal", base="chat", artifact_url="s3://models/legal.tar.gz"),
            ]
        ),
        compute=ManagedInstances("ml.g5.2xlarge", min_count=0, max_count=4),
        deployment=Rolling(percent=50),
        **shared,
    )
    components.add_autoscaling(
        component="chat", min_capacity=0, max_capacity=8, policies=[TrackConcurrency(requests=4)]
    )
    components.add_dashboard()

    many = BlueGreenEndpoint(
        stack,
        "Many",
        endpoint_name="many",
        model=MultiModel(image=IMAGE, models_url="s3://models/all/", cache=False, **reads),
        compute=Instances("ml.m5.large", count=2),
        **shared,
    )
    many.add_dashboard()

    BlueGreenEndpoint(
        stack,
        "Serial",
        endpoint_name="serial",
        model=SerialPipeline([artifact(bucket, 1), package]),
        compute=Instances("ml.m5.large", count=4),
        deployment=Rolling(percent=25),
        **shared,
    )
    BlueGreenEndpoint(
        stack,
        "Direct",
        endpoint_name="direct",
        model=DirectContainers({"ranker": artifact(bucket, 1), "filter": artifact(bucket, 2)}),
        compute=Instances("ml.m5.large", count=2),
        **shared,
    )

    tested = BlueGreenEndpoint(
        stack,
        "Tested",
        endpoint_name="tested",
        model=ApprovedModel(parameter_name="/mlops/census/approved-model", **reads),
        compute=Instances("ml.m5.large", count=4),
        deployment=Canary(percent=25),
        beside=[
            Challenger(
                name="bold",
                model=ApprovedModel(parameter_name="/mlops/census/bold", **reads),
                compute=Instances("ml.m5.large", count=4),
                percent=10,
            ),
            Challenger(
                name="bolder",
                model=artifact(bucket, 3),
                compute=Instances("ml.c5.large", count=4),
                percent=5,
            ),
        ],
        **shared,
    )
    tested.add_autoscaling(
        min_capacity=4, max_capacity=8, policies=[TrackInvocations(per_minute=600)]
    )
    tested.add_autoscaling(
        variant="bold",
        min_capacity=4,
        max_capacity=8,
        policies=[TrackConcurrency(requests=4)],
        schedules={
            "Morning": ScheduledCapacity(
                schedule="cron(0 7 ? * MON-FRI *)", min_capacity=6, time_zone="Europe/Berlin"
            )
        },
    )
    tested.add_warnings(warnings=SaturationWarnings(memory_percent=70))
    tested.add_dashboard(name="a-b-test")
    tested.tell_deployments(ground.topic)

    shadowed = BlueGreenEndpoint(
        stack,
        "Shadowed",
        endpoint_name="shadowed",
        model=artifact(bucket, 1),
        compute=Instances("ml.m5.large", count=2),
        beside=Shadow(
            name="candidate",
            model=artifact(bucket, 2),
            compute=Instances("ml.m5.xlarge", count=2),
            percent=20,
        ),
        capture=DataCapture(bucket=bucket),
        **shared,
    )
    return Kinds(
        ground,
        {
            "async": queue,
            "serverless": serverless,
            "components": components,
            "many": many,
            "tested": tested,
            "shadowed": shadowed,
        },
        caller,
    )


def given_key(stack: cdk.Stack) -> kms.IKey:
    """A key that somebody else made."""
    return kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/0000")


def given_topic(stack: cdk.Stack, name: str = "Told") -> sns.ITopic:
    """A topic that somebody else made."""
    return sns.Topic.from_topic_arn(stack, name, f"arn:aws:sns:us-east-1:123456789012:{name}")
