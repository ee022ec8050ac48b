"""Data: the raw files, what pipelines make of them, and the feature group."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import CfnOutput, Duration, aws_s3 as s3
from constructs import Construct

from mlops_constructs import (
    FeatureGroupAlarms,
    FeatureLock,
    FeatureStoreGroup,
    OfflineStore,
    OnlineAndOffline,
    OnlineStore,
)
from mlops_constructs.common.buckets import access_log_bucket, secure_bucket
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.removal import data_removal_policy
from stacks.base import PlatformStack, Setting
from stacks.network import NetworkStack

# Intermediate files of pipeline runs; models and reports lie outside these prefixes.
_SCRATCH_DAYS = 90

# What is deployed of each feature group, a file per group and environment: see `FeatureLock`.
_LOCKS = Path(__file__).resolve().parents[1] / "features"


class DataStack(PlatformStack):
    """Buckets and feature group.

    Attributes:
        access_logs: Server access logs of the other buckets.
        data: Raw data, read by pipelines.
        artifacts: What pipelines, endpoints and monitors write.
        features: The feature group of the use case.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
    ) -> None:
        super().__init__(scope, "Data", setting)
        environment, use_case = setting.environment, setting.use_case
        problems = Problems(self)
        removal = data_removal_policy(self, problems, environment.destroy_data)
        problems.raise_if_any()
        self.access_logs = access_log_bucket(
            self,
            "AccessLogs",
            removal_policy=removal,
            expire_after=Duration.days(max(environment.log_days, 30)),
        )
        self.data = secure_bucket(
            self,
            "Data",
            encryption_key=ground.key,
            removal_policy=removal,
            access_logs=self.access_logs,
        )
        self.artifacts = secure_bucket(
            self,
            "Artifacts",
            encryption_key=ground.key,
            removal_policy=removal,
            access_logs=self.access_logs,
            lifecycle_rules=[
                s3.LifecycleRule(noncurrent_version_expiration=Duration.days(_SCRATCH_DAYS))
            ],
        )
        features = self.resource_name("features")
        self.features = FeatureStoreGroup(
            self,
            "Features",
            feature_group_name=features,
            description=f"Features of {use_case.name}",
            schema=use_case.features,
            stores=OnlineAndOffline(
                online=OnlineStore(),
                offline=OfflineStore(bucket=self.data, prefix="feature-store"),
            ),
            encryption_key=ground.key,
            lock=FeatureLock(_LOCKS / f"{features}.lock.json"),
            destroy_data=environment.destroy_data,
        )
        # CloudWatch counts batches for the whole account, which is one environment here.
        self.features.add_alarms(topic=ground.alerts, when=FeatureGroupAlarms(batches=True))
        CfnOutput(self, "DataBucketName", value=self.data.bucket_name)
        CfnOutput(self, "ArtifactsBucketName", value=self.artifacts.bucket_name)
        CfnOutput(self, "FeatureGroupName", value=self.features.feature_group_name)
