"""The lock file of a feature group: what is deployed, so that synth can refuse to lose it.

CloudFormation sees no difference between adding a feature and removing one: both are an update
of a list. Removing, renaming or retyping one is refused by the service, or is silently ignored;
changing a create-only property replaces the group, and its online records are gone. A template
alone cannot tell, because what was there before is not in it. The lock file is: it lies beside
the code, one per group, is committed, and its diff is what a reviewer reads.

| change against the lock file | synth |
|---|---|
| nothing | passes |
| up to 100 new features, or another TTL, or other throughput: one of the three | warns; passes |
| two of these three at once, or more than 100 features | refuses, and says in which order |
| a feature removed, renamed or retyped | refuses |
| another name, identifier, event time, description, store, key, role, tag, id, stack | refuses |
| no lock file | refuses |

The file is written by ``cdk synth -c update-feature-locks=true`` only: once when the group is
new, and after each deployment that changed it. The switch records what passes; it never records
what is refused. It needs no second description of the app, unlike a command of our own, which
would have to import it.

Sources: create-only properties from the registry schema of AWS::SageMaker::FeatureGroup; the rest
from botocore, UpdateFeatureGroup ("use one of the following request parameters at a time").
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.files import write_atomically

#: The most features that one update adds (botocore, FeatureAdditions).
MOST_ADDITIONS = 100
#: The context value that has the lock files written.
CONTEXT = "update-feature-locks"
COMMAND = f"cdk synth -c {CONTEXT}=true"

_VERSION = 1
_NOTE = f"Written by `{COMMAND}` after a deployment. Commit it; do not edit it."

_NEW_GROUP = (
    "Put the old value back; or make a second group (an id, a name and a lock file of its own), "
    "fill it from the first one's history, move its readers, and remove the first one last."
)
_MOVED = (
    "Put the old {0} back; or move the deployed group with `cdk refactor` or `cdk import`, then "
    f"delete the lock file and record it anew with `{COMMAND}`."
)

#: What cannot change, in the order of the file: key, the argument to name, what to do instead.
_FIXED = (
    ("StackName", "stack_name", _MOVED.format("stack")),
    ("LogicalId", "construct_id", _MOVED.format("construct id")),
    ("FeatureGroupName", "feature_group_name", _NEW_GROUP),
    ("RecordIdentifierFeatureName", "schema.record_identifier", _NEW_GROUP),
    ("EventTimeFeatureName", "schema.event_time", _NEW_GROUP),
    (
        "Description",
        "description",
        "Put the old text back: another description replaces the group. Newer notes belong to the "
        "features' metadata.",
    ),
    ("OnlineStore", "stores.online", _NEW_GROUP),
    ("OfflineStore", "stores.offline", _NEW_GROUP),
    ("RoleArn", "role", "Put the old role back, and change its policies instead."),
)
#: The same for what most groups do not have; lock files without it are as good as ever.
_FIXED_IF_GIVEN = (
    (
        "Tags",
        "tags",
        "Put the old tags back: others replace the group. Tag the deployed group with the AddTags "
        "API, which CloudFormation does not look at.",
    ),
)

#: What one update can change, in the order in which to do it.
_CHANGEABLE = {
    "Features": "features",
    "TtlDuration": "TTL of the online store",
    "ThroughputConfig": "throughput",
}


@dataclass(frozen=True)
class FeatureLock:
    """Where the lock file of one group lies.

    Attributes:
        path: Such as ``features/people.lock.json``; a relative path begins where the CDK command
            is called, at ``cdk.json``. A group that is deployed to several environments has one
            file for each.
    """

    path: str | Path

    def __str__(self) -> str:
        """The path as seen from here, so that messages are the same on every machine."""
        path = Path(self.path)
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)

    def pending(self, problems: Problems, state: Mapping[str, Any], *, record: bool) -> list[str]:
        """Compare a group with its lock file.

        Args:
            problems: Where to note what synth must refuse.
            state: What `lock_state` of the group says.
            record: Whether a group without a lock file is welcome.

        Returns:
            The changes that pass, one phrase each: features added, TTL, throughput.
        """
        locked = self._read(problems, missing_is_fine=record)
        if locked is None:
            return []
        for key, what, instead in (*_FIXED, *_FIXED_IF_GIVEN):
            problems.check(
                state.get(key) == locked.get(key),
                what,
                got=state.get(key),
                allowed=f"{locked.get(key)!r}, as deployed ({self})",
                instead=instead,
            )
        self._check_features(problems, state["Features"], locked["Features"])
        changed = [name for key, name in _CHANGEABLE.items() if state[key] != locked[key]]
        problems.check(
            len(changed) <= 1,
            "changes",
            got=changed,
            allowed="one of these kinds in one deployment",
            instead=f"Deploy the {changed[0] if changed else ''} first and record it with "
            f"`{COMMAND}`; then "
            + ", then ".join(f"the {name}" for name in changed[1:])
            + ", each with a deployment of its own.",
        )
        added = [repr(name) for name in state["Features"] if name not in locked["Features"]]
        if changed[:1] == ["features"]:
            return [f"features added: {', '.join(added)}"]
        return [f"another {name}" for name in changed]

    def write(self, state: Mapping[str, Any]) -> None:
        """Record the group; a crash leaves the old file or the new one, never half of it."""
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"//": _NOTE, "Version": _VERSION} | dict(state), indent=2) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        write_atomically(path, text)

    def _read(self, problems: Problems, *, missing_is_fine: bool) -> dict[str, Any] | None:
        try:
            found = json.loads(Path(self.path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            problems.check(
                missing_is_fine,
                "lock",
                got=str(self),
                allowed="a file that is there and committed",
                instead=f"Write it with `{COMMAND}` if the group is new; fetch it from version "
                "control if it was deleted.",
            )
            return None
        except (OSError, ValueError) as error:
            found = str(error)
        if isinstance(found, dict) and found.get("Version") == _VERSION:
            keys = [key for key, *_ in _FIXED] + list(_CHANGEABLE)
            if all(key in found for key in keys) and isinstance(found["Features"], dict):
                return found
        version = found.get("Version") if isinstance(found, dict) else found
        problems.add(
            "lock",
            got=f"{self}: version or error {version!r}",
            allowed=f"a lock file of version {_VERSION}",
            instead="Fetch it from version control, and resolve merge conflicts so that it holds "
            "what is deployed.",
        )
        return None

    def _check_features(
        self, problems: Problems, now: Mapping[str, str], locked: Mapping[str, str]
    ) -> None:
        added = {name: kind for name, kind in now.items() if name not in locked}
        for name, kind in locked.items():
            if name not in now:
                problems.add(
                    "schema.features",
                    got=f"no {name!r}",
                    allowed=f"{name!r} ({kind}), as deployed ({self}): features are never "
                    "removed or renamed",
                    instead=_keep(name, kind, added),
                )
            elif now[name] != kind:
                problems.add(
                    f"schema.features ({name})",
                    got=now[name],
                    allowed=f"{kind}, as deployed ({self}): types never change",
                    instead=f"Put Feature.{kind.lower()}({name!r}) back, and add a feature beside "
                    f"it, such as Feature.{now[name].lower()}({name + '_v2'!r}).",
                )
        problems.check(
            len(added) <= MOST_ADDITIONS,
            "schema.features",
            got=f"{len(added)} new features",
            allowed=f"{MOST_ADDITIONS} in one deployment",
            instead=f"Deploy the first {MOST_ADDITIONS} (up to "
            f"{list(added)[min(len(added), MOST_ADDITIONS) - 1] if added else ''!r}), record them "
            f"with `{COMMAND}`, then the rest.",
        )


def _keep(name: str, kind: str, added: Mapping[str, str]) -> str:
    """What to write when a feature is gone: perhaps it was renamed."""
    same = [other for other, its_kind in added.items() if its_kind == kind]
    near = difflib.get_close_matches(name, same, n=1) or (same if len(same) == 1 else [])
    keep = f"Put Feature.{kind.lower()}({name!r}) back"
    if near:
        return f"{keep}; if {near[0]!r} is its new name, keep both and write the new one from now."
    return f"{keep}; stop writing it if it is of no more use: absent values cost nothing."


def lock_state(
    *,
    names: Mapping[str, Any],
    properties: Mapping[str, Any],
    features: Mapping[str, str],
) -> dict[str, Any]:
    """What a lock file holds about a group.

    Args:
        names: ``StackName`` and ``LogicalId``.
        properties: The properties of the template, intrinsic functions included: a key or bucket
            that gets another logical id is another key or bucket.
        features: Names to types, in the order of declaration.
    """
    online = dict(properties.get("OnlineStoreConfig") or {})
    ttl = online.pop("TtlDuration", None)
    state: dict[str, Any] = {key: properties.get(key) for key, *_ in _FIXED}
    state |= dict(names) | {"OnlineStore": online or None}
    state |= {key: properties[key] for key, *_ in _FIXED_IF_GIVEN if properties.get(key)}
    return state | {
        "OfflineStore": properties.get("OfflineStoreConfig"),
        "TtlDuration": ttl,
        "ThroughputConfig": properties["ThroughputConfig"],
        "Features": dict(features),
    }
