"""No instances: capacity that comes with the requests.

Facts: botocore's model of SageMaker (``ProductionVariantServerlessConfig``) and the SageMaker
developer guide, "Serverless Inference" (feature exclusions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token

_SERVERLESS_MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)


@dataclass(frozen=True, kw_only=True)
class Serverless:
    """No instances: capacity comes with the requests.

    The service offers no VPC, data capture, deployment guardrails or GPU here; the endpoint refuses
    those arguments rather than dropping them. Nor does it isolate these containers, whatever
    ``network_isolation`` is.

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


def _next_memory(megabytes: int) -> int:
    fitting = (size for size in _SERVERLESS_MEMORY_MB if size >= megabytes)
    return next(fitting, _SERVERLESS_MEMORY_MB[-1])
