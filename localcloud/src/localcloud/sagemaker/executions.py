"""Pipeline executions: started, watched and stopped here; their steps run in ``localcloud.dag``."""

from __future__ import annotations

import logging
import secrets
import string
import threading
import time

from localcloud import emulator
from localcloud.dag.caching import StepCache
from localcloud.dag.callbacks import Answer
from localcloud.dag.definition import Definition, parse
from localcloud.dag.execution import run_execution
from localcloud.dag.parameters import resolve_parameters
from localcloud.dag.selection import Reused, Selection, select, unfinished
from localcloud.errors import invalid
from localcloud.sagemaker.adapters import EmulatorObjects, InProcessControl
from localcloud.sagemaker.execution_status import set_status, tell_execution, tell_step
from localcloud.sagemaker.kinds import PIPELINE_EXECUTION
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.pipelines import RUNNING, executions
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.step_cache import PipelineCache
from localcloud.sagemaker.store import Json, Record

logger = logging.getLogger("localcloud.executions")

_ID_CHARACTERS = string.ascii_lowercase + string.digits
_STEPS_PER_PAGE = 100
_RETRIED = frozenset({"Failed", "Stopped"})
# Two requests with one token at the same moment start one execution. A lock of its own: events of
# a start may start another pipeline.
_STARTING = threading.RLock()


@operation("StartPipelineExecution")
def start_pipeline_execution(cloud: SageMaker, request: Json) -> Json:
    """Run a pipeline as it is defined now. The same client token starts it only once."""
    pipeline = cloud.require("Pipeline", request, "StartPipelineExecution")
    token = request["ClientRequestToken"]
    with _STARTING:
        for earlier in executions(cloud, pipeline):
            if earlier.hidden.get("token") == token:
                return earlier.data
        definition = parse(pipeline.data["PipelineDefinition"])
        config = request.get("SelectiveExecutionConfig")
        selection = _selected(cloud, pipeline, definition, config) if config else None
        return start(cloud, pipeline, definition, request, selection=selection).data


def start(
    cloud: SageMaker,
    pipeline: Record,
    definition: Definition,
    request: Json,
    *,
    selection: Selection | None = None,
    cached: bool = True,
) -> Record:
    """Start an execution.

    Args:
        cloud: The service.
        pipeline: What is executed.
        definition: Its definition, read.
        request: The members of StartPipelineExecution.
        selection: Which steps run; all of them when None.
        cached: Whether steps may be taken from the cache, where the definition lets them.

    Raises:
        ServiceError: ``ValidationException`` for a step type or a parameter that cannot be.
    """
    definition.check_runnable()
    given = {p["Name"]: p["Value"] for p in request.get("PipelineParameters") or []}
    resolve_parameters(definition, given)
    identifier = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(12))
    arn = f"{pipeline.arn}/execution/{identifier}"
    now = time.time()
    record = Record(
        PIPELINE_EXECUTION.name,
        (arn,),
        arn,
        data={
            "PipelineArn": pipeline.arn,
            "PipelineExecutionArn": arn,
            "PipelineExecutionDisplayName": request.get("PipelineExecutionDisplayName")
            or f"execution-{int(now * 1000)}",
            "PipelineExecutionDescription": request.get("PipelineExecutionDescription"),
            "PipelineExecutionStatus": "Executing",
            "ParallelismConfiguration": request.get("ParallelismConfiguration")
            or pipeline.data.get("ParallelismConfiguration"),
            "SelectiveExecutionConfig": request.get("SelectiveExecutionConfig"),
            "CreationTime": now,
            "LastModifiedTime": now,
        },
        hidden={
            "token": request["ClientRequestToken"],
            "definition": pipeline.data["PipelineDefinition"],
            "parameters": given,
            "steps": [],
            "results": {},
        },
    )
    cloud.store.add(cloud.scope, record)
    cloud.touch(pipeline, LastRunTime=now)
    tell_execution(record, None)
    _begin(cloud, pipeline, record, selection, cached=cached)
    return record


