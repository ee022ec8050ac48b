"""Estates for tests: the platform's snapshots, changed or not, and small templates."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

from mlops_constructs.access.estate import Estate, Stack, estates
from tests.support import ROOT

Documents = dict[str, dict[str, Any]]
_SNAPSHOTS = ROOT / "tests" / "snapshots" / "__snapshots__" / "test_templates"


@cache
def _text(environment: str) -> dict[str, str]:
    found = {
        path.name.removeprefix("test_template[").removesuffix("].json"): path.read_text()
        for path in sorted(_SNAPSHOTS.glob("test_template*.json"))
    }
    return {name: text for name, text in found.items() if name.endswith(f"-{environment}")}


def platform(environment: str = "dev") -> Documents:
    """The platform's templates by stack, as they were last accepted; free to change."""
    return {name: json.loads(text) for name, text in _text(environment).items()}


def estate_of(documents: Documents) -> Estate:
    """The one estate that these templates make."""
    [found] = estates({name: Stack(name, document) for name, document in documents.items()})
    return found


def one_role(*statements: dict[str, Any], **properties: Any) -> Estate:
    """A template with one role that SageMaker assumes, with these statements."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "sagemaker.amazonaws.com"},
                    }
                ]
            },
            "Policies": [{"PolicyName": "p", "PolicyDocument": document(*statements)}],
            **properties,
        },
    }
    return estate_of({"Test": {"Resources": {"Role": role}}})


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy of the current version; statements allow unless they say otherwise."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Resource": "*", **copy.deepcopy(statement)}
            if "NotResource" not in statement
            else {"Effect": "Allow", **copy.deepcopy(statement)}
            for statement in statements
        ],
    }
