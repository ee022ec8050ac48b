"""Policies and requests, made up at random from a fixed seed, for two evaluators to agree about.

Each case has identity policies, at times a boundary and service control policies, and a request
that is made to be close to what the statements are about: a request that fits nothing tests
nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any, Final

ACCOUNT: Final = "111122223333"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/scientist"
CASES: Final = 3000
_SEED: Final = 20261121

_ACTIONS: Final = (
    "sagemaker:CreateTrainingJob",
    "sagemaker:CreateApp",
    "sagemaker:UpdateModelPackage",
    "s3:GetObject",
    "s3:PutObject",
    "kms:CreateGrant",
)
_PATTERNS: Final = (
    *_ACTIONS,
    *("*", "sagemaker:*", "s3:Get*", "s3:*Object", "SageMaker:createtrainingjob", "s3:?etObject"),
    *("sagemaker:Create*", "kms:*", "sagemaker:Describe*"),
)
_RESOURCES: Final = (
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/trial-1",
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:app/d-1/space/JupyterLab/default",
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/census/3",
    "arn:aws:s3:::data/users/ana/notes.txt",
    "arn:aws:s3:::data/raw/adult.csv",
    f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k-1",
)
_RESOURCE_PATTERNS: Final = (
    *_RESOURCES,
    *("*", "arn:aws:s3:::data/*", "arn:aws:s3:::data/users/${aws:SourceIdentity}/*"),
    f"arn:aws:sagemaker:*:{ACCOUNT}:*",
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/trial-?",
    f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:training-job/*",
    "arn:aws:s3:::DATA/*",
    "arn:aws:s3:::data/*/adult.csv",
    f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:app/${{sagemaker:DomainId}}/*/*/*",
)
#: Key to the values that policies and requests give it.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "sagemaker:InstanceTypes": ("ml.m5.large", "ml.m5.xlarge", "ml.p5.48xlarge", "ml.t3.medium"),
    "sagemaker:VpcSubnets": ("subnet-1", "subnet-2", "subnet-3"),
    "sagemaker:VolumeKmsKey": (
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k-1",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k-2",
    ),
    "sagemaker:NetworkIsolation": ("true", "false"),
    "sagemaker:ModelApprovalStatus": ("Approved", "approved", "Rejected"),
    "sagemaker:DomainId": ("d-1", "d-2"),
    "aws:SourceIdentity": ("ana", "ben", "*"),
    "sagemaker:MaxRuntimeInSeconds": ("3600", "86400", "7200"),
    "aws:CurrentTime": ("2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z"),
    "aws:SourceIp": ("203.0.113.9", "198.51.100.1"),
}
_OF_TEXT: Final = (
    *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
    *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
)
_OPERATORS: Final[dict[str, tuple[str, ...]]] = {
    "sagemaker:VolumeKmsKey": (
        *("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringEquals"),
    ),
    "sagemaker:NetworkIsolation": ("Bool", "StringEquals"),
    "sagemaker:MaxRuntimeInSeconds": (
        *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
        *("NumericGreaterThan", "NumericGreaterThanEquals"),
    ),
    "aws:CurrentTime": (
        *("DateEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateNotEquals"),
    ),
    "aws:SourceIp": ("IpAddress", "NotIpAddress"),
}
#: Wanted instead of a plain value, at times.
_WILD: Final[dict[str, tuple[str, ...]]] = {
    "sagemaker:InstanceTypes": ("ml.m5.*", "ml.*.large", "ml.??.large"),
    "sagemaker:VolumeKmsKey": (f"arn:aws:kms:*:{ACCOUNT}:key/*",),
    "sagemaker:DomainId": ("${sagemaker:DomainId}", "d-*"),
    "aws:SourceIp": ("203.0.113.0/24", "0.0.0.0/0"),
}
#: Whom resource policies name.
_PRINCIPALS: Final[tuple[Any, ...]] = (
    *({"AWS": ROLE}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"AWS": ACCOUNT}, "*"),
    *({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}, {"AWS": "999999999999"}),
    {"Service": "sagemaker.amazonaws.com"},
)
_MANY: Final = ("sagemaker:InstanceTypes", "sagemaker:VpcSubnets")

Case = dict[str, Any]


def cases() -> list[Case]:
    """The corpus, always the same."""
    draw = random.Random(_SEED)
    return [_case(draw) for _ in range(CASES)]


def fingerprint(corpus: Sequence[Case]) -> str:
    """A hash of the corpus, by which answers to another one are told."""
    return hashlib.sha256(json.dumps(corpus, sort_keys=True).encode()).hexdigest()


def _case(draw: random.Random) -> Case:
    number = draw.randrange(len(_ACTIONS))
    action, resource = _ACTIONS[number], _RESOURCES[number]
    if action.startswith("s3:"):
        resource = draw.choice(_RESOURCES[3:5])
    case: Case = {
        "action": action,
        "resource": resource,
        "context": {key: _given(draw, key) for key in _KEYS if draw.random() < 0.6},
        "identity": [_document(draw, action, resource) for _ in range(draw.choice((1, 1, 1, 2)))],
        "boundary": None,
        "service_control": [],
        "resource_policy": None,
    }
    if draw.random() < 0.2:
        case["boundary"] = _document(draw, action, resource)
    if draw.random() < 0.2:
        case["service_control"] = [
            [_document(draw, action, resource) for _ in range(draw.choice((1, 2)))]
            for _ in range(draw.choice((1, 2)))
        ]
    if action.startswith("kms:"):
        # A key's policy alone decides whether identity policies count; this is CDK's.
        own = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        statement = {"Effect": "Allow", "Principal": own, "Action": "kms:*", "Resource": "*"}
        case["resource_policy"] = {"Version": "2012-10-17", "Statement": [statement]}
    elif action.startswith("s3:") and draw.random() < 0.4:
        document = _document(draw, action, resource)
        for statement in document["Statement"]:
            statement["Principal"] = draw.choice(_PRINCIPALS)
        case["resource_policy"] = document
    return case


def _given(draw: random.Random, key: str) -> str | list[str]:
    values = _KEYS[key]
    if key in _MANY:
        return draw.sample(values, draw.choice((1, 1, 2)))
    return draw.choice(values)


def _document(draw: random.Random, action: str, resource: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [_statement(draw, action, resource) for _ in range(draw.choice((1, 2, 2, 3)))],
    }


def _statement(draw: random.Random, action: str, resource: str) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Deny" if draw.random() < 0.2 else "Allow"}
    name = "NotAction" if draw.random() < 0.1 else "Action"
    statement[name] = _some(draw, _PATTERNS, action)
    name = "NotResource" if draw.random() < 0.1 else "Resource"
    statement[name] = _some(draw, _RESOURCE_PATTERNS, resource)
    if draw.random() < 0.7:
        statement["Condition"] = _condition(draw)
    return statement


def _some(draw: random.Random, patterns: Sequence[str], likely: str) -> str | list[str]:
    chosen = draw.sample(patterns, draw.choice((1, 1, 2)))
    if draw.random() < 0.5:
        chosen[0] = likely
    return chosen[0] if len(chosen) == 1 and draw.random() < 0.5 else list(dict.fromkeys(chosen))


def _condition(draw: random.Random) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    for key in draw.sample(sorted(_KEYS), draw.choice((1, 1, 2))):
        if draw.random() < 0.15:
            condition.setdefault("Null", {})[key] = draw.choice(("true", "false"))
            continue
        operator = draw.choice(_OPERATORS.get(key, _OF_TEXT))
        if draw.random() < 0.2:
            operator += "IfExists"
        # Set operators are for keys with several values (IAM user guide, "Set operators").
        if key in _MANY:
            operator = draw.choice(("ForAllValues:", "ForAnyValue:")) + operator
        values = [*_KEYS[key], *_WILD.get(key, ())]
        wanted = draw.sample(values, draw.choice((1, 1, 2)))
        single = len(wanted) == 1 and draw.random() < 0.5
        condition.setdefault(operator, {})[key] = wanted[0] if single else wanted
    return condition
