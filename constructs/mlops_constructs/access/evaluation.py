"""What IAM decides about a request: policies in, allow or deny out, with the reason.

| step | decides |
|---|---|
| 1 | a statement that denies, in any policy: explicit deny |
| 2 | service control policies: each level must allow |
| 3 | a resource policy that names the role, or everybody, allows (same account) |
| 4 | identity policies must allow |
| 5 | a permissions boundary must allow as well |

Everything else is denied implicitly. A resource policy that names the account leaves it to the
account's identity policies. One that names the role is bounded by the boundary; one whose principal
is the session's ARN is not, and is no matter of templates. Other accounts, session policies and
resource control policies are not evaluated, nor is what is special about one service, such as that
a key's policy decides whether identity policies count.

Source: IAM user guide, "Policy evaluation logic".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from mlops_constructs.access.conditions import PolicyError, blocks, meets
from mlops_constructs.access.patterns import Lookup, matches, matches_arn, substitute

Document = Mapping[str, Any]

#: The version in which policies have variables; the older one takes them as text.
_WITH_VARIABLES: Final = "2012-10-17"


class Effect(Enum):
    """What comes out."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


@dataclass(frozen=True)
class Request:
    """Who wants to do what, with what.

    Attributes:
        principal: The ARN of the role.
        action: Such as ``sagemaker:CreateTrainingJob``.
        resource: The ARN, or ``*`` for an action that takes none.
        context: Condition keys to values; a key that is left out is absent. ``aws:PrincipalArn``,
            ``aws:PrincipalAccount``, ``aws:PrincipalIsAWSService`` and ``aws:SecureTransport``
            are filled in unless given.
    """

    principal: str
    action: str
    resource: str = "*"
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def lookup(self) -> Lookup:
        """The values of condition keys, whatever the case of their names."""
        known: dict[str, Sequence[str]] = {
            "aws:principalarn": [self.principal],
            "aws:principalisawsservice": ["false"],
            "aws:securetransport": ["true"],
        }
        parts = self.principal.split(":")
        if len(parts) > 4:
            known["aws:principalaccount"] = [parts[4]]
        for key, value in self.context.items():
            known[key.lower()] = [value] if isinstance(value, str) else list(value)
        return lambda key: known.get(key.lower())


@dataclass(frozen=True)
class Policies:
    """The policies that a request is held against.

    Attributes:
        identity: Of the role.
        boundary: The role's permissions boundary, if it has one.
        service_control: Service control policies, a list for each level of the organization.
        resource: The policy of the resource, if it has one.
    """

    identity: Sequence[Document] = ()
    boundary: Document | None = None
    service_control: Sequence[Sequence[Document]] = ()
    resource: Document | None = None


@dataclass(frozen=True)
class Decision:
    """What was decided, and by what.

    Attributes:
        effect: Allow or deny.
        statements: The statements that decided; none for an implicit deny.
        reason: In words.
    """

    effect: Effect
    statements: Sequence[Document]
    reason: str

    @property
    def allowed(self) -> bool:
        """Whether the request goes through."""
        return self.effect is Effect.ALLOW


def evaluate(request: Request, policies: Policies) -> Decision:
    """Decide about a request.

    Raises:
        PolicyError: A policy is none that IAM would take.
    """
    own = [("identity policy", document) for document in policies.identity]
    limits = [
        ("service control policy", document)
        for level in policies.service_control
        for document in level
    ]
    if policies.boundary is not None:
        limits.append(("permissions boundary", policies.boundary))
    resource = [("resource policy", policies.resource)] if policies.resource is not None else []
    for what, document in (*limits, *own, *resource):
        denied = list(matching(document, request, "Deny", principal=what == "resource policy"))
        if denied:
            return Decision(Effect.EXPLICIT_DENY, denied, f"denied by the {what}")
    for level in policies.service_control:
        if not _allowed(level, request):
            return _implicit("no service control policy of a level allows it")
    found = [
        statement
        for what, document in (*resource, *own)
        for statement in matching(document, request, "Allow", principal=what == "resource policy")
        if what != "resource policy" or not _names_account_only(statement, request.principal)
    ]
    if not found:
        return _implicit("no policy allows it")
    if policies.boundary is not None and not _allowed([policies.boundary], request):
        return _implicit("the permissions boundary does not allow it")
    return Decision(Effect.ALLOW, found, "allowed")


