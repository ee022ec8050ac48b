"""Who did what in Studio: data events of the users' buckets, and rules on what users call.

The domain names the user profile as source identity of every call (ExecutionRoleIdentityConfig:
USER_PROFILE_NAME), so that an entry of CloudTrail says who it was although the persona's role is
shared. What is missing by default are reads and writes of objects: CloudTrail records data events
on request only, and they cost money for each event.

SageMaker publishes no events of its own about users, apps and spaces; EventBridge gets their API
calls from CloudTrail, which needs a trail of management events in the region. This module's trail
is one.

| what | where |
|---|---|
| objects read, written, deleted | the trail's bucket, encrypted, versioned, kept |
| calls of users, as events | the rules of `SecureVpcDomain.on_api_call` |
| that the log was not changed | digest files (log file validation) |
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    Stack,
    aws_cloudtrail as cloudtrail,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_s3 as s3,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_logs, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, in_packs

#: S3 resources in the basic event selectors of a trail (CloudTrail user guide, "Quotas").
_MOST_BUCKETS = 250


class DomainAudit(Construct):
    """A trail of what is done to the objects of buckets, and of the account's API calls.

    Attributes:
        trail: The trail.
        bucket: Where it writes. It is kept when the stack is deleted.
        log_group: Its copy in CloudWatch Logs, for queries and metric filters.
        encryption_key: The key of both.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        buckets: Sequence[s3.IBucket],
        encryption_key: kms.IKey | None = None,
        access_logs: s3.IBucket | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        """Make the trail.

        Args:
            scope: The parent.
            construct_id: The id below it.
            buckets: Whose objects' reads and writes are recorded.
            encryption_key: Of the trail. Made if none is given; an imported key must let
                CloudTrail and CloudWatch Logs use it.
            access_logs: Where the access logs of the trail's bucket go.
            log_retention: How long CloudWatch keeps the copy.

        Raises:
            ValidationError: If there are no buckets or too many.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        problems.check(
            1 <= len(buckets) <= _MOST_BUCKETS,
            "buckets",
            got=f"{len(buckets)} buckets",
            allowed=f"1 to {_MOST_BUCKETS}",
            instead="Name the buckets that users read and write; a trail of its own takes more.",
        )
        problems.raise_if_any()
        self.encryption_key = ensure_key(
            self, encryption_key, description="Audit trail of Studio's users"
        )
        allow_logs(self.encryption_key)
        self._allow_cloudtrail()
        self.bucket = secure_bucket(
            self, "Trails", encryption_key=self.encryption_key, access_logs=access_logs
        )
        self.log_group = logs.LogGroup(
            self, "Log", encryption_key=self.encryption_key, retention=log_retention
        )
        self.trail = cloudtrail.Trail(
            self,
            "Trail",
            bucket=self.bucket,
            encryption_key=self.encryption_key,
            enable_file_validation=True,
            include_global_service_events=True,
            is_multi_region_trail=True,
            send_to_cloud_watch_logs=True,
            cloud_watch_log_group=self.log_group,
        )
        acknowledge(
            self.trail,
            in_packs(
                "IAMNoInlinePolicy",
                "The trail's role writes to one log group and must go when the trail goes.",
            ),
        )
        self.trail.add_s3_event_selector(
            [cloudtrail.S3EventSelector(bucket=bucket) for bucket in buckets],
            include_management_events=True,
            read_write_type=cloudtrail.ReadWriteType.ALL,
        )

    def _allow_cloudtrail(self) -> None:
        """The statements of the CloudTrail user guide, "Configure AWS KMS key policies"."""
        stack = Stack.of(self)
        trails = stack.format_arn(service="cloudtrail", region="*", resource="trail/*")
        principal = iam.ServicePrincipal("cloudtrail.amazonaws.com")
        self.encryption_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal],
                actions=["kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails}},
            )
        )
        self.encryption_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal], actions=["kms:DescribeKey"], resources=["*"]
            )
        )
