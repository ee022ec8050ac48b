"""Templates that nobody should write: an answer or one clear error, never a traceback."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mlops_constructs.impact import Action, analyse
from mlops_constructs.impact.report import FORMATS
from mlops_constructs.rules import TemplateError
from tests.impact.cases import BUCKET, CASES, QUEUE, TOPIC, but

Json = dict[str, Any]


def nested(depth: int, kind: str) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {kind: value}
    return value


def doubled(depth: int) -> Any:
    """Each level holds the one below twice: 2**depth characters."""
    value: Any = "xx"
    for _ in range(depth):
        value = {"Fn::Sub": ["${a}${a}", {"a": value}]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(5000, "a"),
        nested(5000, "Fn::Base64"),
        nested(5000, "Fn::ImportValue"),
        doubled(33),
    ],
    ids=["deep", "deep functions", "deep imports", "text bomb"],
)
def test_bombs_are_refused_with_the_stack(value: Any) -> None:
    template = {"Resources": {"Q": but(QUEUE, QueueName=value)}}
    started = time.monotonic()
    with pytest.raises(TemplateError, match="stack: "):
        analyse({"stack": template}, {"stack": template})
    assert time.monotonic() - started < 2


def test_a_mapping_that_contains_itself_stays_text() -> None:
    loop = {"Fn::FindInMap": ["M", "k", "v"]}
    template = {
        "Mappings": {"M": {"k": {"v": {"a": loop, "b": loop}}}},
        "Resources": {"Q": but(QUEUE, QueueName=loop)},
    }
    assert analyse({"s": template}, {"s": template})[0].action == Action.NONE


def test_resources_that_refer_to_each_other_in_a_circle() -> None:
    def circle(name: str) -> Json:
        return {
            "Resources": {
                "A": but(QUEUE, QueueName=name, RedrivePolicy={"Ref": "B"}),
                "B": but(QUEUE, QueueName={"Fn::GetAtt": ["A", "Arn"]}),
            }
        }

    found = analyse({"s": circle("a")}, {"s": circle("b")})
    assert [change.action for change in found] == [Action.REPLACE, Action.REPLACE]


def test_properties_that_refer_to_each_other_in_a_circle() -> None:
    def circle(name: str) -> Json:
        return {
            "Resources": {
                "A": but(QUEUE, QueueName={"Fn::GetAtt": ["B", "QueueName"]}, DelaySeconds=name),
                "B": but(QUEUE, QueueName={"Fn::GetAtt": ["A", "QueueName"]}),
            }
        }

    found = analyse({"s": circle("1")}, {"s": circle("2")})
    assert [change.action for change in found] == [Action.UPDATE, Action.NONE]


def test_stacks_that_import_each_other_in_a_circle() -> None:
    def stack(mine: str, other: str, name: str) -> Json:
        value = {"Fn::Join": ["", [{"Ref": "Q"}, {"Fn::ImportValue": other}]]}
        return {
            "Resources": {"Q": but(QUEUE, QueueName=name)},
            "Outputs": {"O": {"Value": value, "Export": {"Name": mine}}},
        }

    old = {"A": stack("a", "b", "x"), "B": stack("b", "a", "y")}
    assert len(analyse(old, {**old, "A": stack("a", "b", "z")})) == 2


def test_a_long_chain_takes_no_long_time() -> None:
    def chain(first: Any) -> Json:
        resources = {"Q0": but(QUEUE, QueueName=first)}
        for i in range(1, 3000):
            resources[f"Q{i}"] = but(QUEUE, QueueName={"Fn::GetAtt": [f"Q{i - 1}", "QueueName"]})
        return {"Resources": dict(reversed(resources.items()))}

    started = time.monotonic()
    found = analyse({"s": chain("a")}, {"s": chain("b")})
    assert {change.action for change in found} == {Action.REPLACE}
    assert time.monotonic() - started < 8


def test_many_conditions_take_no_long_time() -> None:
    names = [f"C{i}" for i in range(40)]
    template: Json = {
        "Parameters": {name: {"Type": "String"} for name in names},
        "Conditions": {f"Is{n}": {"Fn::Equals": [{"Ref": n}, "yes"]} for n in names},
        "Resources": {n: {**TOPIC, "Condition": f"Is{n}"} for n in names},
    }
    other = {**template, "Conditions": {**template["Conditions"], "More": {"Fn::Not": []}}}
    started = time.monotonic()
    found = analyse({"s": template}, {"s": other})
    assert {change.action for change in found} == {Action.NONE}
    assert time.monotonic() - started < 5


ODD: list[Any] = [None, 0, -1, 1e308, True, "", "x", [], [[]], {}, {"": None}, {"Ref": None}]


@pytest.mark.parametrize("section", ["Parameters", "Mappings", "Conditions", "Outputs", "Metadata"])
@pytest.mark.parametrize("value", [*ODD, {"A": None}, {"A": {"Export": {"Name": []}, "Value": {}}}])
def test_odd_sections(section: str, value: Any) -> None:
    template = {"Resources": {"B": BUCKET}, section: value}
    plain = {"Resources": {"B": BUCKET}}
    assert {c.action for c in analyse({"s": template}, {"s": plain})} == {Action.NONE}
    assert {c.action for c in analyse({"s": plain}, {"s": template})} == {Action.NONE}


@pytest.mark.parametrize("member", ["Properties", "Condition", "DeletionPolicy", "Metadata"])
@pytest.mark.parametrize("value", ODD)
def test_odd_members(member: str, value: Any) -> None:
    template = {"Resources": {"B": {**BUCKET, member: value}, "C": value, "D": {"Type": value}}}
    for old, new in ((template, CASES[0].old), (CASES[0].old, template), (template, template)):
        for form in FORMATS.values():
            form(analyse({"s": old}, {"s": new}))


FUNCTIONS = ["Ref", "Fn::GetAtt", "Fn::If", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split"]
FUNCTIONS += ["Fn::FindInMap", "Fn::ImportValue", "Fn::Base64", "Fn::Transform", "Fn::GetAZs"]
SCALARS = st.sampled_from([None, True, 0, 7, 1.5, "", "B", "C", "a", "AWS::NoValue", "${B.Arn}"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FUNCTIONS, "a", "Tags", "Key"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, VALUES, st.sampled_from(["SQS::Queue", "SageMaker::FeatureGroup", "S3::Bucket"]))
def test_any_values(one: Any, other: Any, kind: str) -> None:
    def template(value: Any) -> Json:
        return {
            "Conditions": {"C": value},
            "Resources": {
                "B": {"Type": f"AWS::{kind}", "Properties": value},
                "D": but(TOPIC, TopicName={"Ref": "B"}, Tags=value),
            },
            "Outputs": {"O": {"Value": value, "Export": {"Name": value}}},
        }

    same = analyse({"s": template(one)}, {"s": template(one)})
    assert {change.action for change in same} <= {Action.NONE}
    for form in FORMATS.values():
        form(analyse({"s": template(one)}, {"s": template(other)}))
    json.loads(FORMATS["json"](same))


@pytest.mark.parametrize("name", ["Fn::ForEach::Topics", "Fn::Transform"])
def test_resources_that_only_the_deployment_knows_are_refused(name: str) -> None:
    """Leaving them out would call their deletion nothing."""
    template = {"Resources": {"Q": QUEUE, name: ["N", ["a"], {"T${N}": TOPIC}]}}
    with pytest.raises(TemplateError, match="compare the processed templates"):
        analyse({"s": template}, {"s": template})
