"""A stack with what monitors need, and both kinds of suites in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.monitoring import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelMonitorSuite,
    ModelQuality,
    NativeEngine,
    OpenEngine,
    ProblemType,
    S3Dataset,
    S3Folder,
)
from tests.support import new_stack


@dataclass
class Ground:
    """Key and bucket in one stack, monitors in another, as the platform has them."""

    app: cdk.App
    stack: cdk.Stack
    key: kms.Key
    bucket: s3.Bucket
    network: JobNetwork

    def suite(self, **arguments: Any) -> ModelMonitorSuite:
        given: dict[str, Any] = {
            "monitor_name": "census-dev",
            "target": EndpointCapture(
                endpoint_name="census-dev", bucket=self.bucket, prefix="capture"
            ),
            "monitors": [self.data_quality()],
            "engine": OpenEngine(network=self.network),
            "encryption_key": self.key,
            "reports": S3Folder(bucket=self.bucket, prefix="monitoring/census-dev"),
        }
        return ModelMonitorSuite(self.stack, "Monitor", **given | arguments)

    def native(self, **arguments: Any) -> ModelMonitorSuite:
        truth, config = self.folder("truth"), self.folder("config")
        monitors = [
            self.data_quality(constraints=self.folder("baseline")),
            ModelQuality(
                problem_type=ProblemType.BINARY,
                ground_truth=truth,
                probability_attribute="0",
                probability_threshold=0.5,
            ),
            BiasDrift(config=config, ground_truth=truth, inference_attribute="0"),
            AttributionDrift(config=config, model_name="Census-Model"),
        ]
        given = {"monitors": monitors, "engine": NativeEngine(network=self.network)}
        return self.suite(**given | arguments)

    def data_quality(self, **arguments: Any) -> DataQuality:
        given: dict[str, Any] = {
            "reference": S3Dataset(bucket=self.bucket, prefix="reference"),
            "ignore": ("income",),
        }
        return DataQuality(**given | arguments)

    def folder(self, prefix: str) -> S3Folder:
        return S3Folder(bucket=self.bucket, prefix=prefix)


def ground() -> Ground:
    data = new_stack("Data")
    app = data.node.root
    assert isinstance(app, cdk.App)
    key = kms.Key(data, "Key", enable_key_rotation=True)
    bucket = secure_bucket(data, "Bucket", encryption_key=key)
    stack = cdk.Stack(app, "Monitoring")
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-12345678",
        availability_zones=["a", "b"],
        isolated_subnet_ids=["subnet-12345678", "subnet-12345679"],
        isolated_subnet_route_table_ids=["rtb-12345678", "rtb-12345679"],
    )
    group = ec2.SecurityGroup.from_security_group_id(stack, "Jobs", "sg-12345678")
    return Ground(app, stack, key, bucket, JobNetwork(vpc=vpc, security_groups=[group]))
