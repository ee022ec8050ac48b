"""Random uses: right ones pass every judge, wrong ones are refused by us and never by jsii."""

from __future__ import annotations

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

# Together 200 of each construct; a wild use costs 3 ms when it is refused, 50 ms when it is not.
_RIGHT = FUZZ or 8
_WILD = FUZZ or 192
# cfn-lint takes 40 ms for a resource.
_LINTED = FUZZ // 50 or 2


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_right_uses_pass_every_judge(subject: Subject, tmp_path: Path) -> None:
    batch = Batch(tmp_path, per_stack=subject.per_stack, first=_LINTED)
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
    assert list(lint_errors(templates[0])) == []


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
