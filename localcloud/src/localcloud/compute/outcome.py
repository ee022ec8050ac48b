"""How a job ended, in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["Processing", "Training", "Transform"]
Status = Literal["Completed", "Failed", "Stopped"]

FAILURE_REASON_LIMIT = 1024
"""Characters of ``FailureReason`` in the Describe responses (botocore: FailureReason)."""


class JobFailure(Exception):  # noqa: N818 - a job fails; that is no error of this program
    """A job cannot go on; the text is its ``FailureReason``, which starts with the error's kind."""


@dataclass(frozen=True)
class Outcome:
    """What the Describe operation of a finished job adds to its request."""

    kind: Kind
    status: Status
    start_time: datetime
    end_time: datetime
    failure_reason: str | None = None
    exit_code: int | None = None
    exit_message: str | None = None
    max_runtime_exceeded: bool = False
    model_artifacts: str | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def described(self) -> Mapping[str, Any]:
        """The members of Describe{Processing,Training,Transform}Job that the outcome sets."""
        found: dict[str, Any] = {
            f"{self.kind}JobStatus": self.status,
            f"{self.kind}StartTime": self.start_time,
            f"{self.kind}EndTime": self.end_time,
        }
        if self.failure_reason:
            found["FailureReason"] = self.failure_reason[:FAILURE_REASON_LIMIT]
        if self.kind == "Processing" and self.exit_message is not None:
            found["ExitMessage"] = self.exit_message
        if self.kind == "Training":
            seconds = max(1, round((self.end_time - self.start_time).total_seconds()))
            found |= {
                "SecondaryStatus": (
                    "MaxRuntimeExceeded" if self.max_runtime_exceeded else self.status
                ),
                "TrainingTimeInSeconds": seconds,
                "BillableTimeInSeconds": seconds,
                "FinalMetricDataList": self.metrics,
            }
            if self.model_artifacts:
                found["ModelArtifacts"] = {"S3ModelArtifacts": self.model_artifacts}
        return found
