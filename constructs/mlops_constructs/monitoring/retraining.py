"""Retraining: the answer to violations, with a cool-down, a cap per week and a person's word.

A rule starts a state machine of AWS SDK integrations, no code of ours: it looks up in a table when
the pipeline was started last, asks a person where that is wanted, starts the pipeline with what
drifted as parameters, and tells the topic. While another execution of the pipeline is under way, it
waits for its end. The pipeline does what it always does: its model waits in the registry for
approval, and its release follows from there.

A person answers with one of the two commands in the message, and needs ``states:SendTaskSuccess``
and ``states:SendTaskFailure`` for that (`Retraining.grant_approve`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aws_cdk import (
    ArnFormat,
    Duration,
    RemovalPolicy,
    Stack,
    aws_dynamodb as dynamodb,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_sns as sns,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards, in_packs
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.tokens import is_token
from mlops_constructs.monitoring.retraining_workflow import RetrainingWorkflow

_HOUR, _WEEK, _MONTH = 3600, 7 * 24 * 3600, 30 * 24 * 3600
_PATH = re.compile(r"\$\.detail(\.[A-Za-z_][A-Za-z0-9_]*)+")
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,256}")


class Retraining(Construct):
    """Starts a pipeline when a monitor sees violations; made by `ModelMonitorSuite.retrain`.

    Attributes:
        table: Says when the pipeline was started.
        log_group: The log of the machine.
        role: The role of the machine.
        state_machine: The machine.
        rule: What starts it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pattern: events.EventPattern,
        monitor_name: str,
        pipeline_name: str,
        parameters: Mapping[str, str],
        cool_down: Duration,
        most_per_week: int,
        approval: Duration | None,
        topic: sns.ITopic,
        encryption_key: kms.IKey,
        event_is_ours: bool = True,
        starter: sfn.IStateMachine | None = None,
    ) -> None:
        """Make table, machine and rule.

        Args:
            scope: The parent.
            construct_id: The id.
            pattern: The events that are answered.
            monitor_name: Whose they are.
            pipeline_name: What is started.
            parameters: Of the pipeline; ``$.detail.…`` is read from the event.
            cool_down: For how long after a start nothing is started.
            most_per_week: How many starts in seven days.
            approval: How long a person may take; None when nobody is asked.
            topic: Who is told, and asked.
            encryption_key: Of table and log.
            event_is_ours: Whether the event has what `analysis.publish` lists.
            starter: What starts the pipeline once no other execution runs; None to start it here.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        self._check(parameters, cool_down, most_per_week, approval, event_is_ours)
        stack = Stack.of(self)
        self.table = self._make_table(encryption_key)
        allow_logs(encryption_key)
        self.log_group = logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.role = service_role(
            self,
            "Role",
            description=f"Starts {pipeline_name} when {monitor_name} sees violations",
            service="states.amazonaws.com",
        )
        self._allow(topic, encryption_key)
        starts = {"sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"}
        if starter is not None:
            self._allow_starter(stack, starter)
            starts.remove("sagemaker:StartPipelineExecution")
        arn = stack.format_arn(
            service="sagemaker", resource="pipeline", resource_name=pipeline_name
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=sorted(starts), resources=[arn]))
        workflow = RetrainingWorkflow(
            partition=PARTITION,
            monitor_name=monitor_name,
            pipeline_name=pipeline_name,
            parameters=parameters,
            table_name=self.table.table_name,
            topic_arn=topic.topic_arn,
            cool_down_seconds=int(cool_down.to_seconds()),
            most_per_week=most_per_week,
            approval_seconds=None if approval is None else int(approval.to_seconds()),
            starter_arn=None if starter is None else starter.state_machine_arn,
        )
        self.state_machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(
                stack.to_json_string(workflow.definition())
            ),
            role=self.role,
            logs=sfn.LogOptions(
                destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )
        answers = service_role(
            self,
            "StarterRole",
            description=f"Answers violations of {monitor_name}",
            service="events.amazonaws.com",
        )
        self.rule = events.Rule(
            self,
            "Violations",
            description=f"Violations of {monitor_name} start {pipeline_name}",
            event_pattern=pattern,
            targets=[targets.SfnStateMachine(self.state_machine, role=answers)],
        )

    def grant_approve(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody answer when the machine asks."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["states:SendTaskFailure", "states:SendTaskSuccess"],
            resource_arns=[self.state_machine.state_machine_arn],
        )

    def _check(
        self,
        parameters: Mapping[str, str],
        cool_down: Duration,
        most_per_week: int,
        approval: Duration | None,
        event_is_ours: bool,
    ) -> None:
        problems = Problems(self)
        problems.check(
            _HOUR <= cool_down.to_seconds() <= _WEEK,
            "cool_down",
            got=f"{cool_down.to_seconds():.0f} s",
            allowed="an hour to 7 days",
            instead="Write Duration.days(1): longer than a training, and its approval, take.",
        )
        problems.check(
            1 <= most_per_week <= 50,
            "most_per_week",
            got=most_per_week,
            allowed="1 to 50",
            instead="Write 3; drift that training does not cure needs a person.",
        )
        if approval is not None:
            problems.check(
                _HOUR <= approval.to_seconds() <= _MONTH,
                "approval",
                got=f"{approval.to_seconds():.0f} s",
                allowed="an hour to 30 days",
                instead="Write Duration.days(3), or leave it out to ask nobody.",
            )
        for name, value in parameters.items():
            path = value.startswith("$.") and not is_token(value)
            problems.check(
                _NAME.fullmatch(name) is not None,
                "parameters",
                got=name,
                allowed="names of letters, digits, hyphens and underscores",
                instead="Take the names that the pipeline's definition has.",
            )
            problems.check(
                not path or (_PATH.fullmatch(value) is not None and event_is_ours),
                f"parameters[{name!r}]",
                got=value,
                allowed="a text, or with OpenEngine a path such as $.detail.drifted",
                instead="Take a member of the event's detail.",
            )
        problems.raise_if_any()

    def _make_table(self, key: kms.IKey) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Starts",
            partition_key=dynamodb.Attribute(name="pipeline", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # It says what happened in the last week, and nothing that is not also in a log.
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            table,
            in_packs(
                "DynamoDBInBackupPlan",
                "It holds the times of a week's starts, and recovers to any point in time.",
            ),
        )
        return table

    def _allow_starter(self, stack: Stack, starter: sfn.IStateMachine) -> None:
        starter.grant_start_execution(self.role)
        name = stack.split_arn(starter.state_machine_arn, ArnFormat.COLON_RESOURCE_NAME)
        executions = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{name.resource_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions])
        )
        acknowledge_wildcards(
            self.role, [executions], "Executions are named when they are started, one an answer."
        )

    def _allow(self, topic: sns.ITopic, key: kms.IKey) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:PutItem"], resources=[self.table.table_arn]
            )
        )
        key.grant(self.role, "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
        topic.grant_publish(self.role)
        acknowledge(
            self.role,
            {
                "AwsSolutions-IAM5[Resource::*]": "Log delivery and X-Ray, which CDK grants for "
                "the machine's log and traces, take no resource.",
                "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "What a topic's own grant asks "
                "for on the topic's key; SNS uses GenerateDataKey.",
            },
        )
