"""What tests of constructs share: one way to make a stack, a template, and nag findings."""

from __future__ import annotations

import json
from importlib import import_module
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


def schema_findings(stack: cdk.Stack, folder: Path) -> list[str]:
    """Errors and warnings of the native CloudFormation validator about the stack's template.

    The CDK's engine, compiled: a tenth of cfn-lint's time for the same findings.
    """
    package: Any = import_module("cloudformation_validate")  # without types of its own
    template = folder / f"{stack.node.id}.template.json"
    template.write_text(json.dumps(template_of(stack).to_json()))
    config = package.ValidateConfig(
        # W3005: a role and its policy are waited for together, although the role is referred to.
        exclude=package.RuleFilterConfig(ids=["W3005"]),
        severity_level=package.Severity.WARN,
        pseudo_parameter_overrides=package.PseudoParameterOverrides(region="us-east-1"),
    )
    report = package.CompositeEngine().validate_template(str(template), config)
    return [f"{found.rule_id}: {found.message}" for found in report.diagnostics]


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
