"""Whether a step's arguments have the form of the call that they are the input of.

The table ``arguments.json`` holds the calls' input shapes, from botocore's service models (its
``source`` says which version), by ``tools/update_arguments.py``; synth never imports botocore.
Names, types, required members and enums are checked. A reference (``{"Get": …}``,
``{"Std:Join": …}``, ``{"Std:JsonGet": …}``), a sentinel or a token stands for any value.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import TypedDict

from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.definition_function.binding import SENTINEL
from mlops_constructs.training.document import Json, Step
from mlops_constructs.training.step_types import STEP_TYPES

_FUNCTIONS = frozenset({"Get", "Std:Join", "Std:JsonGet"})
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "timestamp": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}
# Members that Pipelines fills in, as names are made for each execution.
_FILLED_IN: Mapping[str, frozenset[str]] = {
    "CreateHyperParameterTuningJob": frozenset({"HyperParameterTuningJobName"}),
    "CreateModel": frozenset({"ModelName"}),
    "CreateProcessingJob": frozenset({"ProcessingJobName"}),
    "CreateTrainingJob": frozenset({"TrainingJobName"}),
    "CreateTransformJob": frozenset({"TransformJobName"}),
    "RunJobFlow": frozenset({"Name"}),
    "CreateApplication": frozenset({"clientToken"}),
    "StartJobRun": frozenset({"applicationId", "clientToken"}),
}
# What is in a part of the arguments of EMR's steps.
_PARTS: Mapping[tuple[str, str], str] = {
    ("EMR", "ClusterConfig"): "RunJobFlow",
    ("EMRServerless", "ApplicationConfig"): "CreateApplication",
    ("EMRServerless", "JobConfig"): "StartJobRun",
}


class _Shape(TypedDict, total=False):
    type: str
    members: dict[str, str]
    required: list[str]
    item: str
    enum: list[str]


class _Table(TypedDict):
    source: str
    calls: dict[str, str]
    shapes: dict[str, _Shape]


def argument_problems(step: Step) -> Iterator[tuple[str, Json, str]]:
    """What the step's call would refuse: path, value, what is allowed."""
    if call := STEP_TYPES[step.type].call:
        # The construct says more about a missing member that it relies on.
        known = {*STEP_TYPES[step.type].required, *_FILLED_IN.get(call, ())}
        yield from _check(step.arguments, _table()["calls"][call], "Arguments", known)
    for (kind, member), part in _PARTS.items():
        if kind == step.type and member in step.arguments:
            path = f"Arguments.{member}"
            shape = _table()["calls"][part]
            yield from _check(step.arguments[member], shape, path, _FILLED_IN[part])


def _check(
    value: Json, name: str, path: str, optional: Collection[str] = ()
) -> Iterator[tuple[str, Json, str]]:
    if _stands_for_any(value):
        return
    shape = _table()["shapes"][name]
    expected = _TYPES[shape["type"]]
    if not isinstance(value, expected) or isinstance(value, bool) != (expected is bool):
        yield path, value, f"a value of type {shape['type']}"
        return
    if isinstance(value, dict):
        yield from _check_members(value, shape, path, optional)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, shape["item"], f"{path}[{index}]")
    elif value not in shape.get("enum", [value]):
        yield path, value, ", ".join(shape["enum"])


def _check_members(
    value: Mapping[str, Json], shape: _Shape, path: str, optional: Collection[str]
) -> Iterator[tuple[str, Json, str]]:
    if shape["type"] == "map":
        for key, item in value.items():
            yield from _check(item, shape["item"], f"{path}.{key}")
        return
    members = shape["members"]
    for key in sorted(value.keys() - members.keys()):
        close = difflib.get_close_matches(key, members, n=1)
        yield f"{path}.{key}", value[key], close[0] if close else ", ".join(members)
    for key in shape["required"]:
        if key not in value and key not in optional:
            yield f"{path}.{key}", None, "a value: the call requires it"
    for key in sorted(value.keys() & members.keys()):
        yield from _check(value[key], members[key], f"{path}.{key}")


def _stands_for_any(value: Json) -> bool:
    if isinstance(value, dict):
        return len(value) == 1 and bool(_FUNCTIONS & value.keys())
    return isinstance(value, str) and (SENTINEL.search(value) is not None or is_token(value))


@cache
def _table() -> _Table:
    source = resources.files("mlops_constructs.training") / "arguments.json"
    table: _Table = json.loads(source.read_text(encoding="utf-8"))
    return table
