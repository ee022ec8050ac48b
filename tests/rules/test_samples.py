"""Every rule finds what it is for, and only that, in its samples."""

from __future__ import annotations

import pytest

from mlops_constructs.rules import Rule, all_rules, check_template

RULES = {rule.id: rule for rule in all_rules()}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
def test_violating_sample_is_flagged_by_this_rule_only(rule: Rule) -> None:
    samples = rule.samples
    found = check_template(samples.violating.template, region=samples.region)
    assert {finding.rule for finding in found} == {rule.id, *samples.also}
    assert all(f.severity == rule.severity for f in found if f.rule == rule.id)


@every_rule
def test_conforming_sample_is_clean(rule: Rule) -> None:
    samples = rule.samples
    assert check_template(samples.conforming.template, region=samples.region) == []


@every_rule
def test_rule_explains_itself(rule: Rule) -> None:
    assert rule.id[:-2].isalpha()
    assert rule.id[-2:].isdigit()
    for text in (rule.title, rule.fix, rule.source):
        assert text
        assert not text.endswith(".")
        assert text[0].isupper() or text == rule.source


def test_ids_are_unique() -> None:
    assert len(RULES) == len(all_rules())


def test_enough_rules() -> None:
    assert len(RULES) >= 150
