"""A fleet that answers from a queue: what it takes, where its answers go, and who is told.

InvokeEndpointAsync names neither a model of several nor a container nor a variant (botocore), so
that an asynchronous endpoint has one variant, and no multi-model or direct containers. Data
capture, networks and deployment guardrails are as with `Instances`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_s3 as s3, aws_sns as sns

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving.fleet import Fleet


@dataclass(frozen=True, kw_only=True)
class AsyncOutput:
    """Where the answers of an `Asynchronous` endpoint go, encrypted with the bucket's key.

    Attributes:
        bucket: The bucket.
        prefix: The prefix of answers, without slashes at its ends.
        failure_prefix: The prefix of what is known of failed requests.
    """

    bucket: s3.IBucket
    prefix: str = "answers"
    failure_prefix: str = "failures"

    def check(self, problems: Problems, what: str) -> None:
        """Note what makes no sense."""
        _check_prefix(problems, f"{what}.prefix", self.prefix)
        _check_prefix(problems, f"{what}.failure_prefix", self.failure_prefix)
        problems.check(
            self.prefix != self.failure_prefix,
            f"{what}.failure_prefix",
            got=self.failure_prefix,
            allowed="another prefix than that of the answers",
            instead="Write failure_prefix='failures'.",
        )

    def to_property(self) -> dict[str, Any]:
        """``OutputConfig`` without its topics (L1 spelling)."""
        root = f"s3://{self.bucket.bucket_name}"
        found: dict[str, Any] = {
            "s3OutputPath": f"{root}/{self.prefix}/",
            "s3FailurePath": f"{root}/{self.failure_prefix}/",
        }
        if self.bucket.encryption_key is not None:
            found["kmsKeyId"] = self.bucket.encryption_key.key_arn
        return found


@dataclass(frozen=True, kw_only=True)
class AsyncInput:
    """Where callers put payloads of an `Asynchronous` endpoint.

    Attributes:
        bucket: The bucket.
        prefix: The prefix of payloads, without slashes at its ends.
    """

    bucket: s3.IBucket
    prefix: str = "payloads"

    def check(self, problems: Problems, what: str) -> None:
        """Note what makes no sense."""
        _check_prefix(problems, f"{what}.prefix", self.prefix)


@dataclass(frozen=True)
class Asynchronous(Fleet):
    """A fleet that takes requests from a queue and writes its answers to S3.

    For large payloads (up to 1 GB) and long work (up to an hour a request): callers put the
    payload into S3, call InvokeEndpointAsync, and are told by a topic or look into the bucket.

    Attributes:
        input: Where payloads come from; without it callers send up to 128,000 bytes with the
            request itself.
        output: Where the answers go.
        concurrency: How many requests one instance works on at a time, 1 to 1000; the service
            chooses if left out.
        on_success: Told of each answer.
        on_error: Told of each request that failed.
        include_answer: Whether the topics also get the answer itself, if it is small enough.
    """

    output: AsyncOutput = field(kw_only=True)
    input: AsyncInput | None = None
    concurrency: int | None = None
    on_success: sns.ITopic | None = None
    on_error: sns.ITopic | None = None
    include_answer: bool = False

    def check(self, problems: Problems, what: str = "compute") -> None:
        """Note what the service would refuse; ``what`` is what errors call it."""
        super().check(problems, what)
        self.output.check(problems, f"{what}.output")
        if self.input is not None:
            self.input.check(problems, f"{what}.input")
        if self.concurrency is not None and not is_token(self.concurrency):
            problems.check(
                1 <= self.concurrency <= 1000,
                f"{what}.concurrency",
                got=self.concurrency,
                allowed="1 to 1000",
                instead="Write how many requests one instance can work on at a time.",
            )
        problems.check(
            not self.include_answer or bool(self.on_success or self.on_error),
            f"{what}.include_answer",
            got=True,
            allowed="with a topic that could get the answer",
            instead="Give on_success or on_error, or leave include_answer out.",
        )

    def to_config(self) -> dict[str, Any]:
        """``AsyncInferenceConfig`` (L1 spelling)."""
        output = self.output.to_property()
        told: dict[str, Any] = {}
        answered = []
        for name, kind, topic in (
            ("successTopic", "SUCCESS_NOTIFICATION_TOPIC", self.on_success),
            ("errorTopic", "ERROR_NOTIFICATION_TOPIC", self.on_error),
        ):
            if topic is not None:
                told[name] = topic.topic_arn
                answered.append(kind)
        if told and self.include_answer:
            told["includeInferenceResponseIn"] = answered
        if told:
            output["notificationConfig"] = told
        config: dict[str, Any] = {"outputConfig": output}
        if self.concurrency is not None:
            config["clientConfig"] = {"maxConcurrentInvocationsPerInstance": self.concurrency}
        return config


def _check_prefix(problems: Problems, what: str, prefix: str) -> None:
    if not is_token(prefix):
        problems.check(
            bool(prefix) and prefix.strip("/") == prefix,
            what,
            got=prefix,
            allowed="a key prefix that neither starts nor ends with a slash",
            instead=f"Write {prefix.strip('/') or 'some-prefix'!r}.",
        )
