from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.compute.ports import ServiceError
from localcloud.dag.definition import dependencies, parse
from localcloud.dag.parameters import resolve_parameters
from tests.localcloud.dag.support import condition, pipeline, processing


def test_order_follows_names_references_and_branches() -> None:
    definition = parse(
        pipeline(
            processing("Last", "Check"),
            condition(
                "Check",
                {"Get": "Steps.Eval.ExitMessage"},
                [processing("Inside", Environment={"A": {"Get": "Steps.Prep.ProcessingJobArn"}})],
                [],
            ),
            processing("Eval", Environment={"A": {"Std:Join": {"On": "", "Values": [
                {"Get": "Steps.Prep.ProcessingJobName"}]}}}),
            processing("Prep"),
        )
    )  # fmt: skip
    order = list(definition.steps)
    assert order.index("Prep") < order.index("Eval") < order.index("Check") < order.index("Last")
    assert dependencies(definition.steps["Inside"]) == {"Prep", "Check"}
    # The references of nested steps are theirs, not the condition's.
    assert dependencies(definition.steps["Check"]) == {"Eval"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "it must be a JSON object"),
        ({"Version": "2019", "Steps": [processing("A")]}, "must be '2020-12-01'; got '2019'"),
        ({"Version": "2020-12-01"}, "Steps must be a list of steps"),
        (pipeline("A"), "Steps[0] must be an object; got 'A'"),  # type: ignore[arg-type]  # so
        (pipeline(processing("A") | {"Arguments": []}), "['A'].Arguments must be an object"),
        (pipeline(processing("A") | {"DependsOn": "B"}), "['A'].DependsOn must be a list"),
        (pipeline(processing("A") | {"PropertyFiles": [{}]}), "PropertyFileName must be a text"),
        (pipeline(processing("A"), parameters=["N"]), "Parameters[0] must be an object"),
        (pipeline(condition("A", 1, [3], [])), "['A'].IfSteps[0] must be an object; got 3"),
        (pipeline(processing("A"), processing("A")), "'A' is used more than once"),
        (pipeline(processing("A b")), "is named 'A b'; names have 1 to 64 letters"),
        (pipeline({"Name": "A", "Type": "Magic"}), "unknown type 'Magic'; known: ClarifyCheck"),
        (pipeline(processing("A", "B")), "'A' depends on 'B', which is no step"),
        (pipeline(processing("A", "B"), processing("B", "A")), "wait for one another: "),
        (
            pipeline(processing("A", Environment={"X": {"Get": "Parameters.Rat"}}),
                     parameters=[{"Name": "Rate", "Type": "Float"}]),
            "gets 'Parameters.Rat', but the parameters are Rate",
        ),
        (
            pipeline(processing("A", Environment={"X": {"Get": "Steps.B.Arn"}})),
            "gets 'Steps.B.Arn', but the steps are A",
        ),
        (
            pipeline(processing("A", Environment={"X": {"Get": "Execution.Id"}})),
            "the execution variables are CurrentDateTime",
        ),
        (
            pipeline(processing("A"), processing("B", Environment={"X": {"Std:JsonGet": {
                "PropertyFile": {"Get": "Steps.A.PropertyFiles.Report"}, "Path": "x"}}})),
            "the property files of 'A' are none",
        ),
        (
            pipeline(processing("A"), {**processing("B"),
                     "DependsOn": [{"Step": "A", "Trigger": "Failure"}]}),
            "the triggers are Completed, Failed, Stopped, Any",
        ),
        (
            pipeline(processing("A"), parameters=[{"Name": "P", "Type": "Date"}]),
            "parameter 'P' has the type 'Date'; allowed: String, Integer, Float, Boolean",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(document: Any, said: str) -> None:
    with pytest.raises(ServiceError) as error:
        parse(document)
    assert error.value.code == "ValidationException"
    assert said in error.value.message


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ServiceError) as error:
        parse(json.dumps(pipeline(processing("A", "X"), processing("B", "Y"))))
    assert "'X'" in error.value.message
    assert "'Y'" in error.value.message


def test_types_that_do_not_run_are_named() -> None:
    definition = parse(pipeline({"Name": "Hunt", "Type": "AutoML", "Arguments": {}}))
    with pytest.raises(ServiceError, match=r"cannot run these steps: Hunt \(AutoML\)"):
        definition.check_runnable()


PARAMETERS = [
    {"Name": "Kind", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
    {"Name": "Depth", "Type": "Integer", "DefaultValue": 3},
    {"Name": "Rate", "Type": "Float", "DefaultValue": 1},
    {"Name": "Fast", "Type": "Boolean", "DefaultValue": False},
    {"Name": "Uri", "Type": "String"},
]


def test_parameters_take_their_types() -> None:
    definition = parse(pipeline(processing("A"), parameters=PARAMETERS))
    given = {"Depth": "7", "Rate": "0.5", "Fast": "true", "Uri": "s3://b/k"}
    assert resolve_parameters(definition, given) == {
        "Kind": "a",
        "Depth": 7,
        "Rate": 0.5,
        "Fast": True,
        "Uri": "s3://b/k",
    }


def test_every_wrong_parameter_is_named() -> None:
    definition = parse(pipeline(processing("A"), parameters=PARAMETERS))
    with pytest.raises(ServiceError) as error:
        resolve_parameters(
            definition, {"Kind": "c", "Depth": "2.5", "Fast": "yes", "MinAuc": "0.9"}
        )
    for said in (
        "unknown parameter 'MinAuc'; the pipeline has: Kind, Depth, Rate, Fast, Uri",
        "'Kind' must be one of a, b; got 'c'",
        "'Depth' is of type Integer; got '2.5'",
        "'Fast' is of type Boolean; got 'yes'",
        "'Uri' has no default value",
    ):
        assert said in error.value.message
