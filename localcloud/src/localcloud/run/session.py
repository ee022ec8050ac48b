"""The execution behind a run: started in the mode that was asked for, and stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import uuid4

from localcloud import emulator
from localcloud.dag.definition import Definition, parse
from localcloud.dag.selection import (
    Reused,
    Selection,
    after,
    missing,
    reusable,
    unfinished,
)
from localcloud.errors import ServiceError
from localcloud.run.binding import Binder
from localcloud.run.embedded import Embedded
from localcloud.run.pruning import prune
from localcloud.run.request import Request, RunError
from localcloud.sagemaker import executions
from localcloud.sagemaker.pipelines import executions as executions_of
from localcloud.sagemaker.store import Json, Record

_ROLE = "arn:aws:iam::{account}:role/local-pipeline"
_STATUS = "PipelineExecutionStatus"
_BASE = "base"
"""What is remembered of a run of some steps: the run before it, and which steps they were."""


class NothingToDo(Exception):  # noqa: N818 - the wish is granted already
    """The last run has succeeded: there is nothing to go on with."""


class Session:
    """One execution of one pipeline.

    Args:
        cloud: Where it runs.
        request: What was asked for.

    Attributes:
        definition: The pipeline, bound and read.
        execution: The execution, once it has been started.
        notes: What the user should know before it runs.
    """

    def __init__(self, cloud: Embedded, request: Request) -> None:
        self._cloud = cloud
        self._request = request
        self.notes: list[str] = []
        binder = Binder(cloud, request)
        try:
            self._text = binder.bound_definition()
            self._inputs = {name: binder.uploaded(files) for name, files in request.inputs.items()}
            self.definition: Definition = parse(self._text)
            self._pipeline = self._put_pipeline()
        except ServiceError as error:
            raise RunError(error.message) from error
        self.execution: Record

    @property
    def status(self) -> str:
        """``PipelineExecutionStatus``."""
        return str(self.execution.data[_STATUS])

    @property
    def run_id(self) -> str:
        """The execution's id."""
        return self.execution.arn.rsplit("/", 1)[-1]

    def start(self) -> None:
        """Start the execution.

        Raises:
            RunError: A parameter is wrong, a step is unknown, or what is to be reused is not there.
            NothingToDo: The last run succeeded, and it was to be resumed.
        """
        with emulator.within(self._cloud.scope):
            last = next(iter(executions_of(self._cloud.sagemaker, self._pipeline)), None)
            selection = self._selection(last)
            given = self._parameters(last)
            request: Json = {
                "PipelineName": self._request.pipeline,
                "ClientRequestToken": uuid4().hex,
                "PipelineParameters": [{"Name": n, "Value": v} for n, v in given.items()],
            }
            try:
                self.execution = executions.start(
                    self._cloud.sagemaker,
                    self._pipeline,
                    self.definition,
                    request,
                    selection=selection,
                    # Who names steps wants them to run.
                    cached=self._request.mode in ("all", "resume"),
                )
                if selection is not None and last is not None:
                    self.execution.hidden[_BASE] = {
                        "arn": last.arn,
                        "selected": sorted(selection.steps),
                    }
            except ServiceError as error:
                raise RunError(error.message) from error

    def stop(self) -> None:
        """Stop the execution with what runs of it."""
        with emulator.within(self._cloud.scope):
            if self.status == "Executing":
                self._cloud.sagemaker.call(
                    "StopPipelineExecution",
                    {
                        "PipelineExecutionArn": self.execution.arn,
                        "ClientRequestToken": uuid4().hex,
                    },
                )

    def prune(self, keep: int) -> int:
        """Delete all runs but the latest; how many those were."""
        return prune(self._cloud, self._pipeline, keep=keep, home=self._request.home)

    def _put_pipeline(self) -> Record:
        sagemaker, name = self._cloud.sagemaker, self._request.pipeline
        with emulator.within(self._cloud.scope):
            known = sagemaker.find("Pipeline", {"PipelineName": name})
            content: Json = {
                "PipelineName": name,
                "PipelineDefinition": self._text,
                "RoleArn": _ROLE.format(account=self._cloud.scope.account),
            }
            if known is None:
                sagemaker.call("CreatePipeline", {**content, "ClientRequestToken": uuid4().hex})
            else:
                sagemaker.call("UpdatePipeline", content)
            return sagemaker.require("Pipeline", {"PipelineName": name}, "DescribePipeline")

    def _parameters(self, last: Record | None) -> dict[str, str]:
        """What is given now, over what the run that is gone on with was given."""
        given = {**self._request.parameters, **self._inputs}
        if self._request.mode == "all" or last is None:
            return given
        earlier = {
            name: str(value)
            for name, value in last.hidden["parameters"].items()
            if name in self.definition.parameters
        }
        if self._request.mode == "resume":
            return earlier
        return {**earlier, **given}

    def _selection(self, last: Record | None) -> Selection | None:
        mode, names = self._request.mode, self._request.steps
        if mode == "all":
            return None
        if unknown := [name for name in names if name not in self.definition.steps]:
            raise RunError(
                f"There is no step {', '.join(map(repr, unknown))}; the steps are "
                f"{', '.join(self.definition.steps)}."
            )
        source = self._left_by(last) if last is not None else {}
        if mode == "resume":
            return self._rest(last, source)
        chosen = set(names) if mode == "only" else after(self.definition, names)
        selection = Selection(chosen, reusable(self.definition, chosen, source))
        if absent := missing(self.definition, selection):
            needs = "\n".join(
                f"  {one.step} needs {one.needed}, which {one.how} in the last run."
                if last is not None
                else f"  {one.step} needs {one.needed}, and there was no run before this one."
                for one in absent
            )
            raise RunError(
                f"The results that these steps need are not there:\n{needs}\n"
                f"Run everything with: {self._request.again}"
            )
        self._warn_of_changes(last, selection.reused)
        return selection

    def _left_by(self, run: Record) -> dict[str, Reused]:
        """What a run left, over what the one left that it was based on."""
        own = executions.results(run)
        base = run.hidden.get(_BASE)
        earlier = base and self._cloud.sagemaker.store.by_arn(self._cloud.scope, base["arn"])
        if not base or earlier is None:
            return own
        left = self._left_by(earlier)
        return {name: left[name] for name in left.keys() - base["selected"]} | own

    def _rest(self, last: Record | None, source: Mapping[str, Reused]) -> Selection:
        if last is None:
            raise RunError(
                f"There is no run to resume (looked in {self._request.home}). "
                f"Start one with: {self._request.again}"
            )
        if last.data[_STATUS] == "Succeeded":
            raise NothingToDo
        selection = unfinished(self.definition, source)
        self._warn_of_changes(last, selection.reused)
        return selection

    def _warn_of_changes(self, last: Record | None, reused: Mapping[str, Reused]) -> None:
        if last is None or not reused:
            return
        then = parse(last.hidden["definition"])
        changed = [
            name
            for name in reused
            if name in then.steps and _content(then, name) != _content(self.definition, name)
        ]
        if changed:
            self.notes.append(
                f"{', '.join(changed)} changed since the last run and will not run again; "
                f"to run from there: {self._request.again} --from {changed[0]}"
            )


def _content(definition: Definition, name: str) -> str:
    """What a step does, its code included: the addresses of archives name their content."""
    step = definition.steps[name]
    return json.dumps([step.type, step.arguments], sort_keys=True)
