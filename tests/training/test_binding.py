"""Sentinels and what takes their place."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.training.binding import Binding, check_sentinels, tokens
from mlops_constructs.training.definition_function.binding import bind, to_text
from tests.support import new_stack
from tests.training.fixture import Json


def check(document: Json, *, known: list[str], bindings: dict[str, Binding]) -> None:
    problems = Problems("Test")
    check_sentinels(
        problems,
        document,
        known=known,
        lists=[name for name, binding in bindings.items() if isinstance(binding, list)],
        bindings=bindings,
        instead={"bucket.data": "Pass it."},
    )
    problems.raise_if_any()


def test_alone_inside_a_string_and_as_a_list() -> None:
    raw = {"a": "{{x}}", "b": "s3://{{x}}/{{y}}", "c": ["{{l}}"], "d": ["{{x}}", 1.0, None, True]}
    bound = bind(raw, {"x": "1", "y": "2", "l": ["3", "4"]})
    assert bound == {"a": "1", "b": "s3://1/2", "c": ["3", "4"], "d": ["1", 1.0, None, True]}
    assert raw["a"] == "{{x}}"


def test_list_token_becomes_a_list_when_it_is_resolved() -> None:
    stack = new_stack()
    ids = cdk.CfnParameter(stack, "Ids", type="List<AWS::EC2::Subnet::Id>").value_as_list
    text = to_text(bind({"Subnets": ["{{subnets}}"]}, tokens({"subnets": ids})))
    assert stack.resolve(text) == {
        "Fn::Join": [
            "",
            ['{"Subnets":["', {"Fn::Join": ['","', {"Ref": "Ids"}]}, '"]}'],
        ]
    }


def test_numbers_keep_their_form_and_order_is_fixed() -> None:
    assert to_text({"b": 1.0, "a": "é"}) == '{"a":"é","b":1.0}'


def test_token_inside_a_string() -> None:
    stack = new_stack()
    text = to_text(bind({"uri": "s3://{{b}}/x"}, {"b": cdk.Aws.ACCOUNT_ID}))
    joined = stack.resolve(text)["Fn::Join"][1]
    assert joined == ['{"uri":"s3://', {"Ref": "AWS::AccountId"}, '/x"}']
    assert json.loads("".join(p if isinstance(p, str) else "b" for p in joined)) == {
        "uri": "s3://b/x"
    }


def test_unbound_sentinel_with_path_and_a_near_name() -> None:
    raw = {"Steps": [{"Name": "A", "Type": "T", "Arguments": {"x": "{{rol.training}}"}}]}
    with pytest.raises(ValidationError) as refused:
        check(raw, known=["role.training"], bindings={})
    text = str(refused.value)
    assert "Steps['A'].Arguments.x: got '{{rol.training}}, which nothing binds'" in text
    assert "Did you mean {{role.training}}?" in text


def test_unbound_sentinel_that_an_argument_would_bind() -> None:
    with pytest.raises(ValidationError, match=r"x and 1 more: .*Pass it"):
        check({"x": "{{bucket.data}}", "y": "{{bucket.data}}"}, known=[], bindings={})


@pytest.mark.parametrize(
    ("bindings", "said"),
    [
        ({"z": "1"}, r"bindings\['z'\]: got 'z'; allowed: .*: x\."),
        ({"x": "1", "role.training": "arn"}, r"bindings\['role.training'\]"),
        ({"x": ["1", "2"]}, r"a\.b: got '\{\{x\}\}, which is a list'"),
    ],
)
def test_wrong_bindings(bindings: dict[str, Binding], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        check(
            {"a": {"b": "{{x}}"}, "r": "{{role.training}}"},
            known=["role.training"],
            bindings=bindings,
        )


def test_all_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        check({"a": "{{p}}{{q}}"}, known=[], bindings={"z": "1"})
    assert len(refused.value.problems) == 3
