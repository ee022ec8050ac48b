"""What an endpoint is made of: its role, its models, and the variants of its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aws_cdk import (
    CfnCondition,
    CfnResource,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards
from mlops_constructs.common.grants import allow_objects, allow_read, allow_volume_key, allow_write
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import (
    allow_image_pull,
    allow_job_logs,
    allow_job_metrics,
    allow_vpc,
    sagemaker_role,
    wait_for_policy,
)
from mlops_constructs.serving import grants
from mlops_constructs.serving.asynchronous import Asynchronous
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Compute
from mlops_constructs.serving.variants import VariantModel

T = TypeVar("T")


class Readable(Protocol):
    """What a role must be able to read."""

    @property
    def buckets(self) -> Sequence[s3.IBucket]:
        """The buckets with the model."""

    @property
    def image_repository_arns(self) -> Sequence[str]:
        """The repositories with its image."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """Where and how the models of one endpoint run.

    Attributes:
        role: What SageMaker runs them with.
        network: The VPC, if any.
        isolated: Whether containers are kept from any outbound connection.
    """

    role: iam.Role
    network: JobNetwork | None
    isolated: bool

    @property
    def vpc_config(self) -> dict[str, Any] | None:
        """``VpcConfig`` of models and of configurations without one (L1 spelling)."""
        if self.network is None:
            return None
        return {
            "subnets": self.network.subnet_ids,
            "securityGroupIds": self.network.security_group_ids,
        }

    def make_model(
        self, scope: Construct, model: VariantModel
    ) -> tuple[sagemaker.CfnModel, CfnCondition | None]:
        """A model below ``scope``, and the condition that it exists."""
        bound = model.to_model(scope)
        for bundle in bound.bundles:
            bundle.grant_read(self.role)
            acknowledge_wildcards(
                self.role,
                [bundle.archives_arn],
                "Archives in the asset bucket are named after their content, and the fleet that "
                "is being replaced still reads its own.",
            )
        made = sagemaker.CfnModel(
            scope,
            "Model",
            execution_role_arn=self.role.role_arn,
            enable_network_isolation=self.isolated,
            vpc_config=self.vpc_config,
            **bound.properties,
        )
        wait_for_policy(made, self.role)
        only_if(bound.condition, [made])
        return made, bound.condition


def make_role(
    scope: Construct,
    endpoint_name: str,
    *,
    sources: Sequence[Readable],
    compute: Compute,
    network: JobNetwork | None,
    capture: DataCapture | None,
    encryption_key: kms.IKey,
) -> iam.Role:
    """The role of an endpoint: what these models need, and no more."""
    role = sagemaker_role(
        scope, "Role", description=f"What SageMaker may do for the endpoint {endpoint_name}"
    )
    repositories = once(arn for source in sources for arn in source.image_repository_arns)
    allow_image_pull(role, *repositories)
    allow_job_logs(role, f"Endpoints/{endpoint_name}")
    allow_job_metrics(role, "/aws/sagemaker/Endpoints")
    for bucket in once(bucket for source in sources for bucket in source.buckets):
        grants.allow_model_read(role, bucket)
    if capture is not None:
        grants.allow_capture(role, capture.bucket, capture.objects_of(endpoint_name))
    if isinstance(compute, Asynchronous):
        _allow_queue(role, compute)
    if network is not None:
        allow_vpc(role)
    if compute.guarded:
        grants.allow_rollback(role)
    allow_volume_key(role, encryption_key)
    return role


def allow_exchange(grantee: iam.IGrantable, compute: Asynchronous) -> iam.Grant:
    """Allow a caller to put payloads and to read answers."""
    output = compute.output
    granted = allow_read(
        grantee,
        output.bucket,
        (f"{output.prefix}/", f"{output.failure_prefix}/"),
        reason="The service names answers after their requests.",
    )
    if compute.input is None:
        return granted
    return granted.combine(
        allow_write(
            grantee,
            compute.input.bucket,
            (f"{compute.input.prefix}/",),
            reason="Callers name the payloads of their requests.",
        )
    )


def only_if(condition: CfnCondition | None, resources: Iterable[CfnResource]) -> None:
    """Make resources only if a condition holds; always if it is None."""
    if condition is not None:
        for resource in resources:
            resource.cfn_options.condition = condition


def _allow_queue(role: iam.Role, compute: Asynchronous) -> None:
    output = compute.output
    allow_objects(
        role,
        output.bucket,
        [f"{output.prefix}/*", f"{output.failure_prefix}/*"],
        actions=["s3:PutObject"],
        reason="The service names answers after their requests.",
    )
    if output.bucket.encryption_key is not None:
        output.bucket.encryption_key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")
    if compute.input is not None:
        allow_read(
            role,
            compute.input.bucket,
            (f"{compute.input.prefix}/",),
            reason="Callers name the payloads of their requests.",
        )
    for topic in once(each for each in (compute.on_success, compute.on_error) if each):
        topic.grant_publish(role)
    acknowledge(
        role,
        {
            "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "What a topic's own grant asks for "
            "on the topic's key; SNS uses GenerateDataKey."
        },
    )


def once(items: Iterable[T]) -> list[T]:
    """Each item once, in order."""
    return list(dict.fromkeys(items))
