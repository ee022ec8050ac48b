"""The audit trail of a registry: what happened to versions, and who did it.

A log group gets two kinds of events: SageMaker's own, each with the version as it then was (its
status, artifact and metadata, which name the pipeline's execution, the data and the code), and
those of CloudTrail, which say who called CreateModelPackage, UpdateModelPackage or
DeleteModelPackage. For the latter the account needs a trail that logs management events
(EventBridge user guide, "AWS service events delivered via CloudTrail").
"""

from __future__ import annotations

from aws_cdk import (
    ArnFormat,
    CfnResource,
    Fn,
    RemovalPolicy,
    Stack,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs

_CALLS = ("CreateModelPackage", "DeleteModelPackage", "UpdateModelPackage")


class RegistryAudit(Construct):
    """Writes down what happens to the versions of a group.

    Attributes:
        log_group: Where; it stays when the stack goes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: str,
        packages_arn_prefix: str,
        encryption_key: kms.IKey,
        retention: logs.RetentionDays,
    ) -> None:
        """Make the log group and the rules.

        Args:
            scope: The parent.
            construct_id: The id below it.
            group: The model package group.
            packages_arn_prefix: What the ARNs of its versions begin with.
            encryption_key: Of the log group.
            retention: How long events are kept.
        """
        super().__init__(scope, construct_id)
        allow_logs(encryption_key)
        stack = Stack.of(self)
        self.log_group = logs.LogGroup(
            self,
            "Log",
            # The console takes log groups below /aws/events/ only as targets. The end is the
            # stack's own: the log stays when the stack goes, and must not be in the next one's way.
            log_group_name=f"/aws/events/model-registry/{group}/{_of_this(stack)}",
            encryption_key=encryption_key,
            retention=retention,
            removal_policy=RemovalPolicy.RETAIN,
        )
        # The CDK's target would write this policy with a Lambda function.
        policy = logs.CfnResourcePolicy(
            self,
            "Policy",
            policy_name=f"{group}-model-registry-audit",
            policy_document=stack.to_json_string(
                iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            principals=[
                                iam.ServicePrincipal("events.amazonaws.com"),
                                iam.ServicePrincipal("delivery.logs.amazonaws.com"),
                            ],
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[self.log_group.log_group_arn],
                        )
                    ]
                ).to_json()
            ),
        )
        self._rule(
            "Changes",
            policy,
            events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Model Package State Change"],
                detail={"ModelPackageGroupName": [group]},
            ),
            f"Versions of {group} change",
        )
        self._rule(
            "Calls",
            policy,
            events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["sagemaker.amazonaws.com"],
                    "eventName": list(_CALLS),
                    "$or": [
                        {"requestParameters": {"modelPackageGroupName": [group]}},
                        *(
                            {"requestParameters": {name: [{"prefix": packages_arn_prefix}]}}
                            for name in ("modelPackageArn", "modelPackageName")
                        ),
                    ],
                },
            ),
            f"Who changes versions of {group}",
        )

    def _rule(
        self, construct_id: str, policy: CfnResource, pattern: events.EventPattern, text: str
    ) -> None:
        stack = Stack.of(self)
        rule = events.CfnRule(
            self,
            construct_id,
            description=text,
            event_pattern={
                "source": pattern.source,
                "detail-type": pattern.detail_type,
                "detail": pattern.detail,
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Log",
                    # Without the ":*" that a log group's own attribute ends with.
                    arn=stack.format_arn(
                        service="logs",
                        resource="log-group",
                        resource_name=self.log_group.log_group_name,
                        arn_format=ArnFormat.COLON_RESOURCE_NAME,
                    ),
                )
            ],
        )
        rule.node.add_dependency(policy)


def _of_this(stack: Stack) -> str:
    """A part of the stack's id, which another stack of the same name does not have."""
    identifier = Fn.select(2, Fn.split("/", stack.stack_id))
    return Fn.select(0, Fn.split("-", identifier))
