"""KMS keys: one passed in, or one made; and the statements that AWS services need on them."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack, aws_iam as iam, aws_kms as kms
from constructs import Construct


def ensure_key(
    scope: Construct,
    key: kms.IKey | None,
    *,
    description: str,
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
) -> kms.IKey:
    """The key that was passed in, or a new rotating key below ``scope`` with the id ``Key``."""
    if key is not None:
        return key
    return kms.Key(
        scope,
        "Key",
        description=description,
        enable_key_rotation=True,
        removal_policy=removal_policy,
    )


def allow_publishers(key: kms.IKey, *services: str) -> None:
    """Let AWS services send to an encrypted topic or queue.

    CloudWatch alarms and EventBridge rules deliver under their own service principal; without
    these statements an encrypted topic drops their messages and nobody is told.

    Args:
        key: The key of the topic or queue. An imported key's policy cannot be changed from here.
        services: Service principals, such as ``cloudwatch.amazonaws.com``.
    """
    for service in services:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(key).account}},
            )
        )


def allow_logs(key: kms.IKey) -> None:
    """Let CloudWatch Logs encrypt the account's log groups in this region with the key.

    The encryption-context condition is the one of the CloudWatch Logs guide, "Encrypt log data
    in CloudWatch Logs using AWS KMS".
    """
    stack = Stack.of(key)
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=[
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:Describe*",
            ],
            resources=["*"],
            conditions={
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": stack.format_arn(
                        service="logs", resource="*", account=stack.account
                    )
                }
            },
        )
    )
