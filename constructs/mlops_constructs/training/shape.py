"""Whether JSON has the form that the other checks read it in.

A shape is an example: ``{"Outputs": [{"OutputName": str}]}`` is an object whose member Outputs,
if there is one, is a list of objects whose member OutputName, if there is one, is a string.
``Name!`` is a member that must be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_constructs.training.document import Json, is_step

# Examples nest to any depth.
Shape = Any

_RESOURCES: Shape = {"InstanceGroups": [{}], "InstanceConfigs": [{}]}
_PROCESSING: Shape = {
    "NetworkConfig": {},
    "ProcessingOutputConfig": {"Outputs": [{"OutputName": str}]},
    "ProcessingResources": {"ClusterConfig": {}},
}
_JOB: Shape = {
    "HyperParameterTuningResourceConfig": _RESOURCES,
    "OutputDataConfig": {},
    "ResourceConfig": _RESOURCES,
}

#: The steps' own members.
STEP: Shape = {
    "DependsOn": [object],
    "OutputParameters": [{"OutputName": str}],
    "PropertyFiles": [{"OutputName": str, "PropertyFileName": str}],
}
PARAMETER: Shape = {"EnumValues": [object], "Name!": str, "Type!": str}
DEPENDENCY: Shape = {"Step!": str}
#: Arguments by the step's type.
ARGUMENTS: Mapping[str, Shape] = {
    "Processing": _PROCESSING,
    "QualityCheck": _PROCESSING,
    "ClarifyCheck": _PROCESSING,
    "EMR": {"ClusterConfig": {"Instances": {}}},
    "EMRServerless": {"ApplicationConfig": {"diskEncryptionConfiguration": {}}},
    "Training": _JOB,
    "Tuning": {"TrainingJobDefinition": _JOB, "TrainingJobDefinitions": [_JOB]},
    "Transform": {"DataCaptureConfig": {}, "TransformOutput": {}, "TransformResources": {}},
    "Condition": {"Conditions": [object], "ElseSteps": [object], "IfSteps": [object]},
}

_FUNCTIONS: Mapping[str, Shape] = {
    "Get": str,
    "Std:Join": {"On!": str, "Values!": [object]},
    "Std:JsonGet": {"Path!": object, "PropertyFile": {"Get!": str}},
}


def function_misfits(value: Json, path: str) -> Iterator[tuple[str, Json, str]]:
    """Where a reference, a join or a look into a file has another form than Pipelines gives it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            name = item["Name"] if is_step(item) else index
            yield from function_misfits(item, f"{path}[{name!r}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if len(value) == 1 and name in _FUNCTIONS:
                yield from misfits(item, _FUNCTIONS[name], f"{path}.{name}")
            yield from function_misfits(item, f"{path}.{name}")


def misfits(value: Json, shape: Shape, path: str) -> Iterator[tuple[str, Json, str]]:
    """Where a value has another form than the shape: path, what is there, what belongs there."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield path, value, "an object"
            return
        for key, inner in shape.items():
            name = key.rstrip("!")
            below = f"{path}.{name}" if path else name
            if name in value:
                yield from misfits(value[name], inner, below)
            elif name != key:
                yield below, None, "a value"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield path, value, "a list"
            return
        for index, item in enumerate(value):
            yield from misfits(item, shape[0], f"{path}[{index}]")
    elif not isinstance(value, shape):
        yield path, value, "text" if shape is str else "a value"
