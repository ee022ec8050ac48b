"""Statements of a persona: what, on which resources, under which conditions, and why so wide.

A statement with a wildcard carries its reason; giving it to a role records that reason for
exactly the findings that the statement causes. A statement without wildcards needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aws_cdk import aws_iam as iam

from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.pseudo import ACCOUNT_ID, PARTITION, REGION
from mlops_constructs.common.tokens import is_token

#: An operator of IAM, the condition keys below it, their values.
Conditions = dict[str, dict[str, object]]


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One statement of an identity policy.

    Attributes:
        actions: IAM actions.
        resources: Whole ARNs, or ``service:type/name`` in this account and region.
        conditions: Under which the statement holds.
        reason: Why a wildcard in it is as narrow as it can be.
    """

    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Conditions = field(default_factory=dict)
    reason: str = ""

    def findings(self) -> list[str]:
        """The ids of the findings that cdk-nag's AwsSolutions-IAM5 has about it."""
        wide = [f"Action::{action}" for action in self.actions if "*" in action]
        wide += [
            f"Resource::{_in_findings(resource)}" for resource in self.resources if "*" in resource
        ]
        return [f"AwsSolutions-IAM5[{part}]" for part in wide]


def sagemaker(*types: str, name: str = "*") -> list[str]:
    """SageMaker resources of this account and region, such as ``training-job``."""
    return [f"sagemaker:{resource_type}/{name}" for resource_type in types]


def give(role: iam.Role, permissions: Iterable[Permission]) -> None:
    """Add the statements to the role, and the reasons of their wildcards."""
    reasons: dict[str, str] = {}
    for permission in permissions:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=list(permission.actions),
                resources=[
                    _arn(resource, PARTITION, REGION, ACCOUNT_ID)
                    for resource in permission.resources
                ],
                conditions=permission.conditions or None,
            )
        )
        for finding in permission.findings():
            known = reasons.get(finding, "")
            if permission.reason not in known:
                reasons[finding] = f"{known} {permission.reason}".strip()
    acknowledge(role, reasons)


def _in_findings(resource: str) -> str:
    arn = _arn(resource, "<AWS::Partition>", "<AWS::Region>", "<AWS::AccountId>")
    arn = arn.replace(PARTITION, "<AWS::Partition>").replace(REGION, "<AWS::Region>")
    # Policy variables such as ${sagemaker:DomainId} come out like the pseudo parameters.
    return re.sub(r"\$\{([^}]+)\}", r"<\1>", arn)


def _arn(resource: str, partition: str, region: str, account: str) -> str:
    if resource == "*" or resource.startswith("arn:") or is_token(resource):
        return resource
    service, _, name = resource.partition(":")
    # Roles are in no region.
    return f"arn:{partition}:{service}:{'' if service == 'iam' else region}:{account}:{name}"