@operation("RetryPipelineExecution")
def retry_pipeline_execution(cloud: SageMaker, request: Json) -> Json:
    """Go on with an execution that failed or was stopped, from the steps that succeeded.

    It keeps its ARN, its definition and its parameters (botocore, RetryPipelineExecution).
    """
    record = cloud.require("PipelineExecution", request, "RetryPipelineExecution")
    status = record.data["PipelineExecutionStatus"]
    if status not in _RETRIED:
        raise invalid(
            f"Pipeline execution with ARN {record.arn} has status {status}: only one that is "
            f"{' or '.join(sorted(_RETRIED))} can be retried."
        )
    selection = unfinished(parse(record.hidden["definition"]), results(record))
    with cloud.store.lock:
        record.hidden["steps"][:] = [
            step for step in record.hidden["steps"] if step["StepName"] in selection.reused
        ]
    if request.get("ParallelismConfiguration"):
        cloud.touch(record, ParallelismConfiguration=request["ParallelismConfiguration"])
    set_status(cloud, record, "Executing", FailureReason=None)
    pipeline = cloud.require(
        "Pipeline", {"PipelineName": record.data["PipelineArn"]}, "RetryPipelineExecution"
    )
    _begin(cloud, pipeline, record, selection)
    return record.data


def results(record: Record) -> dict[str, Reused]:
    """The steps of an execution that have ended, by name."""
    return {
        name: Reused(record.arn, **result)
        for name, result in record.hidden.get("results", {}).items()
    }


def _selected(
    cloud: SageMaker, pipeline: Record, definition: Definition, config: Json
) -> Selection:
    names = [step["StepName"] for step in config["SelectedSteps"]]
    arn = config.get("SourcePipelineExecutionArn")
    if not arn:
        return select(definition, names, None)
    source = cloud.require(
        "PipelineExecution", {"PipelineExecutionArn": arn}, "StartPipelineExecution"
    )
    if source.data["PipelineArn"] != pipeline.arn:
        raise invalid(f"The execution {arn} is not one of the pipeline {pipeline.arn}.")
    if source.data["PipelineExecutionStatus"] in RUNNING:
        raise invalid(f"The execution {arn} has not ended: it cannot be referred to yet.")
    return select(definition, names, results(source))


@operation("StopPipelineExecution")
def stop_pipeline_execution(cloud: SageMaker, request: Json) -> Json:
    """Stop an execution, with the job that runs."""
    record = cloud.require("PipelineExecution", request, "StopPipelineExecution")
    status = record.data["PipelineExecutionStatus"]
    if status not in RUNNING:
        raise invalid(
            f"Pipeline execution with ARN {record.arn} has status {status}: it cannot be stopped."
        )
    if status == "Executing":
        set_status(cloud, record, "Stopping")
    cloud.runs.stop(record.arn)
    return record.data


@operation("DescribePipelineExecution")
def describe_pipeline_execution(cloud: SageMaker, request: Json) -> Json:
    """The state of an execution."""
    return cloud.require("PipelineExecution", request, "DescribePipelineExecution").data


@operation("UpdatePipelineExecution")
def update_pipeline_execution(cloud: SageMaker, request: Json) -> Json:
    """Change the name or description of an execution."""
    record = cloud.require("PipelineExecution", request, "UpdatePipelineExecution")
    cloud.touch(record, **request)
    return record.data


@operation("DescribePipelineDefinitionForExecution")
def describe_definition(cloud: SageMaker, request: Json) -> Json:
    """The definition that an execution runs."""
    record = cloud.require("PipelineExecution", request, "DescribePipelineDefinitionForExecution")
    return {
        "PipelineDefinition": record.hidden["definition"],
        "CreationTime": record.data["CreationTime"],
    }


