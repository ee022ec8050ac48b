"""All rules: one module per family, loaded on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Final

from mlops_constructs.rules.engine.rule import Rule

FAMILIES: Final = (
    "feature_group",
    "pipeline",
    "events",
    "processing_job",
    "model_package",
    "model",
    "endpoint_config",
    "endpoint",
    "inference_component",
    "inference_experiment",
    "autoscaling",
    "monitoring",
    "domain",
    "studio_image",
    "notebook",
    "mlflow",
    "cluster",
    "others",
    "names",
    "roles",
    "tags",
    "regions",
)
"""The modules of this package that define rules, in the order of the reference."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, family by family, in the order of the ids."""
    found: list[Rule] = []
    for family in FAMILIES:
        module = importlib.import_module(f"mlops_constructs.rules.{family}")
        rules = [value for value in vars(module).values() if isinstance(value, Rule)]
        found.extend(sorted(rules, key=lambda rule: rule.id))
    return tuple(found)


@cache
def rules_by_type() -> Mapping[str, tuple[Rule, ...]]:
    """The rules that look at each resource type."""
    by_type: dict[str, list[Rule]] = {}
    for rule in all_rules():
        for type_name in rule.types:
            by_type.setdefault(type_name, []).append(rule)
    return {type_name: tuple(rules) for type_name, rules in by_type.items()}


def find_rule(rule_id: str) -> Rule:
    """The rule with this id, in upper or lower case.

    Raises:
        KeyError: there is no such rule.
    """
    for rule in all_rules():
        if rule.id == rule_id.upper():
            return rule
    raise KeyError(f"no rule {rule_id}; `mlops-constructs rules` lists them all")
