"""Grants on buckets and keys that name the actions and the prefix, where the CDK's are wider.

``Bucket.grant_read`` allows ``s3:GetObject*``, ``s3:GetBucket*`` and ``s3:List*`` on the whole
bucket; a job needs three actions below one prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam, aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.findings import acknowledge_wildcards

_NAMED_LATER = "The objects below this prefix are named by the jobs that write them."


def allow_objects(
    grantee: iam.IGrantable,
    bucket: s3.IBucket,
    keys: Sequence[str],
    *,
    actions: Sequence[str],
    reason: str = _NAMED_LATER,
) -> iam.Grant:
    """Allow actions on the objects of a bucket whose keys fit patterns.

    Args:
        grantee: Who may.
        bucket: The bucket.
        keys: Patterns such as ``models/*``.
        actions: What is allowed.
        reason: Why no exact key will do.
    """
    objects = [bucket.arn_for_objects(pattern) for pattern in keys]
    acknowledge_wildcards(grantee, objects, reason)
    return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=objects)


def allow_list(grantee: iam.IGrantable, bucket: s3.IBucket, prefixes: Sequence[str]) -> iam.Grant:
    """Allow listing what lies below the prefixes; an empty one is the whole bucket.

    For ``models/`` the prefix ``models`` is allowed as well: SageMaker lists a job's input by the
    S3 URI as it is written, mostly without a slash at its end.
    """
    patterns = {f"{prefix}*" for prefix in prefixes}
    patterns |= {prefix.removesuffix("/") for prefix in prefixes if prefix.endswith("/")}
    narrowed = {"StringLike": {"s3:prefix": sorted(patterns)}}
    return iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["s3:ListBucket"],
        resource_arns=[bucket.bucket_arn],
        conditions=narrowed if all(prefixes) else None,
    )


def allow_read(
    grantee: iam.IGrantable,
    bucket: s3.IBucket,
    prefixes: Sequence[str] = ("",),
    *,
    reason: str = _NAMED_LATER,
) -> iam.Grant:
    """Allow reading and listing what lies below the prefixes, with the bucket's key if known."""
    allow_list(grantee, bucket, prefixes)
    if bucket.encryption_key is not None:
        bucket.encryption_key.grant(grantee, "kms:Decrypt")
    return allow_objects(
        grantee,
        bucket,
        [f"{prefix}*" for prefix in prefixes],
        actions=["s3:GetObject"],
        reason=reason,
    )


def allow_write(
    grantee: iam.IGrantable,
    bucket: s3.IBucket,
    prefixes: Sequence[str] = ("",),
    *,
    reason: str = _NAMED_LATER,
) -> iam.Grant:
    """Allow writing below the prefixes, with the bucket's key if known.

    Decrypt is among the key's actions because the parts of a large upload are read back.
    """
    if bucket.encryption_key is not None:
        bucket.encryption_key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey")
    return allow_objects(
        grantee,
        bucket,
        [f"{prefix}*" for prefix in prefixes],
        actions=["s3:AbortMultipartUpload", "s3:PutObject"],
        reason=reason,
    )


def allow_volume_key(role: iam.IGrantable, key: kms.IKey) -> None:
    """Let SageMaker encrypt volumes of the role's jobs and endpoints, by grants of its own."""
    key.grant(role, "kms:DescribeKey")
    iam.Grant.add_to_principal(
        grantee=role,
        actions=["kms:CreateGrant"],
        resource_arns=[key.key_arn],
        conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )
