"""The CloudFormation registry schemas that cfn-lint bundles."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """What the registry says about a resource type.

    Args:
        type_name: Such as ``AWS::SageMaker::Model``.
        properties: The top-level properties.
        required: Those that a template must give.
        create_only: Paths of the properties whose change replaces the resource.
        conditional: Paths of those whose change may replace it.
        read_only: Top-level properties that only ``Fn::GetAtt`` reads.
        primary: The properties that identify a resource.
        tags: The property that takes tags, if the type takes any.
        raw: The whole schema.
    """

    type_name: str
    properties: frozenset[str]
    required: frozenset[str]
    create_only: tuple[Path_, ...]
    conditional: tuple[Path_, ...]
    read_only: frozenset[str]
    primary: tuple[str, ...]
    tags: str | None
    raw: dict[str, Any]

    def replaces(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """Whether a change of properties replaces the resource."""
        return any(_at(old, path) != _at(new, path) for path in self.create_only)


def _at(properties: Any, path: Path_) -> Any:
    """The values at a path; ``*`` stands for every item of a list."""
    if not path or properties is None:
        return properties
    if path[0] == "*":
        return [_at(item, path[1:]) for item in properties]
    return _at(properties.get(path[0]), path[1:]) if isinstance(properties, dict) else None


@cache
def schema(type_name: str) -> Schema:
    """The schema of a resource type.

    Raises:
        KeyError: The registry of us-east-1 has no such type.
    """
    raw = json.loads((_folder() / "resources" / f"{_index()[type_name]}.json").read_text())
    read_only = _paths(raw, "readOnlyProperties")
    tagging = raw.get("tagging") or {}
    tag_property = str(tagging.get("tagProperty", "/properties/Tags")).rsplit("/", 1)[-1]
    return Schema(
        type_name=type_name,
        properties=frozenset(raw["properties"]),
        required=frozenset(raw.get("required") or ()),
        create_only=_paths(raw, "createOnlyProperties"),
        conditional=_paths(raw, "conditionalCreateOnlyProperties"),
        read_only=frozenset(path[0] for path in read_only if len(path) == 1),
        primary=tuple(path[0] for path in _paths(raw, "primaryIdentifier")),
        tags=tag_property if tag_property in raw["properties"] else None,
        raw=raw,
    )


@cache
def known_types() -> frozenset[str]:
    """The resource types that the registry of us-east-1 has."""
    return frozenset(_index())


def _paths(raw: dict[str, Any], name: str) -> tuple[Path_, ...]:
    return tuple(tuple(p.split("/")[2:]) for p in raw.get(name) or ())


@cache
def _index() -> dict[str, str]:
    content: dict[str, str] = json.loads((_folder() / "providers" / "us-east-1.json").read_text())
    return content


@cache
def _folder() -> Path:
    """cfn-lint's data, found without importing cfn-lint, which takes a second."""
    spec = importlib.util.find_spec("cfnlint")
    if spec is None or not spec.origin:
        raise RuntimeError("cfn-lint is not installed: run `uv sync` in localcloud/.")
    return Path(spec.origin).parent / "data" / "schemas"
