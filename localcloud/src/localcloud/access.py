"""Who may do what in another account: both sides' policies, put together as IAM does.

Within an account nothing is enforced here. From one account to another it is, because there both
must agree, and what one of them forgot shows nowhere else before real accounts: the caller's
policies and the resource's must allow a call, and none may deny it (IAM user guide, "Cross-account
policy evaluation logic"). A caller that is known as an account only may do what the account may.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from localcloud import emulator
from localcloud.emulator import Json

logger = logging.getLogger("localcloud.access")


def root_of(account: str) -> str:
    """The account itself, as a caller."""
    return f"arn:aws:iam::{account}:root"


def refusal(
    principal: str,
    action: str,
    resource: str,
    *,
    policy: Json | None,
    context: Mapping[str, str] | None = None,
) -> str | None:
    """Why a caller may not do something with a resource of another account; None if it may.

    Args:
        principal: The ARN of a role, or of an account (`root_of`).
        action: Such as ``s3:GetObject``.
        resource: The ARN.
        policy: The resource's policy.
        context: Condition keys of the request, beside those that are the caller's.
    """
    evaluation = _evaluation()
    if evaluation is None:
        return None
    request = evaluation.Request(principal, action, resource, dict(context or {}))
    own = _own_policies(principal)
    if own is None:
        return f"because there is no role {principal}"
    wanted = [(f"identity-based policy of {principal}", own.identity, False)]
    if own.boundary is not None:
        wanted.append(("permissions boundary", (own.boundary,), False))
    wanted.append(("resource-based policy", (policy,) if policy else (), True))
    for effect in ("Deny", "Allow"):
        for what, documents, principals in wanted:
            found = _matches(evaluation, documents, request, effect, principals=principals)
            if effect == "Deny" and found:
                return f"with an explicit deny in the {what}"
            if effect == "Allow" and not found:
                return f"because no {what} allows the {action} action"
    return None


def service_refusal(
    service: str, action: str, resource: str, *, policies: Sequence[Json], account: str
) -> str | None:
    """Why an AWS service may not do something with a resource; None if it may.

    Args:
        service: Its principal, such as ``events.amazonaws.com``.
        action: Such as ``logs:PutLogEvents``.
        resource: The ARN.
        policies: Those of the resource.
        account: For which the service acts.
    """
    statements = [
        {**statement, "Principal": "*"}
        for policy in policies
        for statement in _listed(policy.get("Statement"))
        if service in _listed((statement.get("Principal") or {}).get("Service"))
    ]
    context = {"aws:SourceAccount": account}
    shared = {"Version": "2012-10-17", "Statement": statements}
    return refusal(root_of(account), action, resource, policy=shared, context=context)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def denied(principal: str, action: str, resource: str, why: str) -> str:
    """The message of an ``AccessDeniedException``."""
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"


def _own_policies(principal: str) -> emulator.RolePolicies | None:
    if not principal.endswith(":root"):
        return emulator.role_policies(principal)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return emulator.RolePolicies(({"Version": "2012-10-17", "Statement": [everything]},), None)


def _matches(
    evaluation: ModuleType,
    documents: tuple[Json, ...],
    request: Any,
    effect: str,
    *,
    principals: bool,
) -> bool:
    for document in documents:
        found = evaluation.matching(document, request, effect, principal=principals)
        try:
            if next(found, None) is not None:
                return True
        except evaluation.PolicyError as error:
            logger.warning("a policy that IAM would not take allows nothing: %s", error)
    return False


@cache
def _evaluation() -> ModuleType | None:
    # Late: the first such call pays, not the start of the server.
    try:
        from mlops_constructs.access import evaluation
    except ModuleNotFoundError:
        logger.warning(
            "mlops_constructs is not installed: accounts let one another in without being asked."
        )
        return None
    return evaluation
