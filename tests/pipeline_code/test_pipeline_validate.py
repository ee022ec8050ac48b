"""Mistakes seeded into a good definition are all found."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import USE_CASE

from pipeline_code.compiler import CompileError, postpass, validate

Json = Any
STAND_INS = {
    "{{function.champion}}": "arn:aws:lambda:eu-west-1:123456789012:function:champion",
    "{{role.processing}}": "arn:aws:iam::123456789012:role/p",
    "{{role.training}}": "arn:aws:iam::123456789012:role/t",
    "{{image.xgboost}}": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/xgboost:3.2-0",
    "{{model_package_group}}": "census-income",
    "{{bucket.artifacts}}": "artifacts",
    "{{bucket.data}}": "data",
}


def good() -> Json:
    """The committed definition with values in the place of its sentinels."""
    text = (USE_CASE / "definition.json").read_text(encoding="utf-8")
    for sentinel, value in STAND_INS.items():
        text = text.replace(sentinel, value)
    return json.loads(text.replace("{{code.", "s3://code/").replace("}}", ""))


GOOD = good()


def problems(definition: Json) -> str:
    """All problems in one text."""
    return "\n".join(validate.problems(definition, characters=1000))


def test_a_good_definition_has_no_problems() -> None:
    assert problems(GOOD) == ""


def _step(definition: Json, name: str) -> Json:
    """A step, in branches too."""
    waiting = list(definition["Steps"])
    while waiting:
        step = waiting.pop()
        if step["Name"] == name:
            return step
        for branch in ("IfSteps", "ElseSteps"):
            waiting += step["Arguments"].get(branch, [])
    raise LookupError(name)


def _arguments(definition: Json, step: str) -> Json:
    return _step(definition, step)["Arguments"]


def _cluster(definition: Json) -> Json:
    return _arguments(definition, "Preprocess")["ProcessingResources"]["ClusterConfig"]


def _gate(definition: Json) -> Json:
    return _arguments(definition, "IsGoodEnough")


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (lambda d: _arguments(d, "Preprocess").pop("RoleArn"), "Preprocess.RoleArn is missing."),
        (
            lambda d: _arguments(d, "Preprocess").update(Rolearn="x"),
            "Preprocess.Rolearn: no such member.",
        ),
        (lambda d: _arguments(d, "Train").update(RoleArn="me"), "Train.RoleArn: 2 characters"),
        (lambda d: _arguments(d, "Train").update(RoleArn="x" * 30), "does not match arn:aws"),
        (lambda d: _cluster(d).update(InstanceCount="1"), "'1' should be a integer."),
        (lambda d: _cluster(d).update(InstanceCount=True), "True should be a integer."),
        (lambda d: _cluster(d).update(InstanceCount=0), "InstanceCount: 0; the least is 1."),
        (lambda d: _cluster(d).update(InstanceType="ml.m5.lrg"), "'ml.m5.lrg' is none of"),
        (
            lambda d: _arguments(d, "Preprocess")["AppSpecification"]["ContainerEntrypoint"].append(
                "x" * 300
            ),
            "ContainerEntrypoint[4]: 300 characters; the most is 256.",
        ),
        (
            lambda d: _arguments(d, "Train")["HyperParameters"].update(n=5),
            "Train.HyperParameters.n: 5 should be a string.",
        ),
        (
            lambda d: _cluster(d).update(InstanceType={"Get": "Parameters.Nothing"}),
            "'Parameters.Nothing' refers to nothing in this pipeline.",
        ),
        (
            lambda d: _cluster(d).update(InstanceType={"Get": "Steps.Nothing.X"}),
            "'Steps.Nothing.X' refers to nothing",
        ),
        (
            lambda d: _cluster(d).update(InstanceType={"Get": "Execution.Nothing"}),
            "'Execution.Nothing' refers to nothing",
        ),
        (
            lambda d: _step(d, "Evaluate").pop("PropertyFiles"),
            "'Steps.Evaluate.PropertyFiles.EvaluationReport' refers to nothing",
        ),
        (lambda d: d["Parameters"][0].update(Name="Input_Uri"), "Parameter 'Input_Uri': use"),
        (lambda d: _step(d, "Preprocess").update(Name="Pre process"), "Step 'Pre process': use"),
        (
            lambda d: _step(d, "Preprocess").update(Name="Register"),
            "Two things are named 'Register'.",
        ),
        (
            lambda d: _step(d, "Preprocess").update(Type="Lineage"),
            "no check is known for a step of type Lineage",
        ),
        (lambda d: d.update(Steps=[]), "The pipeline has no steps."),
        (lambda d: _gate(d)["Conditions"][0].pop("RightValue"), "isn't one of Equals"),
        (lambda d: _gate(d)["Conditions"][0].update(Type="Like"), "isn't one of Equals"),
        (
            lambda d: _gate(d)["ElseSteps"][0]["Arguments"].update(ErrorMessage=""),
            "RefuseModel: a Fail step needs an ErrorMessage",
        ),
        (
            lambda d: _gate(d)["IfSteps"][0]["Arguments"].update(ModelApprovalStatus="Perhaps"),
            "Register.ModelApprovalStatus: 'Perhaps' is none of Approved",
        ),
    ],
)
def test_a_seeded_mistake_is_found(seed: Callable[[Json], object], expected: str) -> None:
    definition = copy.deepcopy(GOOD)
    seed(definition)

    assert expected in problems(definition)


def test_limits_of_the_whole() -> None:
    definition = copy.deepcopy(GOOD)
    most = 200
    count = len(definition["Parameters"]) + most
    definition["Parameters"] += [{"Name": f"P{n}", "Type": "String"} for n in range(most)]

    found = validate.problems(definition, characters=2_000_000)

    assert found[0] == "The definition has 2000000 characters; the most is 1048576."
    assert f"{count} parameters; the most is 200." in found


def test_the_post_pass_takes_out_what_the_sdk_adds() -> None:
    environment = {"SAGEMAKER_PROGRAM": "", "SAGEMAKER_REGION": "us-east-1", "KEPT": "1"}
    definition: Json = {
        "MlflowConfig": None,
        "Steps": [
            {"DependsOn": ["b", "a"], "Environment": {"SAGEMAKER_REGION": "us-east-1"}},
            {"Environment": environment, "ModelMetrics": {"Bias": {}, "ModelQuality": {"a": 1}}},
        ],
    }

    cleaned = postpass.clean(definition)

    assert cleaned == {
        "Steps": [
            {"DependsOn": ["a", "b"]},
            {"Environment": {"KEPT": "1"}, "ModelMetrics": {"ModelQuality": {"a": 1}}},
        ]
    }


@pytest.mark.parametrize("member", sorted(postpass.OWNED_BY_THE_CONSTRUCT))
def test_the_post_pass_refuses_what_the_construct_sets(member: str) -> None:
    with pytest.raises(CompileError, match=rf"definition\.Steps\[0\]\.{member} is set"):
        postpass.clean({"Steps": [{member: "x"}]})
