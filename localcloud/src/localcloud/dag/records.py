"""What an execution tells about its steps and itself, in the shape of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

StepStatus = Literal["Starting", "Executing", "Stopping", "Stopped", "Failed", "Succeeded"]
ExecutionStatus = Literal[
    "Executing", "Stopping", "Stopped", "Failed", "Succeeded", "CompletedWithFailures"
]


@dataclass
class StepRecord:
    """One element of ListPipelineExecutionSteps, with the properties that others may ``Get``."""

    step_name: str
    step_type: str
    step_status: StepStatus
    start_time: datetime
    display_name: str | None = None
    description: str | None = None
    end_time: datetime | None = None
    cache_hit_arn: str | None = None
    failure_reason: str | None = None
    attempt_count: int = 1
    reused_from_arn: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    def copy(self) -> StepRecord:
        """The record as it is now."""
        return replace(self)

    def as_api(self) -> dict[str, Any]:
        """``PipelineExecutionStep``."""
        found = {
            "StepName": self.step_name,
            "StepDisplayName": self.display_name,
            "StepDescription": self.description,
            "StartTime": self.start_time,
            "EndTime": self.end_time,
            "StepStatus": self.step_status,
            "CacheHitResult": (
                {"SourcePipelineExecutionArn": self.cache_hit_arn} if self.cache_hit_arn else None
            ),
            "FailureReason": self.failure_reason,
            "Metadata": dict(self.metadata) or None,
            "AttemptCount": self.attempt_count,
            "SelectiveExecutionResult": (
                {"SourcePipelineExecutionArn": self.reused_from_arn}
                if self.reused_from_arn
                else None
            ),
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class ExecutionOutcome:
    """How an execution ended.

    Attributes:
        status: ``PipelineExecutionStatus``.
        failure_reason: ``FailureReason`` of DescribePipelineExecution.
        steps: The records of the steps that ran, in the order of their start.
    """

    status: ExecutionStatus
    failure_reason: str | None
    steps: tuple[StepRecord, ...]
