"""Service rules: what SageMaker refuses at deployment, said before the deployment.

The rules are plain Python over plain templates. Nothing here imports aws_cdk: the same rules run
at synth (`mlops_constructs.common.validation`), on any template from the command line
(`mlops-constructs check`), and inside the local cloud.
"""

from __future__ import annotations

from mlops_constructs.rules.catalogue import all_rules, find_rule
from mlops_constructs.rules.engine.checker import check_file, check_resource, check_template
from mlops_constructs.rules.engine.errors import TemplateError
from mlops_constructs.rules.engine.rule import Finding, Rule

__all__ = [
    "Finding",
    "Rule",
    "TemplateError",
    "all_rules",
    "check_file",
    "check_resource",
    "check_template",
    "find_rule",
]
