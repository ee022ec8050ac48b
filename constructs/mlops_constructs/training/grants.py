"""What the jobs of a pipeline may do with their bucket and key, each set in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam, aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.grants import allow_list, allow_objects

_READ = ("s3:GetObject",)
_READ_WRITE = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")


def allow_files(
    role: iam.Role, bucket: s3.IBucket, prefixes: Sequence[str], *, write: bool = False
) -> None:
    """Let a job read, and if told so write, below the prefixes; an empty one is all."""
    allow_objects(
        role,
        bucket,
        [f"{prefix}*" for prefix in prefixes],
        actions=_READ_WRITE if write else _READ,
        reason="Jobs work with objects whose names are made when a pipeline runs.",
    )
    allow_list(role, bucket, prefixes)


def allow_keys(role: iam.Role, keys: Iterable[kms.IKey | None], *, write: bool = True) -> None:
    """Let a job use the keys of its buckets: read, and unless told otherwise write."""
    actions = ["kms:Decrypt", *(["kms:Encrypt", "kms:GenerateDataKey"] if write else [])]
    distinct = {key.key_arn: key for key in keys if key is not None}
    for key in distinct.values():
        key.grant(role, *actions)
