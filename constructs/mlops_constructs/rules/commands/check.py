"""`mlops-constructs check`: check templates against the service rules."""

from __future__ import annotations

import argparse
import sys

from mlops_constructs.rules import Finding, TemplateError, check_file
from mlops_constructs.rules.engine.report import FORMATS, counted
from mlops_constructs.rules.engine.sources import Source, find_sources


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Check CloudFormation templates against what SageMaker refuses at deployment. "
        "Exit status: 0 no errors (there may be warnings), 1 errors, 2 a file cannot be read."
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a JSON or YAML template, a glob, or a folder such as cdk.out",
    )
    parser.add_argument("--format", choices=list(FORMATS), default="text")
    parser.add_argument(
        "--region", help="the region of templates that do not say it, for rules about regions"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the files, print the findings, and return the exit status."""
    findings: list[Finding] = []
    checked = 0
    unreadable: list[TemplateError] = []
    sources: dict[Source, None] = {}
    for argument in arguments.files:
        try:
            sources.update(dict.fromkeys(find_sources(argument, arguments.region)))
        except TemplateError as error:
            unreadable.append(error)
    for source in sources:
        try:
            found = check_file(source.path, region=source.region)
        except TemplateError as error:
            unreadable.append(error)
            continue
        checked += 1
        findings.extend(f for f in found if (f.resource, f.rule) not in source.acknowledged)
    output = FORMATS[arguments.format](findings)
    if output:
        print(output)
    for reason in unreadable:
        print(f"mlops-constructs: {reason}", file=sys.stderr)
    errors = sum(finding.severity == "error" for finding in findings)
    summary = (
        f"{counted(checked, 'template')} checked: {counted(errors, 'error')}, "
        f"{counted(len(findings) - errors, 'warning')}"
    )
    print(summary, file=sys.stderr)
    if unreadable:
        return 2
    return 1 if errors else 0
