"""The roles of an estate with every policy that counts for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.access.estate import Estate, Item
from mlops_constructs.access.evaluation import (
    Decision,
    Document,
    Policies,
    Request,
    conditions_of,
    evaluate,
    listed,
    policy,
    statements_of,
)

_SAGEMAKER = "sagemaker.amazonaws.com"
_ATTACHED = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")


class Kind(Enum):
    """What a role is for."""

    PERSONA = "persona"
    JOB = "job"
    SERVICE = "service"


@dataclass(frozen=True)
class Role:
    """A role and its policies.

    Attributes:
        item: The resource.
        arn: Its ARN.
        name: What reports call it.
        kind: Persona for people in Studio, job for what SageMaker runs, service for the rest.
        policies: Of the role and its permissions boundary.
        unknown: Policies and boundaries that are not in the templates.
    """

    item: Item
    arn: str
    name: str
    kind: Kind
    policies: Policies
    unknown: Sequence[str] = ()

    @property
    def statements(self) -> Iterator[Document]:
        """The statements of its own policies."""
        return (s for document in self.policies.identity for s in statements_of(document))

    def decide(
        self, action: str, resource: str = "*", context: dict[str, Any] | None = None
    ) -> Decision:
        """What IAM would decide about a request of the role."""
        request = Request(self.arn, action, resource, context or {})
        return evaluate(request, self.policies)


def roles_of(estate: Estate, *kinds: Kind) -> list[Role]:
    """The roles of these kinds, or all: personas first, each kind sorted by name.

    Raises:
        PolicyError: A policy of a role is none that IAM would take.
    """
    found = [_role(estate, item) for item in estate.of_type("AWS::IAM::Role")]
    order = list(Kind)
    return sorted(
        _named_apart([role for role in found if not kinds or role.kind in kinds]),
        key=lambda role: (order.index(role.kind), role.name),
    )


def _named_apart(roles: Sequence[Role]) -> Iterator[Role]:
    """Roles under the last part of their paths, where that is enough to tell them apart."""
    short = [role.name.rpartition("/")[2] for role in roles]
    for role, name in zip(roles, short, strict=True):
        yield (
            Role(role.item, role.arn, name, role.kind, role.policies, role.unknown)
            if short.count(name) == 1
            else role
        )


def _role(estate: Estate, item: Item) -> Role:
    properties = item.properties
    ref = estate.ref(item)
    given = [
        (str(inline.get("PolicyName")), policy(inline.get("PolicyDocument")))
        for inline in listed(properties.get("Policies"))
        if isinstance(inline, dict)
    ]
    given += [
        (attached.label, policy(attached.properties.get("PolicyDocument")))
        for attached in estate.of_type(*_ATTACHED)
        if ref in [*listed(attached.properties.get("Roles")), attached.properties.get("RoleName")]
    ]
    documents: list[Document] = [found for _, found in given if found is not None]
    # A document, or a list of policies, that only the deployment makes.
    unknown = [name for name, found in given if found is None]
    unknown += [str(p) for p in listed(properties.get("Policies")) if not isinstance(p, dict)]
    managed = {estate.ref(m): m for m in estate.of_type("AWS::IAM::ManagedPolicy")}
    for arn in listed(properties.get("ManagedPolicyArns")):
        if arn in managed:
            document = policy(managed[arn].properties.get("PolicyDocument"))
            if document is not None and document not in documents:
                documents.append(document)
        else:
            unknown.append(str(arn))
    boundary: Document | None = None
    arn = properties.get("PermissionsBoundary")
    if isinstance(arn, str) and arn in managed:
        boundary = policy(managed[arn].properties.get("PolicyDocument"))
    elif arn:
        unknown.append(str(arn))
    trust = policy(properties.get("AssumeRolePolicyDocument"))
    check_policies(item, *documents, boundary, trust)
    return Role(
        item=item,
        arn=estate.arn(item),
        name=item.label,
        kind=_kind(estate, item),
        policies=Policies(identity=documents, boundary=boundary),
        unknown=unknown,
    )


def check_policies(item: Item, *documents: object) -> None:
    """See that IAM would take the policies of a resource, as far as the evaluator reads them.

    Raises:
        PolicyError: One has another form; it says which resource's.
    """
    try:
        for document in documents:
            for statement in statements_of(document) if isinstance(document, dict) else ():
                list(conditions_of(statement))
    except PolicyError as error:
        raise PolicyError(f"{item.stack}: {item.label}: {error}") from None


def _kind(estate: Estate, item: Item) -> Kind:
    trust = policy(item.properties.get("AssumeRolePolicyDocument"))
    statements = statements_of(trust) if trust is not None else []
    trusted = [
        statement
        for statement in statements
        if isinstance(statement.get("Principal"), dict)
        and _SAGEMAKER in listed(statement["Principal"].get("Service"))
    ]
    if not trusted:
        return Kind.SERVICE
    # Studio alone sets a source identity; older domains are known by who uses the role.
    if any("sts:SetSourceIdentity" in listed(s.get("Action")) for s in trusted):
        return Kind.PERSONA
    arn = estate.arn(item)
    users = (
        settings.get("ExecutionRole")
        for owner in estate.of_type("AWS::SageMaker::Domain", "AWS::SageMaker::UserProfile")
        for settings in (
            owner.properties.get("UserSettings"),
            owner.properties.get("DefaultUserSettings"),
        )
        if isinstance(settings, dict)
    )
    return Kind.PERSONA if arn in users else Kind.JOB
