"""Retry policies of a step.

Source: SageMaker developer guide, "Retry Policy for Pipeline Steps". The service retries
``Step.SERVICE_FAULT`` and ``Step.THROTTLING`` by itself; a policy for them takes its place.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from localcloud.compute.ports import ServiceError
from localcloud.dag.definition import Step

SERVICE_FAULT = "Step.SERVICE_FAULT"
THROTTLING = "Step.THROTTLING"
JOB_INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"

_DEFAULTS: Mapping[str, Any] = {"IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 5}
_AUTOMATIC = {"ExceptionType": [SERVICE_FAULT, THROTTLING]}

_CODES = {
    "ThrottlingException": THROTTLING,
    "TooManyRequestsException": THROTTLING,
    "ResourceLimitExceeded": RESOURCE_LIMIT,
    "InternalFailure": SERVICE_FAULT,
    "InternalServerError": SERVICE_FAULT,
    "ServiceUnavailable": SERVICE_FAULT,
}
_REASONS = {
    "InternalServerError": JOB_INTERNAL_ERROR,
    "CapacityError": CAPACITY_ERROR,
    "ResourceLimitExceeded": RESOURCE_LIMIT,
}


def type_of_refusal(error: ServiceError) -> str | None:
    """The exception type of a call that was refused, if retries know it."""
    if error.status >= 500:
        return _CODES.get(error.code, SERVICE_FAULT)
    return _CODES.get(error.code)


def type_of_failure(failure_reason: str) -> str | None:
    """The exception type of a job that failed, if retries know it."""
    return _REASONS.get(failure_reason.split(":", 1)[0].strip())


class Retries:
    """Counts the attempts of one step.

    Args:
        step: The step with its ``RetryPolicies``.
    """

    def __init__(self, step: Step) -> None:
        self._policies = [*step.document.get("RetryPolicies", []), _AUTOMATIC]
        self._used: Counter[int] = Counter()
        self._started = time.monotonic()

    def wait_before_next(self, exception_type: str | None, time_scale: float) -> float | None:
        """Seconds until the next attempt, or None when the step has failed for good.

        Args:
            exception_type: What went wrong.
            time_scale: How long a second of a policy lasts, in seconds.
        """
        for number, policy in enumerate(self._policies):
            if exception_type not in policy.get("ExceptionType", ()):
                continue
            expiry = policy.get("ExpireAfterMin")
            if expiry is not None:
                if time.monotonic() - self._started > expiry * 60 * time_scale:
                    return None
            elif self._used[number] >= policy.get("MaxAttempts", _DEFAULTS["MaxAttempts"]):
                return None
            interval = policy.get("IntervalSeconds", _DEFAULTS["IntervalSeconds"])
            rate = policy.get("BackoffRate", _DEFAULTS["BackoffRate"])
            wait = float(interval * rate ** self._used[number]) * time_scale
            self._used[number] += 1
            return wait
        return None
