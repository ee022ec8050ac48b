"""What tests of constructs share: one way to make a stack, a template, and nag findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import assertions
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R5Checks,
    PCIDSS321Checks,
)

ROOT = Path(__file__).resolve().parents[1]


def feature_flags() -> dict[str, Any]:
    """The context of cdk.json, so that tests see the templates that users deploy."""
    return cast("dict[str, Any]", json.loads((ROOT / "cdk.json").read_text())["context"])


def new_stack(name: str = "Test", **context: Any) -> cdk.Stack:
    """A stack in an app of its own, without the CDK's slow built-in validation."""
    app = cdk.App(context=feature_flags() | context, builtin_cloud_formation_validation=False)
    return cdk.Stack(app, name)


def template_of(stack: cdk.Stack) -> assertions.Template:
    """The template that the stack synthesises to."""
    return assertions.Template.from_stack(stack)


def resources_of(stack: cdk.Stack, resource_type: str) -> dict[str, Any]:
    """The stack's resources of one type, by logical id."""
    return cast("dict[str, Any]", template_of(stack).find_resources(resource_type))


def nag_findings(scope: cdk.Stack | cdk.App, *, regulated: bool = False) -> list[str]:
    """Unacknowledged findings of AwsSolutions and NIST 800-53 r5, a line each, with paths.

    Args:
        scope: What is checked.
        regulated: Check HIPAA Security and PCI DSS 3.2.1, too.
    """
    cdk.App.of(scope).synth()  # type: ignore[union-attr]  # a stack of a test is always in an app
    return sorted(
        f"{violation.rule_name}: "
        + ", ".join(str(found.construct_path) for found in violation.violating_resources)
        for pack in (
            AwsSolutionsChecks(scope),
            NIST80053R5Checks(scope),
            *((HIPAASecurityChecks(scope), PCIDSS321Checks(scope)) if regulated else ()),
        )
        for violation in pack.validate_scope(scope).violations
    )
