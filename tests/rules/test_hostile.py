"""No template crashes a rule, however wrong its types, and none takes long."""

from __future__ import annotations

import copy
import itertools
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mlops_constructs.rules import all_rules, check_template

SAMPLES = [
    sample.template
    for rule in all_rules()
    for sample in (rule.samples.violating, rule.samples.conforming)
]
WRONG: list[Any] = [None, True, 0, -1, 1.5, "", "x", "\ud800", [], {}, [[]], [None], {"": {}},
                    {"Ref": "Group"}, {"Ref": 1}, {"Fn::If": []}, {"Fn::GetAtt": [1, 2]},
                    {"Fn::Join": ["", [{}]]}, {"Fn::Sub": "${A}${B.C}"},
                    {"Fn::Select": [0, []]}, 10**400]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside `value`."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in inside:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found.extend(places(inner, (*path, key)))
    return found


def replaced(template: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The template with one value replaced."""
    changed = copy.deepcopy(template)
    target: Any = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return changed


@pytest.mark.parametrize("start", [0, 7])
def test_one_wrong_value_anywhere(start: int) -> None:
    wrong = itertools.cycle(WRONG[start:] + WRONG[:start])
    for template in SAMPLES:
        found = places(template)
        for path in found if len(found) < 200 else found[:20]:
            check_template(replaced(template, path, next(wrong)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_json_in_the_sections(data: st.DataObject) -> None:
    types = sorted({name for rule in all_rules() for name in rule.types})
    sections = ("Parameters", "Conditions", "Mappings", "Transform", "Rules")
    document = {name: data.draw(json_values) for name in sections}
    document["Resources"] = {
        f"R{i}": {
            "Type": data.draw(st.sampled_from(types)),
            "Properties": data.draw(json_values),
            "DependsOn": data.draw(json_values),
            "Condition": data.draw(json_values),
        }
        for i in range(3)
    }
    check_template(document)


@pytest.mark.parametrize(
    "value",
    ["a-" * 20_000, "-" * 40_000 + "!", "arn:aws" + "-a" * 20_000, "s3://" + "/" * 40_000],
)
def test_patterns_stay_linear(value: str) -> None:
    started = time.perf_counter()
    for template in SAMPLES[::8]:
        changed = copy.deepcopy(template)
        for resource in changed["Resources"].values():
            for name, inner in resource["Properties"].items():
                if isinstance(inner, str):
                    resource["Properties"][name] = value
        check_template(changed)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "type_name",
    ["AWS::SageMaker::FeatureGroup", "AWS::SageMaker::Endpoint", "AWS::SageMaker::Model"],
)
def test_time_grows_with_the_number_of_resources_only(type_name: str) -> None:
    resources = {
        f"R{i}": {"Type": type_name, "Properties": {"EndpointName": f"e{i}"}} for i in range(2000)
    }
    started = time.perf_counter()
    check_template({"Resources": resources})
    assert time.perf_counter() - started < 3
