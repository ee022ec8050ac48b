"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problems

if TYPE_CHECKING:
    from mlops_constructs.rules.engine.samples import Samples

Severity = Literal["error", "warning"]
Check = Callable[[Resource], Problems]


@dataclass(frozen=True)
class Rule:
    """One condition that a service or CloudFormation enforces at deployment, or later.

    Attributes:
        id: The family and a number, such as EC04. Ids are never reused.
        types: The resource types it looks at.
        title: The condition that must hold, as a sentence.
        fix: What to write instead.
        source: Where AWS, or somebody who ran into it, says so.
        severity: "error" when the deployment fails, "warning" when it may, or when what is asked
            for silently does not happen.
        check: The predicate: yields a problem for each place of a resource that breaks the rule.
        family: The module that defines it, such as endpoint_config.
    """

    id: str
    types: tuple[str, ...]
    title: str
    fix: str
    source: str
    severity: Severity
    check: Check
    family: str

    @property
    def samples(self) -> Samples:
        """What the rule refuses and what it accepts, read on first use."""
        from mlops_constructs.rules.engine.samples import load_samples

        return load_samples(self.family)[self.id]


@dataclass(frozen=True)
class Finding:
    """A rule that a resource breaks, and where.

    Attributes:
        rule: The rule's id.
        severity: "error" or "warning".
        resource: The logical id.
        type: The resource type.
        path: The place in the resource, such as `Properties.ProductionVariants[0].VariantName`.
        message: What is wrong and what to write instead.
        file: The template's file, when there is one.
        line: The line in that file, from 1.
    """

    rule: str
    severity: Severity
    resource: str
    type: str
    path: str
    message: str
    file: str | None = None
    line: int | None = None

    def as_dict(self) -> Mapping[str, Any]:
        """The finding as plain data."""
        return asdict(self)


def rule(
    rule_id: str,
    *types: str,
    fix: str,
    source: str,
    severity: Severity = "error",
) -> Callable[[Check], Rule]:
    """Make the decorated predicate a Rule, its docstring the title; see there for the arguments."""

    def make(check: Check) -> Rule:
        title = (check.__doc__ or rule_id).removesuffix(".")
        family = check.__module__.rpartition(".")[2]
        return Rule(rule_id, types, title, fix, source, severity, check, family)

    return make
