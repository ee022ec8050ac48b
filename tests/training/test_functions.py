"""Functions of Lambda steps, and the defaults of a deployment."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.functions import PipelineFunction
from mlops_constructs.training.pipeline import TrainingPipeline
from tests.support import nag_findings, resources_of
from tests.training.fixture import Ground, definition, document, ground

ASK = {
    "Name": "Ask",
    "Type": "Lambda",
    "FunctionArn": "{{function.ask-people}}",
    "Arguments": {"what": "now"},
    "OutputParameters": [],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A pipeline whose use case has a function that a step names, and one that none names."""
    folder = tmp_path_factory.mktemp("functions")
    for name in ("ask_people", "unused"):
        (folder / f"{name}.py").write_text("def handler(event, context):\n    return {}\n")
    raw = document()
    raw["Steps"].append(ASK)
    files = {path.stem.replace("_", "-"): path for path in folder.glob("*.py")}
    made = ground()
    made.pipeline(
        definition=dataclasses.replace(definition(raw), functions=files),
        parameters={"MinAuc": 0.5, "Rounds_Max": 7},
    )
    return made


def _only(place: Ground, resource_type: str) -> Any:
    (found,) = (
        each["Properties"]
        for name, each in resources_of(place.stack, resource_type).items()
        if name.startswith("Training")
    )
    return found


def test_a_function_is_made_for_each_step_that_names_one(place: Ground) -> None:
    function = _only(place, "AWS::Lambda::Function")
    assert function["Handler"] == "ask_people.handler"
    body = json.dumps(_only(place, "AWS::SageMaker::Pipeline")["PipelineDefinition"])
    assert "TrainingFunctionaskpeople" in body


def test_it_may_write_its_log_and_look_up_versions(place: Ground) -> None:
    (statements,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in resources_of(place.stack, "AWS::IAM::Policy").items()
        if name.startswith("TrainingFunctionaskpeopleRole")
    )
    actions = {
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert actions == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:ListModelPackages",
        "ssm:GetParameter",
        "ssm:GetParameters",
    }


def test_the_deployments_defaults_are_in_the_definition(place: Ground) -> None:
    parts = _only(place, "AWS::SageMaker::Pipeline")["PipelineDefinition"][
        "PipelineDefinitionBody"
    ]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "x" for part in parts))
    defaults = {each["Name"]: each["DefaultValue"] for each in body["Parameters"]}
    assert (defaults["MinAuc"], defaults["Rounds_Max"], defaults["Eta"]) == (0.5, 7, 1.0)


def test_no_findings(place: Ground) -> None:
    assert nag_findings(place.stack) == []


@pytest.fixture(scope="module")
def empty() -> Ground:
    return ground()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"Nothing": 1}, r"parameters\['Nothing'\]: got 1; allowed: Approval, Eta"),
        ({"MinAuc": "high"}, "a literal of type Float"),
        ({"Rounds_Max": 1.5}, "a literal of type Integer"),
        ({"Approval": "Maybe"}, "allowed: PendingManualApproval, Approved"),
    ],
)
def test_defaults_that_do_not_fit(empty: Ground, parameters: dict[str, Any], said: str) -> None:
    identifier = f"P{abs(hash(said))}"
    with pytest.raises(ValidationError, match=said):
        TrainingPipeline(
            empty.stack,
            identifier,
            pipeline_name="sample",
            definition=definition(),
            network=empty.network,
            data_bucket=empty.data,
            registry=empty.registry,
            parameters=parameters,
        )


def test_a_function_that_cannot_be(empty: Ground, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a Python file with handler") as refused:
        PipelineFunction(
            empty.stack,
            "Function",
            file=tmp_path / "nothing.py",
            encryption_key=empty.key,
            timeout=Duration.minutes(11),
        )
    assert "as long as a Lambda step waits" in str(refused.value)
