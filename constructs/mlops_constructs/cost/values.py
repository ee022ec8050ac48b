"""Values of a template as far as they are known without deploying it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def resources_of(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The ids and properties of the resources of a type, of a template of whatever shape."""
    for logical_id, resource in document["Resources"].items():
        if member(resource, "Type") == kind:
            properties = resource.get("Properties")
            yield logical_id, properties if isinstance(properties, dict) else {}


def member(value: Any, *names: str) -> Any:
    """What stands in an object under a name, under that the next; None if it is not there."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def known(value: Any, parameters: Mapping[str, Any]) -> Any:
    """The value, with references to parameters replaced by their defaults; None if unknown.

    Of a value that is there under a condition only, the one that is there.
    """
    match value:
        case {"Fn::If": [_, one, {"Ref": "AWS::NoValue"}]}:
            return known(one, parameters)
        case {"Fn::If": [_, {"Ref": "AWS::NoValue"}, other]}:
            return known(other, parameters)
        case {"Ref": str(name)}:
            parameter = parameters.get(name)
            default = parameter.get("Default") if isinstance(parameter, dict) else None
            return None if isinstance(default, dict) else default
        case {"Fn::If": [_, one, other]}:
            chosen = known(one, parameters)
            return chosen if chosen == known(other, parameters) else None
        case dict() if any(name.startswith("Fn::") for name in value):
            return None
    return value


def number(value: Any, parameters: Mapping[str, Any], default: int | None = None) -> int | None:
    """A whole number, if it is known; CloudFormation takes numbers as texts too."""
    if value is None:
        return default
    found = known(value, parameters)
    if isinstance(found, bool):
        return None
    try:
        return int(found)
    except (TypeError, ValueError, OverflowError):
        return None


def text(value: Any) -> str:
    """The value as text in which what only a deployment knows stands as JSON."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(map(text, parts))
        case {"Fn::Sub": [str(template), *_]} | {"Fn::Sub": str(template)}:
            return template
    return json.dumps(value)


def document(value: Any) -> dict[str, Any]:
    """A JSON document written as an object or as text with references in it; empty if neither."""
    if isinstance(value, dict) and isinstance(value.get("Fn::Join"), list):
        match value:
            case {"Fn::Join": [str(delimiter), [*parts]]}:
                value = delimiter.join(
                    part if isinstance(part, str) else json.dumps(json.dumps(part))[1:-1]
                    for part in parts
                )
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
