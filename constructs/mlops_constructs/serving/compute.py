"""What an endpoint runs on: a fleet of instances, or serverless.

The union `Compute` makes a mix of the two impossible to write. Facts: botocore's model of
SageMaker (``ProductionVariant``, ``ProductionVariantServerlessConfig``) and the SageMaker
developer guide, "Serverless Inference" (feature exclusions) and "Exclusions" of the deployment
guardrails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.rules import instances

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_SERVERLESS_MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)


@dataclass(frozen=True)
class Instances:
    """A fleet of instances behind the endpoint.

    Attributes:
        instance_type: Such as ``ml.m5.large``.
        count: How many at creation. Two or more let a deployment shift traffic in steps.
    """

    instance_type: str
    count: int = 1

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
        if not is_token(self.count):
            problems.check(
                self.count >= 1,
                "compute.count",
                got=self.count,
                allowed="1 or more",
                instead="Real-time fleets do not scale to zero; write Serverless(...) to pay per "
                "request.",
            )

    def to_variant(self) -> dict[str, Any]:
        """The properties of the production variant (L1 spelling)."""
        return {"instanceType": self.instance_type, "initialInstanceCount": self.count}


@dataclass(frozen=True, kw_only=True)
class Serverless:
    """No instances: capacity comes with the requests.

    The service offers no VPC, network isolation, data capture, deployment guardrails or GPU here;
    the endpoint refuses those arguments rather than dropping them.

    Attributes:
        memory_mb: 1024 to 6144 in steps of 1024; CPU grows with it.
        max_concurrency: 1 to 200 requests at a time.
        provisioned_concurrency: How many are kept warm, at most ``max_concurrency``.
    """

    memory_mb: int
    max_concurrency: int
    provisioned_concurrency: int | None = None

    @property
    def has_local_disk(self) -> bool:
        """Serverless capacity has no disk that a caller could see."""
        return False

    @property
    def guarded(self) -> bool:
        """Deployment guardrails are for real-time and asynchronous endpoints only."""
        return False

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        if not is_token(self.memory_mb):
            problems.check(
                self.memory_mb in _SERVERLESS_MEMORY_MB,
                "compute.memory_mb",
                got=self.memory_mb,
                allowed=", ".join(map(str, _SERVERLESS_MEMORY_MB)),
                instead=f"Write {_next_memory(self.memory_mb)}.",
            )
        if is_token(self.max_concurrency):
            return
        problems.check(
            1 <= self.max_concurrency <= 200,
            "compute.max_concurrency",
            got=self.max_concurrency,
            allowed="1 to 200",
            instead="Write the number of requests that may run at a time.",
        )
        warm = self.provisioned_concurrency
        if warm is not None and not is_token(warm):
            problems.check(
                1 <= warm <= self.max_concurrency,
                "compute.provisioned_concurrency",
                got=warm,
                allowed=f"1 to max_concurrency, {self.max_concurrency}",
                instead="Lower it, raise max_concurrency, or leave it out.",
            )

    def to_variant(self) -> dict[str, Any]:
        """The properties of the production variant (L1 spelling)."""
        config = {"memorySizeInMb": self.memory_mb, "maxConcurrency": self.max_concurrency}
        if self.provisioned_concurrency is not None:
            config["provisionedConcurrency"] = self.provisioned_concurrency
        return {"serverlessConfig": config}


Compute = Instances | Serverless


def _next_memory(megabytes: int) -> int:
    fitting = (size for size in _SERVERLESS_MEMORY_MB if size >= megabytes)
    return next(fitting, _SERVERLESS_MEMORY_MB[-1])
