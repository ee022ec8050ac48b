"""How each type of step runs: the API call it makes, its properties, its metadata."""

from __future__ import annotations

import json
import secrets
import string
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.compute.ports import Control, ServiceError
from localcloud.dag.callbacks import Callbacks
from localcloud.dag.conditions import holds
from localcloud.dag.definition import NATIVE, Step, StepFailure
from localcloud.dag.expressions import Resolver
from localcloud.dag.retries import type_of_failure, type_of_refusal

# A job is looked at more often in its first moments: a step that takes 0.1 s should not take 0.15,
# and one that takes hours should not be asked forty times a second.
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS, _POLL_SHARE = 0.004, 0.05, 0.05
_TOP_JOBS = 50
_CALLBACK_SECONDS = 7 * 86_400
_NAME_LIMIT = 63
_TUNING_NAME_LIMIT = 32
_RANDOM_LENGTH = 10
_JOB_TYPES = ("Processing", "Training", "Transform")


class RetryableFailure(StepFailure):
    """A failure that retry policies may know."""

    def __init__(self, reason: str, exception_type: str | None) -> None:
        super().__init__(reason)
        self.exception_type = exception_type


class StepStopped(Exception):  # noqa: N818 - an end of a step, no error of this program
    """The step's job was stopped because its execution was."""


@dataclass(frozen=True)
class StepResult:
    """What a step that succeeded leaves behind."""

    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class StepRun:
    """One attempt of one step.

    Attributes:
        step: The step.
        job_name: The name of the job or model that the step makes.
        resolver: Gives its arguments their values.
        control: The API.
        stop: Set when the execution is to stop.
        on_metadata: Told the metadata as soon as there is some.
        on_stopping: Told when the step's job has been asked to stop.
        execution_arn: The execution that the step belongs to.
        callbacks: Where a callback step waits for its answer.
        time_scale: How long a second of the service lasts, in seconds.
    """

    step: Step
    job_name: str
    resolver: Resolver
    control: Control
    stop: threading.Event
    on_metadata: Callable[[Mapping[str, Any]], None]
    on_stopping: Callable[[], None]
    execution_arn: str
    callbacks: Callbacks
    time_scale: float

    def arguments(self) -> dict[str, Any]:
        """The step's request, without expressions."""
        resolved: dict[str, Any] = self.resolver.resolve(self.step.arguments, self.step)
        return resolved

    def run(self, arguments: Mapping[str, Any]) -> StepResult:
        """Run the attempt to its end.

        Raises:
            StepFailure: with the step's failure reason.
            StepStopped: when the execution was stopped.
        """
        return _RUNNERS[self.step.type](self, arguments)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call the API; a refusal fails the step."""
        try:
            return self.control.call(operation, request)
        except ServiceError as error:
            raise RetryableFailure(
                f"ClientError: Failed to invoke {operation}. Error Details: {error.message}",
                type_of_refusal(error),
            ) from error


def job_name(execution_id: str, step: Step, prefix: str | None) -> str:
    """A name for what the step makes, unique per attempt, of the service's form.

    Args:
        execution_id: The execution's id.
        step: The step.
        prefix: The job name of the step's arguments, if the definition uses custom prefixes.
    """
    # The service's own names hold letters and digits only in this part.
    random = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(10))
    if prefix:
        tail = f"-{execution_id}-{random}"
        return prefix[: _NAME_LIMIT - len(tail)].rstrip("-") + tail
    # The names of tuning jobs have half the length (botocore, HyperParameterTuningJobName).
    tuning = step.type == "Tuning"
    head = f"{execution_id}-" if tuning else f"pipelines-{execution_id}-"
    room = (_TUNING_NAME_LIMIT if tuning else _NAME_LIMIT) - len(head) - _RANDOM_LENGTH - 1
    # A step's name may hold underscores, a job's may not.
    return f"{head}{step.name.replace('_', '-')[:room].strip('-')}-{random}"


def name_member(step: Step) -> str | None:
    """The member of the step's request that names what it makes."""
    if step.type in _JOB_TYPES:
        return f"{step.type}JobName"
    return {"Model": "ModelName", "Tuning": "HyperParameterTuningJobName"}.get(step.type)


