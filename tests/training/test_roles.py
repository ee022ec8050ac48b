"""Least privilege: what the roles may do follows from the steps, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlops_constructs.training.definition import PipelineDefinition
from tests.support import ROOT, resources_of
from tests.training.fixture import (
    Ground,
    document,
    ground,
    model,
    processing,
    step,
    training,
    transform,
    tuning,
)


@pytest.fixture
def place() -> Ground:
    return ground()


def statements(place: Ground, role: str) -> list[dict[str, Any]]:
    (found,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in resources_of(place.stack, "AWS::IAM::Policy").items()
        if name.startswith(f"Training{role.replace('-', '')}Role")
    )
    return list(found)


def actions(place: Ground, role: str, service: str) -> set[str]:
    return {
        action
        for statement in statements(place, role)
        for action in _as_list(statement["Action"])
        if action.startswith(f"{service}:")
    }


def resources_for(place: Ground, role: str, action: str) -> list[str]:
    return [
        str(resource)
        for statement in statements(place, role)
        if action in _as_list(statement["Action"])
        for resource in _as_list(statement["Resource"])
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def derived_actions(place: Ground, types: set[str]) -> Iterator[str]:
    """The actions of the developer guide, "IAM Access Management" of Pipelines, by step type."""
    jobs = {
        "Processing": "ProcessingJob",
        "Training": "TrainingJob",
        "Tuning": "HyperParameterTuningJob",
        "Transform": "TransformJob",
    }
    for name in types & jobs.keys():
        yield from (f"sagemaker:{verb}{jobs[name]}" for verb in ("Create", "Describe", "Stop"))
    if "Tuning" in types:
        yield "sagemaker:ListTrainingJobsForHyperParameterTuningJob"
    if "Model" in types:
        yield from ("sagemaker:CreateModel", "sagemaker:DescribeModel")
    if "RegisterModel" in types:
        yield from (
            "sagemaker:CreateModelPackage",
            "sagemaker:DescribeModelPackage",
            "sagemaker:DescribeModelPackageGroup",
        )
    yield "sagemaker:AddTags"


@pytest.mark.parametrize(
    "more",
    [
        [],
        [tuning("Tune", training("A"))],
        [model("Create"), transform("Predict")],
        [tuning("Tune", training("A")), model("Create"), transform("Predict")],
    ],
    ids=["base", "tuning", "transform", "all"],
)
def test_pipeline_role_may_do_what_the_step_types_need(place: Ground, more: list[Any]) -> None:
    raw = document()
    raw["Steps"] += more
    pipeline = place.pipeline(raw)
    types = {each.type for each in pipeline.definition.steps}
    assert actions(place, "Pipeline", "sagemaker") == set(derived_actions(place, types))


def test_the_platforms_pipeline_may_do_what_its_steps_need(place: Ground) -> None:
    definition = PipelineDefinition.from_folder(ROOT / "pipeline_code" / "census_income")
    pipeline = place.pipeline(definition=definition)
    types = {each.type for each in definition.steps}
    assert {"Condition", "Fail", "Lambda", "Tuning", "RegisterModel"} <= types
    assert actions(place, "Pipeline", "sagemaker") == set(derived_actions(place, types))
    (function,) = pipeline.functions.values()
    assert resources_for(place, "Pipeline", "lambda:InvokeFunction") == [
        str(place.stack.resolve(function.function.function_arn))
    ]
    assert actions(place, "Function-champion", "sagemaker") == {
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:ListModelPackages",
    }


def test_only_processing(place: Ground) -> None:
    raw = document()
    raw["Steps"] = [processing("Only")]
    pipeline = place.pipeline(raw)
    assert pipeline.job_roles.keys() == {"processing"}
    assert actions(place, "Pipeline", "sagemaker") == set(derived_actions(place, {"Processing"}))
    assert actions(place, "Pipeline", "s3") == set()
    assert actions(place, "Pipeline", "kms") == set()


def test_roles_are_passed_to_sagemaker_only(place: Ground) -> None:
    pipeline = place.pipeline()
    (passing,) = (s for s in statements(place, "Pipeline") if s["Action"] == "iam:PassRole")
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
    assert passing["Resource"] == [
        place.stack.resolve(pipeline.job_roles[kind].role_arn)
        for kind in ("processing", "training")
    ]


@pytest.mark.parametrize("role", ["Pipeline", "Processing", "Training"])
def test_nothing_is_allowed_on_everything_but_what_takes_no_resource(
    place: Ground, role: str
) -> None:
    place.pipeline()
    free = {
        action
        for statement in statements(place, role)
        if statement["Resource"] == "*"
        for action in _as_list(statement["Action"])
        if not action.startswith("ec2:")
    }
    assert free <= {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}
    assert not any(
        "*" in action for s in statements(place, role) for action in _as_list(s["Action"])
    )


def test_jobs_write_below_the_pipelines_folders_only(place: Ground) -> None:
    place.pipeline()
    for role in ("Processing", "Training"):
        written = resources_for(place, role, "s3:PutObject")
        assert len(written) == 2
        assert "'/models/*'" in written[0]
        assert "'/sample-dev/*'" in written[1]


def test_raw_data_is_read_by_those_that_name_it(place: Ground) -> None:
    place.pipeline()
    data = place.stack.get_logical_id(place.data.node.default_child)  # type: ignore[arg-type]  # an L1
    assert any(data in arn for arn in resources_for(place, "Processing", "s3:GetObject"))
    assert not any(data in arn for arn in resources_for(place, "Processing", "s3:PutObject"))
    assert data not in str(statements(place, "Training"))
    assert data not in str(statements(place, "Pipeline"))


def test_training_on_raw_data_may_read_it(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["InputDataConfig"].append(
        {
            "ChannelName": "raw",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": {"Get": "Parameters.InputData"},
                }
            },
        }
    )
    place.pipeline(raw)
    data = place.stack.get_logical_id(place.data.node.default_child)  # type: ignore[arg-type]  # an L1
    assert data in str(statements(place, "Training"))


def test_model_role_only_reads(place: Ground) -> None:
    raw = document()
    raw["Steps"] += [model("Create")]
    place.pipeline(raw)
    assert actions(place, "Model", "s3") == {"s3:GetObject", "s3:ListBucket"}
    assert actions(place, "Model", "kms") == {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
    }


def test_only_named_images_are_pulled(place: Ground) -> None:
    place.pipeline()
    (pulled,) = resources_for(place, "Training", "ecr:BatchGetImage")
    assert ":repository/sagemaker-xgboost" in pulled
