"""From the JSON of a stream to a record of PutRecord, by the types of the feature group.

| feature | takes | is written as |
|---|---|---|
| String | text | as it is |
| Integral | whole numbers of 64 bits, also as ``39.0`` or ``"39"``; booleans | digits; 1 and 0 |
| Fractional | finite numbers, also as text | as it is |
| event time, String | ISO-8601 with an offset or ``Z`` | in UTC with milliseconds at most |
| event time, Fractional | seconds since 1970 | as it is |
| any | null | not at all: the feature is absent |

What does not fit is refused and never bent: a record that was written wrongly cannot be taken back
from the offline store. Forms of event times: botocore, EventTimeFeatureName.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

#: botocore, ValueAsString.
LONGEST_VALUE = 358_400

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_SHOWN = 60
# The year 5138 in seconds, and 1973 in milliseconds.
_SURELY_MILLISECONDS = 1e11


class RecordError(ValueError):
    """What a record says cannot be written to the group."""


class UnknownFeatureError(RecordError):
    """A name that the schema does not have; a newer schema may."""


@dataclass(frozen=True)
class Schema:
    """What the group takes.

    Attributes:
        identifier: The feature that identifies a record.
        event_time: The feature that says when.
        types: String, Integral or Fractional by name.
    """

    identifier: str
    event_time: str
    types: Mapping[str, str]


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object of a stream's record; decimal numbers keep their digits.

    Raises:
        RecordError: If it is no JSON object in UTF-8, or names a feature twice.
    """
    try:
        found = json.loads(
            data.decode("utf-8"),
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_each_once,
        )
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise RecordError("not a record: nested too deep") from error
    if not isinstance(found, dict):
        raise RecordError(f"not a JSON object but {_kind(found)}; send one object for each record")
    return found


def convert(schema: Schema, fields: Mapping[str, Any]) -> list[dict[str, str]]:
    """A record for PutRecord.

    Raises:
        UnknownFeatureError: If a name is not in the schema and the rest fits.
        RecordError: With everything else that does not fit.
    """
    problems: list[str] = []
    record: list[dict[str, str]] = []
    unknown = [name for name in fields if name not in schema.types]
    for name, value in fields.items():
        if name in schema.types and value is not None:
            try:
                text = _text(schema, name, value)
            except RecordError as error:
                problems.append(f"{name}: {error}")
            else:
                record.append({"FeatureName": name, "ValueAsString": text})
    problems += [
        f"{name}: missing; every record needs it"
        for name in (schema.identifier, schema.event_time)
        if fields.get(name) is None
    ]
    if problems:
        raise RecordError("; ".join(problems))
    if unknown:
        raise UnknownFeatureError(f"not in the feature group: {', '.join(map(_show, unknown))}")
    return record


def _text(schema: Schema, name: str, value: object) -> str:
    if isinstance(value, list | dict):
        raise RecordError(f"got {_kind(value)}; send one feature for each element")
    kind = schema.types[name]
    if name == schema.event_time:
        text = _time(value) if kind == "String" else _seconds(value)
    else:
        text = {"Integral": _integral, "Fractional": _fractional}.get(kind, _string)(value)
    if len(text.encode()) > LONGEST_VALUE:
        raise RecordError(f"longer than {LONGEST_VALUE} bytes")
    return text


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise RecordError(f"got {_kind(value)} {_show(value)}; a String takes text")
    return value


def _integral(value: object) -> str:
    whole: int | None = None
    if isinstance(value, str):
        whole = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, int | Decimal) and -(2**64) < value < 2**64 and value == int(value):
        whole = int(value)
    if whole is None:
        raise RecordError(f"got {_kind(value)} {_show(value)}; an Integral takes whole numbers")
    if not -(2**63) <= whole < 2**63:
        raise RecordError(f"got {_show(value)}; an Integral takes 64 bits")
    return str(whole)


def _fractional(value: object) -> str:
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not number and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise RecordError(f"got {_kind(value)} {_show(value)}; a Fractional takes numbers")
    text = str(value)
    if not math.isfinite(float(text)):
        raise RecordError(f"got {_show(value)}; a Fractional takes what a double holds")
    return text


def _seconds(value: object) -> str:
    text = _fractional(value)
    if abs(float(text)) >= _SURELY_MILLISECONDS:
        raise RecordError(f"got {_show(value)}; the time is in seconds, not milliseconds")
    return text


def _time(value: object) -> str:
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if found is None or found["zone"] is None:
        raise RecordError(f"got {_show(value)}; write a time such as '2026-11-01T12:00:00Z'")
    try:
        time = dt.datetime.fromisoformat(found[0]).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(f"got {_show(value)}: {error}") from error
    text = time.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return text.removesuffix(".000") + "Z"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RecordError(f"named twice: {', '.join(map(_show, twice))}")
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise RecordError(f"{_show(text)} is too long for a number") from error


def _refuse_constant(name: str) -> None:
    raise RecordError(f"{name} is no number of JSON; send null for a value that is not known")


def _kind(value: object) -> str:
    kinds = {str: "text", bool: "a boolean", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")


def _show(value: object) -> str:
    text = repr(str(value) if isinstance(value, Decimal) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
