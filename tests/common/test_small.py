"""Names, tokens and the two keys that destroying data takes."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.common.naming import check_name, slug
from mlops_constructs.common.removal import allow_data_destruction, data_removal_policy
from mlops_constructs.common.tokens import is_literal, is_token
from tests.support import new_stack


@pytest.mark.parametrize("name", ["a", "a-b", "a--b", "9", "x" * 63])
def test_names_that_the_service_takes(name: str) -> None:
    problems = Problems("app")
    check_name(problems, "name", name)
    problems.raise_if_any()


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "A", "x" * 64, "ä", "a\n"])
def test_names_that_it_refuses_come_with_one_that_it_takes(name: str) -> None:
    problems = Problems("app")
    check_name(problems, "name", name)
    with pytest.raises(ValidationError, match="lower-case letters"):
        problems.raise_if_any()
    mended = Problems("app")
    check_name(mended, "name", slug(name))
    mended.raise_if_any()


def test_tokens_of_every_kind_are_recognised() -> None:
    queue = sqs.CfnQueue(new_stack(), "Queue")
    assert is_token(queue.attr_arn)
    assert is_token(f"prefix-{queue.attr_arn}")
    assert is_token([queue.attr_arn])
    assert is_token(cdk.Token.as_list(queue.get_att("X")))
    assert is_token(cdk.Token.as_number(queue.get_att("X")))
    assert is_token(queue.get_att("X"))


@pytest.mark.parametrize("value", ["", "a", 0, -1, -1e10, True, None, [], ["a"], ("a", 1)])
def test_literals_are_no_tokens(value: object) -> None:
    assert not is_token(value)


def test_none_is_no_literal() -> None:
    assert not is_literal(None)
    assert is_literal("a")


def test_data_is_kept_unless_both_keys_are_turned() -> None:
    kept = new_stack()
    problems = Problems(kept)
    assert data_removal_policy(kept, problems, False) == cdk.RemovalPolicy.RETAIN
    data_removal_policy(kept, problems, True)
    with pytest.raises(ValidationError, match="allow_data_destruction"):
        problems.raise_if_any()

    lost = new_stack()
    allow_data_destruction(lost)
    problems = Problems(lost)
    assert data_removal_policy(lost, problems, False) == cdk.RemovalPolicy.RETAIN
    assert data_removal_policy(lost, problems, True) == cdk.RemovalPolicy.DESTROY
    problems.raise_if_any()
