"""One execution of a pipeline, from its first step to its outcome.

Steps run in topological order, independent ones in parallel. When a step fails, nothing new is
started; what is running finishes, then the execution is Failed. A failure on which another step
waits (``Trigger`` Failed or Any) does not end the execution: it goes on and ends as
CompletedWithFailures. When the execution is stopped, running jobs are stopped and nothing new is
started.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.compute.ports import Control, Objects
from localcloud.dag.caching import CachedStep, StepCache, cache_key, looks_up, oldest_allowed
from localcloud.dag.callbacks import Callbacks
from localcloud.dag.definition import (
    TRIGGERS,
    Definition,
    Step,
    StepFailure,
    dependencies,
    parse,
)
from localcloud.dag.expressions import Resolver
from localcloud.dag.parameters import resolve_parameters
from localcloud.dag.records import ExecutionOutcome, ExecutionStatus, StepRecord, StepStatus
from localcloud.dag.retries import Retries
from localcloud.dag.selection import Selection
from localcloud.dag.steps import (
    RetryableFailure,
    StepResult,
    StepRun,
    StepStopped,
    job_name,
    name_member,
)

DEFAULT_PARALLELISM = 50
"""Steps at once when nothing else is said."""

_REASON_LIMIT = 1300
"""Characters of PipelineExecutionFailureReason (botocore)."""


def run_execution(
    definition: Definition | str | Mapping[str, Any],
    *,
    pipeline_name: str,
    execution_arn: str,
    parameters: Mapping[str, Any],
    control: Control,
    objects: Objects,
    parallelism: int | None = None,
    cache: StepCache | None = None,
    on_step: Callable[[StepRecord], None] = lambda _: None,
    stop: threading.Event | None = None,
    time_scale: float = 1.0,
    callbacks: Callbacks | None = None,
    selection: Selection | None = None,
) -> ExecutionOutcome:
    """Run an execution to its end.

    Args:
        definition: The pipeline, read or not.
        pipeline_name: Its name.
        execution_arn: ``…:pipeline/<name>/execution/<id>``; job names hold the id.
        parameters: Values that replace the defaults, as strings or in their types.
        control: Makes the jobs and models: ``CreateProcessingJob``, ``DescribeProcessingJob``, …
        objects: Where property files are read from.
        parallelism: ``MaxParallelExecutionSteps``; unlimited up to 50 when None.
        cache: Steps of earlier executions; None runs every step.
        on_step: Told every change of a step, with a copy of its record. It may be called from
            several threads at once.
        stop: Set it to stop the execution.
        time_scale: How long a second of a retry policy lasts, in seconds.
        callbacks: Where callback steps wait for their answers.
        selection: Which steps run, and what others gave earlier; all of them run when None.

    Raises:
        ServiceError: ``ValidationException`` when the execution cannot start: an invalid
            definition, a step type that is not supported, wrong parameters.
    """
    if not isinstance(definition, Definition):
        definition = parse(definition)
    definition.check_runnable()
    for step in definition.steps.values():
        oldest_allowed(step)  # an unreadable ExpireAfter stops the start, not the third step
    return _Execution(
        definition=definition,
        pipeline_name=pipeline_name,
        execution_arn=execution_arn,
        parameters=resolve_parameters(definition, parameters),
        control=control,
        objects=objects,
        cache=cache,
        on_step=on_step,
        stop=stop or threading.Event(),
        time_scale=time_scale,
        callbacks=callbacks or Callbacks(),
        selection=selection or Selection(definition.steps.keys(), {}),
    ).run(parallelism or DEFAULT_PARALLELISM)


class _Execution:
    """The state of an execution. Only ``_attempt`` and what it calls run in other threads."""

    def __init__(
        self,
        *,
        definition: Definition,
        pipeline_name: str,
        execution_arn: str,
        parameters: Mapping[str, Any],
        control: Control,
        objects: Objects,
        cache: StepCache | None,
        on_step: Callable[[StepRecord], None],
        stop: threading.Event,
        time_scale: float,
        callbacks: Callbacks,
        selection: Selection,
    ) -> None:
        self.definition = definition
        self.pipeline_name = pipeline_name
        self.arn = execution_arn
        self.id = execution_arn.rsplit("/", 1)[-1]
        self.started = datetime.now(UTC)
        self.parameters = parameters
        self.control = control
        self.objects = objects
        self.cache = cache
        self.on_step = on_step
        self.stop = stop
        self.time_scale = time_scale
        self.callbacks = callbacks
        self.selection = selection
        self.handled = {
            name
            for step in definition.steps.values()
            for name, trigger in step.depends_on.items()
            if trigger in ("Failed", "Any")
        }
        self.needed = {name: dependencies(step) for name, step in definition.steps.items()}
        self.records: dict[str, StepRecord] = {}
        self.properties: dict[str, Mapping[str, Any]] = {}

    def run(self, parallelism: int) -> ExecutionOutcome:
        self._reuse()
        waiting = {
            name: step
            for name, step in self.definition.steps.items()
            if name in self.selection.steps
        }
        left_out: set[str] = set()
        running: set[str] = set()
        ended: queue.SimpleQueue[str] = queue.SimpleQueue()

        def work(step: Step, record: StepRecord) -> None:
            try:
                self._run_step(step, record)
            finally:
                ended.put(step.name)

        while True:
            ready = self._ready(waiting, left_out)
            if self._unhandled() or self.stop.is_set():
                ready = []
            for step in ready[: parallelism - len(running)]:
                running.add(step.name)
                del waiting[step.name]
                arguments = (step, self._start(step))
                threading.Thread(
                    target=work, args=arguments, name=f"step-{step.name}", daemon=True
                ).start()
            if not running:
                return self._outcome(not_started=waiting.keys() - left_out)
            running.remove(ended.get())

    def _reuse(self) -> None:
        """Let steps that are not run have ended as they did earlier."""
        now = datetime.now(UTC)
        for name, earlier in self.selection.reused.items():
            # An execution that is retried goes on with steps of its own.
            own = earlier.execution_arn == self.arn
            step = self.definition.steps[name]
            record = StepRecord(
                step_name=name,
                step_type=step.type,
                step_status=earlier.status,
                start_time=now,
                end_time=now,
                display_name=step.document.get("DisplayName"),
                description=step.document.get("Description"),
                reused_from_arn=None if own else earlier.execution_arn,
                metadata=earlier.metadata,
                properties=earlier.properties,
            )
            self.records[name] = record
            self.properties[name] = earlier.properties
            if not own:
                self.on_step(record.copy())

    def _ready(self, waiting: Mapping[str, Step], left_out: set[str]) -> list[Step]:
        """The steps that may start now; those that never will are added to ``left_out``."""
        ready = []
        for name, step in waiting.items():  # in topological order
            needed = self.needed[name]
            if needed & left_out or self._branch_not_taken(step):
                left_out.add(name)
                continue
            wanted = {one: TRIGGERS[step.depends_on.get(one, "Completed")] for one in needed}
            found = {one: self._ended_as(one) for one in needed}
            if any(found[one] not in {None, *wanted[one]} for one in needed):
                left_out.add(name)
            elif all(found[one] in wanted[one] for one in needed):
                ready.append(step)
        return ready

    def _ended_as(self, name: str) -> str | None:
        record = self.records.get(name)
        ended = record is not None and record.step_status in TRIGGERS["Any"]
        return record.step_status if record is not None and ended else None

    def _branch_not_taken(self, step: Step) -> bool:
        if step.branch is None or not self._succeeded(step.branch.condition):
            return False
        outcome = self.properties[step.branch.condition]["Outcome"]
        return bool(outcome != ("True" if step.branch.outcome else "False"))

    def _succeeded(self, name: str) -> bool:
        record = self.records.get(name)
        return record is not None and record.step_status == "Succeeded"

    def _failed(self) -> list[StepRecord]:
        return [one for one in self.records.values() if one.step_status == "Failed"]

    def _unhandled(self) -> list[StepRecord]:
        return [one for one in self._failed() if one.step_name not in self.handled]

    def _start(self, step: Step) -> StepRecord:
        record = StepRecord(
            step_name=step.name,
            step_type=step.type,
            step_status="Starting",
            start_time=datetime.now(UTC),
            display_name=step.document.get("DisplayName"),
            description=step.document.get("Description"),
        )
        self.records[step.name] = record
        self.on_step(record.copy())
        return record

    def _run_step(self, step: Step, record: StepRecord) -> None:
        status: StepStatus = "Succeeded"
        try:
            result = self._attempts(step, record)
            record.metadata = result.metadata
            record.properties = result.properties
            self.properties[step.name] = result.properties
        except StepStopped:
            status = "Stopped"
        except StepFailure as failure:
            status, record.failure_reason = "Failed", str(failure)
        except Exception as error:  # a fault of ours must end the step, not hang the execution
            status = "Failed"
            record.failure_reason = f"InternalServerError: {type(error).__name__}: {error}"
        record.step_status = status
        record.end_time = datetime.now(UTC)
        self.on_step(record.copy())

    def _attempts(self, step: Step, record: StepRecord) -> StepResult:
        retries = Retries(step)
        while True:
            try:
                return self._attempt(step, record)
            except RetryableFailure as failure:
                wait = retries.wait_before_next(failure.exception_type, self.time_scale)
                if wait is None:
                    raise
                if self.stop.wait(wait):
                    raise StepStopped from failure
                record.attempt_count += 1

    def _attempt(self, step: Step, record: StepRecord) -> StepResult:
        member = name_member(step)
        prefix = step.arguments.get(member) if member else None
        name = job_name(self.id, step, prefix if isinstance(prefix, str) else None)

        def update(status: StepStatus, metadata: Mapping[str, Any] | None = None) -> None:
            record.step_status = status
            record.metadata = metadata or record.metadata
            self.on_step(record.copy())

        run = StepRun(
            step=step,
            job_name=name,
            resolver=self._resolver(step, name),
            control=self.control,
            stop=self.stop,
            on_metadata=lambda metadata: update("Executing", metadata),
            on_stopping=lambda: update("Stopping"),
            execution_arn=self.arn,
            callbacks=self.callbacks,
            time_scale=self.time_scale,
        )
        arguments = run.arguments()
        key = cache_key(step, arguments) if self.cache else None
        cached = self._cached(step, key)
        if cached is not None:
            record.cache_hit_arn = cached.execution_arn
            return StepResult(cached.properties, cached.metadata)
        update("Executing")
        result = run.run(arguments)
        if key is not None and self.cache is not None:
            self.cache.store(
                self.pipeline_name,
                key,
                CachedStep(self.arn, datetime.now(UTC), result.properties, result.metadata),
            )
        return result

    def _cached(self, step: Step, key: str | None) -> CachedStep | None:
        if key is None or self.cache is None or not looks_up(step):
            return None
        return self.cache.find(self.pipeline_name, key, oldest_allowed(step))

    def _resolver(self, step: Step, name: str) -> Resolver:
        variables = {
            "CurrentDateTime": _timestamp(datetime.now(UTC)),
            "PipelineArn": self.arn.rsplit("/execution/", 1)[0],
            "PipelineExecutionArn": self.arn,
            "PipelineExecutionId": self.id,
            "PipelineName": self.pipeline_name,
            "StartDateTime": _timestamp(self.started),
        }
        if step.type in ("Processing", "Training"):
            variables[f"{step.type}JobName"] = name
        return Resolver(self.definition, self.parameters, variables, self.properties, self.objects)

    def _outcome(self, not_started: set[str]) -> ExecutionOutcome:
        steps = tuple(self.records.values())
        failed = self._failed()
        stopped = any(one.step_status == "Stopped" for one in steps)
        status: ExecutionStatus = "Succeeded"
        reason = None
        if stopped or (self.stop.is_set() and not_started and not failed):
            status = "Stopped"
        elif failed:
            status = "Failed" if self._unhandled() else "CompletedWithFailures"
            # The service says the first sentence only; the steps' reasons save a second call.
            reasons = "; ".join(f"{one.step_name}: {one.failure_reason}" for one in failed)
            reason = f"Step failure: One or multiple steps failed. {reasons}"[:_REASON_LIMIT]
        return ExecutionOutcome(status, reason, steps)


def _timestamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
