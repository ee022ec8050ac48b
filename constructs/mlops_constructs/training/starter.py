"""What starts a pipeline's executions one after the other: a state machine and its triggers.

The machine is in `starting`. Schedules and rules start it with an input that says which trigger it
was and which parameters it passes; new objects come through a queue that makes one message of
thousands of events.

**New objects.** S3 tells EventBridge of each object; a rule writes the same text for each into a
FIFO queue, which drops what it has seen within five minutes (SQS developer guide, "Exactly-once
processing"). Each message is delayed for a little longer than that, so that every event that was
dropped came before its message is delivered. EventBridge Pipes then starts the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from aws_cdk import (
    Annotations,
    CfnResource,
    Duration,
    Stack,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_pipes as pipes,
    aws_s3 as s3,
    aws_scheduler as scheduler,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.workflows import workflow, workflow_role
from mlops_constructs.training import starting

#: The shortest window for new objects. A message is delayed by more than the five minutes that SQS
#: remembers what it has seen.
SHORTEST_WINDOW = Duration.minutes(6)
_DELAY = Duration.seconds(310)
#: A message that Pipes cannot deliver is tried so often.
_MOST_RECEIVED = 5
_INLINE = "The grant fits this one role and must go when it goes."
# The name of an execution has 82 characters, of which 9 are for a hash.
_LONGEST_TRIGGER = 73


class Starter(Construct):
    """The state machine that starts a pipeline unless it runs.

    Attributes:
        machine: The state machine.
        role: What it works with.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        pipeline_arn: str,
        encryption_key: kms.IKey,
    ) -> None:
        """Make the machine.

        Args:
            scope: The parent.
            construct_id: The id below it.
            pipeline_name: The pipeline.
            pipeline_arn: Its ARN.
            encryption_key: Of the machine's log.
        """
        super().__init__(scope, construct_id)
        self.role = workflow_role(self, "Role", description=f"Starts {pipeline_name}")
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"],
                resources=[pipeline_arn],
            )
        )
        self.machine = workflow(
            self,
            "Machine",
            states=starting.states(pipeline_name),
            start_at="Gather",
            comment=f"Starts {pipeline_name} unless it runs",
            timeout_seconds=starting.TIMEOUT_SECONDS,
            role=self.role,
            encryption_key=encryption_key,
            variables=starting.variables(),
        )

    def schedule(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        expression: scheduler.ScheduleExpression,
        values: Sequence[Mapping[str, str]],
        skip: bool,
        dead_letters: sqs.IQueue,
    ) -> scheduler.CfnSchedule:
        """A schedule that starts the machine."""
        role = self._starter(scope, "StarterScheduleRole", "scheduler.amazonaws.com")
        allow_dead_letters(role, dead_letters)
        zone = expression.time_zone
        made = scheduler.CfnSchedule(
            scope,
            construct_id,
            description=description,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression=expression.expression_string,
            schedule_expression_timezone=None if zone is None else zone.timezone_name,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.machine.state_machine_arn,
                role_arn=role.role_arn,
                input=json.dumps(_input(construct_id, values, skip=skip)),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=dead_letters.queue_arn
                ),
            ),
        )
        made.node.add_dependency(role)
        return made

    def rule(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pattern: events.EventPattern,
        description: str,
        values: Sequence[Mapping[str, str]],
        skip: bool,
        dead_letters: sqs.IQueue,
    ) -> events.Rule:
        """A rule that starts the machine; values may be paths into the event."""
        from_event = any(each["value"].startswith("$.") for each in values)
        taken = [
            {
                **each,
                "value": events.EventField.from_path(each["value"])
                if each["value"].startswith("$.")
                else each["value"],
            }
            for each in values
        ]
        rule = events.Rule(
            scope,
            construct_id,
            description=description,
            event_pattern=pattern,
            targets=[
                targets.SfnStateMachine(
                    self.machine,
                    role=self._starter(scope, "StarterEventRole", "events.amazonaws.com"),
                    input=events.RuleTargetInput.from_object(
                        _input(construct_id, taken, skip=skip, varies=from_event)
                    ),
                    dead_letter_queue=dead_letters,
                )
            ],
        )
        if (key := dead_letters.encryption_master_key) is not None:
            allow_publishers(key, "events.amazonaws.com")
        return rule

    def objects(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        bucket: s3.IBucket,
        keys: Sequence[Mapping[str, str]],
        values: Sequence[Mapping[str, str]],
        window: Duration,
        encryption_key: kms.IKey,
        dead_letters: sqs.IQueue,
    ) -> tuple[events.Rule, sqs.Queue]:
        """A rule for new objects, and what makes one start of many of them.

        Returns:
            The rule, and the queue of messages that did not start the machine.
        """
        place = Construct(scope, construct_id)
        undelivered = _fifo_dead_letters(place, encryption_key)
        queue = sqs.Queue(
            place,
            "Queue",
            fifo=True,
            content_based_deduplication=True,
            delivery_delay=_DELAY,
            visibility_timeout=Duration.minutes(1),
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=encryption_key,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                max_receive_count=_MOST_RECEIVED,
                queue=undelivered,
            ),
        )
        allow_publishers(encryption_key, "events.amazonaws.com")
        rule = events.Rule(
            place,
            "Rule",
            description=description,
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket.bucket_name]},
                    **({"object": {"key": list(keys)}} if keys else {}),
                },
            ),
            targets=[
                targets.SqsQueue(
                    _only_named(place, queue),
                    # Always the same: the queue keeps the first of five minutes.
                    message=events.RuleTargetInput.from_object({"trigger": construct_id}),
                    message_group_id="objects",
                    dead_letter_queue=dead_letters,
                )
            ],
        )
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": rule.rule_arn}},
            )
        )
        gather = max(0, int(window.to_seconds() - _DELAY.to_seconds()))
        self._pipe(place, queue, _input(construct_id, values, skip=False, gather=gather))
        _tell_of_objects(place, bucket)
        return rule, undelivered

    def _pipe(self, place: Construct, queue: sqs.Queue, given: Mapping[str, Any]) -> None:
        role = service_role(
            place,
            "PipeRole",
            description="Starts a state machine for the messages of a queue",
            service="pipes.amazonaws.com",
        )
        queue.grant_consume_messages(role)
        self.machine.grant_start_execution(role)
        acknowledge(role, in_packs("IAMNoInlinePolicy", _INLINE))
        pipe = pipes.CfnPipe(
            place,
            "Pipe",
            description="One start for the objects of five minutes",
            source=queue.queue_arn,
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=pipes.CfnPipe.PipeSourceSqsQueueParametersProperty(
                    batch_size=1
                )
            ),
            target=self.machine.state_machine_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                input_template=json.dumps(given),
                step_function_state_machine_parameters=(
                    pipes.CfnPipe.PipeTargetStateMachineParametersProperty(
                        invocation_type="FIRE_AND_FORGET"
                    )
                ),
            ),
            role_arn=role.role_arn,
        )
        pipe.node.add_dependency(role)

    def _starter(self, scope: Construct, construct_id: str, service: str) -> iam.Role:
        found = scope.node.try_find_child(construct_id)
        if isinstance(found, iam.Role):
            return found
        role = service_role(
            scope,
            construct_id,
            description="Starts one state machine",
            service=service,
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
        )
        self.machine.grant_start_execution(role)
        acknowledge(role, in_packs("IAMNoInlinePolicy", _INLINE))
        return role


