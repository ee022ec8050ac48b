"""The definition of a pipeline, as far as the template holds it.

CDK writes a definition with tokens as Fn::Join or Fn::Sub. The unknown parts stand inside JSON
strings, where a placeholder keeps the JSON intact; a string with a placeholder is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeGuard

from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Text

_PLACEHOLDER: Final = "\ufffc"
_MAX_BODY: Final = 2_097_152


@dataclass
class Definition:
    """A pipeline definition.

    Attributes:
        node: Where in the pipeline it stands.
        content: The definition; empty when it cannot be read.
        error: Why it cannot be read.
    """

    node: Node
    content: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        """All steps, also those inside the branches of Condition steps."""
        found: list[dict[str, Any]] = []
        waiting: list[Any] = [self.content.get("Steps")]
        while waiting:
            steps = waiting.pop(0)
            for step in steps if isinstance(steps, list) else ():
                if not isinstance(step, dict):
                    continue
                found.append(step)
                arguments = step.get("Arguments")
                if step.get("Type") == "Condition" and isinstance(arguments, dict):
                    waiting.extend((arguments.get("IfSteps"), arguments.get("ElseSteps")))
        return found

    @cached_property
    def parameters(self) -> list[dict[str, Any]]:
        """The declared parameters."""
        parameters = self.content.get("Parameters")
        if not isinstance(parameters, list):
            return []
        return [parameter for parameter in parameters if isinstance(parameter, dict)]

    @cached_property
    def names(self) -> list[str]:
        """The known names of steps."""
        return [name for step in self.steps if self.is_literal(name := step.get("Name"))]

    @cached_property
    def complete(self) -> bool:
        """Whether the names of all steps and parameters are known."""
        named = [*self.steps, *self.parameters]
        return all(self.is_literal(entry.get("Name")) for entry in named)

    def references(self, part: Any) -> Iterator[str]:
        """What the Get functions inside a part of the definition name, such as Steps.Train.X."""
        waiting = [part]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                path = value.get("Get")
                if len(value) == 1 and isinstance(path, str) and self.is_literal(path):
                    yield path
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)

    @staticmethod
    def is_literal(value: object) -> TypeGuard[str]:
        """Whether a string of the definition is fully known."""
        return isinstance(value, str) and _PLACEHOLDER not in value


def definition_of(pipeline: Resource) -> Definition | None:
    """The inline definition of a pipeline; None when the template does not hold it."""
    return pipeline.scope.once(
        ("definition", pipeline.logical_id),
        lambda: _read(pipeline["PipelineDefinition.PipelineDefinitionBody"]),
    )


def _read(body: Node) -> Definition | None:
    value, known = body.value, True
    if isinstance(value, Text):
        known = False
        value = "".join(part if isinstance(part, str) else _PLACEHOLDER for part in value.parts)
    if not isinstance(value, str) or not value or len(value) > _MAX_BODY:
        return None
    try:
        content = json.loads(value)
    except (ValueError, RecursionError) as error:
        # With unknown parts it may well be JSON once they are filled in.
        return Definition(body, error=str(error)) if known else None
    if not isinstance(content, dict):
        return Definition(body, error="it is not a JSON object")
    return Definition(body, content)
