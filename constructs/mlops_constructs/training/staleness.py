"""How many days a pipeline has not succeeded, for more days than CloudWatch looks back.

Every day a state machine looks for the latest success among the pipeline's last 100 executions and
publishes the days since then; a pipeline that has never succeeded is as old as itself. The alarm
is on that metric; when nobody publishes it any more, its state is INSUFFICIENT_DATA.
"""

from __future__ import annotations

from aws_cdk import (
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_iam as iam,
    aws_kms as kms,
    aws_scheduler as scheduler,
)
from constructs import Construct

from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.workflows import workflow, workflow_role
from mlops_constructs.training.stale_states import DIMENSION, METRIC, NAMESPACE, states

_TIMEOUT_SECONDS = 600


def stale_alarm(
    scope: Construct,
    *,
    pipeline_name: str,
    pipeline_arn: str,
    days: int,
    encryption_key: kms.IKey,
) -> cloudwatch.Alarm:
    """The alarm, and what counts the days."""
    place = Construct(scope, "Days")
    role = workflow_role(place, "Role", description=f"Counts the days of {pipeline_name}")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:DescribePipeline", "sagemaker:ListPipelineExecutions"],
            resources=[pipeline_arn],
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
        )
    )
    machine = workflow(
        place,
        "Machine",
        states=states(pipeline_name),
        start_at="Describe",
        comment=f"How long ago did {pipeline_name} succeed?",
        timeout_seconds=_TIMEOUT_SECONDS,
        role=role,
        encryption_key=encryption_key,
    )
    starter = service_role(
        place,
        "StarterRole",
        description="Starts one state machine",
        service="scheduler.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": Stack.of(place).account}},
    )
    machine.grant_start_execution(starter)
    acknowledge(
        starter, in_packs("IAMNoInlinePolicy", "It fits this one role and must go when it goes.")
    )
    schedule = scheduler.CfnSchedule(
        place,
        "Daily",
        description=f"Counts the days of {pipeline_name}",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        schedule_expression="rate(1 day)",
        target=scheduler.CfnSchedule.TargetProperty(
            arn=machine.state_machine_arn, role_arn=starter.role_arn
        ),
    )
    schedule.node.add_dependency(starter)
    return cloudwatch.Alarm(
        scope,
        "Stale",
        metric=cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=METRIC,
            dimensions_map={DIMENSION: pipeline_name},
            statistic="Maximum",
            period=Duration.days(1),
        ),
        alarm_description=f"{pipeline_name} has not succeeded for {days} days",
        threshold=days,
        # Two days, as the count of one may come a little late.
        evaluation_periods=2,
        datapoints_to_alarm=2,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.MISSING,
    )
