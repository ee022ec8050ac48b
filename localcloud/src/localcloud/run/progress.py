"""Where a run stands: one line per step, as the screen, the record and the picture show it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from localcloud.dag.definition import Definition
from localcloud.run.measures import job_of, measures
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

State = Literal[
    "waiting", "running", "succeeded", "cached", "reused", "failed", "stopped", "skipped"
]
"""``cached``: taken from the cache; ``reused``: taken from an earlier run; ``skipped``: did not run
because of a condition, a failure or what was selected."""

ENDED = frozenset({"succeeded", "cached", "reused", "failed", "stopped", "skipped"})

_RUNNING = frozenset({"Starting", "Executing", "Stopping"})


@dataclass(kw_only=True)
class StepView:
    """A step of the run.

    Attributes:
        name: Its name.
        type: Such as ``Training``.
        depth: In how many branches it lies.
        state: Where it stands.
        started: Seconds since the epoch.
        ended: The same.
        measures: What it says of itself: metrics, the outcome of a condition, a model's version.
        attempts: How often it was tried.
        reason: Why it failed.
        log: The log of its job.
    """

    name: str
    type: str
    depth: int
    state: State = "waiting"
    started: float | None = None
    ended: float | None = None
    measures: dict[str, str] = field(default_factory=dict)
    attempts: int = 1
    reason: str | None = None
    log: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has run so far."""
        if self.started is None:
            return None
        return (self.ended or time.time()) - self.started


class Progress:
    """The steps of a definition, brought up to date from an execution.

    Args:
        definition: The pipeline.
        sagemaker: Where the execution is.
        logs: The folder of the jobs' logs.
    """

    def __init__(self, definition: Definition, sagemaker: SageMaker, logs: Path) -> None:
        self._definition = definition
        self._sagemaker = sagemaker
        self._logs = logs
        self.steps: dict[str, StepView] = {}
        for name in _reading_order(definition):
            step = definition.steps[name]
            self.steps[name] = StepView(name=name, type=step.type, depth=_depth(definition, name))

    def update(self, execution: Record) -> list[StepView]:
        """Read the execution; the steps whose state has changed."""
        with self._sagemaker.store.lock:
            records = [dict(step) for step in execution.hidden["steps"]]
            results = dict(execution.hidden["results"])
        changed = []
        for record in records:
            view = self.steps[record["StepName"]]
            if view.state in ENDED:
                continue
            state = _state(record)
            if state != view.state:
                changed.append(view)
            self._read(view, state, record, results.get(view.name, {}))
        return changed

    def end(self) -> list[StepView]:
        """Note the steps that never began as skipped; they are returned."""
        skipped = [view for view in self.steps.values() if view.state == "waiting"]
        for view in skipped:
            view.state = "skipped"
        return skipped

    def count(self, *states: State) -> int:
        """How many steps are in one of these states."""
        return sum(view.state in states for view in self.steps.values())

    def _read(self, view: StepView, state: State, record: Json, result: Json) -> None:
        view.state = state
        view.started = record["StartTime"]
        view.ended = record.get("EndTime")
        view.attempts = record.get("AttemptCount", 1)
        view.reason = record.get("FailureReason")
        metadata: Mapping[str, Any] = record.get("Metadata") or {}
        view.log = view.log or self._log(metadata)
        view.measures = measures(
            self._sagemaker,
            self._definition,
            view.name,
            metadata=metadata,
            properties=result.get("properties") or {},
        )

    def _log(self, metadata: Mapping[str, Any]) -> str | None:
        """The log of the step's job, which is named as the job is; ARNs are in lower case."""
        for kind in ("ProcessingJob", "TrainingJob", "TransformJob"):
            job = job_of(self._sagemaker, kind, metadata.get(kind))
            if job is not None:
                log = self._logs / f"{job.key[-1]}.log"
                return str(log) if log.exists() else None
        return None


def record_of(views: Mapping[str, StepView]) -> list[Json]:
    """The steps as they are written down."""
    return [asdict(view) for view in views.values()]


def _state(record: Json) -> State:
    status = record["StepStatus"]
    if status in _RUNNING:
        return "running"
    if status == "Succeeded":
        if record.get("SelectiveExecutionResult"):
            return "reused"
        return "cached" if record.get("CacheHitResult") else "succeeded"
    return "failed" if status == "Failed" else "stopped"


def _reading_order(definition: Definition) -> list[str]:
    """In the order of the run, the steps of a branch below their condition."""
    below: dict[str | None, list[str]] = {}
    for name, step in definition.steps.items():
        below.setdefault(step.branch.condition if step.branch else None, []).append(name)

    def walk(parent: str | None) -> list[str]:
        return [each for name in below.get(parent, ()) for each in (name, *walk(name))]

    return walk(None)


def _depth(definition: Definition, name: str) -> int:
    branch = definition.steps[name].branch
    return 0 if branch is None else 1 + _depth(definition, branch.condition)
