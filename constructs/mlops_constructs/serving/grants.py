"""What the roles of serving may do, each grant as narrow as it can be.

Source of the actions: SageMaker developer guide, "SageMaker Roles" (CreateModel API: execution
role permissions) and "Auto-Rollback Configuration and Monitoring".
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam, aws_s3 as s3

from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards
from mlops_constructs.common.grants import allow_objects, allow_read


def allow_pattern(role: iam.Role, arn: str, *, actions: Sequence[str], reason: str) -> None:
    """Allow actions on an ARN with a wildcard at its end, and say why it must be there.

    Args:
        role: The role.
        arn: The ARN with its wildcard.
        actions: What is allowed.
        reason: Why no exact ARN will do.
    """
    role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[arn]))
    acknowledge_wildcards(role, [arn], reason)


def allow_model_read(role: iam.Role, bucket: s3.IBucket) -> None:
    """Allow SageMaker to load model artifacts from a bucket."""
    allow_read(
        role,
        bucket,
        reason="Only the model package knows the key of its artifact, and every training run "
        "writes a new one.",
    )


def allow_capture(role: iam.Role, bucket: s3.IBucket, keys: str) -> None:
    """Allow the endpoint to write captured requests."""
    allow_objects(
        role,
        bucket,
        [keys],
        actions=["s3:PutObject"],
        reason="The service names capture files by variant, hour and a random id, below the "
        "endpoint's own prefix.",
    )
    if bucket.encryption_key is not None:
        bucket.encryption_key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")


def allow_rollback(role: iam.Role) -> None:
    """Allow the deployment to read its alarms; without it the service never rolls back."""
    role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]))
    acknowledge(
        role,
        {
            "AwsSolutions-IAM5[Resource::*]": "DescribeAlarms returns composite alarms only to "
            "callers whose permission is scoped to *, and a deployment may roll back on one."
        },
    )
