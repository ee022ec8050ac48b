"""A reachability proof as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Final

from mlops_constructs.reach.analysis import Proof, Route


def as_text(proofs: Sequence[Proof]) -> str:
    """Missing routes first, then who reaches what by which way."""
    lines: list[str] = []
    for proof in proofs:
        lines.append(f"{proof.environment}:")
        lines += [
            f"  {route.severity} {route.caller} ({route.place}): {route.action}"
            f"{_needs(route)}: {route.message}."
            for route in proof.routes
            if route.severity != "ok"
        ]
        for caller, service, via, actions in _grouped(proof):
            lines.append(f"  {caller}: {service} by {via}: {', '.join(actions)}")
        lines += [f"  {name}: calls nothing from inside a VPC" for name in proof.outside]
        lines += [f"  nobody here needs {endpoint}" for endpoint in proof.unused]
        lines += [f"  not followed: {what}" for what in proof.unfollowed]
    return "\n".join(lines)


def as_json(proofs: Sequence[Proof]) -> str:
    """A list of environments with their routes."""
    return json.dumps(
        [
            {
                "environment": proof.environment,
                "routes": [route.as_dict() for route in proof.routes],
                "outside": proof.outside,
                "unused": proof.unused,
                "unfollowed": proof.unfollowed,
            }
            for proof in proofs
        ],
        indent=2,
    )


def as_markdown(proofs: Sequence[Proof]) -> str:
    """A table for each environment."""
    lines: list[str] = []
    for proof in proofs:
        lines += [f"## {proof.environment}", ""]
        missing = [route for route in proof.routes if route.severity != "ok"]
        if missing:
            lines += ["| | who | from | calls | what to do |", "|---|---|---|---|---|"]
            lines += [
                f"| {route.severity} | {route.caller} | {route.place} | `{route.action}`"
                f"{_needs(route)} | {route.message} |"
                for route in missing
            ]
            lines.append("")
        lines += ["| who | service | by | calls |", "|---|---|---|---|"]
        for caller, service, via, actions in _grouped(proof):
            calls = ", ".join(f"`{action}`" for action in actions)
            lines.append(f"| {caller} | {service} | {via} | {calls} |")
        for name in proof.outside:
            lines.append(f"| {name} | no | outside of a VPC | no |")
        if proof.unused:
            lines += ["", f"Needed by nobody here: {', '.join(proof.unused)}."]
        if proof.unfollowed:
            lines += ["", "Not followed:", "", *(f"- {what}" for what in proof.unfollowed)]
        lines.append("")
    return "\n".join(lines).rstrip()


def _needs(route: Route) -> str:
    if not route.service:
        return ""
    feature = route.feature if route.feature.isupper() else ""
    return f" needs {route.service}" + (f" (feature {feature})" if feature else "")


def _grouped(proof: Proof) -> list[tuple[str, str, str, list[str]]]:
    """Caller, service, way, actions: of routes that are fine."""
    fine = [route for route in proof.routes if route.severity == "ok"]

    def key(route: Route) -> tuple[str, str, str]:
        return (route.caller, route.service, route.via)

    order = {caller: number for number, caller in enumerate(route.caller for route in fine)}
    fine.sort(key=lambda route: (order[route.caller], *key(route)))
    return [
        (*group, sorted({route.action for route in routes}))
        for group, routes in groupby(fine, key=key)
    ]


FORMATS: Final[Mapping[str, Callable[[Sequence[Proof]], str]]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
