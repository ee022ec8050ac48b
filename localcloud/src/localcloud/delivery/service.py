"""The API of AWS CodePipeline: pipelines, executions, approvals, retries and rollbacks."""

from __future__ import annotations

import time
from uuid import uuid4

from localcloud.delivery.actions import Actions, tell_state
from localcloud.delivery.credentials import BuildCredentials
from localcloud.delivery.executions import Execution, Pipeline, advance
from localcloud.errors import ServiceError
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.services.json_service import JsonService

NAME = "codepipeline"
_KIND = "CodePipeline"
_RUNNING = ("InProgress", "Stopping")


class CodePipeline:
    """Keeps pipelines and runs their executions.

    Args:
        cloud: Its store keeps the pipelines; executions are forgotten when the server stops.
        credentials: Hands out the roles of builds.
    """

    def __init__(self, cloud: SageMaker, credentials: BuildCredentials) -> None:
        self._cloud = cloud
        self._credentials = credentials
        self._live: dict[str, Pipeline] = {}
        self.service = JsonService(
            NAME,
            {
                "CreatePipeline": self._create,
                "GetPipeline": self._get,
                "UpdatePipeline": self._update,
                "DeletePipeline": self._delete,
                "ListPipelines": self._list,
                "StartPipelineExecution": self._start,
                "StopPipelineExecution": self._stop,
                "GetPipelineExecution": self._get_execution,
                "ListPipelineExecutions": self._list_executions,
                "GetPipelineState": self._get_state,
                "PutApprovalResult": self._answer,
                "RetryStageExecution": self._retry,
                "RollbackStage": self._roll_back,
            },
        )

    # --- pipelines -------------------------------------------------------------------------------

    def _create(self, request: Json) -> Json:
        declaration = request["pipeline"]
        name = declaration["name"]
        if self._cloud.store.get(self._cloud.scope, _KIND, (name,)):
            raise ServiceError(
                "PipelineNameInUseException", f"A pipeline with the name '{name}' already exists"
            )
        _check(declaration)
        scope = self._cloud.scope
        arn = f"arn:aws:codepipeline:{scope.region}:{scope.account}:{name}"
        now = {"version": 1, "created": time.time(), "updated": time.time()}
        self._cloud.store.add(scope, Record(_KIND, (name,), arn, dict(declaration), now))
        self._live.pop(arn, None)
        self._begin(self._found(name), {"triggerType": "CreatePipeline"})
        return {"pipeline": {**declaration, "version": 1}}

    def _get(self, request: Json) -> Json:
        pipeline = self._found(request["name"])
        return {
            "pipeline": {**pipeline.declaration, "version": pipeline.version},
            "metadata": {
                "pipelineArn": pipeline.arn,
                "created": pipeline.created,
                "updated": pipeline.updated,
            },
        }

    def _update(self, request: Json) -> Json:
        declaration = request["pipeline"]
        _check(declaration)
        pipeline = self._found(declaration["name"])
        pipeline.declaration = dict(declaration)
        pipeline.version += 1
        pipeline.updated = time.time()
        record = self._record(declaration["name"])
        record.data = pipeline.declaration
        record.hidden |= {"version": pipeline.version, "updated": pipeline.updated}
        return {"pipeline": {**declaration, "version": pipeline.version}}

    def _delete(self, request: Json) -> Json:
        record = self._cloud.store.get(self._cloud.scope, _KIND, (request["name"],))
        if record is not None:
            for execution in self._found(request["name"]).executions:
                execution.stop.set()
            self._cloud.store.remove(self._cloud.scope, record)
            self._live.pop(record.arn, None)
        return {}

    def _list(self, request: Json) -> Json:
        found = [
            {"name": record.data["name"], **record.hidden}
            for record in self._cloud.store.records(self._cloud.scope, _KIND)
        ]
        page, token = paginate(found, request, page=100)
        return {"pipelines": page, "nextToken": token}

    # --- executions ------------------------------------------------------------------------------

    def _start(self, request: Json) -> Json:
        trigger = {"triggerType": "StartPipelineExecution"}
        return {"pipelineExecutionId": self._begin(self._found(request["name"]), trigger).id}

    def _stop(self, request: Json) -> Json:
        execution = self._execution(request)
        if execution.status not in _RUNNING:
            raise ServiceError(
                "PipelineExecutionNotStoppableException", f"{execution.id} is not in progress"
            )
        execution.stop.set()
        return {"pipelineExecutionId": execution.id}

    def _get_execution(self, request: Json) -> Json:
        pipeline, execution = self._found(request["pipelineName"]), self._execution(request)
        return {
            "pipelineExecution": {
                **_summary(execution),
                "pipelineName": pipeline.declaration["name"],
                "pipelineVersion": pipeline.version,
                "artifactRevisions": execution.revisions,
            }
        }

    def _list_executions(self, request: Json) -> Json:
        pipeline = self._found(request["pipelineName"])
        wanted = request.get("filter", {}).get("succeededInStage", {}).get("stageName")
        found = [
            _summary(execution)
            for execution in reversed(pipeline.executions)
            if wanted is None or execution.stages.get(wanted) == "Succeeded"
        ]
        page, token = paginate(found, request, page=100)
        return {"pipelineExecutionSummaries": page, "nextToken": token}

    def _get_state(self, request: Json) -> Json:
        pipeline = self._found(request["name"])
        return {
            "pipelineName": pipeline.declaration["name"],
            "pipelineVersion": pipeline.version,
            "created": pipeline.created,
            "updated": pipeline.updated,
            "stageStates": [_stage_state(pipeline, stage) for stage in pipeline.stages],
        }

    def _answer(self, request: Json) -> Json:
        pipeline = self._found(request["pipelineName"])
        where = (request["stageName"], request["actionName"])
        execution = pipeline.last_in(request["stageName"])
        state = execution.actions.get(where) if execution else None
        if state is None:
            raise ServiceError("ActionNotFoundException", f"No action {'/'.join(where)} was run")
        if state["status"] != "InProgress":
            raise ServiceError("ApprovalAlreadyCompletedException", "It has been answered")
        if state.get("token") != request["token"]:
            raise ServiceError("InvalidApprovalTokenException", "The token is not the question's")
        state["answer"] = request["result"]
        return {"approvedAt": time.time()}

    def _retry(self, request: Json) -> Json:
        pipeline = self._found(request["pipelineName"])
        name = request["stageName"]
        stages = self._from(pipeline, name)
        execution = self._execution(request)
        if pipeline.last_in(name) is not execution:
            raise ServiceError(
                "NotLatestPipelineExecutionException", f"A newer execution was in {name}"
            )
        if execution.stages.get(name) != "Failed":
            raise ServiceError("StageNotRetryableException", f"{name} has not failed")
        if request["retryMode"] == "ALL_ACTIONS":
            for where in [where for where in execution.actions if where[0] == name]:
                del execution.actions[where]
        execution.status, execution.summary = "InProgress", ""
        self._run(pipeline, execution, stages)
        return {"pipelineExecutionId": execution.id}

    def _roll_back(self, request: Json) -> Json:
        pipeline = self._found(request["pipelineName"])
        name, wanted = request["stageName"], request["targetPipelineExecutionId"]
        stages = self._from(pipeline, name)
        target = next((each for each in pipeline.executions if each.id == wanted), None)
        if target is None:
            raise ServiceError("PipelineExecutionNotFoundException", f"No execution {wanted}")
        if target.kind == "ROLLBACK" or target.stages.get(name) != "Succeeded":
            raise ServiceError(
                "UnableToRollbackStageException", f"{wanted} did not succeed in {name} by itself"
            )
        trigger = {"triggerType": "ManualRollback"}
        return {"pipelineExecutionId": self._repeat(pipeline, stages[0], target, trigger).id}

    # --- running ---------------------------------------------------------------------------------

    def _begin(self, pipeline: Pipeline, trigger: Json) -> Execution:
        number = self._cloud.store.next_number(pipeline.arn)
        execution = Execution(pipeline.declaration["name"], number, trigger)
        pipeline.executions.append(execution)
        self._run(pipeline, execution, pipeline.stages)
        return execution

    def _repeat(
        self, pipeline: Pipeline, stage: Json, target: Execution, trigger: Json
    ) -> Execution:
        number = self._cloud.store.next_number(pipeline.arn)
        execution = Execution(pipeline.declaration["name"], number, trigger, target=target.id)
        execution.artifacts = dict(target.artifacts)
        execution.revisions = list(target.revisions)
        pipeline.executions.append(execution)
        self._run(pipeline, execution, [stage])
        return execution

    def _run(self, pipeline: Pipeline, execution: Execution, stages: list[Json]) -> None:
        scope = self._cloud.scope
        actions = Actions(self._cloud, self._credentials, scope)

        def work(stop: object) -> None:
            execution.stop = stop  # type: ignore[assignment]  # the event that ends the thread
            tell_state(scope, pipeline, execution)
            failed = advance(pipeline, execution, stages, actions.run)
            tell_state(scope, pipeline, execution)
            wanted = (failed or {}).get("onFailure", {}).get("result")
            if failed and wanted == "ROLLBACK" and execution.kind == "STANDARD":
                self._roll_back_to_last(pipeline, failed)

        self._cloud.runs.start(f"{pipeline.arn}/{execution.id}/{uuid4()}", work)

    def _roll_back_to_last(self, pipeline: Pipeline, stage: Json) -> None:
        for target in reversed(pipeline.executions):
            if target.kind == "STANDARD" and target.stages.get(stage["name"]) == "Succeeded":
                self._repeat(pipeline, stage, target, {"triggerType": "AutomatedRollback"})
                return

    # --- finding ---------------------------------------------------------------------------------

    def _record(self, name: str) -> Record:
        record = self._cloud.store.get(self._cloud.scope, _KIND, (name,))
        if record is None:
            raise ServiceError(
                "PipelineNotFoundException",
                f"Account '{self._cloud.scope.account}' does not have a pipeline with "
                f"name '{name}'",
            )
        return record

    def _found(self, name: str) -> Pipeline:
        record = self._record(name)
        found = self._live.get(record.arn)
        if found is None:
            found = self._live[record.arn] = Pipeline(record.data, record.arn, **record.hidden)
        return found

    def _execution(self, request: Json) -> Execution:
        wanted = request["pipelineExecutionId"]
        for execution in self._found(request["pipelineName"]).executions:
            if execution.id == wanted:
                return execution
        raise ServiceError("PipelineExecutionNotFoundException", f"No execution {wanted}")

    def _from(self, pipeline: Pipeline, stage: str) -> list[Json]:
        names = [each["name"] for each in pipeline.stages]
        if stage not in names:
            raise ServiceError("StageNotFoundException", f"No stage {stage}")
        return pipeline.stages[names.index(stage) :]


