"""Compares two views of a stack: what each resource goes through, and what follows from that.

CloudFormation replaces a resource when one of its create-only properties changes. A property
changes when the template says something else, or when it refers to a resource that is itself
replaced. So the comparison follows references until nothing new follows.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.impact.changes import Action
from mlops_constructs.impact.outcomes import Outcome, classify, compare
from mlops_constructs.impact.registry import is_custom
from mlops_constructs.impact.values import (
    ABSENT,
    Attribute,
    Import,
    Path_,
    Symbol,
    key_of,
    plain,
    references,
    show,
    show_path,
)
from mlops_constructs.impact.views import View

# Attributes that an update in place changes (CloudFormation user guide, "Return values").
_MOVING: Final[Mapping[str, frozenset[str]]] = {
    "AWS::EC2::LaunchTemplate": frozenset({"LatestVersionNumber", "DefaultVersionNumber"}),
}


@dataclass(frozen=True, slots=True)
class ExportChange:
    """The change of a value that one stack gives another.

    Attributes:
        cause: Why the value changes.
        digest: Identifies the change exactly.
    """

    cause: str
    digest: str


class Comparison:
    """What happens to a stack in one scenario.

    Args:
        old: The stack as it is.
        new: The stack as it will be.
        changed_exports: The exports of other stacks whose values change.
    """

    def __init__(self, old: View, new: View, changed_exports: Mapping[str, ExportChange]) -> None:
        self.old = old
        self.new = new
        self.outcomes: dict[str, Outcome] = {}
        self._changed_exports = changed_exports
        self._digests: dict[str, str] = {}
        self._users: dict[str, list[tuple[str, Path_, Attribute | Import]]] = {}
        self._run()

    def changed_exports(self) -> dict[str, ExportChange]:
        """The exports and links whose values change or go."""
        found = {}
        given = self.new.exports | self.new.links
        for name, value in (self.old.exports | self.old.links).items():
            after = given.get(name, ABSENT)
            cause = "it is removed" if after is ABSENT else self._cause_within(value, after)
            if cause:
                parts = [json.dumps([plain(value), plain(after)], sort_keys=True)]
                parts += [self.digest(key_of(reference)) for _, reference in references(after)]
                found[name] = ExportChange(cause, _hash(parts))
        return found

    def digest(self, logical_id: str) -> str:
        """Identifies the change of a resource, or import, with the changes that cause it."""
        waiting = [logical_id]
        while waiting:
            name = waiting[-1]
            outcome = self.outcomes.get(name)
            causes = sorted(outcome.causes) if outcome else []
            unknown = [cause for cause in causes if cause not in self._digests]
            if name not in self._digests and unknown:
                # Only a template that CloudFormation refuses has circles; this ends them.
                self._digests[name] = ""
                waiting.extend(unknown)
                continue
            waiting.pop()
            if not self._digests.get(name):
                export = self._changed_exports.get(name)
                content = outcome.content() if outcome else export.digest if export else ""
                parts = [name, content, *(self._digests[cause] for cause in causes)]
                self._digests[name] = _hash(parts)
        return self._digests[logical_id]

    # --- the resources by themselves -------------------------------------------------------------

    def _run(self) -> None:
        ids = [*self.old.resources, *(i for i in self.new.resources if i not in self.old.resources)]
        for logical_id in ids:
            outcome = Outcome(
                self.old.resources.get(logical_id), self.new.resources.get(logical_id)
            )
            self.outcomes[logical_id] = outcome
            compare(outcome)
            if outcome.old and outcome.new:
                for path, reference in references(outcome.new.properties):
                    place = reference.target if isinstance(reference, Attribute) else ""
                    self._users.setdefault(place, []).append((logical_id, path, reference))
        self._follow()

    # --- what follows ----------------------------------------------------------------------------

    def _follow(self) -> None:
        waiting = deque(["", *(i for i, o in self.outcomes.items() if o.action != Action.NONE)])
        while waiting:
            for user, path, reference in self._users.get(waiting.popleft(), ()):
                outcome = self.outcomes[user]
                cause = self._cause(reference)
                if not cause or not outcome.old or not outcome.new:
                    continue
                if at_path(outcome.old.properties, path) != at_path(outcome.new.properties, path):
                    continue  # the change of the template itself is reported already
                outcome.causes.add(key_of(reference))
                if classify(outcome, path, f"{show_path(path)}: {cause}"):
                    waiting.append(user)

    def _cause(self, reference: Attribute | Import) -> str:
        """Why the value of a reference changes; empty if it does not."""
        if isinstance(reference, Import):
            change = self._changed_exports.get(reference.export)
            return f"{reference.export} changes: {change.cause}" if change else ""
        outcome = self.outcomes.get(reference.target)
        if outcome is None or outcome.old is None or outcome.new is None:
            return ""
        top = (reference.name or "").split(".")[0]
        before = outcome.old.properties.get(top, ABSENT)
        after = outcome.new.properties.get(top, ABSENT)
        if top and before is not ABSENT and after is not ABSENT and not is_custom(outcome.type):
            # The attribute is a property that the template gives.
            return f"{reference} changes" if top in outcome.changed else ""
        if outcome.action == Action.REPLACE:
            return f"{reference.target} is replaced"
        if outcome.action == Action.NONE or not top:
            return ""
        if is_custom(outcome.type):
            return f"{reference} may change, as {reference.target} is updated"
        moves = top in _MOVING.get(outcome.type, ()) or before is not after
        return f"{reference} changes, as {reference.target} is updated" if moves else ""

    def _cause_within(self, old: Any, new: Any) -> str:
        """Why a value changes; empty if it does not."""
        if old != new:
            return f"{show(old)} → {show(new)}"
        found = (self._cause(reference) for _, reference in references(new))
        return next((cause for cause in found if cause), "")


def _hash(parts: list[str]) -> str:
    text = json.dumps(parts)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def at_path(value: Any, path: Path_) -> Any:
    """What is at a place; the nearest value above it if the value ends before."""
    for key in path:
        is_item = isinstance(value, list) and isinstance(key, int) and key < len(value)
        if not (is_item or (isinstance(value, dict) and key in value)):
            return value if isinstance(value, Symbol) else ABSENT
        value = value[key]
    return value
