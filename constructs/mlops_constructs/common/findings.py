"""Acknowledge findings of validators (cdk-nag, our rules) on one construct, with a reason."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record why findings on this construct, and on what is below it, are accepted.

    Args:
        construct: The narrowest construct that the finding is about.
        reasons: Rule id to reason. cdk-nag 3 matches ids exactly: a finding such as
            ``AwsSolutions-IAM5[Resource::*]`` needs its own entry.
    """
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items())
    )