def _check(declaration: Json) -> None:
    """What the service refuses (AWS CodePipeline user guide, "Pipeline structure reference")."""
    stages = declaration["stages"]
    names = [stage["name"] for stage in stages]
    problems = []
    if len(stages) < 2:
        problems.append("Pipeline should have at least 2 stages")
    problems += [f"Duplicate stage name {name}" for name in {*names} if names.count(name) > 1]
    made: set[str] = set()
    for number, stage in enumerate(stages):
        for action in stage["actions"]:
            source = action["actionTypeId"]["category"] == "Source"
            if source != (number == 0):
                problems.append(f"{stage['name']}: source actions belong into the first stage")
            missing = {each["name"] for each in action.get("inputArtifacts") or ()} - made
            problems += [f"{action['name']}: no action before makes {name}" for name in missing]
        for action in stage["actions"]:
            made |= {each["name"] for each in action.get("outputArtifacts") or ()}
    if problems:
        raise ServiceError("InvalidStructureException", "; ".join(problems))


def _summary(execution: Execution) -> Json:
    return {
        "pipelineExecutionId": execution.id,
        "status": execution.status,
        "statusSummary": execution.summary or None,
        "startTime": execution.started,
        "lastUpdateTime": execution.updated,
        "trigger": execution.trigger,
        "executionMode": "SUPERSEDED",
        "executionType": execution.kind,
        "rollbackMetadata": {"rollbackTargetPipelineExecutionId": execution.target}
        if execution.target
        else None,
    }


def _stage_state(pipeline: Pipeline, stage: Json) -> Json:
    name = stage["name"]
    latest = pipeline.last_in(name)
    states = latest.actions if latest else {}
    return {
        "stageName": name,
        "inboundTransitionState": {"enabled": True},
        "actionStates": [
            {"actionName": each["name"], "latestExecution": states.get((name, each["name"]))}
            for each in stage["actions"]
        ],
        "latestExecution": {
            "pipelineExecutionId": latest.id,
            "status": latest.stages[name],
            "type": latest.kind,
        }
        if latest
        else None,
    }
