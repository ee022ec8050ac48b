"""Many random uses in few stacks, and everything that can judge a template.

jsii takes 20 to 60 ms for one of our constructs, cfn-lint as much for one resource: so examples are
drawn first, built side by side, and judged a template at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_kms as kms, aws_s3 as s3, aws_sns as sns
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from mlops_constructs.common.network import JobNetwork
from mlops_constructs.studio import NetworkFeature, PrivateNetwork
from mlops_constructs.training.registry import ModelRegistry
from tests.support import feature_flags

T = TypeVar("T")

FUZZ: Final = int(os.environ.get("MLOPS_FUZZ_EXAMPLES", "0"))
"""How many uses of each construct `make fuzz` wants; 0 in an ordinary run."""

_REGION: Final = "us-east-1"
_ACCOUNT: Final = "123456789012"
# What cfn-lint and CloudFormation's validator say about templates of the CDK as such.
_CDK_NOISE: Final = ("W3005", "W1020", "E1018", "W9002", "W9013", "W1103")


def examples(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Draw examples: the same in every ordinary run, new ones when fuzzing without a seed."""
    found: list[T] = []

    @settings(
        max_examples=count,
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found[:count]


@dataclass
class Ground:
    """A stack, and what constructs are usually given."""

    stack: cdk.Stack
    outside: cdk.Stack

    @cached_property
    def key(self) -> kms.IKey:
        arn = f"arn:aws:kms:{_REGION}:{_ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
        return kms.Key.from_key_arn(self.stack, "Key", arn)

    @cached_property
    def bucket(self) -> s3.IBucket:
        return s3.Bucket.from_bucket_attributes(
            self.stack, "Bucket", bucket_name="some-bucket", encryption_key=self.key
        )

    @cached_property
    def topic(self) -> sns.ITopic:
        arn = f"arn:aws:sns:{_REGION}:{_ACCOUNT}:topic"
        return sns.Topic.from_topic_arn(self.stack, "Topic", arn)

    @cached_property
    def network(self) -> JobNetwork:
        vpc = ec2.Vpc.from_vpc_attributes(
            self.stack,
            "Vpc",
            vpc_id="vpc-0123456789abcdef0",
            availability_zones=["us-east-1a", "us-east-1b"],
            isolated_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            isolated_subnet_route_table_ids=["rtb-0123456789abcdef0", "rtb-0123456789abcdef1"],
        )
        return JobNetwork(vpc=vpc, security_groups=[self.group("Jobs")])

    @cached_property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.stack, "Registry", model_package_group_name="sample")

    @cached_property
    def private_network(self) -> PrivateNetwork:
        made = self.outside.node.try_find_child("Private")
        if isinstance(made, PrivateNetwork):
            return made
        return PrivateNetwork(self.outside, "Private", features=tuple(NetworkFeature))

    def group(self, construct_id: str) -> ec2.ISecurityGroup:
        """A security group from outside."""
        return ec2.SecurityGroup.from_security_group_id(
            self.stack, construct_id, "sg-0123456789abcdef0"
        )


class Batch:
    """An app of several stacks with some uses in each.

    Args:
        folder: The output directory.
        per_stack: How many uses a stack holds.
        first: How many the first one holds; as many as the others unless it is given.
    """

    def __init__(self, folder: Path, *, per_stack: int, first: int = 0) -> None:
        self.per_stack = per_stack
        self._left = 0
        self._first = first or per_stack
        self._app = cdk.App(
            context=feature_flags(),
            outdir=str(folder),
            builtin_cloud_formation_validation=False,
            analytics_reporting=False,
        )
        self._environment = cdk.Environment(account=_ACCOUNT, region=_REGION)
        self._outside = cdk.Stack(self._app, "Outside", env=self._environment)
        self._grounds: list[Ground] = []

    def ground(self) -> Ground:
        """Where the next use is built."""
        if not self._left:
            self._left = self.per_stack if self._grounds else self._first
            name = f"Uses{len(self._grounds)}"
            stack = cdk.Stack(self._app, name, env=self._environment)
            self._grounds.append(Ground(stack, self._outside))
        self._left -= 1
        return self._grounds[-1]

    def templates(self) -> list[Path]:
        """The templates of the stacks; none of a stack whose uses were all refused."""
        assembly = self._app.synth()
        found = [
            Path(assembly.get_stack_by_name(ground.stack.stack_name).template_full_path)
            for ground in self._grounds
        ]
        return [template for template in found if resources(template)]


def engine_findings(templates: Sequence[Path]) -> Iterator[str]:
    """What CloudFormation's own validator finds."""
    # It has no types, so mypy is not told what it is.
    cfn: Any = import_module("cloudformation_validate")
    engine = cfn.CompositeEngine()
    config = cfn.ValidateConfig(
        exclude=cfn.RuleFilterConfig(ids=list(_CDK_NOISE)),
        detail_level=cfn.DetailLevel.STANDARD,
        severity_level=cfn.Severity.WARN,
        pseudo_parameter_overrides=cfn.PseudoParameterOverrides(region=_REGION),
    )
    for template in templates:
        for found in engine.validate_template(str(template), config).diagnostics:
            where = found.entity.logical_id if found.entity else ""
            yield f"{found.rule_id} {where} {found.property_path}: {found.message}"


def lint_errors(template: Path) -> Iterator[str]:
    """The errors of cfn-lint."""
    for match in lint(template.read_text(), config=ManualArgs(regions=[_REGION])):
        if match.rule.id.startswith("E"):
            yield f"{match.rule.id} {match.path}: {match.message}"


def resources(template: Path) -> dict[str, dict[str, Any]]:
    """The resources of a template."""
    found: dict[str, dict[str, Any]] = json.loads(template.read_text()).get("Resources", {})
    return found
