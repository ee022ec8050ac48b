"""FeatureStream: a Kinesis stream whose records become records of a feature group.

What it guarantees:

- **No record is lost.** One that can never be written (not JSON, not of the schema, refused as
  invalid) is kept whole, with the reason. What Lambda gives up after the last retry is kept whole
  too: the destination is a bucket, because queues and topics get the metadata of a batch only
  ("Retain discarded batch records for a Kinesis Data Streams event source", Lambda developer
  guide), and with them nothing is left when the stream forgets. A queue names each kept object,
  so that its depth is what is still to be looked at.
- **One bad record does not stop a shard.** It is set aside; the others are written. Throttling
  and failures of the service do stop it, because order matters then: the batch is taken up again
  at the first record that was not written, at most ``retries`` times and until ``longest`` has
  passed.
- **Encrypted, least privilege**: stream, bucket, log and the function's settings with one key; a
  role that may read this stream, write this group and add to two prefixes of the bucket.
- **Seen**: alarms on how far behind it is, on failing invocations and on what is kept.

A record of the stream is one JSON object in UTF-8, a member per feature: see
`stream_code.feature_stream.values` for what fits. Records of the Kinesis Producer Library with
aggregation on are not that; switch it off.

There is no path from Firehose. Firehose calls a function to *transform* what it then delivers to a
destination of its own, calls it again for a whole batch, and Feature Store is none of its
destinations; let Firehose and this construct read the same stream side by side.

Facts: batch size, window, retries, age and parallelization from the registry schema of
AWS::Lambda::EventSourceMapping; response and bisecting from the Lambda developer guide,
"Configuring partial batch response with Kinesis Data Streams and Lambda".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aws_cdk import (
    Duration,
    RemovalPolicy,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kinesis as kinesis,
    aws_kms as kms,
    aws_lambda as lambda_,
    aws_logs as logs,
    aws_s3 as s3,
    aws_sns as sns,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_logs, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.grants import allow_list, allow_objects
from mlops_constructs.common.lambdas import OLDER_RUNTIME, python_runtime
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.common.roles import service_role, wait_for_policy
from mlops_constructs.feature_store.alarms import make_alarm
from mlops_constructs.feature_store.interface import FeatureGroupBase
from mlops_constructs.feature_store.stream_code.feature_stream.handler import (
    NAMESPACE,
    REJECTED_PREFIX,
)

_CODE = Path(__file__).parent / "stream_code"
_WORKERS = 16
_TIMEOUT = Duration.seconds(120)
#: Where Lambda puts batches that it gives up (Lambda developer guide, see above).
_GIVEN_UP_PREFIX = "aws/lambda"
_WEEK_SECONDS = 604_800


class StreamStart(StrEnum):
    """Where reading begins when the function is first deployed."""

    OLDEST = "TRIM_HORIZON"
    NEWEST = "LATEST"


@dataclass(frozen=True, kw_only=True)
class StreamReading:
    """How the stream is read. The start cannot be changed later: it is create-only.

    Attributes:
        start: From the oldest record that the stream still has, by default.
        batch_size: The most records of a batch, 1 to 10,000.
        window: How long to wait for a full batch, 0 to 300 seconds.
        parallel_batches: Batches of a shard at a time, 1 to 10; records with one partition key
            stay in order.
        retries: How often a batch is taken up again, 0 to 10,000.
        longest: How old a record may get before it is given up and kept: 1 minute to 7 days.
            Keep it below the retention of the stream, which forgets without a trace.
    """

    start: StreamStart = StreamStart.OLDEST
    batch_size: int = 100
    window: Duration = field(default_factory=lambda: Duration.seconds(1))
    parallel_batches: int = 1
    retries: int = 100
    longest: Duration = field(default_factory=lambda: Duration.hours(20))

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        for what, value, least, most, unit in (
            ("batch_size", self.batch_size, 1, 10_000, "records"),
            ("window", int(self.window.to_seconds()), 0, 300, "seconds"),
            ("parallel_batches", self.parallel_batches, 1, 10, "batches"),
            ("retries", self.retries, 0, 10_000, "retries"),
            ("longest", int(self.longest.to_seconds()), 60, _WEEK_SECONDS, "seconds"),
        ):
            problems.check(
                least <= value <= most,
                f"reading.{what}",
                got=value,
                allowed=f"{least:,} to {most:,} {unit}",
                instead="Leave it out for the default.",
            )
        problems.check(
            self.batch_size <= 10 or self.window.to_seconds() >= 1,
            "reading.window",
            got=f"{self.window.to_seconds():g} seconds with batch_size={self.batch_size}",
            allowed="at least 1 second for batches of more than 10 records",
            instead="Write window=Duration.seconds(1), or batch_size=10.",
        )


@dataclass(frozen=True, kw_only=True)
class StreamAlarms:
    """When somebody is told.

    Attributes:
        behind: The oldest unread record is older than this; 1 minute at least.
        minutes: For how many minutes in a row that, or failing invocations, must last: 1 to 60.
    """

    behind: Duration = field(default_factory=lambda: Duration.minutes(15))
    minutes: int = 5

    def check(self, problems: Problems) -> None:
        """Note what makes no sense."""
        problems.check(
            self.behind.to_seconds() >= 60,
            "alarms.behind",
            got=f"{self.behind.to_seconds():g} seconds",
            allowed="at least 1 minute",
            instead="Write Duration.minutes(15).",
        )
        problems.check(
            1 <= self.minutes <= 60,
            "alarms.minutes",
            got=self.minutes,
            allowed="1 to 60",
            instead="Write 5.",
        )


class FeatureStream(Construct):
    """Writes what arrives in a Kinesis stream to a feature group.

    Attributes:
        stream: The stream.
        function: The function that writes; its code has no dependency but the runtime's boto3.
        role: The function's role.
        dead_letters: What could not be written: single records with the reason below
            ``rejected/``, batches that Lambda gave up below ``aws/lambda/``.
        dead_letter_queue: A message for each object of ``dead_letters`` (the event "Object
            Created"); delete it when the object is dealt with.
        alarms: Behind, Failing, DeadLetters.

    Example:
        clicks = FeatureStream(self, "Clicks", group=people, topic=alerts)
        clicks.grant_send(producer_role)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: FeatureGroupBase,
        stream: kinesis.IStream | None = None,
        reading: StreamReading | None = None,
        network: JobNetwork | None = None,
        encryption_key: kms.IKey | None = None,
        access_logs: s3.IBucket | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        alarms: StreamAlarms | None = None,
        topic: sns.ITopic | None = None,
        destroy_data: bool = False,
    ) -> None:
        """Make function, dead letters and alarms.

        Args:
            scope: The parent.
            construct_id: The id.
            group: The feature group.
            stream: Made when left out: on demand, kept for seven days.
            reading: How the stream is read; the defaults of `StreamReading`.
            network: A VPC for the function. It needs the interface endpoints
                ``sagemaker.api`` and ``sagemaker.featurestore-runtime`` and an S3 endpoint.
            encryption_key: The group's key when left out; made when the group has none.
            access_logs: Where server access logs of the bucket go.
            log_retention: How long the function's log is kept.
            alarms: Thresholds; the defaults of `StreamAlarms`.
            topic: Who is told by the alarms.
            destroy_data: Whether deleting the stack deletes stream, bucket and log. Needs
                `allow_data_destruction`.

        Raises:
            ValidationError: With everything that the service would refuse.
        """
        super().__init__(scope, construct_id)
        reading, alarms = reading or StreamReading(), alarms or StreamAlarms()
        problems = Problems(self)
        reading.check(problems)
        alarms.check(problems)
        removal_policy = data_removal_policy(self, problems, destroy_data)
        problems.raise_if_any()

        self.group = group
        key = ensure_key(
            self,
            encryption_key or group.encryption_key,
            description=f"Stream to the feature group {group.feature_group_name}",
            removal_policy=removal_policy,
        )
        self.stream = stream or self._make_stream(key, removal_policy)
        self.dead_letters = secure_bucket(
            self,
            "DeadLetters",
            encryption_key=key,
            removal_policy=removal_policy,
            access_logs=access_logs,
        )
        self.dead_letter_queue = self._queue_of(self.dead_letters)
        self.role = service_role(
            self,
            "Role",
            description=f"Writes a stream to the feature group {group.feature_group_name}",
            service="lambda.amazonaws.com",
        )
        log = self._make_log(key, log_retention, removal_policy)
        self._allow(log, in_vpc=network is not None)
        self.function = self._make_function(key, log, network)
        self._read(reading)
        self.alarms = self._make_alarms(alarms, topic)

    def grant_send(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow PutRecord and PutRecords on the stream, with its key."""
        if self.stream.encryption_key is not None:
            self.stream.encryption_key.grant(grantee, "kms:GenerateDataKey")
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["kinesis:PutRecord", "kinesis:PutRecords"],
            resource_arns=[self.stream.stream_arn],
        )

    def metric_written(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Records written."""
        return self._metric("RecordsWritten", period)

    def metric_rejected(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Records that can never be written and were kept."""
        return self._metric("RecordsRejected", period)

    def metric_repeated(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Batches of which a part was sent again."""
        return self._metric("BatchesToRepeat", period)

    def metric_iterator_age(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How far reading is behind, in milliseconds: the longest of the period."""
        metric = self.function.metric("IteratorAge", statistic="Maximum", period=period)
        assert isinstance(metric, cloudwatch.Metric)  # noqa: S101  # jsii types it as such
        return metric

    def metric_dead_letters(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How many objects of ``dead_letters`` wait to be dealt with."""
        return self.dead_letter_queue.metric_approximate_number_of_messages_visible(period=period)

    def widgets(self, *, width: int = 12) -> list[cloudwatch.IWidget]:
        """Graphs for a dashboard: records, how far behind, errors and dead letters.

        Args:
            width: Of each, in the 24 columns of a dashboard.
        """
        return [
            cloudwatch.GraphWidget(title=title, left=metrics, width=width)
            for title, metrics in (
                (
                    "Stream: records",
                    [self.metric_written(), self.metric_rejected(), self.metric_repeated()],
                ),
                ("Stream: milliseconds behind", [self.metric_iterator_age()]),
                (
                    "Stream: errors, dead letters",
                    [self.function.metric_errors(), self.metric_dead_letters()],
                ),
            )
        ]

    def _metric(self, name: str, period: Duration | None) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"FeatureGroupName": self.group.feature_group_name},
            statistic="Sum",
            period=period,
        )

    def _make_stream(self, key: kms.IKey, removal_policy: RemovalPolicy) -> kinesis.Stream:
        stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            retention_period=Duration.days(7),
            removal_policy=removal_policy,
        )
        acknowledge(
            stream,
            {
                "AwsSolutions-KDS3": "One customer key for everything that holds the group's "
                "records, so that one policy says who reads them."
            },
        )
        return stream

    def _queue_of(self, bucket: s3.Bucket) -> sqs.Queue:
        """A queue that learns of each object.

        Through EventBridge: S3's own notifications begin with a test message, which would alarm on
        the day of the deployment. The property is set directly, because the CDK would set it
        through a custom resource.
        """
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101  # the L1 of every Bucket
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )
        queue = sqs.Queue(
            self,
            "DeadLetterQueue",
            # Its messages name objects; there is no data in them.
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(queue, {"AwsSolutions-SQS3": "This is a dead-letter queue itself."})
        events.Rule(
            self,
            "DeadLetterRule",
            description="Names what could not be written to a feature group",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [bucket.bucket_name]}},
            ),
            targets=[targets.SqsQueue(queue)],
        )
        return queue

    def _make_log(
        self, key: kms.IKey, retention: logs.RetentionDays, removal_policy: RemovalPolicy
    ) -> logs.LogGroup:
        allow_logs(key)
        return logs.LogGroup(
            self, "Log", encryption_key=key, retention=retention, removal_policy=removal_policy
        )

    def _allow(self, log: logs.LogGroup, *, in_vpc: bool) -> None:
        role = self.role
        self.group.grant_ingest(role)
        allow_objects(
            role,
            self.dead_letters,
            [f"{REJECTED_PREFIX}/*", f"{_GIVEN_UP_PREFIX}/*"],
            actions=["s3:PutObject"],
            reason="Objects are named after the records and batches that they hold.",
        )
        # Lambda wants to list a destination (developer guide); with which prefix it does not say.
        allow_list(role, self.dead_letters, [""])
        if self.dead_letters.encryption_key is not None:
            self.dead_letters.encryption_key.grant(role, "kms:GenerateDataKey")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "kinesis:DescribeStream",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:ListShards",
                ],
                resources=[self.stream.stream_arn],
            )
        )
        if self.stream.encryption_key is not None:
            self.stream.encryption_key.grant_decrypt(role)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log.log_group_arn],
            )
        )
        if in_vpc:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=[
                        "ec2:AssignPrivateIpAddresses",
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSubnets",
                        "ec2:UnassignPrivateIpAddresses",
                    ],
                    resources=["*"],
                )
            )
            acknowledge(
                role,
                {
                    "AwsSolutions-IAM5[Resource::*]": "Lambda checks for these actions on every "
                    "resource before it attaches a function to a VPC (Lambda developer guide, "
                    "'Giving Lambda functions access to resources in an Amazon VPC')."
                },
            )

    def _make_function(
        self, key: kms.IKey, log: logs.LogGroup, network: JobNetwork | None
    ) -> lambda_.Function:
        placed: dict[str, Any] = {}
        if network is not None:
            placed = {
                "vpc": network.vpc,
                "vpc_subnets": network.subnets,
                "security_groups": list(network.security_groups),
            }
        function = lambda_.Function(
            self,
            "Function",
            description=f"Writes a stream to the feature group {self.group.feature_group_name}",
            runtime=python_runtime(),
            architecture=lambda_.Architecture.ARM_64,
            handler="feature_stream.handler.handle",
            code=lambda_.Code.from_asset(str(_CODE), exclude=["**/__pycache__", "**/*.pyc"]),
            role=self.role,
            timeout=_TIMEOUT,
            memory_size=512,
            environment={
                "FEATURE_GROUP": self.group.feature_group_name,
                "DEAD_LETTER_BUCKET": self.dead_letters.bucket_name,
                "WORKERS": str(_WORKERS),
            },
            environment_encryption=key,
            log_group=log,
            **placed,
        )
        reasons = {
            **OLDER_RUNTIME,
            "NIST.800.53.R5-LambdaConcurrency": "At most one invocation for each shard and "
            "parallel batch runs at a time.",
            "NIST.800.53.R5-LambdaDLQ": "Nobody invokes it asynchronously; the event source "
            "mapping has a destination for what fails.",
        }
        if network is None:
            reasons["NIST.800.53.R5-LambdaInsideVPC"] = (
                "No network was passed in; the function calls AWS services only."
            )
        acknowledge(function, reasons)
        return function

    def _read(self, reading: StreamReading) -> None:
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function_name,
            event_source_arn=self.stream.stream_arn,
            starting_position=str(reading.start),
            batch_size=reading.batch_size,
            maximum_batching_window_in_seconds=int(reading.window.to_seconds()),
            parallelization_factor=reading.parallel_batches,
            maximum_retry_attempts=reading.retries,
            maximum_record_age_in_seconds=int(reading.longest.to_seconds()),
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            destination_config={"onFailure": {"destination": self.dead_letters.bucket_arn}},
        )
        wait_for_policy(mapping, self.role)

    def _make_alarms(
        self, wanted: StreamAlarms, topic: sns.ITopic | None
    ) -> list[cloudwatch.Alarm]:
        minute, name = Duration.minutes(1), self.group.feature_group_name
        behind = int(wanted.behind.to_seconds())
        return [
            make_alarm(
                self,
                construct_id,
                metric=metric,
                threshold=threshold,
                periods=periods,
                description=f"{name}: {text}",
                topic=topic,
            )
            for construct_id, metric, threshold, periods, text in (
                (
                    "Behind",
                    self.metric_iterator_age(period=minute),
                    behind * 1000,
                    wanted.minutes,
                    f"reading the stream is more than {behind} seconds behind",
                ),
                (
                    "Failing",
                    self.function.metric_errors(period=minute),
                    0,
                    wanted.minutes,
                    "the function that writes the stream fails",
                ),
                (
                    "DeadLettersWaiting",
                    self.metric_dead_letters(period=minute),
                    0,
                    1,
                    "records of the stream could not be written and wait in the dead letters",
                ),
            )
        ]
