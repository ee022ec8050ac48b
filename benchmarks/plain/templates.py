"""Templates of a cloud assembly: read, put in order, compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError

Template = dict[str, Any]

# What the CDK adds by itself, or what says nothing to CloudFormation.
_OWN = ("AWS::CDK::Metadata",)
_COMPARED = ("Parameters", "Mappings", "Conditions", "Outputs", "Rules", "Description")


def read_templates(assembly: Path) -> dict[str, Template]:
    """The templates of a cloud assembly by stack."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(assembly.glob("*.template.json"))
    }


def count_resources(templates: Mapping[str, Template]) -> int:
    """How many resources they have together."""
    return sum(len(_resources(template)) for template in templates.values())


def ordered(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources by name, each after those that it refers to."""
    resources, done = _resources(template), set[str]()

    def visit(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if name in done or name not in resources:
            return
        done.add(name)
        for other in (*dependencies(resources[name]), *_references(resources[name])):
            yield from visit(other)
        yield name, resources[name]

    for name in resources:
        yield from visit(name)


def dependencies(resource: Mapping[str, Any]) -> list[str]:
    """What it depends on, in so many words."""
    found = resource.get("DependsOn", [])
    return [found] if isinstance(found, str) else list(found)


def differences(ours: Mapping[str, Template], theirs: Mapping[str, Template]) -> list[str]:
    """Where templates say different things; metadata and the spelling of joins don't count.

    Raises:
        BenchmarkError: If stacks or the types of their resources differ: nothing to compare then.
    """
    if ours.keys() != theirs.keys():
        raise BenchmarkError(f"the stacks differ: {sorted(ours.keys() ^ theirs.keys())}")
    found = []
    for stack, mine in ours.items():
        other = theirs[stack]
        expected, got = (_types(template) for template in (mine, other))
        if expected != got:
            raise BenchmarkError(f"{stack} differs: only {expected - got}, only {got - expected}")
        sections = [(s, mine.get(s, {}), other.get(s, {})) for s in _COMPARED]
        found += [f"{stack}/{s}" for s, a, b in sections if canonical(a) != canonical(b)]
        for name, resource in _resources(mine).items():
            if canonical(resource) != canonical(_resources(other).get(name)):
                found.append(f"{stack}/{name} ({resource['Type']})")
    return found


def canonical(value: Any) -> Any:
    """The same value for the same meaning."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Join"} and value["Fn::Join"][0] == "":
        return _joined(value["Fn::Join"][1])
    if "Type" in value and "DependsOn" in value:
        value = value | {"DependsOn": sorted(dependencies(value))}
    return {key: canonical(inner) for key, inner in sorted(value.items()) if key != "Metadata"}


def _joined(parts: list[Any]) -> Any:
    merged: list[Any] = []
    for part in map(canonical, parts):
        inner = part["Fn::Join"][1] if isinstance(part, dict) and "Fn::Join" in part else [part]
        for piece in inner:
            if merged and isinstance(piece, str) and isinstance(merged[-1], str):
                merged[-1] += piece
            else:
                merged.append(piece)
    return merged[0] if len(merged) == 1 else {"Fn::Join": ["", merged]}


def _resources(template: Template) -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = template.get("Resources", {})
    return {name: found for name, found in resources.items() if found["Type"] not in _OWN}


def _types(template: Template) -> Counter[str]:
    return Counter(resource["Type"] for resource in _resources(template).values())


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
