from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns

from mlops_constructs import DriftWatch, ValidationError
from tests.support import nag_findings, new_stack, resources_of


def _watched(count: int) -> tuple[cdk.Stack, list[cdk.Stack], sns.Topic]:
    stack = new_stack()
    others = [cdk.Stack(cdk.App.of(stack), f"S{i}", stack_name=f"s-{i}") for i in range(count)]
    return stack, others, sns.Topic(stack, "Topic", enforce_ssl=True)


def test_each_stack_is_looked_at_minutes_after_the_other() -> None:
    stack, others, topic = _watched(13)
    DriftWatch(stack, "Drift", stacks=others, topic=topic, hour=23)
    schedules = [
        found["Properties"] for found in resources_of(stack, "AWS::Scheduler::Schedule").values()
    ]
    times = [schedule["ScheduleExpression"] for schedule in schedules]
    assert len(set(times)) == 13
    assert {"cron(0 23 * * ? *)", "cron(55 23 * * ? *)", "cron(0 0 * * ? *)"} <= set(times)
    assert {json.loads(schedule["Target"]["Input"])["StackName"] for schedule in schedules} == {
        f"s-{i}" for i in range(13)
    }


def test_drift_and_failure_are_told_of_these_stacks_only() -> None:
    stack, others, topic = _watched(2)
    DriftWatch(stack, "Drift", stacks=others, topic=topic)
    patterns = [
        found["Properties"]["EventPattern"]
        for found in resources_of(stack, "AWS::Events::Rule").values()
    ]
    assert [pattern["detail"]["status-details"] for pattern in patterns] == [
        {"stack-drift-status": ["DRIFTED"]},
        {"detection-status": ["DETECTION_FAILED"]},
    ]
    for pattern in patterns:
        assert pattern["detail-type"] == ["CloudFormation Drift Detection Status Change"]
        prefixes = json.dumps(pattern["detail"]["stack-id"])
        assert ":stack/s-0/" in prefixes
        assert ":stack/s-1/" in prefixes


def test_nag_finds_nothing() -> None:
    stack, others, topic = _watched(1)
    watch = DriftWatch(stack, "Drift", stacks=others, topic=topic)
    assert [found for found in nag_findings(stack) if watch.node.path in found] == []


def test_mistakes_are_told_at_once() -> None:
    stack, _, topic = _watched(0)
    with pytest.raises(ValidationError) as error:
        DriftWatch(stack, "Drift", stacks=[], topic=topic, hour=24)
    assert [problem.what for problem in error.value.problems] == ["stacks", "hour"]
