"""Requests that a statement is about: one that meets its conditions, and ones that do not.

Whether a condition holds a request back is found out by trying: take a request that is allowed,
leave a key out or change its value, and ask again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.access.evaluation import (
    Document,
    Effect,
    Request,
    conditions_of,
    is_action,
    listed,
    matching,
)
from mlops_constructs.access.roles import Role

Context = dict[str, Any]

#: Stands for a value that nobody has listed.
OTHER: Final = "other"
_VARIABLE: Final = re.compile(r"\$\{([^},\s]+)[^}]*\}")
_NEGATED: Final = ("stringnot", "arnnot", "numericnot", "datenot", "notip")


@dataclass(frozen=True, order=True)
class Guard:
    """A condition key that a request is held to.

    Attributes:
        key: The key.
        allowed: What it must be, in the terms of the policy.
    """

    key: str
    allowed: str


@dataclass(frozen=True)
class Access:
    """What a role may do with a resource.

    Attributes:
        ways: One for each statement that lets requests through: what it holds them to. A way
            without guards is free.
    """

    ways: tuple[tuple[Guard, ...], ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether there is a request that goes through."""
        return bool(self.ways)

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The guards of all ways."""
        return tuple(sorted({guard for way in self.ways for guard in way}))


def sample(pattern: str, text: str = "any") -> str:
    """A value that fits a pattern, its variables filled with the values of `variables`."""
    filled = _VARIABLE.sub(lambda match: _value_of(match[1]), pattern)
    return filled.replace("*", text).replace("?", "x")


def variables(*patterns: str) -> Context:
    """Values for the policy variables in patterns: of the session that asks."""
    return {key: _value_of(key) for pattern in patterns for key in _VARIABLE.findall(pattern)}


def context_for(statement: Document) -> Context:
    """A context that meets the conditions of a statement, where one can be told."""
    context: Context = variables(*map(str, _texts(statement)))
    for operator, key, values in conditions_of(statement):
        base = operator.rpartition(":")[2].lower().removesuffix("ifexists")
        first = str(values[0]) if values else ""
        if base == "null":
            if first.lower() == "true":
                context.pop(key, None)
            else:
                context.setdefault(key, "any")
        elif not base.startswith(_NEGATED):
            context[key] = _meeting(base, first)
    return context


def access(role: Role, action: str, resource: str) -> Access:
    """What a role may do, found by asking the evaluator.

    Args:
        role: The role.
        action: As policies write it; a wildcard stands for any action below it.
        resource: A pattern as policies write it.

    A deny with conditions, and a boundary's conditions, count as guards where no request was
    found that they let through: the answer never says "no" because a request was badly made.
    """
    request = Request(role.arn, sample(action), sample(resource))
    ways: set[tuple[Guard, ...]] = set()
    for statement in role.statements:
        if statement["Effect"] == "Allow" and _is_about(statement, request, resource):
            way = _through(role, request, statement, resource)
            if way is not None:
                ways.add(way)
    # A way that is held to more than another one lets nothing more through.
    return Access(tuple(sorted(way for way in ways if not any(set(w) < set(way) for w in ways))))


def allowed_context(role: Role, action: str, resource: str) -> Context | None:
    """The context of a request that goes through; None if there is none."""
    request = Request(role.arn, sample(action), sample(resource))
    for statement in role.statements:
        if statement["Effect"] == "Allow" and _is_about(statement, request, resource):
            context = context_for(statement) | variables(resource)
            if role.decide(request.action, request.resource, context).allowed:
                return context
    return None


def _through(
    role: Role, request: Request, statement: Document, resource: str
) -> tuple[Guard, ...] | None:
    """What a statement holds requests to; None if it lets none through."""
    limits = _limits(role, request)
    context: Context = variables(resource)
    for held in (*limits, statement):
        context |= context_for(held) if held["Effect"] == "Allow" else _avoiding(held)
    decision = role.decide(request.action, request.resource, context)
    if not decision.allowed:
        conditional = [held for held in limits if held.get("Condition")]
        if decision.effect is Effect.EXPLICIT_DENY:
            conditional = [held for held in decision.statements if held.get("Condition")]
            if len(conditional) < len(decision.statements):
                return None
        return tuple(sorted({g for held in conditional for g in _guards(held)})) or None
    return tuple(
        sorted(
            {
                guard
                for held in (statement, *limits)
                for guard in _guards(held)
                if _holds(role, request, context, guard.key, held)
            }
        )
    )


def _limits(role: Role, request: Request) -> list[Document]:
    """Statements beside the one that allows which a request has to pass."""
    boundary = [role.policies.boundary] if role.policies.boundary is not None else []
    found = [
        statement
        for document in (*role.policies.identity, *boundary)
        for statement in _regardless(document, request, "Deny")
        if statement.get("Condition")
    ]
    for document in boundary:
        allowing = list(_regardless(document, request, "Allow"))
        if allowing and all(statement.get("Condition") for statement in allowing):
            found.append(allowing[0])
    return found


def _regardless(document: Document, request: Request, effect: str) -> Iterator[Document]:
    """The statements about a request, whatever their conditions."""
    for statement in listed(document.get("Statement")):
        if not is_action(statement, request.action):
            continue
        bare = {key: value for key, value in statement.items() if key != "Condition"}
        version = document.get("Version", "2012-10-17")
        context = variables(*map(str, _texts(statement)))
        asked = Request(request.principal, request.action, request.resource, context)
        if list(matching({"Version": version, "Statement": [bare]}, asked, effect)):
            yield statement


def _is_about(statement: Document, request: Request, resource: str) -> bool:
    if not is_action(statement, request.action):
        return False
    bare = {key: value for key, value in statement.items() if key != "Condition"}
    context = variables(resource, *map(str, _texts(statement)))
    asked = Request(request.principal, request.action, request.resource, context)
    document = {"Version": "2012-10-17", "Statement": [bare]}
    return bool(list(matching(document, asked, "Allow")))


def _holds(role: Role, request: Request, context: Context, key: str, statement: Document) -> bool:
    """Whether leaving a key out or changing it turns the request down."""
    tries: list[Context] = [
        {k: v for k, v in context.items() if k != key},
        context | {key: OTHER},
        context | {key: "false" if context.get(key) == "true" else "true"},
    ]
    tries += [
        context | {key: sample(str(value))}
        for _, name, values in conditions_of(statement)
        for value in values
        if name == key
    ]
    return any(not role.decide(request.action, request.resource, c).allowed for c in tries)


def _guards(statement: Document) -> Iterator[Guard]:
    denied = "unless " if statement["Effect"] == "Deny" else ""
    by_key: dict[str, list[str]] = {}
    for operator, key, values in conditions_of(statement):
        base = operator.rpartition(":")[2]
        texts = [str(value) for value in values]
        wanted = by_key.setdefault(key, [])
        if base == "Null":
            if texts == ["true"]:
                wanted.append("absent")
            continue
        negated = base.lower().startswith(_NEGATED)
        wanted.append(("not " if negated else "") + ", ".join(texts))
    for key, wanted in by_key.items():
        yield Guard(key, denied + ("; ".join(wanted) or "given"))


def _avoiding(statement: Document) -> Context:
    """A context that a deny with conditions is not about, where one can be told."""
    context: Context = {}
    for operator, key, values in conditions_of(statement):
        base = operator.rpartition(":")[2].lower().removesuffix("ifexists")
        first = str(values[0]) if values else ""
        if base == "null":
            if first.lower() == "true":
                context.setdefault(key, "any")
        elif base == "bool":
            context[key] = "false" if first.lower() == "true" else "true"
        elif base.startswith(_NEGATED):
            context[key] = _meeting(base.replace("not", "", 1), first)
    return context


def _meeting(operator: str, value: str) -> str:
    """A value that an operator takes for a value of the policy."""
    try:
        if operator == "numericlessthan":
            return str(float(value) - 1)
        if operator == "numericgreaterthan":
            return str(float(value) + 1)
        if operator == "ipaddress":
            return str(ipaddress.ip_network(value, strict=False).network_address)
    except ValueError:
        return value
    return sample(value)


def _texts(statement: Document) -> Sequence[Any]:
    found: list[Any] = []
    for element in ("Resource", "NotResource"):
        found += listed(statement.get(element))
    for _, _, values in conditions_of(statement):
        found += values
    return found


def _value_of(key: str) -> str:
    if key in ("*", "?", "$"):
        return key
    return f"own-{key.rpartition(':')[2]}"
