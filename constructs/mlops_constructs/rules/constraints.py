"""Rules made from the table of demands that the API has and the registry schema has not.

The table is made by `tables/generate.py`; the families say which part of it is a rule of theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from mlops_constructs.rules.engine.rule import Rule, Severity
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import ABSENT, MAYBE, Node, Problems, show

Group = Literal["text", "count", "required", "enum", "instance_type"]
Row = tuple[str, str, Any, str]

_MAX_TEXT: Final = 4096
_GROUPS: Final[Mapping[Group, tuple[str, ...]]] = {
    "text": ("pattern", "minLength", "maxLength"),
    "count": ("minItems", "maxItems", "minProperties", "maxProperties"),
    "required": ("required",),
    "enum": ("enum",),
    "instance_type": ("enum",),
}
_TITLES: Final[Mapping[Group, str]] = {
    "text": "Names, ARNs and URIs of {kind} fit the API's patterns and lengths",
    "count": "Lists and maps of {kind} have as many members as the API takes",
    "required": "What the API requires of {kind} is given",
    "enum": "Enumerations of {kind} have a value that the API knows",
    "instance_type": "Instance types of {kind} are known to the API",
}
_FIXES: Final[Mapping[Group, str]] = {
    "text": "Write a value that the API takes: the CloudFormation schema lets more through",
    "count": "Stay within the API's limits: the CloudFormation schema lets more through",
    "required": "Give it: the CloudFormation schema makes it optional, the API does not",
    "enum": "Use one of the API's values: the CloudFormation schema takes any text",
    "instance_type": (
        "Use an instance type of this API; one that is newer than the API model of this release "
        "can be acknowledged"
    ),
}


def api_rule(rule_id: str, *types: str, group: Group, kind: str, family: str) -> Rule:
    """A rule made from the rows of the table that are about these types and this group.

    Args:
        rule_id: The rule's id.
        types: The resource types.
        group: Which rows: of texts, of counts, of required members, of enumerations.
        kind: What the title calls the resources, in the plural.
        family: The module that defines the rule.
    """
    severity: Severity = "warning" if group == "instance_type" else "error"
    names = " and ".join(f"Create{name.rpartition('::')[2]}" for name in types)
    return Rule(
        id=rule_id,
        types=types,
        title=_TITLES[group].format(kind=kind),
        fix=_FIXES[group],
        source=f"botocore sagemaker {names} (the shape is in the finding)",
        severity=severity,
        check=_checker(group),
        family=family.rpartition(".")[2],
    )


@cache
def _table() -> dict[str, Any]:
    text = files("mlops_constructs.rules").joinpath("tables/constraints.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@cache
def rows(type_name: str, group: Group) -> tuple[Row, ...]:
    """The rows of the table for a type and a group."""
    is_instance = group == "instance_type"
    return tuple(
        (path, demand, value, shape)
        for path, demand, value, shape in _table().get(type_name, ())
        if demand in _GROUPS[group] and (demand != "enum" or _is_instance(shape) == is_instance)
    )


def _is_instance(shape: str) -> bool:
    return shape.endswith("InstanceType")


def _checker(group: Group) -> Callable[[Resource], Problems]:
    def check(resource: Resource) -> Problems:
        for path, demand, value, shape in rows(resource.type, group):
            for node in _places(resource, path):
                problem = _DEMANDS[demand](node, value, shape)
                if problem is not None:
                    yield node.problem(f"{problem} (botocore {shape})")

    return check


def _places(resource: Resource, path: str) -> Iterator[Node]:
    """The places that a path of the table leads to, through every item of a list or map."""
    nodes: list[Node] = [resource]
    for part in path.split("/"):
        if part == "*":
            nodes = [
                inner
                for node in nodes
                for inner in (*node.items, *(value for _, value in node.fields))
            ]
        else:
            nodes = [node[part] for node in nodes]
        nodes = [node for node in nodes if node.value is not ABSENT and node.value is not MAYBE]
    yield from nodes


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _pattern(node: Node, pattern: str, _shape: str) -> str | None:
    text = node.text
    if text is None or len(text) > _MAX_TEXT or _compiled(pattern).fullmatch(text):
        return None
    return f"{show(text)} does not match {pattern}"


def _length(node: Node, limit: int, _shape: str, *, least: bool) -> str | None:
    if node.text is None or (len(node.text) >= limit if least else len(node.text) <= limit):
        return None
    return f"{len(node.text)} characters, where {'at least' if least else 'at most'} {limit} go"


def _count(node: Node, limit: int, _shape: str, *, least: bool) -> str | None:
    count = node.count
    if count is None or (count >= limit if least else count <= limit):
        return None
    return f"{count} members, where {'at least' if least else 'at most'} {limit} go"


def _required(node: Node, member: str, _shape: str) -> str | None:
    return f"{member} is missing" if node[member].absent else None


def _enum(node: Node, _value: None, shape: str) -> str | None:
    values: list[str] = _table()["enums"][shape]
    if node.text is None or node.text in values:
        return None
    known = f"; the API knows {', '.join(values)}" if len(values) <= 5 else ""
    return f"{show(node.text)} is not known{known}"


_DEMANDS: Final[Mapping[str, Callable[[Node, Any, str], str | None]]] = {
    "pattern": _pattern,
    "minLength": lambda node, limit, shape: _length(node, limit, shape, least=True),
    "maxLength": lambda node, limit, shape: _length(node, limit, shape, least=False),
    "minItems": lambda node, limit, shape: _count(node, limit, shape, least=True),
    "maxItems": lambda node, limit, shape: _count(node, limit, shape, least=False),
    "minProperties": lambda node, limit, shape: _count(node, limit, shape, least=True),
    "maxProperties": lambda node, limit, shape: _count(node, limit, shape, least=False),
    "required": _required,
    "enum": _enum,
}
