"""What the steps of a definition refer to: it exists, and no step waits for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from mlops_constructs.common.errors import Problems
from mlops_constructs.training.document import Json, Step, references

# SageMaker developer guide, "Execution variables".
_EXECUTION_VARIABLES = (
    "CurrentDateTime",
    "PipelineArn",
    "PipelineExecutionArn",
    "PipelineExecutionId",
    "PipelineName",
    "StartDateTime",
)
_STEP_REFERENCE = re.compile(r"Steps\.([^.\[]+)\.(.+)")
_OUTPUT = re.compile(r"ProcessingOutputConfig\.Outputs\['([^']*)'\]")
_VALUE = re.compile(r"OutputParameters\['([^']*)'\]")
_PROPERTY_FILE = re.compile(r"PropertyFiles\.(.+)")


def check_references(problems: Problems, parameters: Json, steps: list[Step]) -> None:
    """Note every reference to a parameter, variable, step, output or file that is not there."""
    names = {step.name: step for step in steps}
    declared = {parameter["Name"] for parameter in parameters}
    for step in steps:
        where = f"step {step.name!r}"
        for target in sorted(step.needs - names.keys()):
            problems.add(
                where,
                got=f"it refers to step {target!r}",
                allowed=", ".join(names),
                instead="Refer to a step of this pipeline.",
            )
        for reference in sorted(set(references(step.own))):
            if wrong := _dangling(reference, declared, names):
                problems.add(
                    where,
                    got=reference,
                    allowed=wrong,
                    instead="Refer to something that this pipeline has.",
                )


def _dangling(reference: str, parameters: set[str], steps: Mapping[str, Step]) -> str | None:
    """What is allowed instead of a reference to nothing; None if it refers to something."""
    scope, _, name = reference.partition(".")
    if scope == "Parameters":
        known = ", ".join(sorted(parameters)) or "none"
        return None if name in parameters else f"parameters of the pipeline: {known}"
    if scope == "Execution":
        if name in _EXECUTION_VARIABLES:
            return None
        return f"execution variables: {', '.join(_EXECUTION_VARIABLES)}"
    match = _STEP_REFERENCE.fullmatch(reference)
    if match is None:
        return "Parameters.<name>, Execution.<name> or Steps.<step>.<property>"
    step = steps.get(match.group(1))
    return None if step is None else _missing_output(step, match.group(2))


def _missing_output(step: Step, what: str) -> str | None:
    config = step.arguments.get("ProcessingOutputConfig", {})
    outputs = {output.get("OutputName") for output in config.get("Outputs", [])}
    files = {file.get("PropertyFileName"): file for file in step.raw.get("PropertyFiles", [])}
    if match := _PROPERTY_FILE.fullmatch(what):
        file = files.get(match.group(1))
        if file is None:
            return f"property files of step {step.name!r}: {', '.join(map(str, files)) or 'none'}"
        if file.get("OutputName") not in outputs:
            return f"a property file in an output of step {step.name!r}: {_list(outputs)}"
    elif match := _VALUE.match(what):
        values = {each.get("OutputName") for each in step.raw.get("OutputParameters", [])}
        if match.group(1) not in values:
            return f"output parameters of step {step.name!r}: {_list(values)}"
    elif (match := _OUTPUT.match(what)) and match.group(1) not in outputs:
        return f"outputs of step {step.name!r}: {_list(outputs)}"
    return None


def _list(names: set[str | None]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"


def check_cycles(problems: Problems, steps: list[Step]) -> None:
    """Note a cycle, if steps wait for one another."""
    try:
        TopologicalSorter({step.name: sorted(step.needs) for step in steps}).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        problems.add(
            "Steps",
            got=f"a cycle: {' → '.join(cycle)}",
            allowed="steps in which none waits for itself",
            instead="Take one of these references or DependsOn entries away.",
        )
