"""Each branch of a condition is checked, and only combinations that can occur."""

from __future__ import annotations

from typing import Any

from mlops_constructs.rules import check_template
from mlops_constructs.rules.engine.conditions import Conditions
from tests.rules.support import check_group, group, ids


def equals(parameter: str, value: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, value]}


PROD = {"Conditions": {"IsProd": equals("Stage", "prod"), "IsDev": equals("Stage", "dev")}}


def test_each_branch_is_checked_and_named() -> None:
    name = {"Fn::If": ["IsProd", "bad name", "good"]}
    document = {**PROD, "Resources": {"Group": group(FeatureGroupName=name)}}
    (finding,) = check_template(document)
    assert finding.rule == "FG14"
    assert finding.message.endswith("(when IsProd is true)")


def test_a_finding_of_every_branch_is_reported_once_and_unconditionally() -> None:
    name = {"Fn::If": ["IsProd", "bad name", "bad name"]}
    document = {**PROD, "Resources": {"Group": group(FeatureGroupName=name)}}
    (finding,) = check_template(document)
    assert "when" not in finding.message


def test_two_values_of_one_parameter_never_hold_together() -> None:
    # Both stores are off only if the stage is neither: with two allowed values it never is.
    off: dict[str, Any] = {"Ref": "AWS::NoValue"}
    online = {"Fn::If": ["IsProd", {"EnableOnlineStore": True}, off]}
    offline = {"Fn::If": ["IsDev", {"S3StorageConfig": {"S3Uri": "s3://b/o"}}, off]}
    stores = {"OnlineStoreConfig": online, "OfflineStoreConfig": offline, "RoleArn": "r"}
    assert check_group(PROD, **stores) == ["FG01"]
    stage = {"Parameters": {"Stage": {"Type": "String", "AllowedValues": ["dev", "prod"]}}}
    assert check_group({**PROD, **stage}, **stores) == []


def test_a_parameter_has_its_value_inside_the_branch() -> None:
    name = {"Fn::If": ["IsBad", {"Ref": "Name"}, "good"]}
    assert check_group({"Conditions": {"IsBad": equals("Name", "bad name")}},
                       FeatureGroupName=name) == ["FG14"]  # fmt: skip


def test_a_resource_that_is_not_made_is_not_checked() -> None:
    never = {"Conditions": {"Never": {"Fn::Equals": ["a", "b"]}}}
    bad = {**group(FeatureGroupName="bad name"), "Condition": "Never"}
    assert check_template({**never, "Resources": {"Group": bad}}) == []


def test_and_or_not_and_other_comparisons() -> None:
    conditions = Conditions(
        {
            "A": equals("P", "a"),
            "NotA": {"Fn::Not": [{"Condition": "A"}]},
            "Both": {"Fn::And": [{"Condition": "A"}, {"Condition": "NotA"}]},
            "Either": {"Fn::Or": [{"Condition": "A"}, {"Condition": "NotA"}]},
            "Other": {"Fn::Equals": [{"Ref": "P"}, {"Ref": "Q"}]},
            "Loop": {"Fn::Not": [{"Condition": "Loop"}]},
            "Broken": {"Fn::And": "A"},
        },
        {},
        {},
    )
    names = ["A", "NotA", "Both", "Either", "Other", "Loop", "Broken"]
    scenarios = conditions.scenarios(names)
    assert len(scenarios) == 4
    states = {tuple(conditions.evaluate(name, s) for name in names) for s in scenarios}
    assert {state[:4] for state in states} == {
        (True, False, False, True),
        (False, True, False, True),
    }
    assert {state[4] for state in states} == {True, False}
    assert {state[5:] for state in states} == {(None, None)}


def test_many_conditions_are_sampled() -> None:
    names = [f"C{i}" for i in range(100)]
    sections: dict[str, Any] = {
        "Conditions": {name: equals(name, "x") for name in names},
        "Resources": {
            name: group(FeatureGroupName={"Fn::If": [name, "bad name", f"good-{name}"]})
            for name in names
        },
    }
    found = [f for f in check_template(sections) if f.rule == "FG14"]
    assert len(found) >= 50
    assert ids(found) == ["FG14"] * len(found)
