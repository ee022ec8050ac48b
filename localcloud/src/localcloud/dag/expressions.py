"""The expressions of a pipeline definition: ``Get``, ``Std:Join`` and ``Std:JsonGet``.

An expression is a JSON object with one of these names as its only key, anywhere in a step's
arguments. Source: github.com/aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-
JSON-schema and the SageMaker Python SDK's ``workflow.functions``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.compute.ports import Objects, S3Uri, ServiceError
from localcloud.dag.definition import Definition, Step, StepFailure

_TOKEN = re.compile(r"""\.?([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_NAMES_OF_ELEMENTS = ("OutputName", "InputName", "ChannelName", "Name")


def split_path(path: str) -> list[str | int]:
    """``A.B['c'][0]`` → ``["A", "B", "c", 0]``.

    Raises:
        ValueError: when it is no such path.
    """
    tokens: list[str | int] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise ValueError(f"not a property path: {path!r}")
        name, index, single, double = match.groups()
        tokens.append(int(index) if index is not None else name or single or double or "")
        position = match.end()
    return tokens


def walk(value: Any, path: str) -> Any:
    """The part of a value at a path.

    A list of named objects takes a name, too: ``Outputs['train']`` is the output whose
    ``OutputName`` is ``train``, as in the service.

    Raises:
        LookupError: with what there is instead.
    """
    for token in split_path(path):
        if isinstance(value, Mapping) and token in value:
            value = value[token]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = _element(value, token)
        else:
            there = ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
            raise LookupError(f"{token!r} of {path!r} not found; there is: {there}")
    return value


def _element(values: Sequence[Any], token: str | int) -> Any:
    if isinstance(token, int):
        if token < len(values):
            return values[token]
        raise LookupError(f"element {token} of a list of {len(values)} does not exist")
    for value in values:
        if isinstance(value, Mapping) and token in (value.get(name) for name in _NAMES_OF_ELEMENTS):
            return value
    raise LookupError(f"no element is named {token!r}")


def as_text(value: Any) -> str:
    """How the service writes a value into a string: JSON's form, strings without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Resolver:
    """Gives an expression its value during an execution.

    Attributes:
        definition: The pipeline.
        parameters: The execution's parameters, complete and of their types.
        variables: Execution variables, such as ``PipelineExecutionId``.
        properties: Step → properties of the steps that have succeeded.
        objects: Where property files are read from.
    """

    definition: Definition
    parameters: Mapping[str, Any]
    variables: Mapping[str, str]
    properties: Mapping[str, Mapping[str, Any]]
    objects: Objects

    def resolve(self, value: Any, step: Step) -> Any:
        """The value with every expression in it replaced.

        Raises:
            StepFailure: when something that is referenced does not exist.
        """
        if isinstance(value, Mapping):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name == "Get":
                    return self._get(str(argument), step)
                if name == "Std:Join":
                    parts = self.resolve(argument["Values"], step)
                    return str(argument.get("On", "")).join(as_text(part) for part in parts)
                if name == "Std:JsonGet":
                    return self._json_get(argument, step)
            return {key: self.resolve(item, step) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, step) for item in value]
        return value

    def _get(self, path: str, step: Step) -> Any:
        kind, _, rest = path.partition(".")
        if kind == "Parameters":
            return self.parameters[rest]
        if kind == "Execution":
            if rest not in self.variables:
                raise StepFailure(
                    f"ClientError: Execution.{rest} has no value in a step of type {step.type}."
                )
            return self.variables[rest]
        name, _, inner = rest.partition(".")
        try:
            return walk(self.properties[name], inner)
        except (LookupError, ValueError) as error:
            raise StepFailure(
                f"ClientError: Failed to resolve property reference {path}: {error}"
            ) from error

    def _json_get(self, argument: Mapping[str, Any], step: Step) -> Any:
        if "PropertyFile" in argument:
            uri = self._property_file(argument["PropertyFile"]["Get"])
        else:
            uri = S3Uri.parse(self.resolve(argument["S3Uri"], step))
        try:
            content = json.loads(self.objects.get(uri.bucket, uri.key))
            return walk(content, str(argument["Path"]))
        except ServiceError as error:
            reason = error.message
        except (ValueError, LookupError) as error:
            reason = str(error)
        raise StepFailure(
            f"ClientError: JsonGet could not read {argument['Path']!r} from {uri}: {reason}"
        )

    def _property_file(self, reference: str) -> S3Uri:
        _, producer, _, name = reference.split(".", 3)
        file = self.definition.steps[producer].property_files[name]
        try:
            output = walk(
                self.properties[producer],
                f"ProcessingOutputConfig.Outputs['{file['OutputName']}'].S3Output.S3Uri",
            )
        except LookupError as error:
            raise StepFailure(
                f"ClientError: Step {producer} has no output for {reference}: {error}"
            ) from error
        return S3Uri.parse(output).join(file["FilePath"])
