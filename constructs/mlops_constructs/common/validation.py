"""Validation plugins for a CDK app: the service rules, and CloudFormation's own validator.

One line makes `cdk synth` stop on what SageMaker would refuse at deployment::

    Validations.of(app).add_plugins(ServiceRules())

Errors stop the synth, warnings are shown; each finding names the construct, and the line that
made it when the app runs with `--debug`. The report is in `cdk.out/validation-report.json`. A
finding on one construct, and on what is below it, is acknowledged with a reason::

    acknowledge(endpoint, {"mlops-constructs::EC14": "The hardware key of g5 encrypts the disk."})

Plugins see the stacks of the app that they are added to, those inside a `Stage` included. But the
CDK CLI reports a failing plugin of an app whose stacks are all inside stages only to
`cdk synth "**"`: put stacks directly under the App.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

from mlops_constructs.rules import all_rules, check_file
from mlops_constructs.rules.engine.sources import Source, nested_sources

# What CloudFormation's validator says about templates of the CDK as such; the plugin that is
# built into aws-cdk-lib 2.275 leaves out the same (cloudformation-validate-plugin.ts).
_CDK_NOISE: Final = ("W3005", "W1020", "E1018", "W9002", "W9013", "W1103")
_SEVERITIES: Final = {"FATAL": "error", "ERROR": "error"}


@jsii.implements(IPolicyValidationPlugin)
class ServiceRules:
    """Checks the app's templates against the service rules of this library."""

    @property
    def name(self) -> str:
        """The first part of the ids to acknowledge: `mlops-constructs::EC04`."""
        return "mlops-constructs"

    @property
    def version(self) -> str:
        """The library's version."""
        try:
            return version("mlops-constructs")
        except PackageNotFoundError:  # run from a source tree
            return "0.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """All rules."""
        return [rule.id for rule in all_rules()]

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Check every template; called by the CDK at the end of a synth."""
        violations = []
        success = True
        for source in _sources(context):
            for finding in check_file(source.path, region=source.region):
                success = success and finding.severity != "error"
                violations.append(
                    PolicyViolation(
                        rule_name=finding.rule,
                        description=finding.message,
                        severity=finding.severity,
                        fix=f"mlops-constructs rules {finding.rule}",
                        violating_resources=[
                            PolicyViolatingResource(
                                resource_logical_id=finding.resource,
                                template_path=str(source.path),
                                locations=[finding.path],
                            )
                        ],
                    )
                )
        return PolicyValidationPluginReport(success=success, violations=violations)


@jsii.implements(IPolicyValidationPlugin)
class CloudFormationRules:
    """Checks the app's templates with the `cloudformation-validate` package.

    It is the engine that aws-cdk-lib runs as WebAssembly, compiled for this machine: 0.2 s once
    and some milliseconds a template, where the built-in validation takes two seconds. Use it
    together with `App(builtin_cloud_formation_validation=False)`, and install the package in the
    app's environment.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """

    def __init__(self) -> None:
        # Only apps that use this plugin need the package.
        self._package = import_module("cloudformation_validate")

    @property
    def name(self) -> str:
        """The first part of the ids to acknowledge: `cloudformation-validate::W3010`."""
        return "cloudformation-validate"

    @property
    def version(self) -> str:
        """The engine's version."""
        return str(self._package.version())

    @property
    def rule_ids(self) -> None:
        """None: to list the rules takes as long as to check with them."""
        return None

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Check every template; called by the CDK at the end of a synth."""
        violations = []
        success = True
        for source in _sources(context):
            report = _engine().validate_template(str(source.path), self._config(source.region))
            for diagnostic in report.diagnostics:
                severity = _SEVERITIES.get(diagnostic.severity.name, "warning")
                success = success and severity != "error"
                violations.append(_violation(diagnostic, severity, source.path))
        return PolicyValidationPluginReport(success=success, violations=violations)

    def _config(self, region: str | None) -> Any:
        package = self._package
        return package.ValidateConfig(
            exclude=package.RuleFilterConfig(ids=list(_CDK_NOISE)),
            detail_level=package.DetailLevel.STANDARD,
            severity_level=package.Severity.WARN,
            pseudo_parameter_overrides=package.PseudoParameterOverrides(region=region),
        )


@cache
def _engine() -> Any:
    """The engine: expensive to make, cheap to use."""
    # Its destructor calls into modules that are gone by the end of the interpreter.
    atexit.register(_engine.cache_clear)
    return import_module("cloudformation_validate").CompositeEngine()


def _sources(context: IPolicyValidationContext) -> Iterator[Source]:
    """The templates of the app's stacks and, which the CDK leaves out, of their nested stacks."""
    for stack in context.stack_templates:
        source = Source(Path(stack.template_path), stack.region)
        yield source
        yield from nested_sources(source)


def _violation(diagnostic: Any, severity: str, template: Path) -> PolicyViolation:
    entity = diagnostic.entity
    resource = None
    if entity is not None and entity.entity_type.name == "RESOURCE":
        resource = entity.logical_id
    return PolicyViolation(
        rule_name=diagnostic.rule_id,
        description=diagnostic.message,
        severity=severity,
        fix=diagnostic.suggested_fix,
        violating_resources=[
            PolicyViolatingResource(
                resource_logical_id=resource,
                template_path=str(template),
                locations=[diagnostic.property_path] if diagnostic.property_path else [],
            )
        ],
    )
