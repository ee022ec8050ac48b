"""Runs the rules over templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_constructs.rules.catalogue import rules_by_type
from mlops_constructs.rules.engine.lines import find_lines
from mlops_constructs.rules.engine.loading import read_template
from mlops_constructs.rules.engine.rule import Finding, Rule
from mlops_constructs.rules.engine.template import Scope, Template, condition_names
from mlops_constructs.rules.engine.values import Problem, format_path


@dataclass(frozen=True)
class _Hit:
    """A problem of one resource, before it is known in which scenarios it occurs."""

    rule: Rule
    logical_id: str
    problem: Problem


def check_template(
    document: Mapping[str, Any], *, region: str | None = None, file: str | None = None
) -> list[Finding]:
    """Check a parsed template.

    Args:
        document: The template, as `json.load` returns it.
        region: The region it will be deployed to; None skips the rules about regions.
        file: What findings give as their file.

    Returns:
        The findings in the order of the template's resources. A finding that occurs only under
        certain conditions of the template says under which.
    """
    return [finding for finding, _ in _check(document, region, file)]


def check_file(path: str | Path, *, region: str | None = None) -> list[Finding]:
    """Check a template file, JSON or YAML; findings have lines.

    Raises:
        TemplateError: the file cannot be read or is not a CloudFormation template.
    """
    document, text = read_template(Path(path))
    found = _check(document, region, str(path))
    if not found:
        return []
    lines = find_lines(document, text, {place for _, place in found})
    return [replace(finding, line=lines[place]) for finding, place in found]


def check_resource(
    type_name: str,
    properties: Mapping[str, Any],
    *,
    logical_id: str = "Resource",
    region: str | None = None,
) -> list[Finding]:
    """Check one resource by itself; rules that need other resources stay silent."""
    resource = {"Type": type_name, "Properties": properties}
    return check_template({"Resources": {logical_id: resource}}, region=region)


def _check(
    document: Mapping[str, Any], region: str | None, file: str | None
) -> list[tuple[Finding, tuple[str | int, ...]]]:
    rules = rules_by_type()
    template = Template(document, region)
    scopes = template.scopes(rules)
    seen: dict[_Hit, list[Scope]] = {}
    for scope in scopes:
        for hit in _hits(scope, rules):
            seen.setdefault(hit, []).append(scope)
    order = {logical_id: index for index, logical_id in enumerate(template.resources)}
    found = []
    for hit, where in sorted(seen.items(), key=lambda item: order[item[0].logical_id]):
        message = f"{hit.problem.message}. {hit.rule.fix}"
        if len(where) < len(scopes):
            message += _when(where[0], hit.logical_id)
        finding = Finding(
            rule=hit.rule.id,
            severity=hit.rule.severity,
            resource=hit.logical_id,
            type=template.resources[hit.logical_id]["Type"],
            path=format_path(hit.problem.path),
            message=message,
            file=file,
        )
        found.append((finding, ("Resources", hit.logical_id, *hit.problem.path)))
    return found


def _hits(scope: Scope, rules: Mapping[str, Iterable[Rule]]) -> Iterable[_Hit]:
    for type_name in scope.template.by_type:
        for rule in rules.get(type_name, ()):
            for resource in scope.of_type(type_name):
                for problem in rule.check(resource):
                    yield _Hit(rule, resource.logical_id, problem)


def _when(scope: Scope, logical_id: str) -> str:
    names = sorted(set(condition_names(scope.template.resources[logical_id])))
    states = [
        f"{name} is {'true' if scope.holds(name) else 'false'}"
        for name in names[:3]
        if scope.holds(name) is not None
    ]
    return f" (when {' and '.join(states)})" if states else " (under some conditions)"
