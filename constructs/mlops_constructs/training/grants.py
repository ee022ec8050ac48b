"""Permissions of jobs on buckets and keys, and cdk-nag's findings about their wildcards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jsii
from aws_cdk import Stack, aws_iam as iam, aws_kms as kms, aws_s3 as s3
from constructs import IValidation

from mlops_constructs.common.findings import acknowledge


def allow_read(role: iam.Role, bucket: s3.IBucket, prefixes: Sequence[str]) -> None:
    """Let a job read what lies below the prefixes; an empty one is the whole bucket."""
    objects = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=objects))
    _allow_list(role, bucket, prefixes)
    acknowledge_wildcards(
        role, objects, "Jobs read objects whose names are made when a pipeline runs."
    )


def allow_read_write(role: iam.Role, bucket: s3.IBucket, prefixes: Sequence[str]) -> None:
    """Let a job read and write what lies below the prefixes."""
    objects = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], resources=objects
        )
    )
    _allow_list(role, bucket, prefixes)
    acknowledge_wildcards(
        role, objects, "Jobs write objects whose names are made when a pipeline runs."
    )


def allow_keys(role: iam.Role, keys: Iterable[kms.IKey | None], *, write: bool = True) -> None:
    """Let a job use the keys of its buckets: read, and unless told otherwise write."""
    actions = ["kms:Decrypt", *(["kms:Encrypt", "kms:GenerateDataKey"] if write else [])]
    distinct = {key.key_arn: key for key in keys if key is not None}
    for key in distinct.values():
        key.grant(role, *actions)


def allow_volume_key(role: iam.Role, key: kms.IKey) -> None:
    """Let SageMaker encrypt the volumes of the role's jobs, by grants of its own."""
    key.grant(role, "kms:DescribeKey")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )


def acknowledge_wildcards(role: iam.Role, arns: Sequence[str], reason: str) -> None:
    """Accept cdk-nag's findings about these wildcard resources in the role's policies."""
    role.node.add_validation(_Acknowledge(role, arns, reason))


def _allow_list(role: iam.Role, bucket: s3.IBucket, prefixes: Sequence[str]) -> None:
    narrowed = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions=narrowed if all(prefixes) else None,
        )
    )


@jsii.implements(IValidation)
class _Acknowledge:
    """Acknowledges when the app is validated.

    cdk-nag names a finding after the resolved ARN, and how a template refers to a resource of
    another stack is known only then.
    """

    def __init__(self, role: iam.Role, arns: Sequence[str], reason: str) -> None:
        self._role = role
        self._arns = arns
        self._reason = reason

    def validate(self) -> list[str]:
        """Acknowledge; there is nothing to refuse."""
        stack = Stack.of(self._role)
        acknowledge(
            self._role,
            {
                f"AwsSolutions-IAM5[Resource::{_flat(stack.resolve(arn))}]": self._reason
                for arn in self._arns
            },
        )
        return []


def _flat(value: object) -> str:
    """A resolved ARN as cdk-nag writes it into the ids of its findings."""
    match value:
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::ImportValue": inner} | {"Fn::Sub": inner}:
            return _flat(inner)
        case {"Ref": name}:
            return f"<{name}>"
    return str(value).replace("${", "<").replace("}", ">")
