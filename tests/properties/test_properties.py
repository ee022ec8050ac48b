"""Random uses: right ones pass every judge, wrong ones are refused by us and never by jsii."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlops_constructs import ValidationError
from mlops_constructs.rules import check_file
from tests.properties import api
from tests.properties.support import (
    FUZZ,
    Batch,
    engine_findings,
    examples,
    lint_errors,
    resources,
)
from tests.properties.uses import SUBJECTS, Subject

# A sample for every run of the tests: CI goes on with 200 and 200 of each construct (`.ci/run`). A
# wild use costs 3 ms when it is refused, 50 ms when it is not.
_RIGHT = FUZZ or 3
_WILD = FUZZ or 30
# cfn-lint takes 40 ms for a resource.
_LINTED = FUZZ // 50 or 1


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_right_uses_pass_every_judge(subject: Subject, tmp_path: Path) -> None:
    # CloudFormation takes 500 resources in a stack: what is to be linted may need several.
    first = min(_LINTED, subject.per_stack)
    batch = Batch(tmp_path, per_stack=subject.per_stack, first=first)
    for index, use in enumerate(reversed(examples(subject.right, _RIGHT))):
        unique = {n: f"{v}-{index}" if n.endswith("_name") else v for n, v in use.items()}
        try:
            subject.build(batch.ground(), f"Use{index}", unique)
        except Exception as error:
            raise AssertionError(f"{error}\n\nrefused: {unique}") from error
    templates = batch.templates()
    assert [finding for template in templates for finding in check_file(template)] == []
    assert list(engine_findings(templates)) == []
    assert [
        f"{name} {problem}"
        for template in templates
        for name, resource in resources(template).items()
        for problem in api.violations(resource)
    ] == []
    linted = templates[: math.ceil(_LINTED / first)]
    assert [error for template in linted for error in lint_errors(template)] == []


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_wrong_uses_are_refused_by_the_constructor_or_by_a_rule(
    subject: Subject, tmp_path: Path
) -> None:
    batch = Batch(tmp_path, per_stack=subject.per_stack)
    uses = examples(subject.wild, _WILD)
    refused = 0
    for index, use in enumerate(uses):
        try:
            subject.build(batch.ground(), f"Use{index}", use)
        except ValidationError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{error}\n\nnot refused by us: {use}") from error
    assert 0 < refused < len(uses)
    for template in batch.templates():
        found = {finding.resource for finding in check_file(template)}
        assert [
            f"{name} {problem}"
            for name, resource in resources(template).items()
            if name not in found
            for problem in api.violations(resource)
        ] == []
