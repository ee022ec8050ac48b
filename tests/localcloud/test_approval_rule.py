"""The state machine that approves versions by a rule, on the local cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from mlops_constructs.common.states import PARTITION
from mlops_constructs.training import approval_states
from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::123456789012:role/r-approve"


def _machine(
    cloud: Cloud, *, maximum: Mapping[str, float] | None = None, reject: bool = False
) -> str:
    limits = {"gap": 0.0} if maximum is None else maximum
    states = approval_states.states(minimum={"auc": 0.93}, maximum=limits, reject=reject)
    begin = {"Type": "Pass", "Assign": approval_states.VARIABLES, "Next": "Describe"}
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {"Begin": begin, **states},
    }
    made = cloud.client("stepfunctions").create_state_machine(
        name="approve", definition=json.dumps(definition).replace(PARTITION, "aws"), roleArn=ROLE
    )
    return str(made["stateMachineArn"])


def _decide(cloud: Cloud, machine: str, version: str) -> tuple[str, str]:
    """Let the machine decide on a version; its status and description afterwards."""
    functions = cloud.client("stepfunctions")
    event = {"detail": {"ModelPackageArn": version}}
    arn = functions.start_execution(stateMachineArn=machine, input=json.dumps(event))[
        "executionArn"
    ]
    until(lambda: functions.describe_execution(executionArn=arn)["status"] != "RUNNING")
    assert functions.describe_execution(executionArn=arn)["status"] == "SUCCEEDED"
    package = cloud.call("DescribeModelPackage", ModelPackageName=version)
    return package["ModelApprovalStatus"], package.get("ApprovalDescription", "")


def _version(cloud: Cloud, metadata: dict[str, str] | None) -> str:
    return str(
        cloud.call(
            "CreateModelPackage",
            ModelPackageGroupName="group",
            ModelApprovalStatus="PendingManualApproval",
            **({"CustomerMetadataProperties": metadata} if metadata else {}),
        )["ModelPackageArn"]
    )


@pytest.fixture
def group(cloud: Cloud) -> Cloud:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    return cloud


def test_a_version_within_the_limits_is_approved(group: Cloud) -> None:
    machine = _machine(group)
    good = _version(group, {"auc": "0.9312", "gap": "-1e-3"})
    assert _decide(group, machine, good) == ("Approved", "By rule: auc >= 0.93, gap <= 0")
    # A second event of the same version changes nothing.
    group.call("UpdateModelPackage", ModelPackageArn=good, ModelApprovalStatus="Rejected")
    assert _decide(group, machine, good)[0] == "Rejected"


def test_other_versions_are_left_to_people_or_rejected(group: Cloud) -> None:
    machine = _machine(group)
    for metadata in (
        {"auc": "0.92", "gap": "0"},
        {"auc": "0.95", "gap": "0.1"},
        {"auc": "0.95"},
        {"auc": "high", "gap": "0"},
        None,
    ):
        version = _version(group, metadata)
        assert _decide(group, machine, version)[0] == "PendingManualApproval", metadata


def test_a_rule_may_reject(group: Cloud) -> None:
    machine = _machine(group, maximum={}, reject=True)
    status, why = _decide(group, machine, _version(group, {"auc": "0.92"}))
    assert (status, why) == ("Rejected", "By rule, which asks for auc >= 0.93")
