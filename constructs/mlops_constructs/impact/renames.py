"""Finds resources that only got another logical id, or moved to another stack.

CloudFormation knows resources by their logical ids: it creates the one and deletes the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from mlops_constructs.impact.registry import behaviour
from mlops_constructs.impact.values import Attribute, Call, Text, at, plain
from mlops_constructs.impact.views import Resource, View

_MOST_CANDIDATES: Final = 50


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A resource that is deleted or created.

    Attributes:
        stack: The stack.
        logical_id: The logical id.
        resource: The resource.
        view: The template it stands in.
    """

    stack: str
    logical_id: str
    resource: Resource
    view: View


def find_renames(
    deleted: Iterable[Candidate], created: Iterable[Candidate]
) -> list[tuple[Candidate, Candidate]]:
    """The pairs of a deleted and a created resource that are one and the same.

    The same is what has the same type and the same content, or the same fixed name.
    """
    waiting: dict[str, list[Candidate]] = {}
    for candidate in created:
        for key in _keys(candidate):
            waiting.setdefault(key, []).append(candidate)
    pairs = []
    taken: set[int] = set()
    for gone in deleted:
        found: list[Candidate] = []
        for key in _keys(gone):
            found = [c for c in waiting.get(key, ()) if id(c) not in taken][:_MOST_CANDIDATES]
            if found:
                break
        if found:
            best = max(found, key=lambda c: (c.stack == gone.stack, _likeness(c, gone)))
            taken.add(id(best))
            pairs.append((gone, best))
    return pairs


def _likeness(one: Candidate, other: Candidate) -> float:
    return SequenceMatcher(None, one.logical_id[:300], other.logical_id[:300]).ratio()


def _keys(candidate: Candidate) -> list[str]:
    resource = candidate.resource
    names = [
        at(resource.properties, tuple(name.split("/"))) for name in behaviour(resource.type).names
    ]
    keys = []
    if names and all(isinstance(name, str) for name in names):
        keys.append(json.dumps([resource.type, names]))
    content = plain(_blurred(resource.properties, candidate.view))
    keys.append(json.dumps([resource.type, content], sort_keys=True))
    return keys


def _blurred(value: Any, view: View) -> Any:
    """A value in which references name types: what they point at may have been renamed too."""
    if isinstance(value, dict):
        return {key: _blurred(member, view) for key, member in value.items()}
    if isinstance(value, list):
        return [_blurred(item, view) for item in value]
    if isinstance(value, Text):
        return Text(tuple(_blurred(part, view) for part in value.parts))
    if isinstance(value, Call):
        return Call(value.function, _blurred(value.operand, view))
    if isinstance(value, Attribute) and value.target in view.resources:
        return Attribute(view.resources[value.target].type, value.name)
    return value
