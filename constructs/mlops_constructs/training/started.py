"""What starts a pipeline, what its executions start, and what they are measured by.

`TrainingPipeline` is one; this half of it knows the pipeline's name, ARN and parameters only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_scheduler as scheduler,
    aws_sns as sns,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.alarms import check_alarms, make_alarms
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.parameters import Value, start_values
from mlops_constructs.training.triggers import make_event_rule, make_schedule, starter_role

_METRICS = "AWS/Sagemaker/ModelBuildingPipeline"
_STATUSES = (
    "Executing",
    "Stopping",
    "Stopped",
    "Failed",
    "Succeeded",
    "CompletedWithFailures",
)


class StartedPipeline(Construct):
    """A pipeline as those see it who start and watch it.

    Attributes:
        pipeline_name: The pipeline's name, a literal.
        pipeline_arn: Its ARN.
        definition: Says which parameters it has.
    """

    pipeline_name: str
    pipeline_arn: str
    definition: PipelineDefinition

    def add_schedule(
        self,
        construct_id: str,
        *,
        schedule: str | scheduler.ScheduleExpression,
        parameters: Mapping[str, Value] | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> scheduler.CfnSchedule:
        """Start the pipeline by the clock, with EventBridge Scheduler.

        Args:
            construct_id: The schedule's id.
            schedule: ``rate(…)``, ``cron(…)`` or ``at(…)`` in UTC, or an expression with a zone.
            parameters: Values that differ from the defaults.
            dead_letter_queue: Where starts go that failed for a day.

        Raises:
            ValidationError: If the expression is none, or a parameter does not fit the pipeline.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        if isinstance(schedule, str) and not is_token(schedule):
            problems.check(
                schedule.startswith(("rate(", "cron(", "at(")) and schedule.endswith(")"),
                "schedule",
                got=schedule,
                allowed="rate(…), cron(…) or at(…)",
                instead="Write for example 'cron(0 3 ? * SUN *)' or 'rate(1 day)'.",
            )
        values = start_values(problems, self.definition.parameters, parameters or {})
        problems.raise_if_any()
        return make_schedule(
            self,
            construct_id,
            schedule=schedule,
            pipeline_name=self.pipeline_name,
            pipeline_arn=self.pipeline_arn,
            role=self._starter("ScheduleRole", "scheduler.amazonaws.com"),
            values=values,
            dead_letter_queue=dead_letter_queue,
        )

    def on_event(
        self,
        construct_id: str,
        *,
        event_pattern: events.EventPattern,
        parameters: Mapping[str, Value] | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> events.Rule:
        """Start the pipeline when an event arrives.

        Args:
            construct_id: The rule's id.
            event_pattern: Which events.
            parameters: Values that differ from the defaults; ``$.detail.x`` takes one from the
                event. EventBridge refuses names with underscores.
            dead_letter_queue: Where events go whose start failed for a day.

        Raises:
            ValidationError: If a parameter does not fit the pipeline or EventBridge.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        values = start_values(problems, self.definition.parameters, parameters or {}, by_event=True)
        problems.raise_if_any()
        return make_event_rule(
            self,
            construct_id,
            pattern=event_pattern,
            pipeline_name=self.pipeline_name,
            pipeline_arn=self.pipeline_arn,
            role=self._starter("EventRole", "events.amazonaws.com"),
            values=values,
            dead_letter_queue=dead_letter_queue,
        )

    def on_alarm(
        self,
        construct_id: str,
        *,
        alarm: cloudwatch.IAlarm,
        parameters: Mapping[str, Value] | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> events.Rule:
        """Start the pipeline when an alarm goes off, such as one of drift.

        Args:
            construct_id: The rule's id.
            alarm: Which alarm; one that stays in ALARM starts the pipeline once.
            parameters: As for `on_event`.
            dead_letter_queue: As for `on_event`.

        Raises:
            ValidationError: If a parameter does not fit the pipeline or EventBridge.
        """
        return self.on_event(
            construct_id,
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                resources=[alarm.alarm_arn],
                detail={
                    "state": {"value": ["ALARM"]},
                    "previousState": {"value": [{"anything-but": "ALARM"}]},
                },
            ),
            parameters=parameters,
            dead_letter_queue=dead_letter_queue,
        )

    def add_alarms(
        self,
        construct_id: str,
        *,
        topic: sns.ITopic,
        max_duration: Duration | None = None,
        stale_after_days: int | None = None,
    ) -> Mapping[str, cloudwatch.Alarm]:
        """Tell a topic when executions fail, take too long, or none has succeeded for days.

        Args:
            construct_id: The id of what holds the alarms.
            topic: Who is told.
            max_duration: How long an execution may take; no alarm if None.
            stale_after_days: After how many days without a success, 1 to 7; no alarm if None.

        Returns:
            The alarms by what they watch: ``failed``, ``duration``, ``stale``.

        Raises:
            ValidationError: If CloudWatch cannot watch that.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        check_alarms(problems, max_duration=max_duration, stale_after_days=stale_after_days)
        problems.raise_if_any()
        return make_alarms(
            Construct(self, construct_id),
            pipeline_name=self.pipeline_name,
            topic=topic,
            failed=self.metric_failed(period=Duration.minutes(5)),
            duration=self.metric_duration(period=Duration.minutes(5)),
            succeeded=self.metric_succeeded(period=Duration.days(1)),
            max_duration=max_duration,
            stale_after_days=stale_after_days,
        )

    def on_status_change(
        self,
        construct_id: str,
        *,
        statuses: Sequence[str] = (),
        target: events.IRuleTarget | None = None,
    ) -> events.Rule:
        """Run a target when an execution changes its status.

        Args:
            construct_id: The rule's id.
            statuses: Only these, such as ``Succeeded``; all if empty.
            target: What to run; more can be added to the rule. The service may send an event
                more than once.

        Raises:
            ValidationError: If a status is none that executions have.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        for status in statuses:
            problems.check(
                status in _STATUSES,
                "statuses",
                got=status,
                allowed=", ".join(_STATUSES),
                instead="Take one of these.",
            )
        problems.raise_if_any()
        detail: dict[str, list[str]] = {"pipelineArn": [self.pipeline_arn]}
        if statuses:
            detail["currentPipelineExecutionStatus"] = list(statuses)
        return events.Rule(
            self,
            construct_id,
            description=f"Executions of {self.pipeline_name} change their status",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Model Building Pipeline Execution Status Change"],
                detail=detail,
            ),
            targets=None if target is None else [target],
        )

    def on_failure(self, construct_id: str, *, topic: sns.ITopic) -> events.Rule:
        """Tell a topic when an execution fails, and how to see why."""
        execution = events.EventField.from_path("$.detail.pipelineExecutionArn")
        status = events.EventField.from_path("$.detail.currentPipelineExecutionStatus")
        message = events.RuleTargetInput.from_text(
            f"Pipeline {self.pipeline_name}: execution {execution} is {status}. "
            "Reasons of the steps: aws sagemaker list-pipeline-execution-steps "
            f"--pipeline-execution-arn {execution}"
        )
        if (key := topic.master_key) is not None:
            allow_publishers(key, "events.amazonaws.com")
        return self.on_status_change(
            construct_id,
            statuses=["Failed", "CompletedWithFailures"],
            target=targets.SnsTopic(topic, message=message),
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody start executions."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:StartPipelineExecution"],
            resource_arns=[self.pipeline_arn],
        )

    def metric(
        self, metric_name: str, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """A metric of the pipeline's executions, such as ``ExecutionStarted``.

        Names: SageMaker developer guide, "SageMaker pipelines metrics".
        """
        return cloudwatch.Metric(
            namespace=_METRICS,
            metric_name=metric_name,
            dimensions_map={"PipelineName": self.pipeline_name},
            statistic=statistic,
            period=period or Duration.hours(1),
        )

    def metric_failed(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How many executions failed."""
        return self.metric("ExecutionFailed", period=period)

    def metric_succeeded(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How many executions succeeded."""
        return self.metric("ExecutionSucceeded", period=period)

    def metric_duration(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How long executions took, in milliseconds."""
        return self.metric("ExecutionDuration", statistic="Maximum", period=period)

    def _starter(self, construct_id: str, service: str) -> iam.Role:
        found = self.node.try_find_child(construct_id)
        if isinstance(found, iam.Role):
            return found
        return starter_role(self, construct_id, service=service, pipeline_arn=self.pipeline_arn)
