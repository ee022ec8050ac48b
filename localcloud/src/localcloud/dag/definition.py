"""A pipeline definition, read and checked before anything runs.

Source: the definition's JSON schema (version 2020-12-01) and the step types of the SageMaker
Python SDK. All that is wrong with a definition is reported in one error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localcloud.compute.ports import ServiceError
from localcloud.dag.forms import form_problems

VERSION = "2020-12-01"

PARAMETER_TYPES = ("String", "Integer", "Float", "Boolean")

NATIVE: Mapping[str, str] = {
    "ClarifyCheck": "AWS's Clarify container",
    "EMR": "a cluster of Amazon EMR",
    "EMRServerless": "an application of EMR Serverless",
    "QualityCheck": "AWS's Model Monitor container",
}
"""The step types that need something of AWS for which nothing here can stand in."""

RUNNABLE = (
    *NATIVE,
    "Callback",
    "Condition",
    "Fail",
    "Lambda",
    "Model",
    "Processing",
    "RegisterModel",
    "Training",
    "Transform",
    "Tuning",
)
"""The step types that the local cloud runs; those of `NATIVE` fail when it is their turn."""

STEP_TYPES = (
    *RUNNABLE,
    "AutoML",
    "Cleanup",
    "Endpoint",
    "EndpointConfig",
    "ForEach",
    "InferenceComponent",
    "Job",
    "Lineage",
)
"""The step types of the service (``StepTypeEnum`` of the SDK 3.27)."""

EXECUTION_VARIABLES = (
    "CurrentDateTime",
    "PipelineArn",
    "PipelineExecutionArn",
    "PipelineExecutionId",
    "PipelineName",
    "ProcessingJobName",
    "StartDateTime",
    "TrainingJobName",
)

TRIGGERS: Mapping[str, frozenset[str]] = {
    "Completed": frozenset({"Succeeded"}),
    "Failed": frozenset({"Failed"}),
    "Stopped": frozenset({"Stopped"}),
    "Any": frozenset({"Succeeded", "Failed", "Stopped"}),
}
"""``Trigger`` of a dependency → the statuses of the other step with which this one runs.

Source: SageMaker Python SDK 3.27, ``TriggerCondition``."""

_STEP_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


class StepFailure(Exception):  # noqa: N818 - a step fails; that is no error of this program
    """A step cannot go on; the text is its ``FailureReason``."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the pipeline."""

    name: str
    type: str
    default: Any = None
    enum_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """Where a step stands that runs only if a condition came out so."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class Step:
    """A step, wherever in the definition it stands.

    Attributes:
        depends_on: The steps of ``DependsOn``, each with its trigger.
    """

    name: str
    type: str
    document: Mapping[str, Any]
    depends_on: Mapping[str, str]
    branch: Branch | None

    @property
    def arguments(self) -> dict[str, Any]:
        """The request that the step makes; of a condition, only the conditions."""
        found = dict(self.document.get("Arguments", {}))
        for nested in ("IfSteps", "ElseSteps") if self.type == "Condition" else ():
            found.pop(nested, None)
        return found

    @property
    def property_files(self) -> dict[str, Mapping[str, str]]:
        """Property files of a processing step, by name."""
        files = self.document.get("PropertyFiles", [])
        return {file["PropertyFileName"]: file for file in files}


@dataclass(frozen=True)
class Definition:
    """A definition whose names are unique, whose references exist and whose graph has no cycle.

    Attributes:
        parameters: By name.
        steps: By name, nested steps included, in an order in which they may run.
    """

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]

    def check_runnable(self) -> None:
        """Refuse step types that the local cloud does not run.

        Raises:
            ServiceError: ``ValidationException`` naming the steps and their types.
        """
        others = [f"{s.name} ({s.type})" for s in self.steps.values() if s.type not in RUNNABLE]
        if others:
            raise ServiceError(
                "ValidationException",
                f"The local cloud cannot run these steps: {', '.join(others)}. "
                f"It runs steps of the types {', '.join(RUNNABLE)}.",
            )


def parse(document: str | Mapping[str, Any]) -> Definition:
    """Read a definition and check all of it.

    Raises:
        ServiceError: ``ValidationException`` with every problem found.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise _refusal([f"it is not JSON: {error}"]) from error
    if not isinstance(document, Mapping):
        raise _refusal(["it must be a JSON object"])
    if problems := form_problems(document):
        raise _refusal(problems)
    if document.get("Version") != VERSION:
        problems.append(f"Version must be {VERSION!r}; got {document.get('Version')!r}")
    parameters = _parameters(document.get("Parameters", []), problems)
    steps: dict[str, Step] = {}
    for step in _steps(document.get("Steps", []), None, "Steps", problems):
        if step.name in steps:
            problems.append(f"step names must be unique; {step.name!r} is used more than once")
        steps[step.name] = step
    if not problems:
        problems += _unknown_references(parameters, steps)
    if problems:
        raise _refusal(problems)
    return Definition(parameters, _in_order(steps))


