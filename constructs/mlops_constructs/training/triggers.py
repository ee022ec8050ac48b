"""What starts a pipeline at once, whether it runs or not: schedules and events, with their roles.

Parameters are checked against the definition. EventBridge rules and EventBridge Scheduler differ:
rules refuse parameter names with underscores (botocore's EventBridge model; the CloudFormation
schema lets them through) and may pass paths into the event.

The CDK has no rule target for pipelines (aws/aws-cdk#14887), and its Scheduler target takes an
``IPipeline``, which ``CfnPipeline`` is not; both are written with L1 properties here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import jsii
from aws_cdk import (
    CfnResource,
    Stack,
    aws_events as events,
    aws_iam as iam,
    aws_scheduler as scheduler,
    aws_sqs as sqs,
)
from aws_cdk.interfaces.aws_events import IRuleRef
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.training.starter import allow_dead_letters
from mlops_constructs.training.starting import START_TIME


def starter_role(
    scope: Construct, construct_id: str, *, service: str, pipeline_arn: str
) -> iam.Role:
    """The role with which a trigger starts one pipeline, for rules or schedules of this account."""
    stack = Stack.of(scope)
    role = iam.Role(
        scope,
        construct_id,
        description="Starts one SageMaker pipeline",
        assumed_by=iam.ServicePrincipal(
            service, conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        ),
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[pipeline_arn])
    )
    acknowledge(
        role,
        {
            "NIST.800.53.R5-IAMNoInlinePolicy": "The grant fits this one role and must go when it "
            "goes; a managed policy of the same content could be attached to anybody."
        },
    )
    return role


def make_schedule(
    scope: Construct,
    construct_id: str,
    *,
    expression: scheduler.ScheduleExpression,
    pipeline_name: str,
    pipeline_arn: str,
    role: iam.Role,
    values: Sequence[Mapping[str, str]],
    dead_letter_queue: sqs.IQueue,
) -> scheduler.CfnSchedule:
    """An EventBridge Scheduler schedule that starts the pipeline."""
    allow_dead_letters(role, dead_letter_queue)
    made = scheduler.CfnSchedule(
        scope,
        construct_id,
        description=f"Starts {pipeline_name}",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        schedule_expression=expression.expression_string,
        schedule_expression_timezone=_time_zone(expression),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=pipeline_arn,
            role_arn=role.role_arn,
            sage_maker_pipeline_parameters=scheduler.CfnSchedule.SageMakerPipelineParametersProperty(
                pipeline_parameter_list=[
                    scheduler.CfnSchedule.SageMakerPipelineParameterProperty(**each)
                    for each in values
                ]
            )
            if values
            else None,
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                arn=dead_letter_queue.queue_arn
            ),
        ),
    )
    made.node.add_dependency(role)
    return made


def make_event_rule(
    scope: Construct,
    construct_id: str,
    *,
    pattern: events.EventPattern,
    pipeline_name: str,
    pipeline_arn: str,
    role: iam.Role,
    values: Sequence[Mapping[str, str]],
    dead_letter_queue: sqs.IQueue,
) -> events.Rule:
    """An EventBridge rule that starts the pipeline."""
    rule = events.Rule(
        scope,
        construct_id,
        description=f"Starts {pipeline_name}",
        event_pattern=pattern,
        targets=[_PipelineTarget(pipeline_arn, role)],
    )
    resource = cast("CfnResource", rule.node.default_child)
    if values:
        # RuleTargetConfig has no member for it.
        resource.add_property_override(
            "Targets.0.SageMakerPipelineParameters.PipelineParameterList",
            [{"Name": each["name"], "Value": each["value"]} for each in values],
        )
    resource.add_property_override("Targets.0.DeadLetterConfig.Arn", dead_letter_queue.queue_arn)
    dead_letter_queue.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sqs:SendMessage"],
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            resources=[dead_letter_queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": rule.rule_arn}},
        )
    )
    if (key := dead_letter_queue.encryption_master_key) is not None:
        allow_publishers(key, "events.amazonaws.com")
    resource.node.add_dependency(role)
    return rule


def timed(values: Sequence[Mapping[str, str]], time: str) -> list[dict[str, str]]:
    """The values with what stands for the time in the place of `START_TIME`."""
    return [
        {**each, "value": time if each["value"] == START_TIME else each["value"]} for each in values
    ]


@jsii.implements(events.IRuleTarget)
class _PipelineTarget:
    """A pipeline as the target of a rule, without parameters."""

    def __init__(self, pipeline_arn: str, role: iam.Role) -> None:
        self._pipeline_arn = pipeline_arn
        self._role = role

    def bind(self, rule: IRuleRef, id: str | None = None) -> events.RuleTargetConfig:  # noqa: A002 (the name that jsii passes)
        """What the rule needs to know."""
        return events.RuleTargetConfig(arn=self._pipeline_arn, role=self._role)


def _time_zone(expression: scheduler.ScheduleExpression) -> str | None:
    return None if expression.time_zone is None else expression.time_zone.timezone_name
