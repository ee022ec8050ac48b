"""The access matrix: every action that a role's policies name, and what comes out for each role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mlops_constructs.access.estate import Estate
from mlops_constructs.access.evaluation import Document, listed
from mlops_constructs.access.questions import asked
from mlops_constructs.access.roles import Kind, Role, roles_of
from mlops_constructs.access.without_resource import WITHOUT_RESOURCE
from mlops_constructs.access.witness import Access, Guard, access


@dataclass(frozen=True)
class Row:
    """An action on a resource.

    Attributes:
        action: As policies write it.
        resource: The ARN as policies write it.
        cells: What each role may, by the name of the role; only roles that may anything. Nobody
            may where a policy takes out of a wildcard what no other gives.
        kinds: The kinds of the roles whose policies name it.
    """

    action: str
    resource: str
    cells: dict[str, Access]
    kinds: frozenset[Kind]


@dataclass(frozen=True)
class Matrix:
    """Who may do what in one environment.

    Attributes:
        environment: Its name.
        roles: Personas and jobs.
        rows: Sorted by action and resource.
        answers: Question to persona to answer.
        prefix: What the ARNs of the environment's own resources start with, after the service.
    """

    environment: str
    roles: list[Role]
    rows: list[Row]
    answers: dict[str, dict[str, bool]]
    prefix: str

    @property
    def on_everything(self) -> dict[str, tuple[str, list[str]]]:
        """Actions given on all resources: why, and to whom; the reason is empty for no reason."""
        return {
            row.action: (WITHOUT_RESOURCE.get(row.action, ""), sorted(row.cells))
            for row in self.rows
            if row.resource == "*" and row.cells
        }

    def short(self, resource: str) -> str:
        """An ARN without partition, and without account and region where they are its own."""
        parts = resource.split(":", 5)
        if len(parts) < 6:
            return resource
        _, _, service, region, account, name = parts
        own = f"{region}:{account}" in (self.prefix, f":{self.prefix.partition(':')[2]}", ":")
        return f"{service}:{name}" if own else f"{service}:{region}:{account}:{name}"


def make_matrix(estate: Estate) -> Matrix:
    """Ask about every action and resource that a role's policies name, for every role.

    What policies deny, or leave out (``NotAction``, ``NotResource``), is a row of its own beside
    the wildcard that would hide it.

    Raises:
        PolicyError: A policy is none that IAM would take.
    """
    roles = roles_of(estate, Kind.PERSONA, Kind.JOB)
    wanted: dict[tuple[str, str], set[Kind]] = {}
    left_out: set[tuple[str, str]] = set()
    for role in roles:
        for statement in role.statements:
            named = set(_named(statement, "Action", "Resource"))
            excepted = {
                *_named(statement, "NotAction", "Resource"),
                *_named(statement, "Action", "NotResource"),
            }
            denied = named if statement["Effect"] == "Deny" and not excepted else set()
            left_out |= denied | excepted
            for row in named | excepted if statement["Effect"] == "Allow" else denied | excepted:
                wanted.setdefault(row, set()).add(role.kind)
    rows: list[Row] = []
    for (action, resource), kinds in sorted(wanted.items()):
        cells = {role.name: access(role, action, resource) for role in roles}
        cells = {name: found for name, found in cells.items() if found.allowed}
        if cells or (action, resource) in left_out:
            rows.append(Row(action, resource, cells, frozenset(kinds)))
    return Matrix(
        environment=estate.name,
        roles=roles,
        rows=rows,
        answers=asked(estate, roles),
        prefix=f"{estate.region}:{estate.account}",
    )


def _named(statement: Document, action: str, resource: str) -> Iterator[tuple[str, str]]:
    """The actions and resources that two elements of a statement name.

    Without `Action` or `Resource` a statement is about everything.
    """
    if not {action, resource} - {"Action", "Resource"} <= statement.keys():
        return
    for one in listed(statement.get(action)) or ["*"]:
        for other in listed(statement.get(resource)) or ["*"]:
            yield str(one), str(other)


# --- formats ------------------------------------------------------------------------------------


def as_json(matrices: list[Matrix]) -> str:
    """A list of environments with rows and answers."""
    return json.dumps([_document(matrix) for matrix in matrices], indent=2)


def _document(matrix: Matrix) -> dict[str, Any]:
    return {
        "environment": matrix.environment,
        "roles": {role.name: role.kind.value for role in matrix.roles},
        "access": [
            {
                "action": row.action,
                "resource": matrix.short(row.resource),
                "roles": {
                    name: [{guard.key: guard.allowed for guard in way} for way in found.ways]
                    for name, found in row.cells.items()
                },
            }
            for row in matrix.rows
        ],
        "questions": matrix.answers,
        "onEveryResource": {
            action: {"reason": reason, "roles": roles}
            for action, (reason, roles) in matrix.on_everything.items()
        },
        "unknown": {role.name: list(role.unknown) for role in matrix.roles if role.unknown},
    }


def as_markdown(matrices: list[Matrix]) -> str:
    """Questions, what personas may, what jobs may, and the guards, for each environment."""
    return "\n\n".join(_markdown(matrix) for matrix in matrices)


def _markdown(matrix: Matrix) -> str:
    lines = [f"# Access in {matrix.environment}", *_answers(matrix)]
    if not matrix.roles:
        lines += ["", "SageMaker assumes none of the roles in these templates."]
    guards: dict[tuple[str, Guard], set[str]] = {}
    for kind, title in ((Kind.PERSONA, "Personas"), (Kind.JOB, "Jobs")):
        names = [role.name for role in matrix.roles if role.kind is kind]
        rows = [row for row in matrix.rows if kind in row.kinds]
        if not rows:
            continue
        lines += ["", f"## {title}", "", *_head("on", "action", *names)]
        lines += _rows(matrix, rows, names)
        for row in rows:
            for name in names:
                for guard in row.cells.get(name, Access()).guards:
                    guards.setdefault((name, guard), set()).add(row.action)
    if guards:
        lines += ["", "## Guards", "", *_head("role", "key", "must be", "for")]
        for (name, guard), actions in sorted(guards.items()):
            allowed = "; ".join(
                ", ".join(matrix.short(value) for value in part.split(", "))
                for part in guard.allowed.split("; ")
            )
            listed_actions = ", ".join(sorted(actions))
            lines.append(f"| {name} | {guard.key} | {allowed} | {listed_actions} |")
    if matrix.on_everything:
        lines += ["", "## On every resource", "", *_head("action", "why", "roles")]
        lines += [
            f"| {action} | {reason or '**no reason is known**'} | {', '.join(roles)} |"
            for action, (reason, roles) in matrix.on_everything.items()
        ]
    unknown = [role for role in matrix.roles if role.unknown]
    if unknown:
        lines += ["", "## Not evaluated: policies that are not in these templates", ""]
        lines += [f"- {role.name}: {', '.join(role.unknown)}" for role in unknown]
    return "\n".join(lines)


def _answers(matrix: Matrix) -> list[str]:
    names = [role.name for role in matrix.roles if role.kind is Kind.PERSONA]
    if not names:
        return []
    lines = ["", "## Questions", "", *_head("May a persona …", *names)]
    for text, found in matrix.answers.items():
        lines.append(f"| {text} | {' | '.join('yes' if found[n] else 'no' for n in names)} |")
    return lines


def _rows(matrix: Matrix, rows: list[Row], names: list[str]) -> list[str]:
    """Actions with the same resource and the same answers share a line."""

    def cells(row: Row) -> tuple[str, ...]:
        return tuple(_cell(row.cells.get(name)) for name in names)

    def key(row: Row) -> tuple[str, tuple[str, ...]]:
        return (matrix.short(row.resource), cells(row))

    ordered = sorted(rows, key=lambda row: (key(row), row.action))
    lines = []
    for (resource, found), group in groupby(ordered, key=key):
        actions = "<br>".join(row.action for row in group)
        lines.append(f"| {resource} | {actions} | {' | '.join(found)} |")
    return lines


def _cell(found: Access | None) -> str:
    if found is None:
        return "no"
    ways = [", ".join(_word(guard.key) for guard in way) for way in found.ways]
    return "if " + " or if ".join(ways) if all(ways) else "yes"


def _word(key: str) -> str:
    return key.rpartition(":")[2]


def _head(*titles: str) -> list[str]:
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