def _refusal(problems: list[str]) -> ServiceError:
    return ServiceError(
        "ValidationException", f"The pipeline definition is invalid: {'; '.join(problems)}."
    )


def _parameters(documents: Any, problems: list[str]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for document in documents:
        name, kind = str(document.get("Name")), document.get("Type")
        if name in found:
            problems.append(f"parameter names must be unique; {name!r} is used more than once")
        if kind not in PARAMETER_TYPES:
            problems.append(
                f"parameter {name!r} has the type {kind!r}; allowed: {', '.join(PARAMETER_TYPES)}"
            )
        found[name] = Parameter(
            name, str(kind), document.get("DefaultValue"), tuple(document.get("EnumValues", ()))
        )
    return found


def _steps(
    documents: list[Any], branch: Branch | None, where: str, problems: list[str]
) -> Iterator[Step]:
    if branch is None and not documents:
        problems.append(f"{where} must be a list of steps")
    for document in documents:
        name, kind = str(document.get("Name", "")), str(document.get("Type", ""))
        if not _STEP_NAME.fullmatch(name):
            problems.append(
                f"a step in {where} is named {name!r}; names have 1 to 64 letters, digits, - and _"
            )
        if kind not in STEP_TYPES:
            problems.append(
                f"step {name!r} has the unknown type {kind!r}; known: {', '.join(STEP_TYPES)}"
            )
        yield Step(name, kind, document, _depends_on(document, name, problems), branch)
        if kind == "Condition":
            arguments = document.get("Arguments", {})
            for key, outcome in (("IfSteps", True), ("ElseSteps", False)):
                nested = Branch(name, outcome)
                yield from _steps(arguments.get(key, []), nested, f"{name}.{key}", problems)


def _depends_on(document: Mapping[str, Any], name: str, problems: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for dependency in document.get("DependsOn", []):
        if isinstance(dependency, Mapping):
            trigger = dependency.get("Trigger", "Completed")
            if trigger not in TRIGGERS:
                problems.append(
                    f"step {name!r} runs when {dependency.get('Step')!r} has ended as {trigger!r}; "
                    f"the triggers are {_listed(TRIGGERS)}"
                )
            names[str(dependency.get("Step"))] = str(trigger)
        else:
            names[str(dependency)] = "Completed"
    return names


def dependencies(step: Step) -> set[str]:
    """The steps that must have ended before this one: named, referenced, or its condition."""
    found = set(step.depends_on)
    found |= {ref.split(".")[1] for ref in _expressions(step) if ref.startswith("Steps.")}
    if step.branch is not None:
        found.add(step.branch.condition)
    return found


def _expressions(step: Step) -> Iterator[str]:
    yield from _gets(step.arguments)
    for member in ("FunctionArn", "SqsQueueUrl"):
        yield from _gets(step.document.get(member))


def _gets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(value.get("Get"), str):
            yield value["Get"]
        else:
            for item in value.values():
                yield from _gets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _gets(item)


def _unknown_references(
    parameters: Mapping[str, Parameter], steps: Mapping[str, Step]
) -> Iterator[str]:
    for step in steps.values():
        for name in step.depends_on.keys() - steps.keys():
            yield f"step {step.name!r} depends on {name!r}, which is no step"
        for reference in _expressions(step):
            problem = _reference_problem(reference, parameters, steps)
            if problem:
                yield f"step {step.name!r} gets {reference!r}, but {problem}"


def _reference_problem(
    reference: str, parameters: Mapping[str, Parameter], steps: Mapping[str, Step]
) -> str | None:
    kind, _, rest = reference.partition(".")
    if kind == "Parameters":
        return None if rest in parameters else f"the parameters are {_listed(parameters)}"
    if kind == "Execution":
        if rest in EXECUTION_VARIABLES:
            return None
        return f"the execution variables are {_listed(EXECUTION_VARIABLES)}"
    if kind != "Steps":
        return "a reference starts with Parameters, Execution or Steps"
    name, _, path = rest.partition(".")
    if name not in steps:
        return f"the steps are {_listed(steps)}"
    if path.startswith("PropertyFiles."):
        files = steps[name].property_files
        if path.removeprefix("PropertyFiles.") not in files:
            return f"the property files of {name!r} are {_listed(files)}"
    return None


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"


def _in_order(steps: Mapping[str, Step]) -> dict[str, Step]:
    sorter = TopologicalSorter({name: sorted(dependencies(step)) for name, step in steps.items()})
    try:
        return {name: steps[name] for name in sorter.static_order()}
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise _refusal([f"these steps wait for one another: {cycle}"]) from error
