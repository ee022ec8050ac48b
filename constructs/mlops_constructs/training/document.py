"""A pipeline definition as data: its steps, what they refer to, and the sentinels in it.

The form is that of SageMaker's pipeline definition JSON, version 2020-12-01. Nothing here imports
aws_cdk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_constructs.training.definition_function.binding import SENTINEL

# What json.loads returns; a recursive type would be cast away at every use.
Json = Any

_BRANCHES = ("IfSteps", "ElseSteps")
_STEP_REFERENCE = re.compile(r"Steps\.([^.\[]+)")


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: Its name, unique in the pipeline.
        type: Such as ``Processing``.
        raw: The whole step.
        condition: The condition step in whose branch it lies, if any.
    """

    name: str
    type: str
    raw: dict[str, Json]
    condition: str | None

    @property
    def arguments(self) -> dict[str, Json]:
        """What the step passes to the service."""
        arguments: dict[str, Json] = self.raw["Arguments"]
        return arguments

    @property
    def own(self) -> dict[str, Json]:
        """The step without the steps of its branches."""
        arguments = {
            key: value for key, value in self.arguments.items() if not self._is_branch(key)
        }
        return {**self.raw, "Arguments": arguments}

    @property
    def needs(self) -> set[str]:
        """The names of the steps that must come before it."""
        explicit = {
            entry["Step"] if isinstance(entry, dict) else entry
            for entry in self.raw.get("DependsOn", [])
        }
        used = {
            match.group(1)
            for reference in references(self.own)
            if (match := _STEP_REFERENCE.match(reference))
        }
        return explicit | used | ({self.condition} if self.condition else set())

    def _is_branch(self, key: str) -> bool:
        return self.type == "Condition" and key in _BRANCHES


def is_step(value: Json) -> bool:
    """Whether it has what every step has."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("Name"), str)
        and isinstance(value.get("Type"), str)
        and isinstance(value.get("Arguments"), dict)
    )


def branches(step: Json) -> Iterator[tuple[str, Json]]:
    """The branches of a condition step: name and steps."""
    if step["Type"] == "Condition":
        for branch in _BRANCHES:
            yield branch, step["Arguments"].get(branch, [])


def find_steps(steps: Json, condition: str | None = None) -> Iterator[Step]:
    """All well-formed steps, those in branches included."""
    for raw in steps if isinstance(steps, list) else ():
        if is_step(raw):
            yield Step(raw["Name"], raw["Type"], raw, condition)
            for _, inner in branches(raw):
                yield from find_steps(inner, raw["Name"])


def references(value: Json) -> Iterator[str]:
    """What every ``{"Get": …}`` refers to."""
    if isinstance(value, dict):
        if isinstance(target := value.get("Get"), str):
            yield target
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def strings(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string with its path, such as ``Steps['Train'].Arguments.RoleArn``."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            name = item["Name"] if is_step(item) else index
            yield from strings(item, f"{path}[{name!r}]")


def sentinels(value: Json) -> dict[str, list[str]]:
    """The sentinels in it, each with the paths where it is."""
    found: dict[str, list[str]] = {}
    for path, text in strings(value):
        for name in SENTINEL.findall(text):
            found.setdefault(name, []).append(path)
    return found


def parameter_default(document: Mapping[str, Json], value: Json) -> Json:
    """A value as an execution sees it that overrides no parameter."""
    if not (isinstance(value, dict) and str(value.get("Get")).startswith("Parameters.")):
        return value
    name = value["Get"].partition(".")[2]
    for parameter in document.get("Parameters", []):
        if parameter["Name"] == name:
            return parameter.get("DefaultValue", value)
    return value
