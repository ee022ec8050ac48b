"""Approvals of model versions: the events that tell of them, and where other accounts get them."""

from __future__ import annotations

from aws_cdk import aws_events as events


def bus_name(group: str) -> str:
    """The bus that approvals of a group come to, in every account that serves its models."""
    return f"{group}-approvals"


def approvals_of(group: str, *, account: str | None = None) -> events.EventPattern:
    """The events that say that a version of a group was approved.

    Args:
        group: The group's name.
        account: Of which account; any if left out, as on the default bus.
    """
    return events.EventPattern(
        account=None if account is None else [account],
        source=["aws.sagemaker"],
        detail_type=["SageMaker Model Package State Change"],
        detail={"ModelPackageGroupName": [group], "ModelApprovalStatus": ["Approved"]},
    )
