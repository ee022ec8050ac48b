"""An endpoint with everything that it depends on in a stack of its own, as platforms have it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_kms as kms, aws_s3 as s3, aws_sns as sns

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Instances
from mlops_constructs.serving.endpoint import BlueGreenEndpoint
from mlops_constructs.serving.model import ApprovedModel, ModelArtifact
from tests.support import new_stack

NAME = "census-income-dev"
PARAMETER = "/mlops/census-income/approved-model"
REPOSITORY = "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost"


@dataclass(frozen=True)
class Ground:
    """What the endpoint's stack gets from others."""

    stack: cdk.Stack
    key: kms.Key
    bucket: s3.Bucket
    topic: sns.Topic
    network: JobNetwork

    def arguments(self) -> dict[str, Any]:
        """The arguments of a platform's endpoint."""
        return {
            "endpoint_name": NAME,
            "model": ApprovedModel(
                parameter_name=PARAMETER,
                buckets=[self.bucket],
                image_repository_arns=[REPOSITORY],
            ),
            "compute": Instances("ml.m5.large", count=2),
            "network": self.network,
            "encryption_key": self.key,
            "capture": DataCapture(bucket=self.bucket),
            "alarm_topic": self.topic,
        }


def make_ground() -> Ground:
    """A serving stack beside the stack that holds what it depends on."""
    stack = new_stack("Serving")
    other = cdk.Stack(stack.node.root, "Ground")  # type: ignore[arg-type]  # the root is the app
    key = kms.Key(other, "Key", enable_key_rotation=True)
    allow_publishers(key, "cloudwatch.amazonaws.com")
    vpc = ec2.Vpc(
        other,
        "Vpc",
        max_azs=2,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="jobs", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        ],
    )
    return Ground(
        stack,
        key,
        secure_bucket(other, "Bucket", encryption_key=key),
        sns.Topic(other, "Topic", master_key=key, enforce_ssl=True),
        JobNetwork(vpc=vpc, security_groups=[ec2.SecurityGroup(other, "Models", vpc=vpc)]),
    )


def small_endpoint(stack: cdk.Stack, **arguments: Any) -> BlueGreenEndpoint:
    """An endpoint of image and artifact, with as little as it needs around it."""
    bucket = s3.Bucket.from_bucket_name(stack, "Models", "models")
    artifact = ModelArtifact(
        image="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        model_data_url="s3://models/1/model.tar.gz",
        buckets=[bucket],
        image_repository_arns=[REPOSITORY],
    )
    given: dict[str, Any] = {
        "endpoint_name": NAME,
        "model": artifact,
        "compute": Instances("ml.m5.large", count=2),
        "encryption_key": kms.Key.from_key_arn(
            stack, "Given", "arn:aws:kms:us-east-1:123456789012:key/0000"
        ),
    }
    return BlueGreenEndpoint(stack, "Endpoint", **(given | arguments))


def faults(error: ValidationError) -> list[str]:
    """The arguments at fault, in the order in which they were found."""
    return [problem.what for problem in error.problems]


def lint_findings(template: Mapping[str, Any]) -> list[str]:
    """What cfn-lint says, without W3005: CDK names a role besides its policy in DependsOn."""
    # Importing it takes longer than most tests.
    from cfnlint.api import ManualArgs, lint

    config = ManualArgs(ignore_checks=["W3005"], regions=["us-east-1"])
    return [str(match) for match in lint(json.dumps(template), config=config)]


def references(value: Any) -> set[str]:
    """Logical ids that a piece of a template refers to."""
    match value:
        case {"Ref": str(name)}:
            return {name}
        case {"Fn::GetAtt": [str(name), _]}:
            return {name}
        case dict():
            return set().union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
        case str():
            return set(re.findall(r"\$\{([A-Za-z0-9]+)", value))
        case _:
            return set()
