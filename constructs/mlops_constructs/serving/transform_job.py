"""What a scheduled batch transform asks the service for, and the limits of it.

Limits: botocore, ``CreateTransformJobRequest`` and below. The keywords in angle brackets are those
of EventBridge Scheduler (user guide, "Adding context attributes").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aws_cdk import Duration, aws_s3 as s3

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import whole_seconds
from mlops_constructs.common.tokens import is_token
from mlops_constructs.rules import instances

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_LONGEST_FILTER = 63
_MOST_PAYLOAD_MB = 100


class Split(StrEnum):
    """What a record of the input is (botocore, ``SplitType``)."""

    NONE = "None"
    LINE = "Line"
    RECORD_IO = "RecordIO"
    TF_RECORD = "TFRecord"


@dataclass(frozen=True, kw_only=True)
class TransformInput:
    """What is answered.

    Attributes:
        bucket: The bucket.
        prefix: The prefix of the objects, without slashes at its ends.
        content_type: Their MIME type.
        split: What a record is; without splitting an object is one request.
        gzip: Whether the objects are compressed.
        filter: A JSONPath of what the model gets of a record, such as ``$[1:]``; all by default.
    """

    bucket: s3.IBucket
    prefix: str
    content_type: str = "text/csv"
    split: Split = Split.LINE
    gzip: bool = False
    filter: str | None = None


@dataclass(frozen=True, kw_only=True)
class TransformOutput:
    """Where the answers go.

    Attributes:
        bucket: The bucket; answers are encrypted with its key.
        prefix: The prefix of all runs, without slashes at its ends.
        accept: The MIME type of answers.
        join_input: Whether each answer stands beside its record.
        filter: A JSONPath of what is kept of record and answer; all by default.
    """

    bucket: s3.IBucket
    prefix: str
    accept: str = "text/csv"
    join_input: bool = False
    filter: str | None = None


@dataclass(frozen=True)
class TransformInstances:
    """What a job runs on, and how it asks the model.

    Attributes:
        instance_type: Such as ``ml.m5.large``.
        count: 1 to 100 instances.
        concurrency: Requests at a time on each instance; the container is asked, or one.
        max_payload_mb: The largest request, 0 to 100 MB; times ``concurrency`` at most 100.
        one_record: Whether each record is a request of its own, instead of as many as fit.
        timeout: How long a request may take, up to an hour; 10 minutes by default.
        retries: How often a failed request is repeated, 0 to 3.
    """

    instance_type: str
    count: int = 1
    concurrency: int | None = None
    max_payload_mb: int = 6
    one_record: bool = False
    timeout: Duration | None = None
    retries: int = 3

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        if not is_token(self.instance_type):
            problems.check(
                bool(_INSTANCE_TYPE.fullmatch(self.instance_type)),
                "compute.instance_type",
                got=self.instance_type,
                allowed="ml.<family>.<size>",
                instead="Write 'ml.m5.large'.",
            )
        seconds = 600 if self.timeout is None else whole_seconds(self.timeout)
        for what, given, least, most in (
            ("count", self.count, 1, 100),
            ("max_payload_mb", self.max_payload_mb, 0, _MOST_PAYLOAD_MB),
            ("concurrency", 1 if self.concurrency is None else self.concurrency, 1, 100),
            ("timeout", 0 if seconds is None else seconds, 1, 3600),
            ("retries", self.retries, 0, 3),
        ):
            problems.check(
                is_token(given) or least <= given <= most,
                f"compute.{what}",
                got=given,
                allowed=f"{least} to {most}",
                instead=f"Write {min(max(given, least), most)}.",
            )
        together = (self.concurrency or 1) * self.max_payload_mb
        problems.check(
            together <= _MOST_PAYLOAD_MB,
            "compute.concurrency",
            got=f"{self.concurrency} requests of {self.max_payload_mb} MB",
            allowed=f"{_MOST_PAYLOAD_MB} MB under way together",
            instead=f"Write concurrency={max(_MOST_PAYLOAD_MB // max(self.max_payload_mb, 1), 1)}.",
        )


@dataclass(frozen=True, kw_only=True)
class TransformJob:
    """What each run asks the service for.

    Attributes:
        name: What the names of jobs begin with.
        records: What is answered.
        answers: Where the answers go.
        compute: What it runs on.
    """

    name: str
    records: TransformInput
    answers: TransformOutput
    compute: TransformInstances

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        records, answers = self.records, self.answers
        for what, prefix in (
            ("records.prefix", records.prefix),
            ("answers.prefix", answers.prefix),
        ):
            problems.check(
                is_token(prefix) or (bool(prefix) and prefix.strip("/") == prefix),
                what,
                got=prefix,
                allowed="a key prefix that neither starts nor ends with a slash",
                instead=f"Write {prefix.strip('/') or 'records'!r}.",
            )
        for what, path in (
            ("records.filter", records.filter),
            ("answers.filter", answers.filter),
        ):
            problems.check(
                path is None or (path.startswith("$") and len(path) <= _LONGEST_FILTER),
                what,
                got=path,
                allowed=f"a JSONPath of at most {_LONGEST_FILTER} characters",
                instead="Write '$[1:]'.",
            )
        self.compute.check(problems)
        problems.check(
            not (self.compute.one_record and records.split is Split.NONE),
            "compute.one_record",
            got=True,
            allowed="with records: records.split other than NONE",
            instead="Write split=Split.LINE.",
        )

    def to_request(self, model_name: str, volume_key_arn: str) -> dict[str, Any]:
        """``CreateTransformJobRequest``; a schedule fills in the name's end and the time."""
        records, answers, compute = self.records, self.answers, self.compute
        resources: dict[str, Any] = {
            "InstanceType": compute.instance_type,
            "InstanceCount": compute.count,
        }
        # The service refuses a key where the disk has its own (botocore, VolumeKmsKeyId).
        if not instances.has_local_disk(compute.instance_type):
            resources["VolumeKmsKeyId"] = volume_key_arn
        written: dict[str, Any] = {
            "S3OutputPath": f"s3://{answers.bucket.bucket_name}/{answers.prefix}/"
            "<aws.scheduler.scheduled-time>/",
            "Accept": answers.accept,
            "AssembleWith": "None" if records.split is Split.NONE else "Line",
        }
        if answers.bucket.encryption_key is not None:
            written["KmsKeyId"] = answers.bucket.encryption_key.key_arn
        request: dict[str, Any] = {
            "TransformJobName": f"{self.name}-<aws.scheduler.execution-id>",
            "ModelName": model_name,
            "MaxPayloadInMB": compute.max_payload_mb,
            "ModelClientConfig": {
                "InvocationsTimeoutInSeconds": 600
                if compute.timeout is None
                else int(compute.timeout.to_seconds()),
                "InvocationsMaxRetries": compute.retries,
            },
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{records.bucket.bucket_name}/{records.prefix}/",
                    }
                },
                "ContentType": records.content_type,
                "SplitType": records.split.value,
                "CompressionType": "Gzip" if records.gzip else "None",
            },
            "TransformOutput": written,
            "TransformResources": resources,
        }
        if records.split is not Split.NONE:
            request["BatchStrategy"] = "SingleRecord" if compute.one_record else "MultiRecord"
        if compute.concurrency is not None:
            request["MaxConcurrentTransforms"] = compute.concurrency
        processing = {
            name: value
            for name, value in (
                ("InputFilter", records.filter),
                ("OutputFilter", answers.filter),
                ("JoinSource", "Input" if answers.join_input else None),
            )
            if value is not None
        }
        if processing:
            request["DataProcessing"] = processing
        return request
