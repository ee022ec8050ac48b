"""Whether arguments are of the types that their annotations say, before anybody computes with them.

Type checkers say so, but notebooks and quick scripts run without one: ``bake=600`` or a bucket's
name where a bucket belongs would otherwise end somewhere inside jsii. CDK's interfaces are told by
the members of a value's class, which costs no call to jsii.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from aws_cdk import Duration

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token

_PLAIN: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    Duration: "a Duration",
}


def check_fields(problems: Problems, what: str, value: object) -> None:
    """Note the fields of a frozen dataclass of ours, and of those inside, with wrong types.

    A dataclass of ours where another one belongs is left to who knows why it does not fit.

    Args:
        problems: Where to note it.
        what: What errors call the value.
        value: The value; nothing is noted of what is no dataclass.
    """
    if not dataclasses.is_dataclass(value):
        return
    hints = _hints(value.__class__)
    for field in dataclasses.fields(value):
        place = f"{what}.{field.name}"
        given = getattr(value, field.name)
        if not check_type(problems, place, given, hints[field.name]):
            continue
        for inner, each in _inside(place, given):
            check_fields(problems, inner, each)


def check_given(problems: Problems, what: str, value: object, hint: Any) -> None:
    """Note an argument of a wrong type, or what inside it is."""
    if check_type(problems, what, value, hint):
        for place, each in _inside(what, value):
            check_fields(problems, place, each)


def check_type(problems: Problems, what: str, given: object, hint: Any) -> bool:
    """Note a value that is not of a type; whether it is."""
    fits = _fits(given, hint)
    if not fits:
        problems.add(what, got=given, allowed=_shown(hint), instead=_instead(given, hint))
    return fits


def whole_seconds(duration: Duration) -> int | None:
    """A duration in seconds; None if it is no whole number of them."""
    seconds = duration.to_seconds(integral=False)
    return int(seconds) if seconds == int(seconds) else None


def _inside(place: str, given: object) -> Iterator[tuple[str, object]]:
    if isinstance(given, Mapping):
        yield from ((f"{place}[{name!r}]", each) for name, each in given.items())
    elif isinstance(given, list | tuple):
        yield from ((f"{place}[{index}]", each) for index, each in enumerate(given))
    else:
        yield place, given


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _fits(given: object, hint: Any) -> bool:
    return any(_is(given, option) for option in _options(hint))


def _is(given: object, kind: Any) -> bool:
    if kind in (int, float, str) and is_token(given):
        return True
    match get_origin(kind):
        case origin if origin is Sequence:
            (item,) = get_args(kind)
            return isinstance(given, list | tuple) and all(_fits(each, item) for each in given)
        case origin if origin is Mapping:
            key, item = get_args(kind)
            return isinstance(given, Mapping) and all(
                _fits(name, key) and _fits(each, item) for name, each in given.items()
            )
    if kind in (int, float):
        return isinstance(given, int | kind) and not isinstance(given, bool)
    if dataclasses.is_dataclass(kind):
        return dataclasses.is_dataclass(given)
    if getattr(kind, "_is_protocol", False):
        return type(given).__name__ == "InterfaceDynamicProxy" or all(
            hasattr(type(given), name) for name in _members(kind)
        )
    return isinstance(given, kind)


@cache
def _members(protocol: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False)
        for name in vars(base)
        if not name.startswith("_")
    )


def _shown(hint: Any) -> str:
    names = []
    for option in _options(hint):
        if option is NoneType:
            continue
        origin, arguments = get_origin(option), get_args(option)
        if origin is Sequence:
            names.append(f"a list, each {_shown(arguments[0])}")
        elif origin is Mapping:
            names.append(f"a dictionary, each value {_shown(arguments[1])}")
        else:
            names.append(_PLAIN.get(option) or option.__name__)
    return " or ".join(names)


def _instead(given: object, hint: Any) -> str:
    kinds = [option for option in _options(hint) if option is not NoneType]
    lists = [option for option in kinds if get_origin(option) is Sequence]
    if Duration in kinds:
        plain = isinstance(given, int | float)
        return f"Write Duration.{f'seconds({given})' if plain else 'minutes(10)'}."
    if lists and _fits(given, get_args(lists[0])[0]):
        return "Put it into a list: [...]."
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return f"Write {kind.__name__}.{next(iter(kind)).name}."
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return f"Write {kind.__name__}(...)."
    if any(getattr(kind, "_is_protocol", False) for kind in kinds):
        return "Pass the construct; for one that exists already its class has from_... methods."
    if int in kinds or float in kinds:
        return f"Write {'100' if int in kinds else '0.5'}, without quotes."
    if str in kinds:
        return "Write it as text, in quotes."
    return f"Pass {_shown(hint)}."
