"""Checks a request against its shape before anything is stored.

botocore's own client-side check knows required members, types and minimums; the service also
checks maximums, enumerations and patterns, and so does this. The wording follows the service:
"1 validation error detected: Value 'x' at 'endpointName' failed to satisfy constraint: ...".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import regex
from botocore.model import Shape

from localcloud.errors import ServiceError, invalid


def validate(shape: Shape | None, request: dict[str, Any]) -> dict[str, Any]:
    """Check ``request``; return it with the idempotency tokens that an SDK would have added.

    Raises:
        ServiceError: ``SerializationException`` for a value of the wrong type, else
            ``ValidationException`` with every other violation.
    """
    if shape is None:
        return {}
    request = dict(request)
    for name, member in shape.members.items():
        if member.metadata.get("idempotencyToken") and not request.get(name):
            request[name] = str(uuid4())
    errors = list(_check(shape, request, ""))
    if errors:
        plural = "" if len(errors) == 1 else "s"
        raise invalid(f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}")
    return request


def _check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    checker = _CHECKERS.get(shape.type_name)
    if checker:
        yield from checker(shape, value, path)


def _violation(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _wrong_type(value: Any, wanted: str) -> ServiceError:
    kinds = {bool: "TRUE_VALUE" if value is True else "FALSE_VALUE", str: "STRING_VALUE"}
    kinds |= {int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}
    kinds |= {list: "Start of list", dict: "Start of structure or map"}
    got = kinds.get(type(value), "NULL_VALUE")
    return ServiceError("SerializationException", f"{got} can not be converted to {wanted}")


def _child(path: str, name: str) -> str:
    camel = name[:1].lower() + name[1:]
    return f"{path}.{camel}" if path else camel


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        raise _wrong_type(value, "a structure")
    for name in shape.required_members:
        if value.get(name) is None:
            yield _violation(None, _child(path, name), "Member must not be null")
    if getattr(shape, "is_tagged_union", False):
        given = [name for name in shape.members if value.get(name) is not None]
        if len(given) != 1:
            allowed = ", ".join(shape.members)
            constraint = f"Member must have exactly one of [{allowed}] set"
            yield _violation(", ".join(given), path, constraint)
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _check(member, value[name], _child(path, name))


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        raise _wrong_type(value, "a list")
    yield from _length(shape, value, path)
    for index, item in enumerate(value, start=1):
        yield from _check(shape.member, item, f"{path}.{index}.member")


def _map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        raise _wrong_type(value, "a map")
    yield from _length(shape, value, path)
    for key, item in value.items():
        yield from _check(shape.key, key, f"{path}.{key}.key")
        yield from _check(shape.value, item, f"{path}.{key}.member")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        raise _wrong_type(value, "a String")
    yield from _length(shape, value, path)
    if shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        yield _violation(value, path, f"Member must satisfy enum value set: [{allowed}]")
    pattern = shape.metadata.get("pattern")
    compiled = _pattern(pattern) if pattern else None
    if compiled and not compiled.fullmatch(value):
        constraint = f"Member must satisfy regular expression pattern: {pattern}"
        yield _violation(value, path, constraint)


def _number(shape: Any, value: Any, path: str) -> Iterator[str]:
    whole = shape.type_name in {"integer", "long"}
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise _wrong_type(value, "an Integer" if whole else "a Float")
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield _violation(value, path, f"Member must have value greater than or equal to {low}")
    if high is not None and value > high:
        yield _violation(value, path, f"Member must have value less than or equal to {high}")


def _boolean(shape: Any, value: Any, path: str) -> Iterator[str]:
    del shape, path
    if not isinstance(value, bool):
        raise _wrong_type(value, "a Boolean")
    return iter(())


def _length(shape: Any, value: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and len(value) < low:
        constraint = f"Member must have length greater than or equal to {low}"
        yield _violation(value, path, constraint)
    if high is not None and len(value) > high:
        shown = value if len(value) <= _SHOWN else f"{str(value)[:_SHOWN]}..."
        yield _violation(shown, path, f"Member must have length less than or equal to {high}")


_SHOWN = 256


@cache
def _pattern(pattern: str) -> Any:
    """The compiled pattern, or ``None`` for the few that only Java's engine takes."""
    try:
        return regex.compile(pattern)
    except regex.error:
        return None


_CHECKERS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}
