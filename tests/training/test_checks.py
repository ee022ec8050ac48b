"""Definitions that the service would refuse, or the construct cannot deploy."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import boto3
import pytest

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.training.step_types import STEP_TYPES
from tests.training.fixture import (
    Json,
    definition,
    document,
    model,
    processing,
    step,
    training,
    transform,
    tuning,
)


def problems_of(raw: Json) -> list[str]:
    problems = Problems("Test")
    definition(raw).check(problems)
    try:
        problems.raise_if_any()
    except ValidationError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_the_sample_is_accepted() -> None:
    assert problems_of(document()) == []


def test_every_step_type_is_accepted() -> None:
    raw = document()
    raw["Steps"] += [
        tuning("Tune", training("A"), training("B")),
        model("Create"),
        transform("Predict"),
    ]
    assert problems_of(raw) == []


def _step_in_a_branch(raw: Json) -> None:
    step(raw, "Gate")["Arguments"]["IfSteps"].append(processing("Train"))


def _cycle(raw: Json) -> None:
    step(raw, "Preprocess")["DependsOn"] = ["Evaluate"]


def _hyperparameter(value: Json) -> Callable[[Json], None]:
    def mistake(raw: Json) -> None:
        step(raw, "Train")["Arguments"]["HyperParameters"]["x"] = value

    return mistake


def _argument(name: str, key: str, value: Json) -> Callable[[Json], None]:
    def mistake(raw: Json) -> None:
        step(raw, name)["Arguments"][key] = value

    return mistake


def _member(name: str, key: str, value: Json) -> Callable[[Json], None]:
    def mistake(raw: Json) -> None:
        step(raw, name)[key] = value

    return mistake


def _parameter(**members: Json) -> Callable[[Json], None]:
    return lambda raw: raw["Parameters"].append({"Name": "New", "Type": "Integer"} | members)


MISTAKES: list[tuple[str, Callable[[Json], object], str]] = [
    ("version", lambda raw: raw.update(Version="2021-01-01"), "Version: got '2021-01-01'"),
    ("no steps", lambda raw: raw.update(Steps=[]), "Steps: got \\[\\]; allowed: a list of steps"),
    (
        "experiment",
        lambda raw: raw.update(PipelineExperimentConfig={"ExperimentName": "x"}),
        "PipelineExperimentConfig: .*pipeline_experiment_config=None",
    ),
    ("malformed step", lambda raw: raw["Steps"].append({"Name": "x"}), r"Steps\[4\]: got"),
    (
        "malformed branch",
        _argument("Gate", "IfSteps", [7]),
        r"step 'Gate', Arguments\.IfSteps\[0\]: got 7",
    ),
    ("duplicate step", _step_in_a_branch, "step 'Train': got '2 of that name'"),
    (
        "step name",
        lambda raw: raw["Steps"].append(processing("a b")),
        "step 'a b': got 'a b'; allowed: 1 to 64",
    ),
    ("step type", _member("Train", "Type", "AutoML"), "step 'Train', Type: got 'AutoML'"),
    (
        "duplicate parameter",
        _parameter(Name="Eta"),
        "parameter 'Eta': got '2 of that name'",
    ),
    ("parameter type", _parameter(Type="Int"), "parameter 'New': got 'Int'"),
    ("parameter name", _parameter(Name={}), r"Parameters\[6\]\.Name: got \{\}"),
    ("parameter choices", _parameter(EnumValues=1), r"Parameters\[6\]\.EnumValues: got 1"),
    (
        "form of a spot job's limits",
        lambda raw: step(raw, "Train")["Arguments"].update(
            EnableManagedSpotTraining=True, StoppingCondition=1
        ),
        r"step 'Train', Arguments\.StoppingCondition: got 1",
    ),
    (
        "default of another type",
        _parameter(DefaultValue="1"),
        "parameter 'New', DefaultValue: got '1'; allowed: a value of type Integer",
    ),
    (
        "boolean is no integer",
        _parameter(DefaultValue=True),
        "parameter 'New', DefaultValue: got True",
    ),
    (
        "default that is no choice",
        _parameter(DefaultValue=1, EnumValues=[2, 3]),
        r"DefaultValue: got 1; allowed: one of EnumValues \[2, 3\]",
    ),
    (
        "too many parameters",
        lambda raw: raw["Parameters"].extend(
            {"Name": f"P{i}", "Type": "String", "DefaultValue": "x"} for i in range(200)
        ),
        "Parameters: got 206; allowed: at most 200",
    ),
    (
        "missing parameter",
        _hyperparameter({"Get": "Parameters.Nothing"}),
        "step 'Train': got 'Parameters.Nothing'; allowed: parameters of the pipeline: Approval",
    ),
    (
        "missing step",
        _hyperparameter({"Get": "Steps.Nothing.X"}),
        "step 'Train': got \"it refers to step 'Nothing'\"; allowed: Preprocess, Train",
    ),
    (
        "missing output",
        _hyperparameter({"Get": "Steps.Preprocess.ProcessingOutputConfig.Outputs['x'].S3Output"}),
        "step 'Train': .*allowed: outputs of step 'Preprocess': data",
    ),
    (
        "missing property file",
        _hyperparameter({"Get": "Steps.Evaluate.PropertyFiles.Nothing"}),
        "step 'Train': .*allowed: property files of step 'Evaluate': Report",
    ),
    (
        "property file in a missing output",
        _member(
            "Evaluate",
            "PropertyFiles",
            [{"PropertyFileName": "Report", "OutputName": "x", "FilePath": "y"}],
        ),
        "allowed: a property file in an output of step 'Evaluate': data",
    ),
    (
        "execution variable",
        _hyperparameter({"Get": "Execution.Nothing"}),
        "step 'Train': got 'Execution.Nothing'; allowed: execution variables: CurrentDateTime",
    ),
    (
        "reference of no kind",
        _hyperparameter({"Get": "Preprocess.X"}),
        r"allowed: Parameters\.<name>, Execution\.<name> or Steps\.<step>\.<property>",
    ),
    (
        "malformed join",
        _hyperparameter({"Std:Join": {"On": 7}}),
        r"Steps\['Train'\]\.Arguments\.HyperParameters\.x\.Std:Join\.On: got 7; allowed: text",
    ),
    (
        "malformed argument",
        _argument("Preprocess", "ProcessingResources", "ml.m5.large"),
        r"step 'Preprocess', Arguments\.ProcessingResources: .*allowed: an object",
    ),
    (
        "dependency on nothing",
        _member("Train", "DependsOn", [{"Step": "Nothing", "Trigger": "Failed"}]),
        "step 'Train': got \"it refers to step 'Nothing'\"",
    ),
    (
        "malformed dependency",
        _member("Train", "DependsOn", "Preprocess"),
        "step 'Train', DependsOn: got 'Preprocess'; allowed: a list",
    ),
    ("cycle", _cycle, "a cycle: .*Evaluate.*Preprocess"),
    (
        "missing argument",
        lambda raw: step(raw, "Train")["Arguments"].pop("OutputDataConfig"),
        r"step 'Train', Arguments\.OutputDataConfig: got None; .* CreateTrainingJob requires",
    ),
    (
        "role of another kind",
        _argument("Train", "RoleArn", "{{role.processing}}"),
        r"step 'Train', Arguments\.RoleArn: .*Write \{\{role\.training\}\}",
    ),
    (
        "literal role",
        _argument("Preprocess", "RoleArn", "arn:aws:iam::123456789012:role/admin"),
        r"step 'Preprocess', Arguments\.RoleArn: got 'arn:aws:iam",
    ),
    (
        "image by parameter",
        _argument("Preprocess", "AppSpecification", {"ImageUri": {"Get": "Parameters.InputData"}}),
        r"step 'Preprocess', Arguments\.AppSpecification\.ImageUri: .*a sentinel",
    ),
    (
        "condition type",
        _argument("Gate", "Conditions", [{"Type": "Near"}]),
        r"step 'Gate', Arguments\.Conditions\[0\]: got .*Equals with LeftValue, RightValue",
    ),
    (
        "condition member",
        _argument("Gate", "Conditions", [{"Type": "Not", "Expression": {"Type": "Equals"}}]),
        r"step 'Gate', Arguments\.Conditions\[0\]\.Condition\[0\]: got",
    ),
    (
        "fail without a reason",
        _argument("Refuse", "ErrorMessage", ""),
        r"step 'Refuse', Arguments\.ErrorMessage: got ''",
    ),
]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [pytest.param(mistake, said, id=name) for name, mistake, said in MISTAKES],
)
def test_mistake(mistake: Callable[[Json], None], said: str) -> None:
    raw = document()
    mistake(raw)
    found = problems_of(raw)
    assert len(found) >= 1
    with pytest.raises(AssertionError, match=said):
        raise AssertionError("\n".join(found))


def test_all_mistakes_are_reported_at_once() -> None:
    raw = document()
    _argument("Train", "RoleArn", "x")(raw)
    _hyperparameter({"Get": "Parameters.Nothing"})(raw)
    _member("Train", "DependsOn", ["Nothing"])(raw)
    assert len(problems_of(raw)) == 3


_DAMAGE: list[Json] = [
    *(None, 7, "x", True, [], [7], {}, {"a": {}}),
    *({"Get": 7}, {"Std:Join": 7}, {"Std:Join": {"On": 7, "Values": 7}}, {"Std:JsonGet": {}}),
]


def test_any_damage_is_answered_with_problems() -> None:
    """A malformed definition never ends in a traceback of ours."""
    chance = random.Random(1)
    for _ in range(400):
        raw = document()
        places = list(_places(raw))
        container, key = chance.choice(places)
        container[key] = chance.choice(_DAMAGE)
        problems_of(raw)


def _places(value: Json) -> Iterator[tuple[Json, Json]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def test_required_arguments_are_those_of_the_service() -> None:
    service = boto3.Session(region_name="us-east-1").client("sagemaker").meta.service_model
    # Names of jobs and models are Pipelines' to give; a version needs its group to be registered.
    given_by_pipelines = {"TransformJobName", "TrainingJobName", "ProcessingJobName", "ModelName"}
    for name, known in STEP_TYPES.items():
        if known.call:
            required = set(service.operation_model(known.call).input_shape.required_members)
            missing = required - set(known.required) - given_by_pipelines
            assert missing <= {"HyperParameterTuningJobName"}, name
