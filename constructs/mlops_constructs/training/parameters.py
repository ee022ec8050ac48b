"""The parameters of a pipeline, and whether the values that a trigger passes fit them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.document import Json
from mlops_constructs.training.starting import START_TIME

#: What a trigger may pass; SageMaker takes parameters as text.
Value = str | int | float | bool

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
_TEXT_FORMS: Mapping[str, str] = {
    "String": r"(?s:.+)",
    "Integer": r"[+-]?\d+",
    "Float": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "Boolean": r"true|false",
}
# botocore, PipelineParameter and SageMakerPipelineParameter; EventBridge's API refuses the
# underscore that the CloudFormation schema lets through.
_LONGEST_VALUE = 1024
_EVENT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_EVENT_PATH = "$."


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Its name.
        type: ``String``, ``Integer``, ``Float`` or ``Boolean``.
        default: What holds when an execution does not set it; None if it must.
        choices: The only allowed values, or none for any.
    """

    name: str
    type: str
    default: Json = None
    choices: tuple[Json, ...] = ()


def find_parameters(document: Mapping[str, Json]) -> dict[str, Parameter]:
    """The well-formed parameters of a definition, by name."""
    entries = document.get("Parameters", [])
    return {
        entry["Name"]: Parameter(
            entry["Name"],
            entry["Type"],
            entry.get("DefaultValue"),
            tuple(entry.get("EnumValues") or ()),
        )
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("Name"), str)
        and isinstance(entry.get("Type"), str)
        and isinstance(entry.get("EnumValues") or [], list)
    }


def fits(parameter_type: str, value: Json) -> bool:
    """Whether a value of a definition has the parameter's type."""
    kinds = _PYTHON_TYPES.get(parameter_type, ())
    return isinstance(value, kinds) and isinstance(value, bool) == (parameter_type == "Boolean")


def known_types() -> tuple[str, ...]:
    """The types that a parameter may have."""
    return tuple(_PYTHON_TYPES)


def start_values(
    problems: Problems,
    declared: Mapping[str, Parameter],
    given: Mapping[str, Value],
    *,
    from_event: bool = False,
    direct: bool = False,
) -> list[dict[str, str]]:
    """The parameters of a trigger as EventBridge and its Scheduler take them.

    Args:
        problems: Where to note what does not fit the definition.
        declared: The pipeline's parameters.
        given: What the trigger passes; a rule may pass paths into the event, ``$.detail.x``.
        from_event: Whether an EventBridge rule passes them.
        direct: Whether it passes them to the pipeline itself.
    """
    values = {name: _text(value) for name, value in given.items()}
    for name, text in values.items():
        if name not in declared:
            problems.add(
                f"parameters[{name!r}]",
                got=text,
                allowed=", ".join(sorted(declared)) or "none: the pipeline has no parameters",
                instead="Take a parameter that the pipeline declares.",
            )
            continue
        if from_event and direct and not _EVENT_NAME.fullmatch(name):
            problems.add(
                f"parameters[{name!r}]",
                got=name,
                allowed="names of letters, digits and inner hyphens: EventBridge refuses others",
                instead="Rename the pipeline's parameter, or leave while_running='start' out.",
            )
        from_elsewhere = text == START_TIME or (from_event and text.startswith(_EVENT_PATH))
        if from_elsewhere:
            problems.check(
                text != START_TIME or declared[name].type == "String",
                f"parameters[{name!r}]",
                got="START_TIME",
                allowed="for a parameter of type String, as the time is a text",
                instead="Take a parameter of type String.",
            )
        elif not is_token(text):
            _check_value(problems, declared[name], text)
    for name, parameter in declared.items():
        problems.check(
            parameter.default is not None or name in values,
            f"parameters[{name!r}]",
            got=None,
            allowed=f"a value of type {parameter.type}: the pipeline has no default for it",
            instead="Pass a value.",
        )
    return [{"name": name, "value": text} for name, text in sorted(values.items())]


def with_defaults(
    problems: Problems, document: Mapping[str, Json], given: Mapping[str, Value]
) -> Mapping[str, Json]:
    """A definition whose parameters have other defaults.

    Args:
        problems: Where to note defaults that do not fit.
        document: The definition.
        given: Defaults by the parameters' names; none may be a token.
    """
    declared = find_parameters(document)
    taken: dict[str, Value] = {}
    for name, value in given.items():
        what = f"parameters[{name!r}]"
        if name not in declared:
            problems.add(
                what,
                got=value,
                allowed=", ".join(sorted(declared)) or "none: the pipeline has no parameters",
                instead="Take a parameter that the pipeline declares.",
            )
            continue
        if is_token(value) or not fits(declared[name].type, value):
            problems.add(
                what,
                got=value,
                allowed=f"a literal of type {declared[name].type}",
                instead="Write a value of that type.",
            )
            continue
        if _check_value(problems, declared[name], _text(value)):
            taken[name] = value
    # What does not fit is said once, and not of the definition, too.
    if not taken or not isinstance(document.get("Parameters"), list):
        return document
    entries = [
        {**entry, "DefaultValue": taken[str(entry["Name"])]}
        if isinstance(entry, dict) and str(entry.get("Name")) in taken
        else entry
        for entry in document["Parameters"]
    ]
    return {**document, "Parameters": entries}


def _check_value(problems: Problems, parameter: Parameter, text: str) -> bool:
    """Note what is wrong with a value; whether nothing is."""
    what = f"parameters[{parameter.name!r}]"
    fits_type = (
        re.fullmatch(_TEXT_FORMS[parameter.type], text) is not None and len(text) <= _LONGEST_VALUE
    )
    problems.check(
        fits_type,
        what,
        got=text,
        allowed=f"a value of type {parameter.type}, 1 to {_LONGEST_VALUE} characters",
        instead="Write a value of that type.",
    )
    choices = [_text(choice) for choice in parameter.choices]
    is_choice = not choices or text in choices
    problems.check(
        is_choice,
        what,
        got=text,
        allowed=", ".join(choices),
        instead="Take one of these.",
    )
    return fits_type and is_choice


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
