"""Holds a job's arguments against the input of an API call, in botocore's model.

Checked are names, types, required members, enums, patterns, lengths and ranges: more than
botocore's own validator, which leaves patterns and enums to the service. A reference
(``{"Get": …}``, ``{"Std:Join": …}``, ``{"Std:JsonGet": …}``) stands for any value.
"""

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import botocore.loaders
import botocore.model

REFERENCES = frozenset({"Get", "Std:Join", "Std:JsonGet"})
_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}


def problems(
    arguments: Any,
    *,
    call: str,
    where: str,
    optional: Collection[str] = (),
    service: str = "sagemaker",
) -> Iterator[str]:
    """What the call would refuse, one sentence each.

    Args:
        arguments: The input, as JSON.
        call: Name of the service's operation, such as "CreateTrainingJob".
        where: What to call the input in the sentences.
        optional: Required members that somebody else fills in.
        service: Whose operation it is, by botocore's name.
    """
    shape = _service(service).operation_model(call).input_shape
    yield from _check(arguments, shape, where, optional)


@functools.cache
def _service(name: str) -> botocore.model.ServiceModel:
    loader = botocore.loaders.create_loader()
    return botocore.model.ServiceModel(loader.load_service_model(name, "service-2"))


def _check(value: Any, shape: Any, where: str, optional: Collection[str] = ()) -> Iterator[str]:
    if isinstance(value, Mapping) and len(value) == 1 and REFERENCES & value.keys():
        return
    expected = _TYPES[shape.type_name]
    # bool is an int for Python, not for the service.
    fits: bool = isinstance(value, expected) and isinstance(value, bool) == (expected is bool)
    if not fits:
        yield f"{where}: {value!r} should be a {shape.type_name}."
    elif shape.type_name == "structure":
        yield from _check_structure(value, shape, where, optional)
    elif shape.type_name == "map":
        yield from _check_limits(len(value), shape, where, " entries")
        for name, item in value.items():
            yield from _check(name, shape.key, f"{where} (key)")
            yield from _check(item, shape.value, f"{where}.{name}")
    elif shape.type_name == "list":
        yield from _check_limits(len(value), shape, where, " items")
        for index, item in enumerate(value):
            yield from _check(item, shape.member, f"{where}[{index}]")
    elif shape.type_name == "string":
        yield from _check_string(value, shape, where)
    elif shape.type_name != "boolean":
        yield from _check_limits(value, shape, where, "")


def _check_structure(
    value: Mapping[str, Any], shape: Any, where: str, optional: Collection[str]
) -> Iterator[str]:
    for name in sorted(value.keys() - shape.members.keys()):
        yield f"{where}.{name}: no such member. Known: {', '.join(sorted(shape.members))}."
    for name in sorted(set(shape.required_members) - value.keys() - set(optional)):
        yield f"{where}.{name} is missing."
    for name in sorted(value.keys() & shape.members.keys()):
        yield from _check(value[name], shape.members[name], f"{where}.{name}")


def _check_string(value: str, shape: Any, where: str) -> Iterator[str]:
    yield from _check_limits(len(value), shape, where, " characters")
    if shape.enum and value not in shape.enum:
        yield f"{where}: '{value}' is none of {', '.join(shape.enum)}."
    pattern = _pattern(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(value):
        yield f"{where}: '{value}' does not match {pattern.pattern}."


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    """A shape's pattern; None for the few in Java's dialect (as in tags) that re cannot read."""
    try:
        return re.compile(pattern, re.DOTALL) if pattern else None
    except re.error:
        return None


def _check_limits(size: float, shape: Any, where: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{where}: {size}{unit}; the least is {low}."
    if high is not None and size > high:
        yield f"{where}: {size}{unit}; the most is {high}."
