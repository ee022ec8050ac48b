from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from mlops_constructs import (
    ApprovedModel,
    BlueGreenEndpoint,
    EndpointHours,
    Instances,
    ModelArtifact,
    TrackInvocations,
    ValidationError,
)
from tests.snapshots.test_templates import readable
from tests.support import nag_findings, new_stack, resources_of, template_of


def _endpoint(stack: cdk.Stack, *, approved: bool = True) -> BlueGreenEndpoint:
    models = s3.Bucket.from_bucket_name(stack, "Models", "models")
    repositories = ["arn:aws:ecr:eu-west-1:123456789012:repository/m"]
    return BlueGreenEndpoint(
        stack,
        "Endpoint",
        endpoint_name="e",
        model=ApprovedModel(
            parameter_name="/m/approved", buckets=[models], image_repository_arns=repositories
        )
        if approved
        else ModelArtifact(
            image="1.dkr.ecr.eu-west-1.amazonaws.com/m:1",
            model_data_url="s3://models/m.tar.gz",
            buckets=[models],
            image_repository_arns=repositories,
        ),
        compute=Instances("ml.m5.large", count=2),
    )


def _updates(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found = {}
    for schedule in resources_of(stack, "AWS::Scheduler::Schedule").values():
        properties = schedule["Properties"]
        text = properties["Target"]["Input"]
        parts = text["Fn::Join"][1] if isinstance(text, dict) else [text]
        written = "".join(
            part if isinstance(part, str) else json.dumps(part)[1:-1] for part in parts
        )
        found[properties["ScheduleExpression"]] = json.loads(written.replace('"Ref": ', ""))
    return found


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    made = new_stack()
    endpoint = _endpoint(made)
    EndpointHours(
        made,
        "Hours",
        endpoint=endpoint,
        start_hour=7,
        stop_hour=19,
        time_zone="Europe/Berlin",
    )
    # Added later, and gone at night all the same: a scalable target needs its endpoint.
    endpoint.add_autoscaling(
        min_capacity=2, max_capacity=4, policies=[TrackInvocations(per_minute=100)]
    )
    return made


def test_schedules_update_the_stack_with_its_own_template(stack: cdk.Stack) -> None:
    updates = _updates(stack)
    assert list(updates) == ["cron(0 7 ? * MON-FRI *)", "cron(0 19 ? * * *)"]
    for update, stands in zip(updates.values(), ("true", "false"), strict=True):
        assert update["UsePreviousTemplate"] is True
        assert update["StackName"] == "Test"
        own, *others = update["Parameters"]
        assert own["ParameterValue"] == stands
        # A parameter that is left out would fall back to its default.
        assert all(other["UsePreviousValue"] is True for other in others)
        keys = {parameter["ParameterKey"] for parameter in update["Parameters"]}
        assert keys == set(template_of(stack).to_json()["Parameters"]) - {"BootstrapVersion"}


def test_only_what_costs_goes_at_night(stack: cdk.Stack) -> None:
    template = template_of(stack).to_json()
    (name,) = [name for name in template["Conditions"] if name.startswith("HoursExists")]
    approved, stands = template["Conditions"][name]["Fn::And"]
    assert approved["Condition"].startswith("EndpointModelIsApproved")
    assert stands["Fn::Equals"][1] == "true"
    gone = {
        resource["Type"]
        for resource in template["Resources"].values()
        if resource.get("Condition") == name
    }
    assert gone == {
        "AWS::SageMaker::Endpoint",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
    }


def test_the_role_may_update_this_stack_only(stack: cdk.Stack) -> None:
    (policy,) = [
        found["Properties"]["PolicyDocument"]["Statement"]
        for name, found in resources_of(stack, "AWS::IAM::Policy").items()
        if name.startswith("Hours")
    ]
    update, read = policy
    assert update["Action"] == "cloudformation:UpdateStack"
    assert update["Resource"] == {"Ref": "AWS::StackId"}
    assert read["Action"] == "ssm:GetParameters"
    assert "parameter/m/approved" in json.dumps(read["Resource"])
    assert "parameter/cdk-bootstrap/hnb659fds/version" in json.dumps(read["Resource"])


def test_nag_finds_nothing(stack: cdk.Stack) -> None:
    assert nag_findings(stack) == []


def test_a_model_that_needs_no_approval_has_one_condition(snapshot: SnapshotAssertion) -> None:
    """The template is committed: the local cloud deploys it and lets its schedules run."""
    stack = new_stack()
    EndpointHours(
        stack, "Hours", endpoint=_endpoint(stack, approved=False), start_hour=0, stop_hour=1
    )
    template = template_of(stack).to_json()
    assert readable(dict(template)) == snapshot(extension_class=JSONSnapshotExtension)
    (condition,) = template["Conditions"].values()
    assert list(condition) == ["Fn::Equals"]


def test_all_mistakes_are_told_at_once() -> None:
    stack = new_stack()
    other = cdk.Stack(cdk.App.of(stack), "Other")
    with pytest.raises(ValidationError) as error:
        EndpointHours(
            other,
            "Hours",
            endpoint=_endpoint(stack),
            start_hour=19,
            stop_hour=7,
            days="weekdays",
            time_zone="CEST!",
        )
    assert [problem.what for problem in error.value.problems] == [
        "endpoint",
        "start_hour and stop_hour",
        "days",
        "time_zone",
    ]