def _run_job(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    described, metadata = _job_to_its_end(run, run.step.type, arguments)
    return StepResult(described, metadata)


def _tune(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    described, metadata = _job_to_its_end(run, "HyperParameterTuning", arguments)
    # The step's properties hold the best jobs too, the best one first (SDK, get_top_model_s3_uri).
    summaries = run.call(
        "ListTrainingJobsForHyperParameterTuningJob",
        {
            "HyperParameterTuningJobName": run.job_name,
            "StatusEquals": "Completed",
            "SortBy": "FinalObjectiveMetricValue",
            "SortOrder": "Ascending"
            if _objective(arguments).get("Type") == "Minimize"
            else "Descending",
            "MaxResults": _TOP_JOBS,
        },
    )["TrainingJobSummaries"]
    metadata = {"TuningJob": metadata["HyperParameterTuningJob"]}
    return StepResult({**described, "TrainingJobSummaries": summaries}, metadata)


def _objective(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = arguments["HyperParameterTuningJobConfig"].get(
        "HyperParameterTuningJobObjective", {}
    )
    return found


def _job_to_its_end(
    run: StepRun, kind: str, arguments: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Make a job and wait for its end: its description, and the step's metadata."""
    named = {f"{kind}JobName": run.job_name}
    arn = run.call(f"Create{kind}Job", {**arguments, **named})[f"{kind}JobArn"]
    metadata = {f"{kind}Job": {"Arn": arn}}
    run.on_metadata(metadata)
    asked_to_stop = False
    started = time.monotonic()
    while True:
        described = run.call(f"Describe{kind}Job", named)
        status = described[f"{kind}JobStatus"]
        if status not in ("InProgress", "Stopping"):
            break
        if run.stop.is_set() and not asked_to_stop:
            asked_to_stop = True
            run.on_stopping()
            _ask_to_stop(run, kind, named)
        pause = _FIRST_POLL_SECONDS + _POLL_SHARE * (time.monotonic() - started)
        if asked_to_stop:
            time.sleep(min(pause, _LAST_POLL_SECONDS))
        else:
            run.stop.wait(min(pause, _LAST_POLL_SECONDS))
    if status == "Completed":
        return described, metadata
    if asked_to_stop:
        raise StepStopped
    reason = str(described.get("FailureReason") or f"ClientError: The job ended as {status}.")
    raise RetryableFailure(reason, type_of_failure(reason))


def _ask_to_stop(run: StepRun, kind: str, named: Mapping[str, Any]) -> None:
    try:
        run.control.call(f"Stop{kind}Job", named)
    except ServiceError:
        return  # it has ended in the meantime; Describe says how


def _create_model(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    arn = run.call("CreateModel", {**arguments, "ModelName": run.job_name})["ModelArn"]
    properties = run.call("DescribeModel", {"ModelName": run.job_name})
    return StepResult(properties, {"Model": {"Arn": arn}})


def _register_model(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    arn = run.call("CreateModelPackage", arguments)["ModelPackageArn"]
    properties = run.call("DescribeModelPackage", {"ModelPackageName": arn})
    return StepResult(properties, {"RegisterModel": {"Arn": arn}})


def _condition(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    outcome = all(holds(one) for one in arguments.get("Conditions", []))
    properties = {"Outcome": "True" if outcome else "False"}
    return StepResult(properties, {"Condition": properties})


def _fail(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    message = str(arguments.get("ErrorMessage", ""))
    run.on_metadata({"Fail": {"ErrorMessage": message}})
    raise StepFailure(message or "The Fail step has no ErrorMessage.")


def _lambda(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    function = run.resolver.resolve(run.step.document["FunctionArn"], run.step)
    run.on_metadata({"Lambda": {"Arn": function}})
    answer = run.call(
        "Invoke", {"FunctionName": function, "Payload": json.dumps(arguments).encode()}
    )
    payload = answer.get("Payload", b"")
    if answer.get("FunctionError"):
        raise StepFailure(f"ClientError: Lambda function failed: {payload.decode()}")
    found = json.loads(payload or b"null")
    outputs = [output["OutputName"] for output in run.step.document.get("OutputParameters", [])]
    missing = [name for name in outputs if not isinstance(found, dict) or name not in found]
    if missing:
        raise StepFailure(
            f"ClientError: The function returned no value for {', '.join(missing)}; "
            f"it returned {payload.decode()}."
        )
    values = {name: found[name] for name in outputs}
    metadata = {"Arn": function, "OutputParameters": _named_values(values)}
    return StepResult({"OutputParameters": values}, {"Lambda": metadata})


def _callback(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    queue = run.resolver.resolve(run.step.document["SqsQueueUrl"], run.step)
    names = [output["OutputName"] for output in run.step.document.get("OutputParameters", [])]
    with run.callbacks.waiting(run.execution_arn) as waiting:
        metadata = {"CallbackToken": waiting.token, "SqsQueueUrl": queue}
        message = {
            "token": waiting.token,
            "pipelineExecutionArn": run.execution_arn,
            "status": "Executing",
            "arguments": arguments,
        }
        run.call("SendMessage", {"QueueUrl": queue, "MessageBody": json.dumps(message)})
        run.on_metadata({"Callback": metadata})
        answer = waiting.answer(run.stop, _CALLBACK_SECONDS * run.time_scale)
    if answer is None:
        if run.stop.is_set():
            raise StepStopped
        raise StepFailure("ClientError: No answer came for the callback within seven days.")
    if answer.failure is not None:
        raise StepFailure(f"ClientError: Callback failed: {answer.failure or 'no reason given'}")
    missing = [name for name in names if name not in answer.outputs]
    if missing:
        raise StepFailure(
            f"ClientError: The callback's answer has no value for {', '.join(missing)}."
        )
    kinds = {o["OutputName"]: o.get("OutputType") for o in run.step.document["OutputParameters"]}
    values = {name: _typed(answer.outputs[name], kinds[name]) for name in names}
    metadata = {**metadata, "OutputParameters": _named_values(answer.outputs)}
    return StepResult({"OutputParameters": values}, {"Callback": metadata})


def _typed(text: str, kind: str | None) -> Any:
    """An answer is text; a condition compares what the output's type says."""
    try:
        match kind:
            case "Integer":
                return int(text)
            case "Float":
                return float(text)
            case "Boolean":
                return {"true": True, "false": False}[text.lower()]
    except (KeyError, ValueError) as error:
        raise StepFailure(f"ClientError: The answer {text!r} is no {kind}.") from error
    return text


def _native(run: StepRun, arguments: Mapping[str, Any]) -> StepResult:
    del arguments
    raise StepFailure(
        f"ClientError: A step of type {run.step.type} needs {NATIVE[run.step.type]}, for which "
        "the local cloud has no stand-in. Do the same in a processing script of your own "
        "(a step of type Processing), or put this step behind a condition on a parameter and run "
        "it in an AWS account only."
    )


def _named_values(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": str(value)} for name, value in values.items()]


_RUNNERS: Mapping[str, Callable[[StepRun, Mapping[str, Any]], StepResult]] = {
    "Processing": _run_job,
    "Training": _run_job,
    "Transform": _run_job,
    "Model": _create_model,
    "RegisterModel": _register_model,
    "Condition": _condition,
    "Fail": _fail,
    "Lambda": _lambda,
    "Callback": _callback,
    "Tuning": _tune,
    **dict.fromkeys(NATIVE, _native),
}
