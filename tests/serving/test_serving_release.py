"""The release of approved models: who starts it, what it may do, and how its workflow is wired."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Aws, Duration

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.rules import check_template
from mlops_constructs.serving.release import ModelRelease
from mlops_constructs.serving.workflow import ReleaseWorkflow
from tests.serving.fixture import PARAMETER, faults, lint_findings, make_ground
from tests.support import nag_findings, new_stack, resources_of, template_of

States = dict[str, dict[str, Any]]


@dataclass
class Deployed:
    template: Mapping[str, Any]
    findings: list[str]

    def all(self, resource_type: str) -> list[dict[str, Any]]:
        """The properties of all resources of a type."""
        return [
            resource["Properties"]
            for resource in self.template["Resources"].values()
            if resource["Type"] == f"AWS::{resource_type}"
        ]

    def statements(self) -> list[dict[str, Any]]:
        """Everything that the roles may do."""
        return [
            statement
            for policy in self.all("IAM::Policy")
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def resource_of(self, action: str) -> Any:
        """What one action is allowed on."""
        (found,) = (s["Resource"] for s in self.statements() if action in s["Action"])
        return found


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    ground = make_ground()
    ModelRelease(
        ground.stack,
        "Release",
        model_package_group_name="Census-Income",
        parameter_name=PARAMETER,
        notify=ground.topic,
        encryption_key=ground.key,
    )
    findings = nag_findings(ground.stack)
    return Deployed(template_of(ground.stack).to_json(), findings)


@pytest.fixture(scope="module")
def states() -> States:
    workflow = ReleaseWorkflow(
        partition="aws",
        stack_name="Serving-dev",
        parameter_name=PARAMETER,
        topic_arn="arn:aws:sns:us-east-1:123456789012:alerts",
        timeout_seconds=10800,
        stage="Production",
    )
    return dict(workflow.definition()["States"])


def _next(state: dict[str, Any]) -> set[str]:
    choices = {choice["Next"] for choice in state.get("Choices", [])}
    return choices | {state[key] for key in ("Next", "Default") if key in state} | _caught(state)


def _caught(state: dict[str, Any]) -> set[str]:
    return {catch["Next"] for catch in state.get("Catch", [])}


def _reached(states: States, start: str, *, without: str = "") -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen and name != without:
            seen.add(name)
            todo.extend(_next(states[name]))
    return seen


def test_no_finding_of_any_checker(deployed: Deployed) -> None:
    assert deployed.findings == []
    assert check_template(deployed.template, region="us-east-1") == []


@pytest.mark.slow
def test_cfn_lint_has_no_finding(deployed: Deployed) -> None:
    assert lint_findings(deployed.template) == []


def test_only_approvals_of_the_group_start_it(deployed: Deployed) -> None:
    (rule,) = deployed.all("Events::Rule")
    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": ["Census-Income"],
            "ModelApprovalStatus": ["Approved"],
            # New metadata of an old version, which is approved still, must not bring it back.
            "UpdatedModelPackageFields": [{"exists": False}, "ModelApprovalStatus"],
        },
    }
    assert deployed.resource_of("states:StartExecution") == rule["Targets"][0]["Arn"]


def test_may_touch_one_parameter_one_stack_and_one_topic(deployed: Deployed) -> None:
    assert deployed.resource_of("ssm:PutParameter")["Fn::Join"][1][-1] == f":parameter{PARAMETER}"
    assert deployed.resource_of("cloudformation:UpdateStack") == {"Ref": "AWS::StackId"}
    assert "Fn::ImportValue" in deployed.resource_of("sns:Publish")
    # SageMaker lower-cases names inside ARNs.
    package = deployed.resource_of("sagemaker:DescribeModelPackage")
    assert package["Fn::Join"][1][-1] == ":model-package/census-income/*"
    allowed = {
        action
        for statement in deployed.statements()
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert not {action for action in allowed if action.startswith(("iam:", "sagemaker:Create"))}


def test_cloudformation_may_resolve_the_templates_parameters(deployed: Deployed) -> None:
    names = [resource["Fn::Join"][1][-1] for resource in deployed.resource_of("ssm:GetParameters")]
    assert names == [":parameter/cdk-bootstrap/hnb659fds/version", f":parameter{PARAMETER}"]


def test_machine_is_logged_and_traced(deployed: Deployed) -> None:
    (machine,) = deployed.all("StepFunctions::StateMachine")
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    (log,) = deployed.all("Logs::LogGroup")
    assert "KmsKeyId" in log
    assert log["RetentionInDays"] == 365


def test_releases_to_another_stack() -> None:
    stack = new_stack()
    other = cdk.Stack(stack.node.root, "Serving-prod")  # type: ignore[arg-type]  # the app
    ModelRelease(
        stack,
        "Release",
        model_package_group_name="census",
        parameter_name="approved",
        stack=other,
    )
    assert nag_findings(stack) == []
    found = Deployed(template_of(stack).to_json(), [])
    updated = found.resource_of("cloudformation:UpdateStack")
    assert updated["Fn::Join"][1][-1] == ":stack/Serving-prod/*"
    assert found.resource_of("ssm:PutParameter")["Fn::Join"][1][-1] == ":parameter/approved"
    assert "Exports" not in json.dumps(template_of(other).to_json())
    assert resources_of(stack, "AWS::KMS::Key") != {}
    (machine,) = found.all("StepFunctions::StateMachine")
    assert "sns:publish" not in json.dumps(machine)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"model_package_group_name": f"group-{Aws.REGION}"}, "model_package_group_name"),
        ({"parameter_name": ""}, "parameter_name"),
        ({"stack": f"Serving-{Aws.REGION}"}, "stack"),
        ({"timeout": Duration.minutes(5)}, "timeout"),
        ({"timeout": Duration.hours(10)}, "timeout"),
    ],
)
def test_refuses_what_it_cannot_release(given: dict[str, Any], fault: str) -> None:
    arguments = {"model_package_group_name": "census", "parameter_name": PARAMETER} | given
    with pytest.raises(ValidationError) as raised:
        ModelRelease(new_stack(), "Release", **arguments)
    assert faults(raised.value) == [fault]


@dataclass(frozen=True)
class Slow:
    """An endpoint whose deployment takes long."""

    longest_update: Duration


def test_a_release_outlasts_the_deployment_of_its_endpoint() -> None:
    stack = new_stack()
    names: dict[str, Any] = {"model_package_group_name": "census", "parameter_name": PARAMETER}
    ModelRelease(stack, "Release", endpoint=Slow(Duration.hours(8)), **names)
    machine = json.dumps(resources_of(stack, "AWS::StepFunctions::StateMachine"))
    assert str((8 * 3600 + 1800) * 1000) in machine
    with pytest.raises(ValidationError, match="more than 14400 s"):
        ModelRelease(
            new_stack(),
            "Release",
            endpoint=Slow(Duration.hours(4)),
            timeout=Duration.hours(3),
            **names,
        )


def test_every_state_is_there_and_is_reached(states: States) -> None:
    assert _reached(states, "Begin") == set(states)


def test_every_task_handles_its_errors(states: States) -> None:
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    for name, task in tasks.items():
        assert _caught(task), name
        assert ("Retry" in task) == (name != "UpdateStack"), name
        assert task["Resource"].startswith("arn:aws:states:::aws-sdk:"), name


def test_nothing_is_changed_before_its_turn(states: States) -> None:
    before = _reached(states, "Begin", without="ReadParameter")
    changing = {"PutParameter", "UpdateStack", "RestoreParameter", "CancelUpdate"}
    assert not before & changing
    assert states["IsMyTurn"]["Choices"][0]["Next"] == "CheckApproval"


def test_no_failure_leaves_the_new_value_behind(states: States) -> None:
    after = _reached(states, "PutParameter", without="RestoreParameter")
    assert "NotReleased" not in after
    assert "NotifyFailure" not in after
    assert "Released" in after
    assert states["RestoreParameter"]["Arguments"]["Value"] == "{% $before %}"


def test_a_failure_is_told_even_if_nobody_says_why(states: States) -> None:
    read = states["ReadEvents"]
    assert [catch["ErrorEquals"] for catch in read["Catch"]] == [
        ["States.DataLimitExceeded"],
        ["States.ALL"],
    ]
    assert _caught(read) == {"NotifyFailure"}
    assert all("Assign" not in catch for catch in read["Catch"]), "the stack's own reason is kept"


def test_what_is_approved_for_another_stage_waits(states: States) -> None:
    approval = states["CheckApproval"]["Assign"]["approval"]
    assert "ModelLifeCycle.Stage = 'Production'" in approval
    assert "ModelApprovalStatus = 'Approved'" in approval
    assert states["IsStillApproved"]["Default"] == "Withdrawn"
    assert states["Withdrawn"]["Output"]["approval"] == "{% $approval %}"


def test_update_changes_the_parameter_only(states: States) -> None:
    arguments = states["UpdateStack"]["Arguments"]
    assert arguments["UsePreviousTemplate"] is True
    assert arguments["Parameters"] == "{% $parameters %}"
    assert "TemplateBody" not in arguments
    assert "UsePreviousValue" in states["DescribeStack"]["Assign"]["parameters"]


def test_tells_what_was_served_before_and_after(states: States) -> None:
    for name in ("NotifySuccess", "NotifyFailure"):
        message = states[name]["Arguments"]["Message"]
        assert "'before': $before" in message
        assert "'after': $package" in message
        assert len(states[name]["Arguments"]["Subject"]) <= 100


def test_expressions_are_closed(states: States) -> None:
    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for item in value.values():
                yield from texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item)
        elif isinstance(value, str) and "{%" in value:
            yield value

    for text in texts(states):
        assert text.startswith("{% ")
        assert text.endswith(" %}")
        for left, right in ("()", "[]", "{}"):
            assert text.count(left) == text.count(right), text
        assert text.count("'") % 2 == 0, text
