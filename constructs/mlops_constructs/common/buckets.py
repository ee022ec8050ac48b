"""Buckets as every construct wants them: encrypted, private, versioned, TLS only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration, RemovalPolicy, Stack, aws_iam as iam, aws_kms as kms, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.findings import acknowledge, in_packs


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
        event_bridge_enabled=event_bridge,
        lifecycle_rules=[
            s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
            *lifecycle_rules,
        ],
    )
    reasons = in_packs(
        "S3BucketReplicationEnabled",
        "Machine-learning data is rebuilt from its source or covered by versions; replication to "
        "another region is the owner's choice and would move data out of the region that it is "
        "approved for.",
    )
    if access_logs is not None:
        _send_access_logs(bucket, access_logs, f"{construct_id.lower()}/")
    else:
        unlogged = "No log bucket was passed in; data events in CloudTrail record access instead."
        reasons |= {"AwsSolutions-S1": unlogged, **in_packs("S3BucketLoggingEnabled", unlogged)}
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
    endless = "This is the bucket that access logs go to; logging it to itself would never end."
    acknowledge(
        bucket,
        {
            "AwsSolutions-S1": endless,
            **in_packs("S3BucketLoggingEnabled", endless),
            **in_packs(
                "S3BucketReplicationEnabled",
                "Access logs expire after a year and are evidence in the region that they were "
                "made in.",
            ),
            **in_packs(
                "S3DefaultEncryptionKMS",
                "S3 does not deliver server access logs to a bucket with a customer key.",
            ),
        },
    )
    return bucket


def _send_access_logs(bucket: s3.Bucket, logs: s3.IBucket, prefix: str) -> None:
    """Send a bucket's access logs to another, and let S3 put them there.

    Not by the L2's ``server_access_logs_bucket``: without the feature flag
    ``@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy`` it uses an ACL, which a bucket with
    enforced ownership does not have, and fails in apps that do not set the flag.
    """
    resource = cast("s3.CfnBucket", bucket.node.default_child)
    resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
        destination_bucket_name=logs.bucket_name, log_file_prefix=prefix
    )
    same_stack = Stack.of(bucket) is Stack.of(logs)
    logs.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[logs.arn_for_objects(f"{prefix}*")],
            conditions={
                # The ARN of a bucket in a stack that imports from this one would close a circle.
                **({"ArnLike": {"aws:SourceArn": bucket.bucket_arn}} if same_stack else {}),
                "StringEquals": {"aws:SourceAccount": bucket.env.account},
            },
        )
    )
