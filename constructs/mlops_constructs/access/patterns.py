"""Patterns of IAM: wildcards, policy variables, and the six parts of an ARN.

Sources: IAM user guide, "IAM JSON policy elements: Resource", "IAM policy elements: Variables and
tags", "IAM JSON policy elements: Condition operators" (ARN operators check each of the six parts
separately).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

#: What a request says about a condition key: its values, or None when it has no such key.
Lookup = Callable[[str], Sequence[str] | None]

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEFAULT: Final = re.compile(r"^\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?$")
_ESCAPES: Final = ("*", "?", "$")
_ARN_PARTS: Final = 6
#: Marks a character that stands for itself, so that a value with `*` in it is no wildcard.
_LITERAL: Final = "\0"


def substitute(pattern: str, lookup: Lookup) -> str | None:
    """The pattern with its policy variables filled in; None if one has no single value.

    ``${key}`` is the value of a condition key, ``${key, 'text'}`` the text when there is none,
    and ``${*}``, ``${?}``, ``${$}`` are the characters themselves. A key with several values
    cannot be used as a variable.
    """
    pieces: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(pattern):
        pieces.append(pattern[end : match.start()])
        end = match.end()
        inside = match[1].strip()
        if inside in _ESCAPES:
            pieces.append(_literal(inside))
            continue
        parsed = _DEFAULT.match(match[1])
        if parsed is None:
            return None
        values = lookup(parsed[1])
        if values is not None and len(values) == 1:
            pieces.append(_literal(values[0]))
        elif not values and parsed[2] is not None:
            pieces.append(_literal(parsed[2]))
        else:
            return None
    return "".join([*pieces, pattern[end:]])


def plain(pattern: str) -> str:
    """A substituted pattern as text, for operators that know no wildcards."""
    return pattern.replace(_LITERAL, "")


def matches(value: str, pattern: str, *, ignore_case: bool = False) -> bool:
    """Whether the value fits a pattern with ``*`` (any text) and ``?`` (one character)."""
    if pattern == "*":
        return True
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def matches_arn(value: str, pattern: str) -> bool:
    """Whether an ARN fits a pattern, each of its six parts by itself.

    A pattern of fewer parts, such as ``*`` or ``arn:aws:s3*``, is compared as a whole.
    """
    parts, wanted = value.split(":", _ARN_PARTS - 1), pattern.split(":", _ARN_PARTS - 1)
    if len(wanted) < _ARN_PARTS or len(parts) < _ARN_PARTS:
        return matches(value, pattern)
    return all(matches(part, piece) for part, piece in zip(parts, wanted, strict=True))


def _literal(text: str) -> str:
    return "".join(f"{_LITERAL}{letter}" if letter in "*?" else letter for letter in text)


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    expression = ""
    escaped = False
    for letter in pattern:
        if letter == _LITERAL:
            escaped = True
            continue
        wild = {"*": ".*", "?": "."}.get(letter)
        expression += wild if wild and not escaped else re.escape(letter)
        escaped = False
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
