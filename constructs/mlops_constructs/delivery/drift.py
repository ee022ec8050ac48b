"""Somebody changed by hand what CloudFormation owns: looked for on a schedule, and told.

EventBridge Scheduler asks CloudFormation to look for drift in each stack; CloudFormation says what
it found as an event ("Drift Detection Status Change", CloudFormation user guide), and a rule tells
a topic, if a stack has drifted or could not be looked at. No code runs anywhere.

- CloudFormation reads every resource with the permissions of whoever asks. The role has AWS's
  policy `SecurityAudit`, which reads settings but no data; a type that it cannot read is reported
  as a failed detection, not as "in sync".
- Only properties that the template sets are compared, nested stacks are not, and some types are
  never checked (custom resources among them).
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    Stack,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_scheduler as scheduler,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.tokens import is_literal

# One detection of a stack at a time, and few of an account: start them minutes apart.
_MINUTES_APART = 5


class DriftWatch(Construct):
    """Looks for drift in stacks every day.

    Attributes:
        role: What looks.
        rules: What tells.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stacks: Sequence[Stack],
        topic: sns.ITopic,
        hour: int = 5,
    ) -> None:
        """Make the schedules and the rules.

        Args:
            scope: The parent.
            construct_id: The id.
            stacks: The stacks, of this account and region, with names known at synth.
            topic: Told of drift; EventBridge must be allowed to use its key.
            hour: When the first is looked at, UTC, 0 to 23.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        here = Stack.of(self)
        names = [stack.stack_name for stack in stacks]
        self._check(names, hour)
        arns = [
            here.format_arn(service="cloudformation", resource="stack", resource_name=f"{name}/*")
            for name in names
        ]
        self.role = self._make_role(arns)
        look = f"arn:{PARTITION}:scheduler:::aws-sdk:cloudformation:detectStackDrift"
        for index, name in enumerate(names):
            minute, later = index * _MINUTES_APART % 60, index * _MINUTES_APART // 60
            schedule = scheduler.CfnSchedule(
                self,
                f"Look{index + 1}",
                description=f"Looks for drift in {name}",
                schedule_expression=f"cron({minute} {(hour + later) % 24} * * ? *)",
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": look,
                    "roleArn": self.role.role_arn,
                    "input": here.to_json_string({"StackName": name}),
                    "retryPolicy": {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 5},
                },
            )
            schedule.node.add_dependency(self.role)
        self.rules = [
            events.Rule(
                self,
                construct_id,
                description=description,
                event_pattern=events.EventPattern(
                    source=["aws.cloudformation"],
                    detail_type=["CloudFormation Drift Detection Status Change"],
                    detail={
                        "stack-id": [{"prefix": arn.removesuffix("*")} for arn in arns],
                        "status-details": status,
                    },
                ),
                targets=[targets.SnsTopic(topic)],
            )
            for construct_id, description, status in (
                ("Drifted", "A stack has drifted", {"stack-drift-status": ["DRIFTED"]}),
                (
                    "NotLookedAt",
                    "Drift detection failed",
                    {"detection-status": ["DETECTION_FAILED"]},
                ),
            )
        ]

    def _make_role(self, stack_arns: list[str]) -> iam.Role:
        role = service_role(
            self,
            "Role",
            description="Looks for drift",
            service="scheduler.amazonaws.com",
        )
        role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("SecurityAudit"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "cloudformation:DetectStackDrift",
                    "cloudformation:DetectStackResourceDrift",
                ],
                resources=stack_arns,
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudformation:BatchDescribeTypeConfigurations"], resources=["*"]
            )
        )
        acknowledge_wildcards(
            role, stack_arns, "The ARN of a stack ends with an id that CloudFormation gives it."
        )
        acknowledge(
            role,
            {
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/SecurityAudit]": (
                    "Drift detection reads every resource of the stacks, whatever its type; AWS "
                    "keeps this policy to settings, without data."
                ),
                "AwsSolutions-IAM5[Resource::*]": "BatchDescribeTypeConfigurations takes no "
                "resource.",
            },
        )
        return role

    def _check(self, names: list[str], hour: int) -> None:
        problems = Problems(self)
        problems.check(
            1 <= len(names) <= 100 and len(set(names)) == len(names),
            "stacks",
            got=f"{len(names)} stacks",
            allowed="1 to 100 different stacks",
            instead="Pass the stacks of one environment.",
        )
        problems.check(
            all(is_literal(name) for name in names),
            "stacks",
            got="a name that is not known yet",
            allowed="names known at synth",
            instead="Give the stacks names.",
        )
        problems.check(
            0 <= hour <= 23,
            "hour",
            got=hour,
            allowed="0 to 23",
            instead="Write hour=5.",
        )
        problems.raise_if_any()
