"""Fleets of instances, and how requests are spread over them.

Sizes and limits: botocore's model of SageMaker, ``ProductionVariant``. A volume size is for types
that keep the model on a network volume: types with a local disk get none, their storage is fixed
(SageMaker developer guide, "Managing storage paths for different types of instance local storage",
which says so of training; the guide is silent on hosting).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aws_cdk import Duration

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import whole_seconds
from mlops_constructs.common.tokens import is_token
from mlops_constructs.rules import instances

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_BURSTABLE = re.compile(r"t\d")


class Routing(StrEnum):
    """How requests are spread over instances (botocore, ``RoutingStrategy``)."""

    RANDOM = "RANDOM"
    LEAST_OUTSTANDING_REQUESTS = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True, kw_only=True)
class PrefixRouting:
    """Requests with the same beginning go to the same instance, whose cache knows it.

    For language models; it acts where two or more instances can answer.

    Attributes:
        prefix_length: How much of the request is compared, 1024 to 65536.
        concurrency: From how many requests under way on one instance on others take them, 1 to
            1024.
    """

    prefix_length: int = 4096
    concurrency: int = 32


@dataclass(frozen=True)
class Fleet:
    """Instances, whatever asks them.

    Attributes:
        instance_type: Such as ``ml.m5.large``.
        count: How many at creation. Two or more let a deployment shift traffic in steps.
        routing: How requests are spread; at random unless given.
        volume_gb: 1 to 512 GB for models and images, for types without a local disk; the
            service chooses if left out.
        download_timeout: How long one instance may take to fetch the model: 1 to 60 minutes.
        startup_timeout: How long a container may take until it answers ``/ping``: 1 to 60
            minutes.
    """

    instance_type: str
    count: int = 1
    routing: Routing | PrefixRouting | None = None
    volume_gb: int | None = None
    download_timeout: Duration | None = None
    startup_timeout: Duration | None = None

    @property
    def family(self) -> str:
        """``m5`` of ``ml.m5.large``; empty if the type is not known yet."""
        return instances.family(self.instance_type)

    @property
    def has_local_disk(self) -> bool:
        """Whether the model lies on an NVMe disk that the instance encrypts by itself.

        The CloudFormation reference says that ``KmsKeyId`` then fails the call, the API reference
        that it leaves the local disk to the hardware key: either way it protects nothing.
        """
        return instances.has_local_disk(self.instance_type)

    @property
    def guarded(self) -> bool:
        """Whether deployment guardrails apply; on Inf1 the service silently ignores them."""
        return self.family != "inf1"

    @property
    def is_burstable(self) -> bool:
        """Whether it is of a T family, which does not scale."""
        return _BURSTABLE.match(self.family) is not None

    @property
    def has_gpu(self) -> bool:
        """Whether it carries NVIDIA GPUs."""
        return instances.is_gpu(self.instance_type)

    def check(self, problems: Problems, what: str = "compute") -> None:
        """Note what the service would refuse; ``what`` is what errors call it."""
        if not is_token(self.instance_type):
            problems.check(
                bool(_INSTANCE_TYPE.fullmatch(self.instance_type)),
                f"{what}.instance_type",
                got=self.instance_type,
                allowed="ml.<family>.<size>",
                instead="Write 'ml.m5.large'.",
            )
        if not is_token(self.count):
            problems.check(
                self.count >= 1,
                f"{what}.count",
                got=self.count,
                allowed="1 or more",
                instead="Fleets start with an instance; write Serverless(...) to pay per request, "
                "or add_autoscaling(min_capacity=0, ...) to an Asynchronous(...) endpoint.",
            )
        self._check_routing(problems, what)
        self._check_settings(problems, what)

    def _check_routing(self, problems: Problems, what: str) -> None:
        if not isinstance(self.routing, PrefixRouting):
            return
        for name, given, least, most in (
            ("prefix_length", self.routing.prefix_length, 1024, 65536),
            ("concurrency", self.routing.concurrency, 1, 1024),
        ):
            problems.check(
                least <= given <= most,
                f"{what}.routing.{name}",
                got=given,
                allowed=f"{least} to {most}",
                instead="Write PrefixRouting().",
            )

    def _check_settings(self, problems: Problems, what: str) -> None:
        if self.volume_gb is not None and not is_token(self.volume_gb):
            problems.check(
                1 <= self.volume_gb <= 512 and not self.has_local_disk,
                f"{what}.volume_gb",
                got=f"{self.volume_gb} with {self.instance_type}",
                allowed="none for types with a local disk of their own"
                if self.has_local_disk
                else "1 to 512 GB",
                instead="Leave it out.",
            )
        check_timeouts(
            problems,
            what,
            download_timeout=self.download_timeout,
            startup_timeout=self.startup_timeout,
        )

    def to_variant(self) -> dict[str, Any]:
        """The properties of the production variant (L1 spelling)."""
        return {
            "instanceType": self.instance_type,
            "initialInstanceCount": self.count,
            **self._settings(),
        }

    def _settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        match self.routing:
            case PrefixRouting(prefix_length=length, concurrency=concurrency):
                found["routingConfig"] = {
                    "routingStrategy": "PREFIX_AWARE",
                    "prefixAwareRoutingConfig": {
                        "prefixLength": length,
                        "concurrencyThreshold": concurrency,
                    },
                }
            case Routing() as strategy:
                found["routingConfig"] = {"routingStrategy": strategy.value}
        if self.volume_gb is not None:
            found["volumeSizeInGb"] = self.volume_gb
        for name, timeout in (
            ("modelDataDownloadTimeoutInSeconds", self.download_timeout),
            ("containerStartupHealthCheckTimeoutInSeconds", self.startup_timeout),
        ):
            if timeout is not None:
                found[name] = int(timeout.to_seconds())
        return found


@dataclass(frozen=True)
class Instances(Fleet):
    """A fleet of instances that answers requests as they come, each within 60 seconds."""


class ScaleIn(StrEnum):
    """Which instances the service gives back (botocore, ``ManagedInstanceScaling…Strategy``)."""

    IDLE_RELEASE = "IDLE_RELEASE"
    CONSOLIDATION = "CONSOLIDATION"


@dataclass(frozen=True)
class ManagedInstances(Fleet):
    """Instances that the service adds and removes as copies of inference components need them.

    For `InferenceComponents` only: the service refuses managed scaling of a variant that has a
    model of its own.

    Attributes:
        min_count: The least instances; 0 lets the endpoint scale to zero when no component has a
            copy.
        max_count: The most instances.
        scale_in: How instances are given back; the service's default, ``IDLE_RELEASE``, if left
            out.
    """

    min_count: int = 1
    max_count: int = 1
    scale_in: ScaleIn | None = None

    def check(self, problems: Problems, what: str = "compute") -> None:
        """Note what the service would refuse; ``what`` is what errors call it."""
        super().check(problems, what)
        problems.check(
            0 <= self.min_count <= self.max_count and self.max_count >= 1,
            f"{what}.min_count and max_count",
            got=(self.min_count, self.max_count),
            allowed="0 <= min_count <= max_count, and max_count of 1 or more",
            instead="Write min_count=0, max_count=4.",
        )
        problems.check(
            max(self.min_count, 1) <= self.count <= max(self.max_count, 1),
            f"{what}.count",
            got=self.count,
            allowed=f"{max(self.min_count, 1)} to {self.max_count}, within min_count and max_count",
            instead=f"Write count={max(self.min_count, 1)}: it is where the service starts.",
        )

    def to_variant(self) -> dict[str, Any]:
        """The properties of the production variant (L1 spelling)."""
        scaling: dict[str, Any] = {
            "status": "ENABLED",
            "minInstanceCount": self.min_count,
            "maxInstanceCount": self.max_count,
        }
        if self.scale_in is not None:
            scaling["scaleInPolicy"] = {"strategy": self.scale_in.value}
        return super().to_variant() | {"managedInstanceScaling": scaling}


def check_timeouts(problems: Problems, what: str, **timeouts: Duration | None) -> None:
    """Note what SageMaker does not wait for: a model's download or its start."""
    for name, timeout in timeouts.items():
        seconds = 60 if timeout is None else whole_seconds(timeout)
        problems.check(
            seconds is not None and 60 <= seconds <= 3600,
            f"{what}.{name}",
            got="a part of a second" if seconds is None else f"{seconds} s",
            allowed="60 to 3600 s",
            instead="Write Duration.minutes(20).",
        )
