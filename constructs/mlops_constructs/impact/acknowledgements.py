"""Dangerous changes that somebody has agreed to, in a committed file.

An entry lets exactly one change through: its `change` is a digest of what the resource is, of what
it becomes, and of the changes that cause it. After the deployment it matches nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlops_constructs.impact.changes import Action, Change
from mlops_constructs.rules.engine.errors import MAX_BYTES, TemplateError

FILE: Final = "impact.acknowledged.json"
_MEMBERS: Final = ("stack", "resource", "action", "reason", "change")
_PLACEHOLDER: Final = "…why losing it is fine…"


@dataclass(frozen=True)
class Acknowledgement:
    """An agreement to one change.

    Attributes:
        stack: The stack.
        resource: The logical id.
        action: ``replace`` or ``delete``.
        reason: Why it is fine.
        change: The digest of the change.
    """

    stack: str
    resource: str
    action: str
    reason: str
    change: str

    def allows(self, change: Change) -> bool:
        """Whether this is the change that was agreed to."""
        return (self.stack, self.resource, self.action, self.change) == (
            change.stack,
            change.resource,
            change.action.value,
            change.digest,
        )


def entry(change: Change) -> str:
    """The entry that lets a change through, for the file."""
    members = (change.stack, change.resource, change.action.value, _PLACEHOLDER, change.digest)
    return json.dumps(dict(zip(_MEMBERS, members, strict=True)), ensure_ascii=False)


def read(path: Path) -> list[Acknowledgement]:
    """The entries of a file; none if there is no such file.

    Raises:
        TemplateError: it is not a file of acknowledgements.
    """
    try:
        with path.open("rb") as stream:
            return parse(stream.read(MAX_BYTES), str(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TemplateError(f"cannot be read: {error.strerror or error}", file=str(path)) from None


def parse(content: bytes, file: str) -> list[Acknowledgement]:
    """The entries in the content of a file.

    Raises:
        TemplateError: it is not a file of acknowledgements.
    """
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"not valid JSON: {error}", file=file) from None
    if not isinstance(entries, list):
        raise TemplateError(f"a list of objects with {', '.join(_MEMBERS)} is needed", file=file)
    return [_entry(item, number, file) for number, item in enumerate(entries, 1)]


def apply(
    changes: Iterable[Change], entries: Iterable[Acknowledgement]
) -> tuple[list[Change], list[Acknowledgement]]:
    """The changes with those acknowledged that are, and the entries that matched none."""
    waiting = list(entries)
    used: set[Acknowledgement] = set()
    found = []
    for change in changes:
        match = next((e for e in waiting if change.dangerous and e.allows(change)), None)
        if match:
            used.add(match)
            reason = f"acknowledged: {match.reason}"
            change = replace(  # noqa: PLW2901 - the same change, with the agreement
                change, acknowledged=match.reason, because=(*change.because, reason)
            )
        found.append(change)
    return found, [e for e in waiting if e not in used]


def _entry(item: Any, number: int, file: str) -> Acknowledgement:
    def refuse(what: str) -> TemplateError:
        return TemplateError(f"entry {number}: {what}", file=file)

    if not isinstance(item, dict) or set(item) != set(_MEMBERS):
        raise refuse(f"an object with exactly {', '.join(_MEMBERS)} is needed")
    wrong = [name for name in _MEMBERS if not isinstance(item[name], str)]
    if wrong:
        raise refuse(f"{', '.join(wrong)}: text is needed")
    if item["action"] not in (Action.REPLACE.value, Action.DELETE.value):
        raise refuse(f"action: replace or delete is needed, not {item['action'][:40]!r}")
    if not item["reason"].strip() or item["reason"] == _PLACEHOLDER:
        raise refuse("reason: say why losing what the resource holds is fine")
    return Acknowledgement(**item)