@operation("ListPipelineExecutions")
def list_pipeline_executions(cloud: SageMaker, request: Json) -> Json:
    """The executions of a pipeline, the latest first."""
    pipeline = cloud.require("Pipeline", request, "ListPipelineExecutions")
    found = executions(cloud, pipeline)
    if request.get("SortOrder") == "Ascending":
        found.reverse()
    summaries = [
        {
            **record.data,
            "StartTime": record.data["CreationTime"],
            "PipelineExecutionFailureReason": record.data.get("FailureReason"),
        }
        for record in found
    ]
    page, token = paginate(summaries, request)
    return {"PipelineExecutionSummaries": page, "NextToken": token}


@operation("ListPipelineExecutionSteps")
def list_pipeline_execution_steps(cloud: SageMaker, request: Json) -> Json:
    """The steps of an execution that have begun, the latest first."""
    record = cloud.require("PipelineExecution", request, "ListPipelineExecutionSteps")
    with cloud.store.lock:
        steps = [dict(step) for step in record.hidden["steps"]]
    if request.get("SortOrder") != "Ascending":
        steps.reverse()
    page, token = paginate(steps, request, page=_STEPS_PER_PAGE)
    return {"PipelineExecutionSteps": page, "NextToken": token}


@operation("SendPipelineExecutionStepSuccess")
def send_step_success(cloud: SageMaker, request: Json) -> Json:
    """Answer a callback step with its outputs."""
    outputs = {each["Name"]: each["Value"] for each in request.get("OutputParameters") or []}
    return _answer(cloud, request, Answer(outputs))


@operation("SendPipelineExecutionStepFailure")
def send_step_failure(cloud: SageMaker, request: Json) -> Json:
    """Let a callback step fail."""
    return _answer(cloud, request, Answer({}, failure=request.get("FailureReason") or ""))


def _answer(cloud: SageMaker, request: Json, answer: Answer) -> Json:
    return {"PipelineExecutionArn": cloud.callbacks.answer(request["CallbackToken"], answer)}


@operation("ListPipelineParametersForExecution")
def list_parameters(cloud: SageMaker, request: Json) -> Json:
    """The parameters that were given to an execution."""
    record = cloud.require("PipelineExecution", request, "ListPipelineParametersForExecution")
    given = [{"Name": name, "Value": str(v)} for name, v in record.hidden["parameters"].items()]
    page, token = paginate(given, request, page=_STEPS_PER_PAGE)
    return {"PipelineParameters": page, "NextToken": token}


def _begin(
    cloud: SageMaker,
    pipeline: Record,
    record: Record,
    selection: Selection | None,
    *,
    cached: bool = True,
) -> None:
    cache = PipelineCache(cloud, pipeline, finds=cached)
    cloud.runs.start(
        record.arn,
        lambda stop: _run(cloud, pipeline, record, stop=stop, cache=cache, selection=selection),
    )


def _run(
    cloud: SageMaker,
    pipeline: Record,
    record: Record,
    *,
    stop: threading.Event,
    cache: StepCache,
    selection: Selection | None,
) -> None:
    scope = cloud.scope
    parallel = record.data.get("ParallelismConfiguration") or {}
    try:
        outcome = run_execution(
            record.hidden["definition"],
            pipeline_name=pipeline.data["PipelineName"],
            execution_arn=record.arn,
            parameters=record.hidden["parameters"],
            control=InProcessControl(cloud, scope),
            objects=EmulatorObjects(cloud, scope),
            parallelism=parallel.get("MaxParallelExecutionSteps"),
            cache=cache,
            on_step=emulator.bound(lambda step: tell_step(cloud, record, step)),
            stop=stop,
            time_scale=cloud.settings.time_scale,
            callbacks=cloud.callbacks,
            selection=selection,
        )
    except Exception as error:
        logger.exception("%s", record.arn)
        set_status(cloud, record, "Failed", FailureReason=f"InternalServerError: {error}")
        return
    set_status(cloud, record, outcome.status, FailureReason=outcome.failure_reason)
