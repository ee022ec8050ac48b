"""A model that somebody trained elsewhere, behind an endpoint that is safe to update.

The model's artifact lies in a bucket, its image in ECR. The app makes the private network, the
endpoint, its role, its key and the alarms that roll a bad model back.
"""

import os

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr, aws_s3 as s3
from constructs import Construct

from mlops_constructs import (
    BlueGreenEndpoint,
    Canary,
    Instances,
    ModelArtifact,
    NetworkFeature,
    PrivateNetwork,
    ServiceRules,
)


class FraudModel(cdk.Stack):
    """Network and endpoint of the fraud model."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        models = s3.Bucket.from_bucket_name(self, "Models", f"models-{self.account}")
        repository = ecr.Repository.from_repository_name(self, "Image", "fraud")
        network = PrivateNetwork(self, "Network", features=[NetworkFeature.JOBS])
        BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name="fraud",
            model=ModelArtifact(
                image=repository.repository_uri_for_tag("1.4.0"),
                model_data_url=models.s3_url_for_object("fraud/1.4.0/model.tar.gz"),
                buckets=[models],
                image_repository_arns=[repository.repository_arn],
            ),
            compute=Instances("ml.m5.large", count=2),
            deployment=Canary(percent=50, bake=cdk.Duration.minutes(10)),
            network=network.job_network,
        )


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
FraudModel(app, "FraudModel")
app.synth()
