"""The samples of the rules: for each, what it refuses and what it accepts.

`samples/FAMILY.yaml` has `bases`, templates without a fault, and `rules`. A sample is a patch of
a base: members replace those of the same resource's properties, objects are merged, null takes
away. A patch with a `Type`, or with `Properties`, patches the resource itself.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from textwrap import dedent
from typing import Any

import yaml

Template = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One sample of a rule.

    Attributes:
        template: A whole template.
        text: What distinguishes it from a template without a fault, as YAML.
    """

    template: Template
    text: str


@dataclass(frozen=True)
class Samples:
    """The samples of a rule.

    Attributes:
        violating: A template that the rule finds fault with.
        conforming: One that it does not.
        also: Other rules that the violating sample breaks, because it cannot but break them.
        region: The region that both are for.
    """

    violating: Sample
    conforming: Sample
    also: tuple[str, ...] = ()
    region: str | None = None


@cache
def load_samples(family: str) -> Mapping[str, Samples]:
    """The samples of a family's rules, by rule id."""
    text = files("mlops_constructs.rules").joinpath(f"samples/{family}.yaml").read_text("utf-8")
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        content: dict[str, Any] = loader.construct_document(root)
    finally:
        loader.dispose()
    texts = _texts(text, root)
    samples = {}
    for rule_id, entry in content["rules"].items():
        base = content["bases"][entry.get("base", next(iter(content["bases"])))]
        violating, conforming = (
            Sample(_patched(base, entry[kind]), texts[rule_id, kind])
            for kind in ("violating", "conforming")
        )
        also = tuple(entry.get("also", ()))
        samples[rule_id] = Samples(violating, conforming, also, entry.get("region"))
    return samples


def _patched(base: Template, patch: Mapping[str, Any] | None) -> Template:
    resources = copy.deepcopy(base)
    for logical_id, change in (patch or {}).items():
        if change is None:
            del resources[logical_id]
        elif isinstance(change, dict) and ("Type" in change or "Properties" in change):
            resources[logical_id] = _merged(resources.get(logical_id, {}), change)
        else:
            resource = resources[logical_id]
            resource["Properties"] = _merged(resource["Properties"], change)
    return {"Resources": resources}


def _merged(value: Any, change: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(change, dict) or _is_function(value, change):
        return copy.deepcopy(change)
    merged = dict(value)
    for key, inner in change.items():
        if inner is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), inner)
    return merged


def _is_function(*values: dict[str, Any]) -> bool:
    return any(key == "Ref" or key.startswith("Fn::") for value in values for key in value)


def _texts(text: str, root: Any) -> dict[tuple[str, str], str]:
    """The samples as they stand in the file."""
    found = {}
    rules = next(value for key, value in root.value if key.value == "rules")
    for rule_id, entry in rules.value:
        for kind, node in entry.value:
            start = text.rfind("\n", 0, node.start_mark.index) + 1
            lead = text[start : node.start_mark.index]
            body = text[node.start_mark.index : node.end_mark.index]
            indented = body if lead.strip() else lead + body
            found[rule_id.value, kind.value] = dedent(indented).strip()
    return found


class _Loader(yaml.SafeLoader):
    """Reads samples; `!repeat {of: x, times: n}` makes long texts and lists."""


def _repeat(loader: _Loader, node: yaml.MappingNode) -> Any:
    arguments = loader.construct_mapping(node, deep=True)
    repeated, times = arguments["of"], arguments["times"]
    if isinstance(repeated, dict):
        return {f"{key}{i}": value for i in range(times) for key, value in repeated.items()}
    return repeated * times


_Loader.add_constructor("!repeat", _repeat)