def matching(
    document: Document, request: Request, effect: str, *, principal: bool = False
) -> Iterator[Document]:
    """The statements of a policy with an effect that are about a request.

    Args:
        document: The policy.
        request: The request.
        effect: ``Allow`` or ``Deny``.
        principal: Whether statements name principals, as those of resource and endpoint policies.

    Raises:
        PolicyError: The policy is none that IAM would take.
    """
    lookup = request.lookup()
    variables = document.get("Version") == _WITH_VARIABLES
    for statement in statements_of(document):
        if (
            statement.get("Effect") == effect
            and (not principal or _is_principal(statement, request))
            and is_action(statement, request.action)
            and _is_resource(statement, request.resource, lookup, variables=variables)
            and meets(statement.get("Condition", {}), lookup, variables=variables)
        ):
            yield statement


def statements_of(document: Document) -> list[Document]:
    """The statements of a policy.

    Raises:
        PolicyError: It has none, or something else stands there.
    """
    found = document.get("Statement")
    statements: list[Any] = found if isinstance(found, list) else [found]
    for statement in statements:
        if not isinstance(statement, Mapping) or statement.get("Effect") not in ("Allow", "Deny"):
            raise PolicyError("a statement has neither Effect Allow nor Deny")
        if "Action" not in statement and "NotAction" not in statement:
            raise PolicyError("a statement has neither Action nor NotAction")
    return statements


def conditions_of(statement: Document) -> Iterator[tuple[str, str, list[Any]]]:
    """The conditions of a statement: operator, key, values.

    Raises:
        PolicyError: They have another form.
    """
    for operator, keys in blocks(statement.get("Condition", {})):
        for key, values in keys.items():
            yield operator, key, listed(values)


def policy(value: object) -> dict[str, Any] | None:
    """A policy that a template holds as an object or as its text; None if it is neither.

    The registry schemas of IAM's types and of VPC endpoints take both.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def listed(value: object) -> list[Any]:
    """A value that may stand alone, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _implicit(reason: str) -> Decision:
    return Decision(Effect.IMPLICIT_DENY, (), reason)


def _allowed(documents: Sequence[Document], request: Request) -> bool:
    return any(True for document in documents for _ in matching(document, request, "Allow"))


def is_action(statement: Document, action: str) -> bool:
    """Whether a statement is about an action."""
    if "NotAction" in statement:
        return not any(
            matches(action, str(pattern), ignore_case=True)
            for pattern in listed(statement["NotAction"])
        )
    return any(
        matches(action, str(pattern), ignore_case=True) for pattern in listed(statement["Action"])
    )


def _is_resource(statement: Document, resource: str, lookup: Lookup, *, variables: bool) -> bool:
    negated = "NotResource" in statement
    if not negated and "Resource" not in statement:
        # Trust policies have none: they are about the role that they belong to.
        return True
    for pattern in listed(statement["NotResource" if negated else "Resource"]):
        filled = substitute(str(pattern), lookup) if variables else str(pattern)
        if filled is not None and matches_arn(resource, filled):
            return not negated
    return negated


def _is_principal(statement: Document, request: Request) -> bool:
    if "NotPrincipal" in statement:
        return not _names(statement["NotPrincipal"], request.principal)
    return _names(statement.get("Principal"), request.principal)


def _names_account_only(statement: Document, principal: str) -> bool:
    """Whether a statement leaves it to the account's identity policies."""
    principals = statement.get("Principal")
    named = listed(principals.get("AWS")) if isinstance(principals, Mapping) else [principals]
    return "NotPrincipal" not in statement and not {"*", principal} & set(named)


def _names(principals: object, principal: str) -> bool:
    if principals == "*":
        return True
    if not isinstance(principals, Mapping):
        return False
    account = principal.split(":")[4] if principal.count(":") > 4 else ""
    return any(
        named in ("*", account, principal) or str(named).endswith(f"::{account}:root")
        for named in listed(principals.get("AWS"))
    )
