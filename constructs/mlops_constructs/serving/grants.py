"""What the roles of serving may do, each grant as narrow as it can be.

Source of the actions: SageMaker developer guide, "SageMaker Roles" (CreateModel API: execution
role permissions) and "Auto-Rollback Configuration and Monitoring".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsii
from aws_cdk import Stack, aws_iam as iam, aws_kms as kms, aws_s3 as s3
from constructs import IValidation

from mlops_constructs.common.findings import acknowledge


def allow_objects(
    role: iam.Role, bucket: s3.IBucket, *, actions: Sequence[str], keys: str, reason: str
) -> None:
    """Allow actions on some objects of a bucket; ``reason`` says why it cannot be one key."""
    allow_pattern(role, bucket.arn_for_objects(keys), actions=actions, reason=reason)


def allow_pattern(role: iam.Role, arn: str, *, actions: Sequence[str], reason: str) -> None:
    """Allow actions on an ARN with a wildcard at its end, and say why it must be there.

    Args:
        role: The role.
        arn: The ARN with its wildcard.
        actions: What is allowed.
        reason: Why no exact ARN will do.
    """
    role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[arn]))
    role.node.add_validation(_AcknowledgeWildcard(role, arn, reason))


def allow_model_read(role: iam.Role, bucket: s3.IBucket) -> None:
    """Allow SageMaker to load model artifacts from a bucket."""
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn])
    )
    allow_objects(
        role,
        bucket,
        actions=["s3:GetObject"],
        keys="*",
        reason="Only the model package knows the key of its artifact, and every training run "
        "writes a new one.",
    )
    if bucket.encryption_key is not None:
        bucket.encryption_key.grant(role, "kms:Decrypt")


def allow_capture(role: iam.Role, bucket: s3.IBucket, keys: str) -> None:
    """Allow the endpoint to write captured requests."""
    allow_objects(
        role,
        bucket,
        actions=["s3:PutObject"],
        keys=keys,
        reason="The service names capture files by variant, hour and a random id, below the "
        "endpoint's own prefix.",
    )
    if bucket.encryption_key is not None:
        bucket.encryption_key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")


def allow_volume_key(role: iam.Role, key: kms.IKey) -> None:
    """Allow SageMaker to encrypt the storage of the fleet with the key, by grants of its own."""
    key.grant(role, "kms:DescribeKey")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )


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


@jsii.implements(IValidation)
class _AcknowledgeWildcard:
    """Acknowledges a wildcard once references across stacks have got their final form.

    cdk-nag names the finding after the resolved ARN. For a bucket of another stack that is an
    import, which exists only after CDK has prepared the app; validations run right after that.
    """

    def __init__(self, role: iam.Role, arn: str, reason: str) -> None:
        self._role = role
        self._arn = arn
        self._reason = reason

    def validate(self) -> list[str]:
        """Acknowledge, and report nothing."""
        resource = _flatten(Stack.of(self._role).resolve(self._arn))
        acknowledge(self._role, {f"AwsSolutions-IAM5[Resource::{resource}]": self._reason})
        return []


def _flatten(value: Any) -> str:
    """An ARN with intrinsic functions in the form in which cdk-nag shows it."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flatten(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return _flatten(name)
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return str(value)
