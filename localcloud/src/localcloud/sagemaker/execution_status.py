"""What becomes of an execution and its steps: kept in its record, and told as events."""

from __future__ import annotations

import time
from typing import Any

from localcloud.dag.records import StepRecord
from localcloud.model import plain
from localcloud.sagemaker import events
from localcloud.sagemaker.pipelines import RUNNING
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

_EXECUTION_EVENT = "SageMaker Model Building Pipeline Execution Status Change"
_STEP_EVENT = "SageMaker Model Building Pipeline Execution Step Status Change"
_ENDED = frozenset({"Failed", "Stopped", "Succeeded"})


def set_status(cloud: SageMaker, record: Record, status: str, **changes: Any) -> None:
    """Give an execution another status, and send its event."""
    previous = record.data["PipelineExecutionStatus"]
    cloud.touch(record, PipelineExecutionStatus=status, **changes)
    tell_execution(record, previous)


def tell_execution(record: Record, previous: str | None) -> None:
    """Send the event of an execution's status."""
    data = record.data
    detail = {
        "pipelineExecutionDisplayName": data["PipelineExecutionDisplayName"],
        "currentPipelineExecutionStatus": data["PipelineExecutionStatus"],
        "previousPipelineExecutionStatus": previous,
        "executionStartTime": _iso(data["CreationTime"]),
        "pipelineArn": data["PipelineArn"],
        "pipelineExecutionArn": record.arn,
    }
    if data["PipelineExecutionStatus"] not in RUNNING:
        detail["executionEndTime"] = _iso(data["LastModifiedTime"])
    events.put(_EXECUTION_EVENT, detail, [data["PipelineArn"], record.arn])


def tell_step(cloud: SageMaker, record: Record, step: StepRecord) -> None:
    """Keep a step as it is now, and send the event of its status if that is another."""
    shown: Json = plain(step.as_api())
    steps: list[Json] = record.hidden["steps"]
    with cloud.store.lock:
        index = next((i for i, s in enumerate(steps) if s["StepName"] == step.step_name), None)
        previous = None if index is None else steps[index]["StepStatus"]
        if index is None:
            steps.append(shown)
        else:
            steps[index] = shown
        if step.step_status in _ENDED:
            record.hidden.setdefault("results", {})[step.step_name] = plain(
                {
                    "status": step.step_status,
                    "properties": step.properties,
                    "metadata": step.metadata,
                }
            )
    if previous == shown["StepStatus"]:
        return
    detail = {
        "metadata": shown.get("Metadata") or {},
        "stepStartTime": _iso(shown["StartTime"]),
        "stepEndTime": _iso(shown["EndTime"]) if "EndTime" in shown else None,
        "previousStepStatus": previous,
        "currentStepStatus": shown["StepStatus"],
        "stepName": step.step_name,
        "stepType": step.step_type,
        "failureReason": shown.get("FailureReason", ""),
        "cacheHitResult": shown.get("CacheHitResult"),
        "pipelineArn": record.data["PipelineArn"],
        "pipelineExecutionArn": record.arn,
    }
    events.put(_STEP_EVENT, detail, [record.data["PipelineArn"], record.arn])


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
