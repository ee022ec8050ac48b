"""The evaluator against what IAM documents, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.access import Effect, Policies, PolicyError, Request, evaluate
from mlops_constructs.access.conditions import meets
from mlops_constructs.access.patterns import matches, matches_arn, substitute
from tests.access.support import document

ROLE = "arn:aws:iam::111122223333:role/r"
OBJECT = "arn:aws:s3:::data/a/b.csv"
ANY = document({"Action": "*"})
NOTHING = document({"Action": "*", "Effect": "Deny"})


def effect(
    *statements: dict[str, Any],
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    context: dict[str, Any] | None = None,
    **policies: Any,
) -> Effect:
    request = Request(ROLE, action, resource, context or {})
    return evaluate(request, Policies(identity=[document(*statements)], **policies)).effect


# --- actions and resources ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": "s3:GetObject"}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": "s3:Get*"}, True),
        ({"Action": "s3:GetObjec?"}, True),
        ({"Action": "s3:*Object"}, True),
        ({"Action": "*"}, True),
        ({"Action": ["s3:PutObject", "s3:GetObject"]}, True),
        ({"Action": "s3:GetObjectAcl"}, False),
        ({"Action": "s3:Get"}, False),
        ({"NotAction": "s3:PutObject"}, True),
        ({"NotAction": ["s3:PutObject", "s3:Get*"]}, False),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::data/*"}, True),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::data/a/?.csv"}, True),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::DATA/*"}, False),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::data"}, False),
        ({"Action": "s3:*", "Resource": ["arn:aws:s3:::x", "arn:aws:s3:::data/*"]}, True),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::data/secret/*"}, True),
        ({"Action": "s3:*", "NotResource": ["arn:aws:s3:::x/*", "arn:aws:s3:::data/a/*"]}, False),
    ],
)
def test_actions_and_resources(statement: dict[str, Any], allowed: bool) -> None:
    assert effect(statement) is (Effect.ALLOW if allowed else Effect.IMPLICIT_DENY)


def test_each_part_of_an_arn_is_compared_by_itself() -> None:
    assert matches_arn("arn:aws:s3:::a/b:c", "arn:aws:s3:::a/*")
    assert not matches_arn("arn:aws:sns:r:1:a:b", "arn:aws:*:1:*:b")
    assert matches_arn("arn:aws:sns:r:1:a:b", "arn:aws:sns:*")


# --- the order of policies ----------------------------------------------------------------------


def test_without_a_policy_nothing_is_allowed() -> None:
    request = Request(ROLE, "s3:GetObject", OBJECT)
    assert evaluate(request, Policies()).effect is Effect.IMPLICIT_DENY


def test_a_deny_beats_every_allow() -> None:
    assert effect({"Action": "*"}, {"Action": "s3:Get*", "Effect": "Deny"}) is (
        Effect.EXPLICIT_DENY
    )
    for place in ({"boundary": NOTHING}, {"service_control": [[NOTHING]]}):
        assert effect({"Action": "*"}, **place) is Effect.EXPLICIT_DENY
    closed = document({"Action": "*", "Effect": "Deny", "Principal": "*"})
    request = Request(ROLE, "s3:GetObject", OBJECT)
    assert evaluate(request, Policies([ANY], resource=closed)).effect is Effect.EXPLICIT_DENY


def test_a_boundary_and_the_policy_must_both_allow() -> None:
    reading = document({"Action": "s3:Get*"})
    assert effect({"Action": "*"}, boundary=reading) is Effect.ALLOW
    assert effect({"Action": "*"}, action="s3:PutObject", boundary=reading) is (
        Effect.IMPLICIT_DENY
    )
    assert effect({"Action": "s3:Put*"}, boundary=reading) is Effect.IMPLICIT_DENY


def test_each_level_of_service_control_policies_must_allow() -> None:
    reading = document({"Action": "s3:Get*"})
    assert effect({"Action": "*"}, service_control=[[ANY], [ANY, reading]]) is Effect.ALLOW
    assert effect({"Action": "*"}, service_control=[[ANY], [reading]]) is Effect.ALLOW
    writing = document({"Action": "s3:Put*"})
    assert effect({"Action": "*"}, service_control=[[ANY], [writing]]) is Effect.IMPLICIT_DENY
    assert effect({"Action": "*"}, service_control=[[]]) is Effect.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ({"AWS": ROLE}, True),
        # The account decides by its identity policies.
        ({"AWS": "111122223333"}, False),
        ({"AWS": ["arn:aws:iam::111122223333:root"]}, False),
        ({"AWS": ["arn:aws:iam::111122223333:root", ROLE]}, True),
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": "arn:aws:iam::111122223333:role/other"}, False),
        ({"AWS": "999999999999"}, False),
        ({"Service": "sagemaker.amazonaws.com"}, False),
    ],
)
def test_a_resource_policy_allows_whom_it_names(principal: Any, allowed: bool) -> None:
    policy = document({"Action": "s3:GetObject", "Principal": principal})
    found = evaluate(Request(ROLE, "s3:GetObject", OBJECT), Policies(resource=policy))
    assert found.allowed == allowed


def test_a_resource_policy_does_not_reach_beyond_the_boundary() -> None:
    policy = document({"Action": "s3:GetObject", "Principal": {"AWS": ROLE}})
    boundary = document({"Action": "sqs:*"})
    request = Request(ROLE, "s3:GetObject", OBJECT)
    found = evaluate(request, Policies(resource=policy, boundary=boundary))
    assert found.effect is Effect.IMPLICIT_DENY
    assert found.reason == "the permissions boundary does not allow it"


def test_not_principal() -> None:
    policy = document({"Action": "*", "Effect": "Deny", "NotPrincipal": {"AWS": ROLE}})
    request = Request(ROLE, "s3:GetObject", OBJECT)
    assert evaluate(request, Policies([ANY], resource=policy)).allowed
    other = Request(ROLE + "x", "s3:GetObject", OBJECT)
    assert evaluate(other, Policies([ANY], resource=policy)).effect is Effect.EXPLICIT_DENY


# --- conditions ---------------------------------------------------------------------------------

ABSENT = None


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "met"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", ABSENT, False),
        ("StringEqualsIfExists", "a", ABSENT, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", ABSENT, True),
        ("StringNotEqualsIfExists", "a", "a", False),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
        ("StringLike", "ml.m5.*", "ml.m5.large", True),
        ("StringLike", "ml.?5.*", "ml.m5.large", True),
        ("StringLike", "ml.m5.*", "ml.p5.large", False),
        ("StringNotLike", "ml.m5.*", "ml.p5.large", True),
        ("StringNotLike", "ml.m5.*", ABSENT, True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", 10, "10.5", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", "10", ABSENT, True),
        ("NumericEquals", "10", "ten", False),
        ("DateLessThan", "2026-01-02T00:00:00Z", "2026-01-01T23:59:59Z", True),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False),
        ("DateGreaterThanEquals", "2026-01-01", "1767225600", True),
        ("DateEquals", "2026-01-01T00:00:00Z", ABSENT, False),
        ("Bool", "true", "true", True),
        ("Bool", True, "True", True),
        ("Bool", "false", "true", False),
        ("Bool", "true", ABSENT, False),
        ("BoolIfExists", "true", ABSENT, True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", "203.0.113.0/24", "198.51.100.1", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("NotIpAddress", "203.0.113.0/24", "198.51.100.1", True),
        ("NotIpAddress", "203.0.113.0/24", ABSENT, True),
        ("ArnEquals", "arn:aws:kms:*:1:key/k", "arn:aws:kms:r:1:key/k", True),
        ("ArnLike", "arn:aws:kms:r:1:key/*", "arn:aws:kms:r:1:key/k", True),
        ("ArnLike", "arn:aws:kms:r:1:key/*", "arn:aws:kms:r:2:key/k", False),
        ("ArnNotEquals", "arn:aws:kms:r:1:key/k", "arn:aws:kms:r:1:key/other", True),
        ("ArnNotLike", "arn:aws:kms:r:1:key/*", ABSENT, True),
        ("Null", "true", ABSENT, True),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("Null", False, ABSENT, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", ["a"], ABSENT, True),
        ("ForAllValues:StringEquals", ["a"], [], True),
        ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
        ("ForAllValues:StringNotEquals", ["a"], ["a", "c"], False),
        ("ForAllValues:StringLike", ["ml.m5.*"], ["ml.m5.large", "ml.m5.xlarge"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "a"], True),
        ("ForAnyValue:StringEquals", ["a"], ["c"], False),
        ("ForAnyValue:StringEquals", ["a"], ABSENT, False),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a"], ["a"], False),
        ("ForAnyValue:StringNotEquals", ["a"], ABSENT, False),
        ("ForAnyValue:StringEqualsIfExists", ["a"], ABSENT, True),
        ("stringequals", "a", "a", True),
    ],
)
def test_operators(operator: str, wanted: Any, given: Any, met: bool) -> None:
    values = None if given is None else given if isinstance(given, list) else [given]
    conditions = {operator: {"Some:Key": wanted}}
    assert meets(conditions, lambda _: values, variables=True) is met


def test_all_operators_and_all_keys_must_be_met() -> None:
    statement = {
        "Action": "*",
        "Condition": {"StringEquals": {"a:one": "1", "a:two": "2"}, "Bool": {"a:three": "true"}},
    }
    context = {"A:One": "1", "a:TWO": "2", "a:three": "true"}
    assert effect(statement, context=context) is Effect.ALLOW
    for key in context:
        changed = {**context, key: "other"}
        assert effect(statement, context=changed) is Effect.IMPLICIT_DENY


def test_for_all_values_without_null_lets_an_absent_key_through() -> None:
    condition = {"ForAllValues:StringEquals": {"sagemaker:VpcSubnets": ["subnet-1"]}}
    assert effect({"Action": "*", "Condition": condition}) is Effect.ALLOW
    shut = condition | {"Null": {"sagemaker:VpcSubnets": "false"}}
    assert effect({"Action": "*", "Condition": shut}) is Effect.IMPLICIT_DENY


def test_variables() -> None:
    statement = {"Action": "*", "Resource": "arn:aws:s3:::data/${sagemaker:UserProfileName}/*"}
    mine, other = "arn:aws:s3:::data/ana/x", "arn:aws:s3:::data/ben/x"
    ana = {"sagemaker:UserProfileName": "ana"}
    assert effect(statement, resource=mine, context=ana) is Effect.ALLOW
    assert effect(statement, resource=other, context=ana) is Effect.IMPLICIT_DENY
    assert effect(statement, resource=mine) is Effect.IMPLICIT_DENY
    wild = {"sagemaker:UserProfileName": "*"}
    assert effect(statement, resource=other, context=wild) is Effect.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("${a:key}", "v", True),
        ("${none, 'default'}", "default", True),
        ("${none}", "", False),
        ("x${*}y", "x*y", True),
        ("x${*}y", "xzy", False),
        ("${$}{a}", "${a}", True),
    ],
)
def test_text_of_variables(pattern: str, text: str, fits: bool) -> None:
    found = substitute(pattern, lambda key: ["v"] if key == "a:key" else None)
    assert (found is not None and matches(text, found)) == fits


def test_the_old_version_takes_variables_as_text() -> None:
    policy = {
        "Version": "2008-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}"}
        ],
    }
    literal = Request(ROLE, "s3:GetObject", "arn:aws:s3:::b/${aws:username}")
    assert evaluate(literal, Policies([policy])).allowed


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "*", "Condition": {"StringIs": {"a": "b"}}},
        {"Action": "*", "Condition": {"NullIfExists": {"a": "true"}}},
        {"Action": "*", "Condition": {"StringEquals": "a"}},
        {"Action": "*", "Effect": "Maybe"},
    ],
)
def test_refuses_what_iam_would_refuse(statement: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        effect(statement)
