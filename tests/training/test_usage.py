"""What of the buckets a definition uses."""

from __future__ import annotations

import pytest

from mlops_constructs.training.document import find_steps
from mlops_constructs.training.usage import prefixes, uses
from tests.training.fixture import Json, document

NAME, RUN = {"Get": "Execution.PipelineName"}, {"Get": "Execution.PipelineExecutionId"}


def join(*values: Json, on: str = "/") -> Json:
    return {"Std:Join": {"On": on, "Values": list(values)}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("s3://{{bucket.artifacts}}/models/x", ("models/",)),
        ("s3://{{bucket.artifacts}}/report.json", ("report.json",)),
        ("s3://{{bucket.artifacts}}", ("",)),
        ("s3://{{bucket.artifacts}}/", ("",)),
        ("s3://{{bucket.data}}/raw/", ()),
        (join("s3://{{bucket.artifacts}}", NAME, RUN, "train"), ("p/",)),
        (join("s3://{{bucket.artifacts}}/models", RUN), ("models/",)),
        (join("s3://{{bucket.artifacts}}", RUN), ("",)),
        (join("s3://{{bucket.artifacts}}/a/", RUN, on=""), ("a/",)),
        (join("s3://{{bucket.artifacts}}/a", RUN, on=""), ("a",)),
        (join(NAME, "x"), ()),
        (
            ["s3://{{bucket.artifacts}}/b/1", {"x": "s3://{{bucket.artifacts}}/a/1"}],
            ("a/", "b/"),
        ),
        (["s3://{{bucket.artifacts}}/b/1", join("s3://{{bucket.artifacts}}", RUN)], ("",)),
        ({"Steps": 7, "x": None}, ()),
    ],
)
def test_prefixes(value: Json, expected: tuple[str, ...]) -> None:
    assert prefixes(value, "bucket.artifacts", "p") == expected


def test_uses_by_the_default_of_a_parameter() -> None:
    raw = document()
    using = [step.name for step in find_steps(raw["Steps"]) if uses(step, raw, "bucket.data")]
    assert using == ["Preprocess"]


def test_a_condition_does_not_use_what_its_branches_use() -> None:
    raw = document()
    using = [s.name for s in find_steps(raw["Steps"]) if uses(s, raw, "model_package_group")]
    assert using == ["Register"]
