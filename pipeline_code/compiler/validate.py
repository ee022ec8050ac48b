"""Checks a definition before it is written.

The service checks a definition when the pipeline is created, and the jobs' arguments only when a
step runs. Here every job's Arguments are held against the input of the API call that the step
stands for (see `shapes`), names against the narrowest rule that applies to them, and whatever is
referred to must exist. The public JSON schema of definitions is out of date (2025) and isn't used.
"""

import re
from collections.abc import Iterator
from typing import Any

from pipeline_code.compiler import shapes

# Definitions are JSON of any form: Any is what json.loads says.
Json = Any

MAX_CHARACTERS = 1_048_576  # botocore: PipelineDefinition
MAX_PARAMETERS = 200  # botocore: ParameterList of StartPipelineExecution

# Step type -> the API call whose input the step's Arguments are, and the members of it that
# Pipelines fills in (names are made per execution).
_CALLS = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName"}),
    "Tuning": ("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName"}),
    "Transform": ("CreateTransformJob", {"TransformJobName"}),
    "AutoML": ("CreateAutoMLJobV2", {"AutoMLJobName"}),
    "Model": ("CreateModel", {"ModelName"}),
    "RegisterModel": ("CreateModelPackage", set[str]()),
    "QualityCheck": ("CreateProcessingJob", {"ProcessingJobName"}),
    "ClarifyCheck": ("CreateProcessingJob", {"ProcessingJobName"}),
}
# What is in a part of the arguments of EMR's steps: service, call, members that Pipelines fills in.
_EMR_PARTS = {
    ("EMR", "ClusterConfig"): ("emr", "RunJobFlow", {"Name"}),
    ("EMRServerless", "ApplicationConfig"): (
        "emr-serverless",
        "CreateApplication",
        {"clientToken"},
    ),
    # Pipelines puts in the id of an application that it makes.
    ("EMRServerless", "JobConfig"): (
        "emr-serverless",
        "StartJobRun",
        {"applicationId", "clientToken"},
    ),
}
# Exactly one of these says where EMR's step runs.
_EMR_PLACES = {
    "EMR": ("ClusterId", "ClusterConfig"),
    "EMRServerless": ("ApplicationId", "ApplicationConfig"),
}
_EMR_REQUIRED = {"EMR": ("StepConfig",), "EMRServerless": ("ExecutionRoleArn", "JobConfig")}
# The step's own code defines the arguments.
_FREE = frozenset({"Lambda", "Callback"})
_CONDITIONS = {
    "Equals": ("LeftValue", "RightValue"),
    "GreaterThan": ("LeftValue", "RightValue"),
    "GreaterThanOrEqualTo": ("LeftValue", "RightValue"),
    "LessThan": ("LeftValue", "RightValue"),
    "LessThanOrEqualTo": ("LeftValue", "RightValue"),
    "In": ("QueryValue", "Values"),
    # Version 3 of the SDK writes Condition here, version 2 wrote Expression.
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
# The execution variables of the developer guide ("Execution variables").
_EXECUTION = frozenset(
    f"Execution.{name}"
    for name in (
        "CurrentDateTime",
        "PipelineArn",
        "PipelineExecutionArn",
        "PipelineExecutionId",
        "PipelineName",
        "StartDateTime",
    )
)
# Pipelines allow [A-Za-z0-9\-_]{1,64}; EventBridge's SageMakerPipelineParameter has no underscore.
_PARAMETER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}")
_STEP_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


