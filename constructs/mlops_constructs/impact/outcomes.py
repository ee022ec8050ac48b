"""What happens to one resource, judged from its properties before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mlops_constructs.impact.changes import Action
from mlops_constructs.impact.registry import Behaviour, behaviour, is_custom
from mlops_constructs.impact.values import (
    ABSENT,
    Path_,
    at,
    differences,
    key_of,
    plain,
    references,
    show,
    show_path,
)
from mlops_constructs.impact.views import Resource

RETAINING: Final = frozenset({"Retain", "RetainExceptOnCreate"})
_ENDPOINT: Final = "AWS::SageMaker::Endpoint"


@dataclass(slots=True)
class Outcome:
    """What happens to one resource in one scenario.

    Attributes:
        old: The resource as it is; None if it isn't there.
        new: The resource as it will be; None if it goes.
        action: What happens.
        reasons: Why, as text, by the property at fault.
        changed: The properties whose values change.
        causes: The resources and exports that the changed values come from.
    """

    old: Resource | None
    new: Resource | None
    action: Action = Action.NONE
    reasons: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    causes: set[str] = field(default_factory=set)

    @property
    def type(self) -> str:
        """The type of the resource at stake."""
        there = self.old or self.new
        return there.type if there else ""

    def say(self, place: str, reason: str, action: Action) -> bool:
        """Give a reason; whether it says something new."""
        new = self.reasons.get(place) != reason
        self.reasons[place] = reason
        if action.rank > self.action.rank:
            self.action = action
        return new

    def content(self) -> str:
        """What changes into what, as text that is equal for equal changes only."""
        sides = [
            [side.type, plain(side.properties), side.on_delete, side.on_replace] if side else None
            for side in (self.old, self.new)
        ]
        return json.dumps([self.action, *sides, sorted(self.reasons.values())], sort_keys=True)


def compare(outcome: Outcome) -> None:
    """Say what the template itself changes."""
    old, new = outcome.old, outcome.new
    if new is None:
        outcome.say("", "removed from the template", Action.DELETE)
    elif old is None:
        outcome.say("", "new in the template", Action.CREATE)
    elif old.type != new.type:
        outcome.say(
            "",
            f"Type: {_clean(old.type)} → {_clean(new.type)}; CloudFormation refuses to change the "
            "type of a resource: give the new one a logical id of its own",
            Action.REPLACE,
        )
    else:
        for path, before, after in differences(old.properties, new.properties):
            outcome.causes.update(key_of(reference) for _, reference in references(after))
            classify(
                outcome, path, f"{show_path(path)}: {show(before)} → {show(after)}", before, after
            )
        _note_features(outcome)


def classify(
    outcome: Outcome, path: Path_, reason: str, before: Any = ABSENT, after: Any = ABSENT
) -> bool:
    """Add what a changed property does; whether that says something new."""
    row = behaviour(outcome.type)
    place = show_path(path)
    outcome.changed.add(str(path[0]) if path else "")
    if _hit(path, before, after, row.create_only):
        return outcome.say(place, f"{reason} (create-only)", Action.REPLACE)
    if _hit(path, before, after, row.conditional) and not _is_mild(outcome.type, path, before):
        return outcome.say(
            place,
            f"{reason} (may replace: the registry calls it conditionally create-only)",
            Action.REPLACE,
        )
    if outcome.type == _ENDPOINT and path[:1] == ("EndpointConfigName",):
        return outcome.say(place, f"{reason} (shifts traffic to a new fleet)", Action.BLUE_GREEN)
    unknown = "" if row.known or is_custom(outcome.type) else " (type unknown to the registry)"
    return outcome.say(place, reason + unknown, Action.UPDATE)


def _hit(path: Path_, before: Any, after: Any, schema_paths: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a change at a place touches one of the registry's paths."""
    place = tuple(part for part in path if isinstance(part, str))
    for schema_path in schema_paths:
        common = min(len(place), len(schema_path))
        if place[:common] != schema_path[:common]:
            continue
        below = schema_path[common:]
        if not below or before is after is ABSENT or at(before, below) != at(after, below):
            return True
    return False


def _is_mild(type_name: str, path: Path_, before: Any) -> bool:
    """Whether a conditionally create-only property is known to be updated in this case.

    UpdateDomain takes a VpcId only for a domain that has none (botocore, UpdateDomain.VpcId).
    """
    return type_name == "AWS::SageMaker::Domain" and path == ("VpcId",) and before is ABSENT


def _note_features(outcome: Outcome) -> None:
    """UpdateFeatureGroup only adds features (botocore, UpdateFeatureGroup.FeatureAdditions)."""
    if not (outcome.type == "AWS::SageMaker::FeatureGroup" and outcome.old and outcome.new):
        return
    before, after = (
        side.properties.get("FeatureDefinitions") for side in (outcome.old, outcome.new)
    )
    if isinstance(before, list) and isinstance(after, list) and after[: len(before)] != before:
        outcome.say(
            "FeatureDefinitions",
            "FeatureDefinitions: the service only adds features at the end; "
            "it refuses to remove, change or reorder them, so the deployment will fail",
            Action.UPDATE,
        )


def keeps_name(outcome: Outcome, row: Behaviour) -> str:
    """The fixed name that a replacement would have to share with the old resource, if any."""
    if not (outcome.old and outcome.new and row.names) or row.deletes_first:
        return ""
    names = []
    for name in row.names:
        before = at(outcome.old.properties, tuple(name.split("/")))
        after = at(outcome.new.properties, tuple(name.split("/")))
        if before is ABSENT or before != after or name.split("/")[0] in outcome.changed:
            return ""
        names.append(show(after, 80))
    return ", ".join(names)


def notes(outcome: Outcome) -> Iterator[str]:
    """What else is to be known about an outcome: what remains, what will collide."""
    old, new = outcome.old, outcome.new
    if outcome.action == Action.DELETE and old:
        yield from _remains(old.on_delete, "DeletionPolicy", old.type, old.properties)
    elif outcome.action == Action.REPLACE and new:
        if old and old.on_replace == new.on_replace:
            # AWS does not document which of two different policies counts: promise nothing then.
            yield from _remains(new.on_replace, "UpdateReplacePolicy", new.type, new.properties)
        name = keeps_name(outcome, behaviour(outcome.type))
        if name:
            yield (
                f"it keeps its fixed name {name}, and CloudFormation creates the new one before "
                "it deletes the old one, so the deployment most likely fails"
            )
    if old and new:
        for what, before, after in (
            ("DeletionPolicy", old.on_delete, new.on_delete),
            ("UpdateReplacePolicy", old.on_replace, new.on_replace),
        ):
            if before != after:
                yield f"{what}: {_clean(before or 'Delete')} → {_clean(after or 'Delete')}"


def _remains(
    policy: str, name: str, type_name: str, properties: Mapping[str, Any]
) -> Iterator[str]:
    if policy in RETAINING:
        yield f"{name} {policy}: what is there now stays, outside of the stack"
    elif policy == "Snapshot" or (not policy and _snapshots(name, type_name, properties)):
        yield f"{name} Snapshot: a snapshot of what is there now stays"


def _snapshots(name: str, type_name: str, properties: Mapping[str, Any]) -> bool:
    """RDS keeps a snapshot unless told otherwise (user guide, "DeletionPolicy attribute")."""
    alone = type_name == "AWS::RDS::DBInstance" and "DBClusterIdentifier" not in properties
    return name == "DeletionPolicy" and (type_name == "AWS::RDS::DBCluster" or alone)


def _clean(text: str) -> str:
    return show(text, 100).strip('"')
