"""Acknowledge findings of validators (cdk-nag, our rules) on one construct, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jsii
from aws_cdk import Acknowledgment, Stack, Validations, aws_iam as iam
from constructs import Construct, IConstruct, IValidation


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


def in_packs(rule: str, reason: str) -> dict[str, str]:
    """A reason for one rule in each pack of cdk-nag that has it under the same name.

    Args:
        rule: The rule without its pack, such as ``IAMNoInlinePolicy``.
        reason: Why its finding is accepted.
    """
    packs = ("HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321")
    return {f"{pack}-{rule}": reason for pack in packs}


def acknowledge_wildcards(grantee: iam.IGrantable, arns: Sequence[str], reason: str) -> None:
    """Accept cdk-nag's findings about wildcard resources in the grantee's own policies.

    Args:
        grantee: The role; a grantee that is no construct has no policy here to acknowledge for.
        arns: The resources of the statement; those without a wildcard are passed over.
        reason: Why no exact ARN will do.
    """
    wild = [arn for arn in arns if "*" in arn]
    if wild and isinstance(grantee, Construct):
        grantee.node.add_validation(_AcknowledgeWildcards(grantee, wild, reason))


@jsii.implements(IValidation)
class _AcknowledgeWildcards:
    """Acknowledges when the app is validated.

    cdk-nag names a finding after the resolved ARN. For a bucket of another stack that is an
    import, which exists only after CDK has prepared the app; validations run right after that.
    """

    def __init__(self, grantee: Construct, arns: Sequence[str], reason: str) -> None:
        self._grantee = grantee
        self._arns = arns
        self._reason = reason

    def validate(self) -> list[str]:
        """Acknowledge; there is nothing to refuse."""
        stack = Stack.of(self._grantee)
        acknowledge(
            self._grantee,
            {
                f"AwsSolutions-IAM5[Resource::{_flat(stack.resolve(arn))}]": self._reason
                for arn in self._arns
            },
        )
        return []


def _flat(value: object) -> str:
    """A resolved ARN as cdk-nag writes it into the ids of its findings."""
    match value:
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::ImportValue": inner} | {"Fn::Sub": inner}:
            return _flat(inner)
        case {"Ref": name}:
            return f"<{name}>"
    return str(value).replace("${", "<").replace("}", ">")
