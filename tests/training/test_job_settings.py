"""Tuning, spot, warm pools, retries: what goes through untouched, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.training.checks import check_document
from tests.training.fixture import document, ground, step, training, tuning

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}
SERVICE = {"ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"], "MaxAttempts": 4}
JOB = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "ExpireAfterMin": 60, "BackoffRate": 1.5}


def _search() -> Any:
    """Two algorithms, warm-started, with AWS's own ranges."""
    made = tuning("Tune", training("Shallow"), training("Deep", **SPOT))
    made["Arguments"] |= {
        "Autotune": {"Mode": "Enabled"},
        "WarmStartConfig": {
            "WarmStartType": "IdenticalDataAndAlgorithm",
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "earlier"}],
        },
    }
    return made


def _with(*steps: Any) -> Any:
    raw = document()
    raw["Steps"] += steps
    return raw


def _problems(raw: Any) -> str:
    problems = Problems("Test")
    check_document(problems, raw)
    try:
        problems.raise_if_any()
    except ValidationError as error:
        return str(error)
    return ""


def test_searches_pools_and_retries_go_through_as_they_are() -> None:
    raw = _with(_search())
    train = step(raw, "Train")
    train["Arguments"]["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 1800
    train["RetryPolicies"] = [SERVICE, JOB]
    assert _problems(raw) == ""
    place = ground()
    pipeline = place.pipeline(raw)
    deployed = place.stack.resolve(pipeline.resource.pipeline_definition)
    text = "".join(
        part if isinstance(part, str) else "x"
        for part in deployed["PipelineDefinitionBody"]["Fn::Join"][1]
    )
    for kept in (
        '"Autotune":{"Mode":"Enabled"}',
        '"HyperParameterTuningJobName":"earlier"',
        '"KeepAlivePeriodInSeconds":1800',
        '"ExpireAfterMin":60',
    ):
        assert kept in text
    protected = [line for line in pipeline.hardening if "EnableNetworkIsolation = true" in line]
    assert [line for line in protected if line.startswith("Tune:")] == [
        "Tune: TrainingJobDefinitions[0].EnableNetworkIsolation = true",
        "Tune: TrainingJobDefinitions[1].EnableNetworkIsolation = true",
    ]


def _tune(**changes: Any) -> Any:
    made = _search()
    made["Arguments"] |= changes
    return _with(made)


def _retry(name: str, *policies: Any) -> Any:
    raw = document()
    step(raw, name)["RetryPolicies"] = list(policies)
    return raw


def _job(**changes: Any) -> Any:
    raw = document()
    step(raw, "Train")["Arguments"] |= changes
    return raw


POOL = {
    "InstanceCount": 1,
    "InstanceType": "ml.m5.large",
    "VolumeSizeInGB": 30,
    "KeepAlivePeriodInSeconds": 60,
}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (_job(EnableManagedSpotTraining=True), "MaxRuntimeInSeconds (None) or more"),
        (
            _job(
                **SPOT
                | {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8}}
            ),
            "MaxWaitTimeInSeconds: got 8; allowed: MaxRuntimeInSeconds (9) or more",
        ),
        (_job(**SPOT, ResourceConfig=POOL), "none on spot instances"),
        (
            _job(
                ResourceConfig={
                    "KeepAlivePeriodInSeconds": 60,
                    "InstanceGroups": [
                        {
                            "InstanceType": "ml.m5.large",
                            "InstanceCount": 1,
                            "InstanceGroupName": "g",
                        }
                    ],
                }
            ),
            "none in a heterogeneous cluster",
        ),
        (_tune(TrainingJobDefinitions=[]), "one of TrainingJobDefinition and"),
        (_tune(Autotune={"Mode": "On"}), "Autotune.Mode"),
        (_tune(WarmStartConfig={"WarmStartType": "Warm"}), "WarmStartConfig"),
        (_retry("Train", SERVICE, SERVICE), "each type of exception in one policy"),
        (
            _retry("Train", {"ExceptionType": ["Oops"], "MaxAttempts": 1}),
            "got 'Oops'; allowed: Step.",
        ),
        (_retry("Register", JOB), "allowed: Step.SERVICE_FAULT, Step.THROTTLING"),
        (_retry("Gate", SERVICE), "none for a step of type Condition"),
        (_retry("Train", SERVICE | {"ExpireAfterMin": 1}), "one of MaxAttempts and ExpireAfterMin"),
    ],
)
def test_what_contradicts_itself_is_refused(raw: Any, said: str) -> None:
    assert said in _problems(raw)


def test_each_of_several_definitions_has_a_name_and_an_objective() -> None:
    made = _search()
    first, second = made["Arguments"]["TrainingJobDefinitions"]
    del first["TuningObjective"]
    assert "TrainingJobDefinitions[0].TuningObjective" in _problems(_with(made))
    first["TuningObjective"] = second["TuningObjective"]
    first["DefinitionName"] = second["DefinitionName"]
    assert "got 'Deep'; allowed: names that differ" in _problems(_with(made))
