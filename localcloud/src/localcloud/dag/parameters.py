"""The parameters of one execution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.compute.ports import ServiceError
from localcloud.dag.definition import Definition, Parameter


def resolve_parameters(definition: Definition, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every parameter, in its type.

    Args:
        definition: The pipeline.
        overrides: Values given at the start; the API passes all of them as strings.

    Raises:
        ServiceError: ``ValidationException`` with every unknown, missing or wrong value.
    """
    known = ", ".join(definition.parameters) or "none"
    problems = [
        f"unknown parameter {name!r}; the pipeline has: {known}"
        for name in overrides
        if name not in definition.parameters
    ]
    values: dict[str, Any] = {}
    for name, parameter in definition.parameters.items():
        given = overrides.get(name, parameter.default)
        if given is None:
            problems.append(f"parameter {name!r} has no default value: give it one at the start")
            continue
        try:
            values[name] = _typed(parameter, given)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ServiceError(
            "ValidationException", f"The execution cannot start: {'; '.join(problems)}."
        )
    return values


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_CONVERSIONS: Mapping[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": _boolean,
}


def _typed(parameter: Parameter, given: Any) -> Any:
    try:
        value = _CONVERSIONS[parameter.type](str(given))
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"parameter {parameter.name!r} is of type {parameter.type}; got {given!r}"
        ) from error
    if parameter.enum_values and value not in parameter.enum_values:
        raise ValueError(
            f"parameter {parameter.name!r} must be one of "
            f"{', '.join(parameter.enum_values)}; got {given!r}"
        )
    return value
