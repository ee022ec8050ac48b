"""Approvals of model versions: the events that tell of them, and where other accounts get them.

SageMaker sends the same event for every change of a version, with all of its state: new metadata
of an approved version come with ``ModelApprovalStatus: Approved``, and would release an old version
again. ``UpdatedModelPackageFields`` says what changed (SageMaker developer guide, "Events that
Amazon SageMaker AI sends to Amazon EventBridge", model package state change). It is an example's
member, of updates: an event without it is taken for a change of all.

A version can be approved for one stage after the other, by its ``ModelLifeCycle`` (developer guide,
"Staging Construct for your Model Lifecycle"). Only a version that is approved itself counts there.
"""

from __future__ import annotations

import re
from typing import Any

from aws_cdk import aws_events as events

from mlops_constructs.common.errors import Problems

#: botocore, ModelLifeCycle: EntityName.
_STAGE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def bus_name(group: str) -> str:
    """The bus that approvals of a group come to, in every account that serves its models."""
    return f"{group}-approvals"


def check_stage(problems: Problems, stage: str | None) -> None:
    """Note a stage that the service would refuse."""
    problems.check(
        stage is None or (isinstance(stage, str) and _STAGE.fullmatch(stage) is not None),
        "stage",
        got=stage,
        allowed="1 to 63 letters, digits and inner hyphens",
        instead="Write 'Staging' or 'Production', as whoever approves will.",
    )


def approvals_of(
    group: str, *, account: str | None = None, stage: str | None = None
) -> events.EventPattern:
    """The events that say that a version of a group was approved.

    Args:
        group: The group's name.
        account: Of which account; any if left out, as on the default bus.
        stage: For which stage of its life; for the version as such if left out.
    """
    if stage is None:
        return status_changes(group, "Approved", account=account)
    return stage_changes(group, stage, "Approved", account=account)


def status_changes(group: str, status: str, *, account: str | None = None) -> events.EventPattern:
    """The events that say that a version of a group got an approval status."""
    return _changes(
        account,
        {
            "ModelPackageGroupName": [group],
            "ModelApprovalStatus": [status],
            "UpdatedModelPackageFields": [{"exists": False}, "ModelApprovalStatus"],
        },
    )


def stage_changes(
    group: str, stage: str, status: str, *, account: str | None = None
) -> events.EventPattern:
    """The events that say that an approved version of a group got a status of a stage."""
    return _changes(
        account,
        {
            "ModelPackageGroupName": [group],
            "ModelApprovalStatus": ["Approved"],
            "ModelLifeCycle": {"Stage": [stage], "StageStatus": [status]},
            # Whichever of the two approvals comes last.
            "UpdatedModelPackageFields": [
                {"exists": False},
                "ModelApprovalStatus",
                "ModelLifeCycle",
            ],
        },
    )


def _changes(account: str | None, detail: dict[str, Any]) -> events.EventPattern:
    return events.EventPattern(
        account=None if account is None else [account],
        source=["aws.sagemaker"],
        detail_type=["SageMaker Model Package State Change"],
        detail=detail,
    )