def dead_letter_queue(scope: Construct, construct_id: str, encryption_key: kms.IKey) -> sqs.Queue:
    """A queue for starts that failed, kept for two weeks."""
    queue = sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=encryption_key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, {"AwsSolutions-SQS3": "This is a dead-letter queue itself."})
    return queue


def allow_dead_letters(role: iam.Role, queue: sqs.IQueue) -> None:
    """Let EventBridge Scheduler put what it could not deliver into a queue."""
    role.add_to_policy(
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn])
    )
    if (key := queue.encryption_master_key) is not None:
        key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")


def _only_named(place: Construct, queue: sqs.Queue) -> sqs.IQueue:
    """The queue without its key.

    For a target with a key the CDK lets EventBridge encrypt and re-encrypt with it without any
    condition, where `allow_publishers` is enough.
    """
    return sqs.Queue.from_queue_attributes(place, "Target", queue_arn=queue.queue_arn, fifo=True)


def _fifo_dead_letters(scope: Construct, encryption_key: kms.IKey) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        fifo=True,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=encryption_key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, {"AwsSolutions-SQS3": "This is a dead-letter queue itself."})
    return queue


def _input(
    trigger: str,
    values: Sequence[Mapping[str, str]],
    *,
    skip: bool,
    varies: bool = False,
    gather: int = 0,
) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9]+", "-", trigger).strip("-")[:_LONGEST_TRIGGER].rstrip("-")
    return {
        "trigger": name,
        "parameters": [{"Name": each["name"], "Value": each["value"]} for each in values],
        "varies": varies,
        "skip": skip,
        "gather": gather,
    }


def _tell_of_objects(scope: Construct, bucket: s3.IBucket) -> None:
    """Have a bucket tell EventBridge of its objects, as far as it is made in this app.

    `s3.Bucket.enable_event_bridge_notification` does it with a Lambda function, which may overwrite
    what others have set; the property does the same without one.
    """
    resource = bucket.node.default_child
    if isinstance(resource, s3.CfnBucket):
        cast("CfnResource", resource).add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )
    else:
        Annotations.of(scope).add_warning_v2(
            "mlops-constructs:bucket-events",
            f"{bucket.node.path} is not made in this app: it starts nothing unless its "
            "notifications to EventBridge are turned on.",
        )
