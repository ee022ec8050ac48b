"""Buckets as every construct wants them: encrypted, private, versioned, TLS only."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, aws_kms as kms, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.findings import acknowledge


def secure_bucket(
    scope: Construct,
    construct_id: str,
    *,
    encryption_key: kms.IKey,
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    access_logs: s3.IBucket | None = None,
    lifecycle_rules: Sequence[s3.LifecycleRule] = (),
    event_bridge: bool = False,
) -> s3.Bucket:
    """A bucket with a KMS key, versions, TLS 1.2 at least, no public access and no ACLs.

    Incomplete uploads are dropped after seven days. With ``RemovalPolicy.DESTROY`` the objects
    are deleted with the bucket.

    Args:
        scope: The parent.
        construct_id: The bucket's id.
        encryption_key: The default key; bucket keys are on, which cuts the calls to KMS.
        removal_policy: RETAIN unless both keys of `data_removal_policy` are turned.
        access_logs: Where server access logs go; without it they are off.
        lifecycle_rules: More rules.
        event_bridge: Whether object events go to EventBridge.
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        encryption=s3.BucketEncryption.KMS,
        encryption_key=encryption_key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        removal_policy=removal_policy,
        auto_delete_objects=removal_policy == RemovalPolicy.DESTROY,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix=f"{construct_id.lower()}/" if access_logs else None,
        event_bridge_enabled=event_bridge,
        lifecycle_rules=[
            s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
            *lifecycle_rules,
        ],
    )
    reasons = {
        "NIST.800.53.R5-S3BucketReplicationEnabled": "Machine-learning data is rebuilt from its "
        "source or covered by versions; replication to another region is the owner's choice and "
        "would move data out of the region that it is approved for."
    }
    if access_logs is None:
        reasons |= dict.fromkeys(
            ("AwsSolutions-S1", "NIST.800.53.R5-S3BucketLoggingEnabled"),
            "No log bucket was passed in; data events in CloudTrail record access instead.",
        )
    acknowledge(bucket, reasons)
    return bucket


def access_log_bucket(
    scope: Construct,
    construct_id: str,
    *,
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    expire_after: Duration | None = None,
) -> s3.Bucket:
    """The bucket that the others send their server access logs to.

    It is encrypted with S3's own key: S3 does not deliver access logs to a bucket whose default
    encryption is a customer key (Amazon S3 User Guide, "Enabling Amazon S3 server access
    logging").
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        removal_policy=removal_policy,
        auto_delete_objects=removal_policy == RemovalPolicy.DESTROY,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=expire_after or Duration.days(365),
                noncurrent_version_expiration=Duration.days(30),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
        ],
    )
    acknowledge(
        bucket,
        {
            "AwsSolutions-S1": "This is the bucket that access logs go to; logging it to itself "
            "would never end.",
            "NIST.800.53.R5-S3BucketLoggingEnabled": "This is the bucket that access logs go to; "
            "logging it to itself would never end.",
            "NIST.800.53.R5-S3BucketReplicationEnabled": "Access logs expire after a year and are "
            "evidence in the region that they were made in.",
            "NIST.800.53.R5-S3DefaultEncryptionKMS": "S3 does not deliver server access logs to a "
            "bucket with a customer key.",
        },
    )
    return bucket
