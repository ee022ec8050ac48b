"""Compares the templates of two environments: what differs, and what is weaker in the higher one.

Environments are compared by logical ids; the lower environment's name counts as the higher one's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Template = Mapping[str, Any]
Templates = Mapping[str, Template]

_ABSENT = object()

# What protects data or people: where the lower environment has it, the higher has the same.
_PROTECTION = frozenset(
    {
        "AppNetworkAccessType",
        "BlockPublicAcls",
        "BlockPublicPolicy",
        "BucketEncryption",
        "DomainSettings",
        "EnableInterContainerTrafficEncryption",
        "EnableKeyRotation",
        "EnableNetworkIsolation",
        "IgnorePublicAcls",
        "KmsKey",
        "KmsKeyId",
        "KmsMasterKeyId",
        "LoggingConfiguration",
        "LoggingConfigurations",
        "OutputKmsKeyId",
        "RestrictPublicBuckets",
        "SecurityConfig",
        "SecurityGroupIds",
        "TrafficType",
        "VersioningConfiguration",
        "VolumeKmsKeyId",
    }
)
_MORE_IS_SAFER = frozenset(
    {"ExpirationInDays", "RetentionInDays", "TerminationWaitInSeconds", "WaitIntervalInSeconds"}
)
_LESS_IS_SAFER = frozenset({"CanarySize", "LinearStepSize"})
_LASTING = {"Delete": 0, "Snapshot": 1, "RetainExceptOnCreate": 2, "Retain": 2}
_GUARDS = (
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::FlowLog",
    "AWS::KMS::Key",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
)


def as_if(templates: Templates, old: str, new: str) -> dict[str, Template]:
    """The templates of environment ``old``, by layer, as they would be under the name ``new``."""
    renamed = re.sub(rf"\b{old}\b", new, json.dumps(dict(templates)))
    found: dict[str, Template] = json.loads(renamed)
    return found


def differences(lower: Templates, higher: Templates) -> list[str]:
    """Each difference as ``Stack.Resources.LogicalId.Properties.… : lower -> higher``."""
    return [
        f"{'.'.join(path)}: {_shown(before)} -> {_shown(after)}"
        for path, before, after in _walk(_without_ids(lower), _without_ids(higher), ())
    ]


def _without_ids(templates: Templates) -> dict[str, Template]:
    """Without the ids of statements that the CDK makes of a rule's path and its stack's name."""
    found: dict[str, Template] = json.loads(
        re.sub(r'"AllowEventRule\w+"', '"AllowEventRule"', json.dumps(dict(templates)))
    )
    return found


def weakenings(lower: Templates, higher: Templates) -> list[str]:
    """Each thing that protects less in the higher environment, by resource and property."""
    known = {
        name
        for template in lower.values()
        for name in (*template["Resources"], *_exports(template))
    }
    return sorted(
        f"{stack}.{logical_id}: {text}"
        for stack, template in lower.items()
        for logical_id, text in _weaker_stack(template, higher.get(stack, {}), known)
    )


def _weaker_stack(lower: Template, higher: Template, known: set[str]) -> Iterator[tuple[str, str]]:
    resources = higher.get("Resources", {})
    for logical_id, before in lower["Resources"].items():
        after = resources.get(logical_id)
        if after is None:
            if before["Type"] in _GUARDS:
                yield logical_id, f"the {before['Type']} is gone"
            continue
        for name in ("DeletionPolicy", "UpdateReplacePolicy"):
            policies = before.get(name, "Delete"), after.get(name, "Delete")
            if _LASTING[policies[1]] < _LASTING[policies[0]]:
                yield logical_id, f"{name}: {policies[0]} -> {policies[1]}"
        had, has = (_readable(found.get("Properties", {})) for found in (before, after))
        for path, old, new in _walk(had, has, ()):
            if _weaker(path, old, new):
                yield logical_id, f"{'.'.join(path)}: {_shown(old)} -> {_shown(new)}"
        for text in _more_allowed(had, has, known):
            yield logical_id, text


def _weaker(path: tuple[str, ...], old: object, new: object) -> bool:
    if _PROTECTION.intersection(path):
        return old is not _ABSENT
    if isinstance(old, int) and isinstance(new, int):
        return (path[-1] in _MORE_IS_SAFER and new < old) or (
            bool(_LESS_IS_SAFER.intersection(path)) and new > old
        )
    return path[-1] in _MORE_IS_SAFER and isinstance(old, int) and new is not _ABSENT


def _more_allowed(old: Any, new: Any, known: set[str]) -> Iterator[str]:
    """What the policies and security groups of a resource allow in addition."""
    before, after = _atoms(old), _atoms(new)
    for key, conditions in after.items():
        effect, *_ = json.loads(key)
        if effect != "Allow":
            continue
        if key not in before:
            yield f"allows more: {key}"
            continue
        for name, values in before[key].items():
            more = [value for value in conditions.get(name, []) if value not in values]
            if name not in conditions:
                yield f"no longer asks for {name}: {key}"
            elif any(_names(value, known) for value in more):
                yield f"asks for less in {name}: {key}"
    for key in before.keys() - after.keys():
        if json.loads(key)[0] == "Deny":
            yield f"denies less: {key}"
    for side in ("SecurityGroupIngress", "SecurityGroupEgress"):
        more = [rule for rule in new.get(side, ()) if rule not in old.get(side, ())]
        if more:
            yield f"{side} allows more: {_shown(more)}"


def _atoms(properties: Any) -> dict[str, dict[str, list[Any]]]:
    """(effect, principal, action, resource) of each statement, to its conditions and values."""
    found: dict[str, dict[str, list[Any]]] = {}
    for statement in _statements(properties):
        conditions = {
            f"{operator}.{name}": values if isinstance(values, list) else [values]
            for operator, names in statement.get("Condition", {}).items()
            for name, values in names.items()
        }
        who = statement.get("Principal", statement.get("NotPrincipal"))
        for action in _listed(statement.get("Action", statement.get("NotAction"))):
            for resource in _listed(statement.get("Resource", statement.get("NotResource"))):
                key = [statement["Effect"], who, action, resource]
                found[json.dumps(key, sort_keys=True)] = conditions
    return found


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _statements(item)
    elif isinstance(value, dict):
        if value.get("Effect") in ("Allow", "Deny"):
            yield value
        else:
            for item in value.values():
                yield from _statements(item)


def _names(value: object, known: set[str]) -> bool:
    """Whether a value is more than a reference to what only the higher environment has."""
    match value:
        case {"Fn::ImportValue": str(name)} | {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return name in known
    return True


def _readable(value: Any) -> Any:
    """The properties, with the JSON documents that are written as text read."""
    match value:
        case {"Fn::Join": ["", [str(first), *rest]]} if first.startswith("{"):
            text = first + "".join(
                part if isinstance(part, str) else json.dumps(json.dumps(part))[1:-1]
                for part in rest
            )
            try:
                return json.loads(text)
            except ValueError:
                return value
        case dict():
            return {key: _readable(item) for key, item in value.items()}
        case list():
            return [_readable(item) for item in value]
    return value


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _walk(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _walk(pair[0], pair[1], (*path, str(index)))
    elif old != new:
        yield path, old, new


def _exports(template: Template) -> list[str]:
    return [
        output["Export"]["Name"]
        for output in template.get("Outputs", {}).values()
        if isinstance(output.get("Export", {}).get("Name"), str)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(value: object) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, sort_keys=True)[:200]
