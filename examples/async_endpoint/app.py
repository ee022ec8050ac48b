"""A language model that summarises long documents, and costs nothing while nobody asks.

Callers put a document of up to 1 GB into S3, ask for its summary, and are told by a topic when it
is there. The fleet follows the queue, from no instance at all to four; the first request after a
pause waits for one to start. A nightly job summarises what came in during the day, on instances of
its own. One page shows the queue, the GPUs and every deployment.
"""

import os

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr, aws_iam as iam, aws_kms as kms, aws_s3 as s3, aws_sns as sns
from constructs import Construct

from mlops_constructs import (
    Asynchronous,
    AsyncInput,
    AsyncOutput,
    BlueGreenEndpoint,
    ModelArtifact,
    RollbackAlarms,
    ScheduledTransform,
    ServiceRules,
    Split,
    TrackBacklog,
    TrackUtilization,
    TransformInput,
    TransformInstances,
    TransformOutput,
    Utilization,
)
from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_publishers

VERSION = "2.1.0"


class Summaries(cdk.Stack):
    """Queue, fleet, nightly job, and who may ask."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        key = kms.Key(self, "Key", enable_key_rotation=True)
        allow_publishers(key, "cloudwatch.amazonaws.com", "events.amazonaws.com")
        told = sns.Topic(self, "Told", master_key=key, enforce_ssl=True)
        failed = sns.Topic(self, "Failed", master_key=key, enforce_ssl=True)
        documents = secure_bucket(self, "Documents", encryption_key=key)
        models = s3.Bucket.from_bucket_name(self, "Models", f"models-{self.account}")
        image = ecr.Repository.from_repository_name(self, "Image", "summaries")

        endpoint = BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name="summaries",
            # 40 GB of weights: a prefix of files, which is fetched faster than one archive.
            model=ModelArtifact(
                image=image.repository_uri_for_tag(VERSION),
                model_data_url=models.s3_url_for_object(f"summaries/{VERSION}/"),
                environment={"MAX_TOKENS": "2048"},
                buckets=[models],
                image_repository_arns=[image.repository_arn],
            ),
            compute=Asynchronous(
                "ml.g5.12xlarge",
                input=AsyncInput(bucket=documents, prefix="documents"),
                output=AsyncOutput(bucket=documents, prefix="summaries"),
                concurrency=4,
                on_success=told,
                on_error=failed,
                download_timeout=cdk.Duration.minutes(30),
                startup_timeout=cdk.Duration.minutes(20),
            ),
            rollback=RollbackAlarms(p99_latency=cdk.Duration.minutes(5)),
            alarm_topic=failed,
        )
        endpoint.add_autoscaling(
            min_capacity=0,
            max_capacity=4,
            policies=[
                TrackBacklog(per_instance=8, scale_in_cooldown=cdk.Duration.minutes(15)),
                # 100 for each of the four GPUs.
                TrackUtilization(of=Utilization.GPU, percent=320),
            ],
        )
        endpoint.add_warnings(topic=failed)
        endpoint.add_dashboard()
        endpoint.tell_deployments(failed)
        caller = iam.Role(
            self, "Caller", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )
        endpoint.grant_invoke(caller)

        nightly = ScheduledTransform(
            self,
            "Nightly",
            job_name="summaries-nightly",
            # Batch transform takes one archive.
            model=ModelArtifact(
                image=image.repository_uri_for_tag(VERSION),
                model_data_url=models.s3_url_for_object(f"summaries-small/{VERSION}/model.tar.gz"),
                buckets=[models],
                image_repository_arns=[image.repository_arn],
            ),
            schedule="cron(0 2 * * ? *)",
            time_zone="Europe/Berlin",
            records=TransformInput(
                bucket=documents,
                prefix="inbox",
                content_type="application/jsonlines",
                split=Split.LINE,
            ),
            answers=TransformOutput(
                bucket=documents, prefix="digest", accept="application/jsonlines"
            ),
            compute=TransformInstances(
                "ml.g5.xlarge", max_payload_mb=20, one_record=True, timeout=cdk.Duration.hours(1)
            ),
            encryption_key=key,
        )
        nightly.tell_failures(failed)


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
Summaries(app, "Summaries")
app.synth()
