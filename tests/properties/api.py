"""Resources as requests of the API, judged by botocore's model.

Stricter than botocore's own validation, which leaves patterns, enumerations and upper limits to
the service; values that only a deployment knows are taken as right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ServiceModel

_UNKNOWN: Final = object()
_FUNCTIONS: Final = ("Ref", "Condition")
# Of AWS::SageMaker::Endpoint, for UpdateEndpoint.
_NOT_FOR_CREATE: Final = {"RetainAllVariantProperties", "ExcludeRetainedVariantProperties"}


def violations(resource: Mapping[str, Any]) -> Iterator[str]:
    """What the API would not take of a SageMaker resource that has a Create operation."""
    kind = resource["Type"].rpartition("::")[2]
    operation = f"Create{kind}"
    if not resource["Type"].startswith("AWS::SageMaker::") or operation not in _operations():
        return
    properties = {
        name: _literal(value)
        for name, value in resource.get("Properties", {}).items()
        if name not in _NOT_FOR_CREATE
    }
    if kind == "Pipeline":
        definition = properties["PipelineDefinition"]
        properties["PipelineDefinition"] = definition["PipelineDefinitionBody"]
        # The SDK makes one up for each call.
        properties["ClientRequestToken"] = "0" * 32
    if kind == "Model":
        properties.setdefault("ModelName", _UNKNOWN)
    elif kind.endswith("JobDefinition"):
        properties.setdefault("JobDefinitionName", _UNKNOWN)
    elif kind == "EndpointConfig":
        properties.setdefault("EndpointConfigName", _UNKNOWN)
    elif kind == "ProcessingJob":
        properties.setdefault("ProcessingJobName", _UNKNOWN)
    yield from _shape(_model().operation_model(operation).input_shape, properties, operation)


@cache
def _model() -> Any:
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


@cache
def _operations() -> frozenset[str]:
    return frozenset(_model().operation_names)


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", *_FUNCTIONS)):
            return _UNKNOWN
        return {name: _literal(member) for name, member in value.items()}
    return [_literal(item) for item in value] if isinstance(value, list) else value


def _shape(shape: Any, value: Any, path: str) -> Iterator[str]:
    if value is _UNKNOWN:
        return
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _limits(shape, len(value), path)
        for index, item in enumerate(value):
            yield from _shape(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        yield from _limits(shape, len(value), path)
        for key, item in value.items():
            yield from _shape(shape.key, key, f"{path} key")
            yield from _shape(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        yield from _string(shape, value, path)
    elif kind in {"integer", "long", "float", "double"}:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: {value!r} is no number"
        else:
            yield from _limits(shape, value, path)
    elif kind == "boolean" and not isinstance(value, bool):
        yield f"{path}: {value!r} is no boolean"


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{path}: {name} is missing"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{path}: {name} is not known"
        else:
            yield from _shape(shape.members[name], member, f"{path}.{name}")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: {value!r} is no text"
        return
    yield from _limits(shape, len(value), path)
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        yield f"{path}: {value!r} does not match {pattern}"
    if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"{path}: {value!r} is not known"


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        # Java's syntax: \p{...} classes, surrogates.
        return True


def _limits(shape: Any, size: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{path}: {size:g} is not between {least} and {most}"
