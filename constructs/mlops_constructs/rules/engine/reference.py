"""The rules as Markdown, and one rule as text."""

from __future__ import annotations

from textwrap import indent

from mlops_constructs.rules.catalogue import FAMILIES, all_rules
from mlops_constructs.rules.engine.rule import Rule

_HEAD = """\
# Service rules

What SageMaker, and CloudFormation with it, refuse at deployment, or accept and silently do not
do. `mlops-constructs check` and the CDK plugin apply these {count} rules. An **error** stops the
deployment; a **warning** may, or says that something asked for will not happen.

This page is generated from the rules: `mlops-constructs rules --markdown > docs/rules.md`.
"""


def render_reference() -> str:
    """The reference of all rules as Markdown."""
    rules = all_rules()
    parts = [_HEAD.format(count=len(rules))]
    for family in FAMILIES:
        members = [rule for rule in rules if rule.family == family]
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n")
        parts.append("| rule | | condition that must hold |\n| --- | --- | --- |")
        parts[-1] += "".join(
            f"\n| [{rule.id}](#{rule.id.lower()}) | {rule.severity} | {_cell(rule.title)} |"
            for rule in members
        )
        parts[-1] += "\n"
        parts.extend(_section(rule) for rule in members)
    return "\n".join(parts)


def explain(rule: Rule) -> str:
    """One rule as text for a terminal."""
    samples = rule.samples
    also = f" (breaks {', '.join(samples.also)} as well)" if samples.also else ""
    return "\n".join(
        [
            f"{rule.id} ({rule.severity}): {rule.title}.",
            "",
            f"Looks at:  {', '.join(rule.types)}",
            f"Way out:   {rule.fix}.",
            f"Source:    {rule.source}.",
            "",
            f"Refused{also}:",
            indent(samples.violating.text, "    "),
            "Accepted:",
            indent(samples.conforming.text, "    "),
        ]
    )


def _section(rule: Rule) -> str:
    samples = rule.samples
    types = ", ".join(f"`{name}`" for name in rule.types)
    return (
        f"### {rule.id}\n\n"
        f"**{rule.title}.** ({rule.severity}; {types})\n\n"
        f"{rule.fix}.\n\n"
        f"Source: {rule.source}.\n\n"
        f"Refused:\n\n```yaml\n{samples.violating.text}\n```\n\n"
        f"Accepted:\n\n```yaml\n{samples.conforming.text}\n```\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
