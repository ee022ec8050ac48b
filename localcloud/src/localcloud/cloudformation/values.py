"""Template properties as API requests: their names, types and what the registry refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.model import Shape

from localcloud.cloudformation.schemas import Schema


class PropertiesError(ValueError):
    """Properties that the registry schema does not allow."""


def check(schema: Schema, properties: dict[str, Any]) -> None:
    """Check names and required members on all levels, as CloudFormation does before it calls.

    Raises:
        PropertiesError: With every violation.
    """
    errors = list(_violations(schema.raw, schema.raw, properties, "#"))
    if errors:
        raise PropertiesError(f"Properties validation failed: {', '.join(errors)}")


def _violations(root: Any, node: Any, value: Any, path: str) -> Iterator[str]:
    node = _resolved(root, node)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(root, node.get("items") or {}, item, f"{path}/{index}")
    members = node.get("properties")
    if not members or not isinstance(value, dict):
        return
    for name in value:
        if name not in members and node.get("additionalProperties") is False:
            yield f"{path}: extraneous key [{name}] is not permitted"
    for name in node.get("required") or ():
        if name not in value:
            yield f"{path}: required key [{name}] not found"
    for name, item in value.items():
        if name in members:
            yield from _violations(root, members[name], item, f"{path}/{name}")


def _resolved(root: Any, node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target = root
        for part in node["$ref"].split("/")[1:]:
            target = target[part]
        node = target
    return node if isinstance(node, dict) else {}


def coerce(shape: Shape, value: Any) -> Any:
    """``value`` in the types of the API.

    Parameters reach properties as strings, and the registry spells some enumerations in capitals
    (``IPV4``) that the API writes small.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name: coerce(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list" and isinstance(value, list):
        return [coerce(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: coerce(shape.value, item) for key, item in value.items()}
    if kind == "boolean" and isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if kind in {"integer", "long", "float", "double"} and isinstance(value, str):
        return _number(value, whole=kind in {"integer", "long"})
    if kind == "string":
        return _text(shape, value)
    return value


def _number(value: str, *, whole: bool) -> Any:
    try:
        return int(value) if whole else float(value)
    except ValueError:
        return value


def _text(shape: Any, value: Any) -> Any:
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, int | float):
        value = str(value)
    if shape.enum and value not in shape.enum:
        return next((word for word in shape.enum if word.lower() == str(value).lower()), value)
    return value
