"""Executions of a pipeline: what they are, and how they move from stage to stage.

Facts (CodePipeline user guide): in mode SUPERSEDED a stage is locked while an execution is in it;
of those that wait in front of it, the newest goes in and the older ones are superseded ("How
pipeline executions work"). Actions of one ``runOrder`` run side by side. A stage with automatic
rollback deploys the last execution that succeeded in it again, as an execution of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal
from uuid import uuid4

from localcloud.sagemaker.store import Json

Status = Literal["InProgress", "Stopping", "Stopped", "Succeeded", "Superseded", "Failed"]
_WAKE_SECONDS = 0.05


class ActionError(Exception):
    """Why an action failed: a code of the service's, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StoppedError(Exception):
    """The execution was stopped or superseded."""


@dataclass(eq=False)
class Execution:
    """One run of a pipeline, or of one stage of it again.

    Args:
        pipeline: Its name.
        number: Later executions have higher numbers.
        trigger: What began it.
        target: The execution that this one rolls a stage back to.
    """

    pipeline: str
    number: int
    trigger: Json
    target: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    status: Status = "InProgress"
    summary: str = ""
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    artifacts: dict[str, str] = field(default_factory=dict)
    revisions: list[Json] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    actions: dict[tuple[str, str], Json] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def kind(self) -> str:
        """STANDARD or ROLLBACK."""
        return "ROLLBACK" if self.target else "STANDARD"


@dataclass(eq=False)
class Pipeline:
    """A pipeline and its executions, in the order of their start.

    Args:
        declaration: As GetPipeline answers it, without its version.
        arn: Its ARN.
    """

    declaration: Json
    arn: str
    version: int = 1
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    executions: list[Execution] = field(default_factory=list)
    locked: dict[str, Execution] = field(default_factory=dict)
    waiting: dict[str, Execution] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def stages(self) -> list[Json]:
        """The declared stages."""
        found: list[Json] = self.declaration["stages"]
        return found

    def last_in(self, stage: str, status: str | None = None) -> Execution | None:
        """The newest execution that was in a stage, with this status there if one is given."""
        for execution in reversed(self.executions):
            if stage in execution.stages and status in (None, execution.stages[stage]):
                return execution
        return None

    @contextmanager
    def entered(self, stage: str, execution: Execution) -> Iterator[None]:
        """Be the one execution in a stage.

        Raises:
            StoppedError: A newer one took the place in front of the stage.
        """
        with self.changed:
            before = self.waiting.get(stage)
            if before is None or before.number < execution.number:
                if before is not None:
                    before.status = "Superseded"
                self.waiting[stage] = execution
            else:
                execution.status = "Superseded"
            while stage in self.locked and execution.status == "InProgress":
                self.changed.wait(_WAKE_SECONDS)
                if execution.stop.is_set():
                    break
            if self.waiting.get(stage) is execution:
                del self.waiting[stage]
            if execution.status != "InProgress" or execution.stop.is_set():
                raise StoppedError
            self.locked[stage] = execution
        try:
            yield
        finally:
            with self.changed:
                del self.locked[stage]
                self.changed.notify_all()


RunAction = Callable[[Pipeline, Execution, Json, Json], None]


def advance(
    pipeline: Pipeline, execution: Execution, stages: list[Json], run_action: RunAction
) -> Json | None:
    """Take an execution through stages; returns the stage that failed, if one did.

    Args:
        pipeline: The pipeline.
        execution: The execution.
        stages: The stages that are left.
        run_action: Runs one action to its end; raises ActionError.
    """
    for stage in stages:
        name = stage["name"]
        try:
            with pipeline.entered(name, execution):
                execution.stages[name] = "InProgress"
                failures = _run_stage(pipeline, execution, stage, run_action)
                execution.stages[name] = "Failed" if failures else "Succeeded"
        except StoppedError:
            execution.stages.pop(name, None)
            if execution.status != "Superseded":
                execution.status = "Stopped"
            break
        execution.updated = time.time()
        if execution.stop.is_set():
            execution.stages[name] = "Stopped"
            execution.status = "Stopped"
            break
        if failures:
            execution.status, execution.summary = "Failed", failures[0]
            return stage
    else:
        execution.status = "Succeeded"
    execution.updated = time.time()
    return None


def _run_stage(
    pipeline: Pipeline, execution: Execution, stage: Json, run_action: RunAction
) -> list[str]:
    ordered = sorted(stage["actions"], key=_order)
    for _, group in groupby(ordered, key=_order):
        failures: list[str] = []

        def attempt(action: Json, failures: list[str] = failures) -> None:
            state = execution.actions[stage["name"], action["name"]] = _new_state()
            failure = _outcome(lambda: run_action(pipeline, execution, stage, action), state)
            if failure:
                failures.append(f"{stage['name']}/{action['name']}: {failure}")

        threads = [
            threading.Thread(target=attempt, args=(action,))
            for action in group
            # A retry repeats what failed.
            if execution.actions.get((stage["name"], action["name"]), {}).get("status")
            != "Succeeded"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures or execution.stop.is_set():
            return failures
    return []


def _order(action: Json) -> int:
    order: int = action.get("runOrder", 1)
    return order


def _new_state() -> Json:
    return {
        "actionExecutionId": str(uuid4()),
        "status": "InProgress",
        "lastStatusChange": time.time(),
    }


def _outcome(run: Callable[[], None], state: Json) -> str | None:
    """Run an action and write its end into its state; returns why it failed."""
    failure = None
    try:
        run()
    except StoppedError:
        state["status"] = "Abandoned"
    except Exception as error:  # whatever a service raised, the execution must end
        code, failure = (
            (error.code, error.message)
            if isinstance(error, ActionError)
            else ("InternalError", f"{type(error).__name__}: {error}")
        )
        state |= {"status": "Failed", "errorDetails": {"code": code, "message": failure}}
    else:
        state["status"] = "Succeeded"
    state.pop("token", None)
    state["lastStatusChange"] = time.time()
    return failure
