"""What the actions of a pipeline do: fetch a commit, run a build, ask somebody."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from localcloud import emulator
from localcloud.delivery.builds import Build, BuildError, run_build
from localcloud.delivery.credentials import BuildCredentials
from localcloud.delivery.executions import ActionError, Execution, Pipeline, StoppedError
from localcloud.delivery.sources import fetch
from localcloud.emulator import Scope
from localcloud.errors import ServiceError
from localcloud.sagemaker.adapters import EmulatorLogs, EmulatorObjects
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json
from localcloud.settings import command_environment

_APPROVAL_SECONDS = 7 * 24 * 3600
_WAKE_SECONDS = 0.05
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Actions:
    """Runs actions in one account and region.

    Args:
        cloud: Gives clients and settings.
        credentials: Hands out the roles of builds.
        scope: Of the pipeline.
    """

    def __init__(self, cloud: SageMaker, credentials: BuildCredentials, scope: Scope) -> None:
        self._cloud = cloud
        self._credentials = credentials
        self._scope = scope
        self._objects = EmulatorObjects(cloud, scope)
        self._logs = EmulatorLogs(cloud, scope)

    def run(self, pipeline: Pipeline, execution: Execution, stage: Json, action: Json) -> None:
        """Run an action to its end.

        Raises:
            ActionError: It failed.
            StoppedError: The execution was stopped meanwhile.
        """
        kind = action["actionTypeId"]
        carry_out = {
            ("Source", "CodeStarSourceConnection"): self._fetch,
            ("Build", "CodeBuild"): self._build,
            ("Test", "CodeBuild"): self._build,
            ("Approval", "Manual"): self._ask,
        }.get((kind["category"], kind["provider"]))
        if carry_out is None:
            raise ActionError(
                "ConfigurationError",
                f"The local cloud runs no {kind['category']} action of {kind['provider']}",
            )
        carry_out(pipeline, execution, stage, action)

    def _fetch(self, pipeline: Pipeline, execution: Execution, stage: Json, action: Json) -> None:
        del stage
        wanted = action["configuration"]
        try:
            commit = fetch(
                self._cloud.settings.repositories, wanted["FullRepositoryId"], wanted["BranchName"]
            )
        except ServiceError as error:
            raise ActionError(error.code, error.message) from error
        (output,) = action["outputArtifacts"]
        self._keep(pipeline, execution, output["name"], commit.archive)
        execution.revisions.append(
            {
                "name": output["name"],
                "revisionId": commit.revision,
                "revisionSummary": commit.summary,
            }
        )

    def _build(self, pipeline: Pipeline, execution: Execution, stage: Json, action: Json) -> None:
        codebuild: Any = self._cloud.clients.client("codebuild", self._scope)
        name = action["configuration"]["ProjectName"]
        projects = codebuild.batch_get_projects(names=[name])["projects"]
        if not projects:
            raise ActionError("ConfigurationError", f"Project {name} not found")
        (project,) = projects
        build_id = f"{name}:{uuid4()}"
        state = execution.actions[stage["name"], action["name"]]
        state["externalExecutionId"] = build_id
        group, stream = f"/aws/codebuild/{name}", build_id.partition(":")[2]
        state["summary"] = f"log: {group}, {stream}"
        path = self._credentials.open(self._scope, project["serviceRole"])
        try:
            artifact = run_build(
                Build(
                    project=name,
                    build_id=build_id,
                    buildspec=project["source"].get("buildspec", ""),
                    inputs={each: self._read(execution, each) for each in _inputs(action)},
                    variables=self._variables(project, action, path),
                    minutes=float(project["timeoutInMinutes"]),
                ),
                folder=_made(self._cloud.settings.work_dir / "builds" / uuid4().hex),
                on_lines=lambda lines: self._logs.write(group, stream, lines),
                stop=execution.stop,
            )
        except BuildError as error:
            if execution.stop.is_set():
                raise StoppedError from error
            raise ActionError("JobFailed", str(error)) from error
        finally:
            self._credentials.close(path)
        outputs = [each["name"] for each in action.get("outputArtifacts", ())]
        if outputs and artifact is None:
            raise ActionError("JobFailed", f"{name} has no artifacts in its buildspec")
        if outputs and artifact is not None:
            self._keep(pipeline, execution, outputs[0], artifact)

    def _variables(self, project: Json, action: Json, path: str) -> dict[str, str]:
        given = (
            *project["environment"].get("environmentVariables", ()),
            *json.loads(action["configuration"].get("EnvironmentVariables", "[]")),
        )
        url = self._cloud.settings.url
        machine = command_environment(url, self._scope.region)
        return {
            **{name: value for name, value in machine.items() if name not in _KEYS},
            "PATH": os.environ["PATH"],
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}{path}",
            **{each["name"]: each["value"] for each in given},
        }

    def _ask(self, pipeline: Pipeline, execution: Execution, stage: Json, action: Json) -> None:
        state = execution.actions[stage["name"], action["name"]]
        state["token"] = str(uuid4())
        wanted = action.get("configuration", {})
        if wanted.get("NotificationArn"):
            self._tell(pipeline, stage, action, state["token"], wanted)
        deadline = time.time() + _APPROVAL_SECONDS
        while "answer" not in state:
            if execution.stop.wait(_WAKE_SECONDS):
                raise StoppedError
            if time.time() > deadline:
                raise ActionError("ApprovalTimedOut", "Nobody answered for seven days")
        answer = state.pop("answer")
        state["summary"] = answer["summary"]
        if answer["status"] == "Rejected":
            raise ActionError("JobFailed", f"Rejected: {answer['summary']}")

    def _tell(
        self, pipeline: Pipeline, stage: Json, action: Json, token: str, wanted: Json
    ) -> None:
        sns: Any = self._cloud.clients.client("sns", self._scope)
        question = {
            "pipelineName": pipeline.declaration["name"],
            "stageName": stage["name"],
            "actionName": action["name"],
            "token": token,
            "externalEntityLink": wanted.get("ExternalEntityLink"),
            "customData": wanted.get("CustomData"),
        }
        sns.publish(
            TopicArn=wanted["NotificationArn"],
            Subject=f"APPROVAL NEEDED: AWS CodePipeline {question['pipelineName']}"[:100],
            Message=json.dumps({"region": self._scope.region, "approval": question}),
        )

    def _keep(self, pipeline: Pipeline, execution: Execution, name: str, content: bytes) -> None:
        key = f"{pipeline.declaration['name'][:20]}/{name[:10]}/{uuid4().hex[:7]}"
        self._objects.put(_bucket(pipeline), key, content)
        execution.artifacts[name] = f"{_bucket(pipeline)}/{key}"

    def _read(self, execution: Execution, name: str) -> bytes:
        bucket, _, key = execution.artifacts[name].partition("/")
        return self._objects.get(bucket, key)


def tell_state(scope: Scope, pipeline: Pipeline, execution: Execution) -> None:
    """Put the event that an execution changed its state."""
    state = {"InProgress": "STARTED"}.get(execution.status, execution.status.upper())
    with emulator.within(scope):
        emulator.put_service_event(
            source="aws.codepipeline",
            detail_type="CodePipeline Pipeline Execution State Change",
            detail={
                "pipeline": pipeline.declaration["name"],
                "execution-id": execution.id,
                "state": state,
                "version": pipeline.version,
            },
            resources=[pipeline.arn],
        )


def _bucket(pipeline: Pipeline) -> str:
    location: str = pipeline.declaration["artifactStore"]["location"]
    return location


def _inputs(action: Json) -> list[str]:
    names = [each["name"] for each in action["inputArtifacts"]]
    primary = action["configuration"].get("PrimarySource", names[0])
    return sorted(names, key=lambda name: name != primary)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
