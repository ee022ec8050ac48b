"""The documentation and the tables are those of the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.rules import all_rules, find_rule
from mlops_constructs.rules.catalogue import FAMILIES
from mlops_constructs.rules.constraints import rows
from mlops_constructs.rules.engine.reference import explain, render_reference
from mlops_constructs.rules.tables import generate

ROOT = Path(__file__).parents[2]


def test_reference_in_the_docs_is_current() -> None:
    current = (ROOT / "docs/rules.md").read_text("utf-8")
    hint = "run: mlops-constructs rules --markdown > docs/rules.md"
    assert current == render_reference(), hint


def test_reference_has_every_rule() -> None:
    reference = render_reference()
    assert all(f"\n### {rule.id}\n" in reference for rule in all_rules())


def test_explanation_has_source_and_samples() -> None:
    text = explain(find_rule("ep05"))
    assert "Source:    botocore TrafficRoutingConfig.CanarySize." in text
    assert "Value: 51" in text
    assert "Value: 50" in text


def test_unknown_rule() -> None:
    with pytest.raises(KeyError, match="no rule ZZ99"):
        find_rule("ZZ99")


def test_every_rule_module_is_a_family() -> None:
    folder = ROOT / "constructs/mlops_constructs/rules"
    with_rules = {
        path.stem
        for path in folder.glob("*.py")
        if "\n@rule(" in (text := path.read_text("utf-8")) or "= api_rule(" in text
    }
    assert with_rules == set(FAMILIES)


def test_tables_are_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = generate.HERE
    monkeypatch.setattr(generate, "HERE", tmp_path)
    generate.main()
    for name in ("constraints.json", "regions.json"):
        made: Any = json.loads((tmp_path / name).read_text("utf-8"))
        kept: Any = json.loads((committed / name).read_text("utf-8"))
        assert kept == made, "run: python -m mlops_constructs.rules.tables.generate"


def test_every_row_of_the_table_has_a_rule() -> None:
    table = json.loads((generate.HERE / "constraints.json").read_text("utf-8"))
    used = {
        row[:2] + row[3:]
        for rule in all_rules()
        for type_name in rule.types
        for group in ("text", "count", "required", "enum", "instance_type")
        if rule.source.startswith("botocore sagemaker Create")
        for row in rows(type_name, group)
        if rule.title.startswith(TITLES[group])
    }
    for type_name, found in table.items():
        if type_name != "enums":
            assert {(path, demand, shape) for path, demand, _, shape in found} <= used, type_name


TITLES = {
    "text": "Names, ARNs",
    "count": "Lists and maps",
    "required": "What the API requires",
    "enum": "Enumerations",
    "instance_type": "Instance types",
}
