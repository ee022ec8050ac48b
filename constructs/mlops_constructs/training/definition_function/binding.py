"""Puts values in the place of a definition's sentinels. Needs nothing but Python."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = Any

#: ``{{name}}``, alone or inside a longer string, stands for a value known at deployment.
SENTINEL = re.compile(r"\{\{(.*?)\}\}")


def bind(value: Json, bindings: Mapping[str, str | Sequence[str]]) -> Json:
    """A copy in which every sentinel is replaced.

    A list takes the place of a list whose only element is the sentinel.
    """
    if isinstance(value, str):
        return SENTINEL.sub(lambda match: _text(match.group(1), bindings), value)
    if isinstance(value, dict):
        return {key: bind(item, bindings) for key, item in value.items()}
    if isinstance(value, list):
        items = _list(value[0], bindings) if len(value) == 1 else None
        return [bind(item, bindings) for item in value] if items is None else list(items)
    return value


def to_text(document: Json) -> str:
    """The definition as it is deployed, without needless blanks."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _list(item: Json, bindings: Mapping[str, str | Sequence[str]]) -> Sequence[str] | None:
    match = SENTINEL.fullmatch(item) if isinstance(item, str) else None
    binding = bindings.get(match.group(1)) if match else None
    return None if binding is None or isinstance(binding, str) else binding


def _text(name: str, bindings: Mapping[str, str | Sequence[str]]) -> str:
    binding = bindings[name]
    if not isinstance(binding, str):
        raise TypeError(f"{name} is a list; it stands inside a text.")
    return binding
