"""Acknowledge findings of validators (cdk-nag, our rules) on one construct, with a reason."""

from __future__ import annotations

import json
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
        stack = Stack.of(grantee)
        if stack not in _WAITING:
            _WAITING[stack] = {}
            stack.node.add_validation(_AcknowledgeWildcards(stack))
        _WAITING[stack].setdefault(grantee, {}).update(dict.fromkeys(wild, reason))


#: Reasons by ARN, by grantee, by stack: each stack has one validation, for all its grantees.
_WAITING: dict[Stack, dict[Construct, dict[str, str]]] = {}


@jsii.implements(IValidation)
class _AcknowledgeWildcards:
    """Acknowledges when the app is validated.

    cdk-nag names a finding after the resolved ARN. For a bucket of another stack that is an
    import, which exists only after CDK has prepared the app; validations run right after that.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def validate(self) -> list[str]:
        """Acknowledge; there is nothing to refuse."""
        waiting = _WAITING[self._stack]
        found = self._stack.resolve([list(reasons) for reasons in waiting.values()])
        for (grantee, reasons), arns in zip(waiting.items(), found, strict=True):
            acknowledge(
                grantee,
                {
                    f"AwsSolutions-IAM5[Resource::{_flat(arn)}]": reason
                    for arn, reason in zip(arns, reasons.values(), strict=True)
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
        case str(text):
            return text.replace("${", "<").replace("}", ">")
    return json.dumps(value, separators=(",", ":"))
