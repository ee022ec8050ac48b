"""Findings as text, JSON, SARIF and GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mlops_constructs.rules.catalogue import find_rule
from mlops_constructs.rules.engine.rule import Finding, Rule


def counted(number: int, noun: str) -> str:
    """A number of things, in words: ``1 template``, ``2 templates``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_text(findings: Sequence[Finding]) -> str:
    """One paragraph a finding, in the file:line form that editors and terminals link."""
    lines = []
    for finding in findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file or "template"
        lines.append(
            f"{place}: {finding.severity} {finding.rule} {finding.resource} ({finding.type})\n"
            f"    {finding.path}: {_one_line(finding.message)}."
        )
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with the fields of Finding."""
    return json.dumps([finding.as_dict() for finding in findings], indent=2)


def as_github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    lines = []
    for finding in findings:
        place = f"file={_property(finding.file or '')}"
        place += f",line={finding.line}" if finding.line else ""
        title = _property(f"{finding.rule} {finding.resource}")
        message = _data(f"{finding.path}: {finding.message}.")
        lines.append(f"::{finding.severity} {place},title={title}::{message}")
    return "\n".join(lines)


def as_sarif(findings: Sequence[Finding]) -> str:
    """A SARIF 2.1.0 log, as code scanning services read it."""
    used = sorted({finding.rule for finding in findings})
    run = {
        "tool": {
            "driver": {
                "name": "mlops-constructs",
                "rules": [_sarif_rule(find_rule(rule_id)) for rule_id in used],
            }
        },
        "results": [_sarif_result(finding, used.index(finding.rule)) for finding in findings],
    }
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        },
        indent=2,
    )


FORMATS: Final[Mapping[str, Callable[[Sequence[Finding]], str]]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}


def _sarif_rule(rule: Rule) -> Mapping[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.title}."},
        "help": {"text": f"{rule.fix}. Source: {rule.source}."},
        "defaultConfiguration": {"level": rule.severity},
    }


def _sarif_result(finding: Finding, index: int) -> Mapping[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [
            {"name": finding.resource, "fullyQualifiedName": f"{finding.resource}.{finding.path}"}
        ]
    }
    if finding.file is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": finding.file.replace("\\", "/")},
            "region": {"startLine": finding.line or 1},
        }
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": f"{finding.message}."},
        "locations": [location],
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _data(text: str) -> str:
    """Escaped as GitHub's workflow commands want the message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
