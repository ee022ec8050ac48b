"""Whether the parts of a definition are objects, lists and texts where they have to be.

What has the wrong form has no name, no type and no references: it is told of before anything else
is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MEMBERS: Mapping[str, type] = {
    "Arguments": Mapping,
    "CacheConfig": Mapping,
    "DependsOn": list,
    "OutputParameters": list,
    "PropertyFiles": list,
    "RetryPolicies": list,
}
_CALLED: Mapping[type, str] = {Mapping: "an object", list: "a list", str: "a text"}


def form_problems(document: Mapping[str, Any]) -> list[str]:
    """What has the wrong form; empty when all of it can be read."""
    problems = list(_of_objects("Parameters", document.get("Parameters", [])))
    for at, parameter in enumerate(_objects(document.get("Parameters"))):
        problems += _of(f"Parameters[{at}].EnumValues", parameter.get("EnumValues", []), list)
    return [*problems, *_of_steps("Steps", document.get("Steps", []))]


def _of_steps(where: str, steps: Any) -> Iterator[str]:
    yield from _of_objects(where, steps)
    for at, step in enumerate(_objects(steps)):
        place = f"{where}[{step.get('Name', at)!r}]"
        for member, kind in _MEMBERS.items():
            if member in step:
                yield from _of(f"{place}.{member}", step[member], kind)
        for member in ("PropertyFiles", "OutputParameters", "RetryPolicies"):
            if isinstance(step.get(member), list):
                yield from _of_objects(f"{place}.{member}", step[member])
        for file in _objects(step.get("PropertyFiles")):
            name = file.get("PropertyFileName")
            yield from _of(f"{place}.PropertyFiles: PropertyFileName", name, str)
        arguments = step.get("Arguments")
        if step.get("Type") == "Condition" and isinstance(arguments, Mapping):
            for branch in ("IfSteps", "ElseSteps"):
                yield from _of_steps(f"{place}.{branch}", arguments.get(branch, []))


def _of_objects(where: str, values: Any) -> Iterator[str]:
    yield from _of(where, values, list)
    for at, value in enumerate(values if isinstance(values, list) else []):
        yield from _of(f"{where}[{at}]", value, Mapping)


def _of(where: str, value: Any, kind: type) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{where} must be {_CALLED[kind]}; got {value!r}"


def _objects(values: Any) -> list[Mapping[str, Any]]:
    return (
        [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []
    )
