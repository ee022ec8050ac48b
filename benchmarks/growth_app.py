"""An app with N constructs of one kind; prints how long construction and synth took.

``python -m benchmarks.growth_app KIND N``. Importing is not counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_kms as kms, aws_s3 as s3

from mlops_constructs import (
    BlueGreenEndpoint,
    Canary,
    FeatureStoreGroup,
    Instances,
    JobNetwork,
    ModelArtifact,
    ModelRegistry,
    OfflineStore,
    OnlineAndOffline,
    OnlineStore,
    PipelineDefinition,
    PrivateNetwork,
    TrainingPipeline,
)
from stacks.platform import new_app
from stacks.use_case import CENSUS_INCOME

# Well below CloudFormation's limit of 500 resources in a stack.
_PER_STACK = 10


class _Ground(cdk.Stack):
    """What the constructs stand on; part of every measurement, N or none."""

    def __init__(self, app: cdk.App) -> None:
        super().__init__(app, "Ground")
        self.key = kms.Key(self, "Key")
        self.bucket = s3.Bucket(self, "Bucket", encryption_key=self.key)
        self.network: JobNetwork = PrivateNetwork(
            self, "Network", encryption_key=self.key
        ).job_network
        self.registry = ModelRegistry(self, "Registry", model_package_group_name="models")
        self.definition = PipelineDefinition.from_folder(CENSUS_INCOME.pipeline)


def _feature_group(stack: cdk.Stack, name: str, ground: _Ground) -> None:
    FeatureStoreGroup(
        stack,
        name,
        feature_group_name=name.lower(),
        schema=CENSUS_INCOME.features,
        stores=OnlineAndOffline(
            online=OnlineStore(), offline=OfflineStore(bucket=ground.bucket, prefix=name)
        ),
        encryption_key=ground.key,
    )


def _endpoint(stack: cdk.Stack, name: str, ground: _Ground) -> None:
    BlueGreenEndpoint(
        stack,
        name,
        endpoint_name=name.lower(),
        model=ModelArtifact(
            image=f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com/models:1",
            model_data_url=f"s3://{ground.bucket.bucket_name}/{name}/model.tar.gz",
            buckets=[ground.bucket],
            image_repository_arns=[stack.format_arn(service="ecr", resource="repository/models")],
        ),
        compute=Instances("ml.m5.large", count=2),
        deployment=Canary(percent=50, bake=cdk.Duration.minutes(5)),
        network=ground.network,
        encryption_key=ground.key,
    )


def _pipeline(stack: cdk.Stack, name: str, ground: _Ground) -> None:
    TrainingPipeline(
        stack,
        name,
        pipeline_name=name.lower(),
        definition=ground.definition,
        network=ground.network,
        encryption_key=ground.key,
        data_bucket=ground.bucket,
        artifacts_bucket=ground.bucket,
        registry=ground.registry,
    )


KINDS = {"endpoint": _endpoint, "feature group": _feature_group, "pipeline": _pipeline}


def main() -> None:
    """Build, synthesise, print seconds and resources as JSON."""
    kind, number = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        app = new_app(outdir=Path(folder))
        ground = _Ground(app)
        stack = cdk.Stack(app, "Stack0")
        for index in range(number):
            if index and index % _PER_STACK == 0:
                stack = cdk.Stack(app, f"Stack{index // _PER_STACK}")
            KINDS[kind](stack, f"Made{index}", ground)
        app.synth()
        took = time.perf_counter() - start
        resources = sum(
            len(json.loads(path.read_text()).get("Resources", {}))
            for path in Path(folder).glob("Stack*.template.json")
        )
    print(json.dumps({"seconds": took, "resources": resources}))


if __name__ == "__main__":
    main()
