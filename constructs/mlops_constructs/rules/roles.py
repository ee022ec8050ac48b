"""Rules about the roles that SageMaker assumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, Scope, referred
from mlops_constructs.rules.engine.values import Node, Problems
from mlops_constructs.rules.events import EVENT_RULE, SCHEDULE
from mlops_constructs.rules.feature_group import FEATURE_GROUP
from mlops_constructs.rules.serving import ENDPOINT_CONFIG, MODEL

ROLE: Final = "AWS::IAM::Role"
_POLICIES: Final = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")

_ROLES: Final = {
    FEATURE_GROUP: ("RoleArn",),
    MODEL: ("ExecutionRoleArn",),
    ENDPOINT_CONFIG: ("ExecutionRoleArn",),
    "AWS::SageMaker::ProcessingJob": ("RoleArn",),
    "AWS::SageMaker::MlflowTrackingServer": ("RoleArn",),
    "AWS::SageMaker::InferenceExperiment": ("RoleArn",),
    "AWS::SageMaker::Pipeline": ("RoleArn",),
    "AWS::SageMaker::Domain": (
        "DefaultUserSettings.ExecutionRole",
        "DefaultSpaceSettings.ExecutionRole",
    ),
    "AWS::SageMaker::UserProfile": ("UserSettings.ExecutionRole",),
    "AWS::SageMaker::Image": ("ImageRoleArn",),
    "AWS::SageMaker::NotebookInstance": ("RoleArn",),
    **{
        f"AWS::SageMaker::{kind}JobDefinition": ("RoleArn",)
        for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
    },
}
# SageMaker uses the role while it makes these, and fails when a permission is not there yet.
_USED_AT_ONCE: Final = (
    FEATURE_GROUP,
    MODEL,
    "AWS::SageMaker::ProcessingJob",
    "AWS::SageMaker::MlflowTrackingServer",
    "AWS::SageMaker::InferenceExperiment",
)


def _roles(resource: Resource) -> Iterator[tuple[Node, Resource]]:
    """The roles of this template that a resource hands to SageMaker."""
    for path in _ROLES[resource.type]:
        role = resource[path].target
        if role is not None and role.type == ROLE:
            yield resource[path], role


@rule(
    "RL01",
    *_USED_AT_ONCE,
    fix="Let it depend on the policy: DependsOn, or node.add_dependency(role) after all grants",
    source="github.com/aws/aws-cdk#10064; aws-samples/generative-ai-sagemaker-cdk-demo#2",
    severity="warning",
)
def policy_first(resource: Resource) -> Problems:
    """A resource waits for the policies of the role that it is made with."""
    policies = resource.scope.once("policies", lambda: _policies_by_role(resource.scope))
    for node, role in _roles(resource):
        first = resource.scope.template.predecessors(resource.logical_id)
        for policy in policies.get(role.logical_id, []):
            if policy.logical_id not in first:
                yield node.problem(f"The role's policy {policy.logical_id} may come too late")


def _policies_by_role(scope: Scope) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for policy in scope.of_type(*_POLICIES):
        for name in policy["Roles"].items or [policy["RoleName"]]:
            for logical_id in referred(name):
                found.setdefault(logical_id, []).append(policy)
    return found


@rule(
    "RL02",
    *_ROLES,
    fix='Allow {"Service": "sagemaker.amazonaws.com"} sts:AssumeRole in AssumeRolePolicyDocument',
    source="SageMaker developer guide: SageMaker Roles (trust policy)",
)
def sagemaker_may_assume(resource: Resource) -> Problems:
    """SageMaker may assume the roles that it is given."""
    for node, role in _roles(resource):
        if _trusts(role, "sagemaker.amazonaws.com") is False:
            yield node.problem(f"{role.logical_id} does not trust sagemaker.amazonaws.com")


@rule(
    "RL03",
    SCHEDULE,
    fix="Allow scheduler.amazonaws.com sts:AssumeRole in AssumeRolePolicyDocument",
    source=(
        "EventBridge Scheduler user guide: Set up the execution role; "
        "github.com/aws/aws-sdk-js-v3#6494 (CreateSchedule: ValidationException)"
    ),
)
def scheduler_may_assume(schedule: Resource) -> Problems:
    """Scheduler may assume the role that it starts its target with."""
    yield from _not_trusting(schedule["Target"], "scheduler.amazonaws.com")


@rule(
    "RL04",
    EVENT_RULE,
    fix="Allow events.amazonaws.com sts:AssumeRole in AssumeRolePolicyDocument",
    source=(
        "Amazon EventBridge user guide: Using IAM roles; PutRule refuses such a role "
        "(github.com/Miserlou/Zappa#381), unproven that PutTargets does, but nothing is started"
    ),
    severity="warning",
)
def events_may_assume(event_rule: Resource) -> Problems:
    """EventBridge may assume the role that it starts a target with."""
    for target in event_rule["Targets"].items:
        yield from _not_trusting(target, "events.amazonaws.com")


def _not_trusting(target: Node, service: str) -> Problems:
    """A target whose role is of this template and certainly does not let the service in."""
    role = target["RoleArn"].target
    if role is not None and role.type == ROLE and _trusts(role, service) is False:
        yield target["RoleArn"].problem(f"{role.logical_id} does not trust {service}")


def _trusts(role: Resource, service: str) -> bool | None:
    """Whether a role's trust policy lets a service in; None when nobody can tell."""
    statements = role["AssumeRolePolicyDocument.Statement"]
    entries = statements.items or ([statements] if isinstance(statements.value, dict) else [])
    if not entries:
        return None
    for entry in entries:
        principal = entry["Principal"]
        named = principal["Service"]
        services = named.items or [named]
        if entry["Effect"].text != "Allow" or not isinstance(principal.value, dict):
            return None
        for name in services:
            if name.text == service or (name.text is None and not name.absent):
                return True if name.text == service else None
    return False