def problems(definition: Json, *, characters: int) -> list[str]:
    """What the service would refuse, one sentence each; empty if nothing.

    Args:
        definition: The definition with realistic values, not sentinels.
        characters: Length of the text that will be deployed.
    """
    found: list[str] = []
    if characters > MAX_CHARACTERS:
        found.append(f"The definition has {characters} characters; the most is {MAX_CHARACTERS}.")
    parameters = [each["Name"] for each in definition.get("Parameters", [])]
    if len(parameters) > MAX_PARAMETERS:
        found.append(f"{len(parameters)} parameters; the most is {MAX_PARAMETERS}.")
    found += [
        f"Parameter '{name}': use letters, digits and inner hyphens (EventBridge refuses others)."
        for name in parameters
        if not _PARAMETER_NAME.fullmatch(name)
    ]
    steps = list(_steps(definition.get("Steps", [])))
    if not steps:
        found.append("The pipeline has no steps.")
    names = [step["Name"] for step in steps]
    found += [f"Two things are named '{name}'." for name in sorted(_twice(parameters + names))]
    found += [
        f"Step '{name}': use up to 64 letters, digits, hyphens and underscores."
        for name in names
        if not _STEP_NAME.fullmatch(name)
    ]
    for step in steps:
        found += _step_problems(step)
    found += _reference_problems(definition, parameters=set(parameters), steps=steps)
    return found


def step_types(definition: Json) -> dict[str, str]:
    """The type of every step by name, those in branches included."""
    return {step["Name"]: step["Type"] for step in _steps(definition["Steps"])}


def _steps(steps: list[Json]) -> Iterator[Json]:
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from _steps(step["Arguments"].get("IfSteps", []))
            yield from _steps(step["Arguments"].get("ElseSteps", []))


def _twice(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def _step_problems(step: Json) -> Iterator[str]:
    where, kind, arguments = step["Name"], step["Type"], step["Arguments"]
    if kind in _CALLS:
        call, filled_in = _CALLS[kind]
        yield from shapes.problems(arguments, call=call, where=where, optional=filled_in)
    elif kind == "Condition":
        for condition in arguments.get("Conditions", []):
            yield from _condition_problems(where, condition)
    elif kind == "Fail":
        if not arguments.get("ErrorMessage"):
            yield f"{where}: a Fail step needs an ErrorMessage that says why."
    elif kind in _EMR_PLACES:
        yield from _emr_problems(where, kind, arguments)
    elif kind not in _FREE:
        yield (
            f"{where}: no check is known for a step of type {kind}; "
            f"known: {', '.join(sorted({*_CALLS, *_FREE, *_EMR_PLACES, 'Condition', 'Fail'}))}. "
            "Add one to pipeline_code/compiler/validate.py."
        )


def _condition_problems(where: str, condition: Json) -> Iterator[str]:
    members = _CONDITIONS.get(condition.get("Type"))
    if members is None or any(member not in condition for member in members):
        yield f"{where}: condition {condition} isn't one of {', '.join(_CONDITIONS)}."
        return
    if condition["Type"] in ("Not", "Or"):
        inner = condition[members[0]]
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _condition_problems(where, one)


def _emr_problems(where: str, kind: str, arguments: Json) -> Iterator[str]:
    places = _EMR_PLACES[kind]
    if len(arguments.keys() & set(places)) != 1:
        yield f"{where}: give exactly one of {' and '.join(places)}."
    for member in _EMR_REQUIRED[kind]:
        if member not in arguments:
            yield f"{where}.{member} is missing."
    for member, value in arguments.items():
        if (kind, member) in _EMR_PARTS:
            service, call, filled_in = _EMR_PARTS[kind, member]
            path = f"{where}.{member}"
            yield from shapes.problems(
                value, call=call, where=path, optional=filled_in, service=service
            )


def _reference_problems(
    definition: Json, *, parameters: set[str], steps: list[Json]
) -> Iterator[str]:
    names = {step["Name"] for step in steps}
    files = {
        f"Steps.{step['Name']}.PropertyFiles.{file['PropertyFileName']}"
        for step in steps
        for file in step.get("PropertyFiles", [])
    }
    for reference in sorted(set(_references(definition))):
        scope, _, rest = reference.partition(".")
        target = re.split(r"[.\[]", rest, maxsplit=1)[0]
        if scope == "Parameters" and target in parameters:
            continue
        if reference in _EXECUTION:
            continue
        if (
            scope == "Steps"
            and target in names
            and (".PropertyFiles." not in reference or reference in files)
        ):
            continue
        yield f"'{reference}' refers to nothing in this pipeline."


def _references(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(get := value.get("Get"), str):
            yield get
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
