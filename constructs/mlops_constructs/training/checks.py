"""What makes a definition one that the service accepts and the construct can deploy.

The compiler holds every argument against the service's model; what is checked here is what holds
a definition together, for definitions of any origin, and what the construct relies on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from mlops_constructs.common.errors import Problems
from mlops_constructs.training.arguments import argument_problems
from mlops_constructs.training.document import (
    Json,
    Step,
    branches,
    find_steps,
    is_step,
)
from mlops_constructs.training.job_settings import setting_problems
from mlops_constructs.training.outside import outside_problems
from mlops_constructs.training.parameters import fits, known_types
from mlops_constructs.training.references import check_cycles, check_references
from mlops_constructs.training.shape import (
    ARGUMENTS,
    DEPENDENCY,
    PARAMETER,
    STEP,
    Shape,
    function_misfits,
    misfits,
)
from mlops_constructs.training.step_types import STEP_TYPES, images_of, role_slots

_VERSION = "2020-12-01"
_MOST_PARAMETERS = 200  # botocore, StartPipelineExecution.PipelineParameters
# JSON schema of definitions (aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-
# JSON-schema): the names of steps and parameters.
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "Equals": ("LeftValue", "RightValue"),
    "GreaterThan": ("LeftValue", "RightValue"),
    "GreaterThanOrEqualTo": ("LeftValue", "RightValue"),
    "LessThan": ("LeftValue", "RightValue"),
    "LessThanOrEqualTo": ("LeftValue", "RightValue"),
    "In": ("QueryValue", "Values"),
    # Version 3 of the SageMaker SDK writes Condition here, version 2 Expression.
    "Not": ("Condition",),
    "Or": ("Conditions",),
}


def check_document(problems: Problems, document: Mapping[str, Json]) -> bool:
    """Note everything that is wrong with a definition, sentinels apart.

    Returns:
        Whether its parts have the form that those who read it rely on.
    """
    problems.check(
        document.get("Version") == _VERSION,
        "Version",
        got=document.get("Version"),
        allowed=_VERSION,
        instead="Give what the SageMaker SDK's Pipeline.definition() returns.",
    )
    problems.check(
        document.get("PipelineExperimentConfig") is None,
        "PipelineExperimentConfig",
        got=document.get("PipelineExperimentConfig"),
        allowed="none: the pipeline's role may not create experiments",
        instead="Pass pipeline_experiment_config=None to the SDK's Pipeline.",
    )
    steps = document.get("Steps")
    parameters = document.get("Parameters", [])
    # The other checks read what these have found well-formed.
    formed = _well_formed(problems, "", parameters, [PARAMETER], "Parameters")
    formed &= _steps_formed(problems, steps, "Steps")
    for misfit in function_misfits(steps, "Steps"):
        formed = _malformed(problems, *misfit)
    if not formed:
        return False
    _check_parameters(problems, parameters)
    found = list(find_steps(steps))
    _check_names(problems, "step", [step.name for step in found])
    for step in found:
        _check_step(problems, step)
    check_references(problems, parameters, found)
    check_cycles(problems, found)
    return True


def _well_formed(problems: Problems, where: str, value: Json, shape: Shape, path: str) -> bool:
    formed = True
    for misfit, got, allowed in misfits(value, shape, path):
        formed = _malformed(problems, where + misfit, got, allowed)
    return formed


def _malformed(problems: Problems, what: str, got: Json, allowed: str) -> bool:
    problems.add(what, got=got, allowed=allowed, instead="Mend its form.")
    return False


def _steps_formed(problems: Problems, steps: Json, path: str) -> bool:
    """Whether every step, those in branches included, has what the other checks read."""
    problems.check(
        isinstance(steps, list) and (bool(steps) or path != "Steps"),
        path,
        got=steps,
        allowed="a list of steps",
        instead="Give what the SageMaker SDK's Pipeline.definition() returns.",
    )
    if not isinstance(steps, list) or not (steps or path != "Steps"):
        return False
    formed = True
    for index, step in enumerate(steps):
        if not is_step(step):
            problems.add(
                f"{path}[{index}]",
                got=step,
                allowed="an object with Name, Type and Arguments",
                instead="Give what the SageMaker SDK's Pipeline.definition() returns.",
            )
            formed = False
            continue
        where = f"step {step['Name']!r}, "
        formed &= _well_formed(problems, where, step, STEP, "")
        shape = ARGUMENTS.get(step["Type"], {})
        formed &= _well_formed(problems, where, step["Arguments"], shape, "Arguments")
        for entry in step.get("DependsOn", []) if formed else ():
            formed &= _well_formed(
                problems,
                where,
                entry,
                str if isinstance(entry, str) else DEPENDENCY,
                "DependsOn",
            )
        for branch, inner in branches(step):
            formed &= _steps_formed(problems, inner, f"{where}Arguments.{branch}")
    return formed


def _check_names(problems: Problems, kind: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        problems.check(
            _NAME.fullmatch(name) is not None,
            f"{kind} {name!r}",
            got=name,
            allowed="1 to 64 letters, digits, hyphens and underscores",
            instead="Rename it.",
        )
        problems.check(
            count == 1,
            f"{kind} {name!r}",
            got=f"{count} of that name",
            allowed="each name once, branches of conditions included",
            instead="Rename all but one.",
        )


def _check_parameters(problems: Problems, entries: Json) -> None:
    problems.check(
        len(entries) <= _MOST_PARAMETERS,
        "Parameters",
        got=len(entries),
        allowed=f"at most {_MOST_PARAMETERS}",
        instead="Keep what an execution must set; write the rest into the steps.",
    )
    _check_names(problems, "parameter", [entry["Name"] for entry in entries])
    for entry in entries:
        what = f"parameter {entry['Name']!r}"
        kind, default = entry.get("Type"), entry.get("DefaultValue")
        if kind not in known_types():
            problems.add(
                what, got=kind, allowed=", ".join(known_types()), instead="Take one of these types."
            )
            continue
        problems.check(
            default is None or fits(kind, default),
            f"{what}, DefaultValue",
            got=default,
            allowed=f"a value of type {kind}",
            instead="Mend the default or the type.",
        )
        choices = entry.get("EnumValues")
        problems.check(
            not choices or default is None or default in choices,
            f"{what}, DefaultValue",
            got=default,
            allowed=f"one of EnumValues {choices}",
            instead="Take a default that is among the choices.",
        )


def _check_step(problems: Problems, step: Step) -> None:
    where = f"step {step.name!r}"
    known = STEP_TYPES.get(step.type)
    if known is None:
        problems.add(
            f"{where}, Type",
            got=step.type,
            allowed=", ".join(STEP_TYPES),
            instead="The construct cannot derive permissions and protection for other types.",
        )
        return
    for name in known.required:
        problems.check(
            name in step.arguments,
            f"{where}, Arguments.{name}",
            got=None,
            allowed=f"the {name} that {known.call} requires",
            instead="Add it.",
        )
    for path, role, expected in role_slots(step):
        problems.check(
            role == f"{{{{{expected}}}}}",
            f"{where}, Arguments.{path}",
            got=role,
            allowed=f"{{{{{expected}}}}}: the construct makes the roles of jobs",
            instead=f"Write {{{{{expected}}}}}.",
        )
    for path, image in images_of(step):
        problems.check(
            isinstance(image, str) and re.fullmatch(r"\{\{image\.[^{}]+\}\}", image) is not None,
            f"{where}, Arguments.{path}",
            got=image,
            allowed="a sentinel {{image.<name>}}, as roles may pull named images only and URIs "
            "differ by region",
            instead="Write {{image.<name>}} and pass images={'<name>': FrameworkImage(…)}.",
        )
    for path, problem, allowed, instead in (*outside_problems(step), *setting_problems(step)):
        problems.add(f"{where}, {path}", got=problem, allowed=allowed, instead=instead)
    for path, problem, allowed in argument_problems(step):
        problems.add(
            f"{where}, {path}",
            got=problem,
            allowed=allowed,
            instead="Mend it as the API reference has it.",
        )
    if step.type == "Condition":
        _check_conditions(
            problems, f"{where}, Arguments.Conditions", step.arguments.get("Conditions", [])
        )
    if step.type == "Fail":
        problems.check(
            bool(step.arguments.get("ErrorMessage")),
            f"{where}, Arguments.ErrorMessage",
            got=step.arguments.get("ErrorMessage"),
            allowed="a message that says why",
            instead="Say why the pipeline fails here.",
        )


def _check_conditions(problems: Problems, path: str, conditions: Json) -> None:
    if not isinstance(conditions, list):
        conditions = [conditions]
    for index, condition in enumerate(conditions):
        where = f"{path}[{index}]"
        kind = condition.get("Type") if isinstance(condition, dict) else None
        if kind == "Not" and "Expression" in condition:
            condition = {**condition, "Condition": condition["Expression"]}  # noqa: PLW2901 (one of the two spellings is checked)
        members = _CONDITIONS.get(kind, ()) if isinstance(kind, str) else ()
        if not members or not set(members) <= condition.keys():
            problems.add(
                where,
                got=condition,
                allowed="; ".join(f"{name} with {', '.join(m)}" for name, m in _CONDITIONS.items()),
                instead="Take one of these conditions with its members.",
            )
            continue
        for inner in {"Condition", "Conditions"} & set(members):
            _check_conditions(problems, f"{where}.{inner}", condition[inner])
