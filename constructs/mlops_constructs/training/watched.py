"""What watches a pipeline: who is told of failures, alarms, metrics, graphs, and what runs cost.

`TrainingPipeline` is one; this part of it knows the pipeline's name, ARN and definition only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import (
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_events_targets as targets,
    aws_kms as kms,
    aws_sns as sns,
    aws_sqs as sqs,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common.console import console_url
from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import check_type
from mlops_constructs.training.alarms import check_alarms, make_alarms
from mlops_constructs.training.costs import cost_of_runs
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.step_types import PROCESSING

_METRICS = "AWS/Sagemaker/ModelBuildingPipeline"
_STATUSES = (
    "Executing",
    "Stopping",
    "Stopped",
    "Failed",
    "Succeeded",
    "CompletedWithFailures",
)
_EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"
_RUN_INSTANCES = PROCESSING | {"Training", "Tuning", "Transform"}


class WatchedPipeline(Construct):
    """A pipeline as those see it who watch it.

    Attributes:
        pipeline_name: The pipeline's name, a literal.
        pipeline_arn: Its ARN.
        definition: Says which steps and parameters it has.
        encryption_key: Of what the watching needs.
    """

    pipeline_name: str
    pipeline_arn: str
    definition: PipelineDefinition
    encryption_key: kms.IKey

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._told: dict[str, sns.ITopic] = {}
        # Queues of starts that could not be delivered.
        self._undelivered: list[sqs.IQueue] = []

    def add_alarms(
        self,
        construct_id: str,
        *,
        topic: sns.ITopic,
        max_duration: Duration | None = None,
        stale_after_days: int | None = None,
    ) -> Mapping[str, cloudwatch.Alarm]:
        """Tell a topic when executions fail, take too long, or none has succeeded for days.

        Starts that could not be delivered are told, too, of the triggers that there are by then:
        add alarms after them.

        Args:
            construct_id: The id of what holds the alarms.
            topic: Who is told.
            max_duration: How long an execution may take; no alarm if None.
            stale_after_days: After how many days without a success, 1 to 366; no alarm if None.
                CloudWatch looks back for a week: for more, a small state machine counts the days
                every day.

        Returns:
            The alarms by what they watch: ``failed``, ``duration``, ``stale``, ``starts``.

        Raises:
            ValidationError: If CloudWatch cannot watch that.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        check_type(problems, "topic", topic, sns.ITopic)
        check_alarms(problems, max_duration=max_duration, stale_after_days=stale_after_days)
        problems.raise_if_any()
        return make_alarms(
            Construct(self, construct_id),
            pipeline_name=self.pipeline_name,
            pipeline_arn=self.pipeline_arn,
            encryption_key=self.encryption_key,
            topic=topic,
            failed=self.metric_failed(period=Duration.minutes(5)),
            duration=self.metric_duration(period=Duration.minutes(5)),
            succeeded=self.metric_succeeded(period=Duration.days(1)),
            max_duration=max_duration,
            stale_after_days=stale_after_days,
            dead_letters=self._undelivered,
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
        detail = {"currentPipelineExecutionStatus": list(statuses)} if statuses else {}
        return self._rule(
            construct_id,
            _EXECUTION,
            detail,
            description=f"Executions of {self.pipeline_name} change their status",
            target=target,
        )

    def on_failure(
        self, construct_id: str, *, topic: sns.ITopic, studio_url: str | None = None
    ) -> events.Rule:
        """Tell a topic of executions and steps that fail, with the reason and a link.

        Starts that failed (see `StartedPipeline`) are told, too.

        Args:
            construct_id: The id of the rule for executions; that for steps is ``<id>Step``.
            topic: Who is told.
            studio_url: Of the Studio domain where people look at pipelines, such as
                ``SecureVpcDomain.url``; SageMaker's console if None.
        """
        name = self.pipeline_name
        execution = events.EventField.from_path("$.detail.pipelineExecutionArn")
        status = events.EventField.from_path("$.detail.currentPipelineExecutionStatus")
        step = events.EventField.from_path("$.detail.stepName")
        kind = events.EventField.from_path("$.detail.stepType")
        reason = events.EventField.from_path("$.detail.failureReason")
        page = studio_url or f"{console_url(self)}/sagemaker/home?region={Stack.of(self).region}"
        look = f"Look: {page} (Pipelines, {name})"
        if (key := topic.master_key) is not None:
            allow_publishers(key, "events.amazonaws.com")
        self._told[construct_id] = topic
        starter = self.node.try_find_child("Starter")
        if starter is not None:
            self._tell_of_starts(starter.machine)  # type: ignore[attr-defined]  # a Starter
        self._rule(
            f"{construct_id}Step",
            _STEP,
            {"currentStepStatus": ["Failed"]},
            description=f"Steps of {name} fail",
            target=targets.SnsTopic(
                topic,
                message=events.RuleTargetInput.from_text(
                    f"Pipeline {name}: step {step} ({kind}) failed: {reason} "
                    f"Execution: {execution} {look}"
                ),
            ),
        )
        return self.on_status_change(
            construct_id,
            statuses=["Failed", "CompletedWithFailures"],
            target=targets.SnsTopic(
                topic,
                message=events.RuleTargetInput.from_text(
                    f"Pipeline {name}: execution {execution} is {status}. {look} Or: "
                    "aws sagemaker list-pipeline-execution-steps "
                    f"--pipeline-execution-arn {execution}"
                ),
            ),
        )

    def widgets(
        self, *, width: int = 12, hourly_prices: Mapping[str, float] | None = None
    ) -> list[cloudwatch.IWidget]:
        """Graphs for a dashboard: executions, durations, steps, and what a run costs.

        Args:
            width: Of each, in the 24 columns of a dashboard.
            hourly_prices: As for `metric_cost_of_run`; no graph of costs if None.
        """
        day, name = Duration.days(1), self.pipeline_name
        jobs = [step for step in self.definition.steps if step.type in _RUN_INSTANCES]
        graphs: list[tuple[str, list[cloudwatch.IMetric]]] = [
            (
                "executions a day",
                [
                    self.metric("ExecutionStarted", period=day),
                    self.metric_succeeded(period=day),
                    self.metric_failed(period=day),
                ],
            ),
            ("longest execution in milliseconds", [self.metric_duration(period=day)]),
            (
                "longest run of each step in milliseconds",
                [self.metric_step_duration(step.name, period=day) for step in jobs],
            ),
        ]
        if hourly_prices is not None:
            cost = self.metric_cost_of_run(hourly_prices, period=day)
            graphs.append(("estimated cost of a run", [cost]))
        return [
            cloudwatch.GraphWidget(title=f"{name}: {title}", left=metrics, width=width)
            for title, metrics in graphs
        ]

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

    def metric_step_duration(
        self, step_name: str, *, statistic: str = "Maximum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """How long a step took, in milliseconds."""
        return cloudwatch.Metric(
            namespace=_METRICS,
            metric_name="StepDuration",
            dimensions_map={"PipelineName": self.pipeline_name, "StepName": step_name},
            statistic=statistic,
            period=period or Duration.hours(1),
            label=step_name,
        )

    def metric_cost_of_run(
        self, hourly_prices: Mapping[str, float], *, period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """What an execution cost on average, estimated from how long its steps took.

        The steps' durations times instances times price, divided by the executions of the period.
        Durations hold the start of an instance, which is not billed; a tuning step counts as many
        instances as it may run at once. So the estimate is above the bill.

        Args:
            hourly_prices: What an hour of an instance costs, by type, in the currency of your
                choice; for spot instances what you pay for them.
            period: Over which the costs are added up.

        Raises:
            ValidationError: If a price is missing or negative, or a step's instances are known
                only when the pipeline runs.
        """
        problems = Problems(f"{self.node.path}/metric_cost_of_run")
        rates = cost_of_runs(problems, self.definition, hourly_prices)
        problems.raise_if_any()
        period = period or Duration.days(1)
        terms, used = [], {}
        for at, (step, rate) in enumerate(rates.items()):
            terms.append(f"FILL(s{at}, 0) * {rate / 3_600_000:.12f}")
            used[f"s{at}"] = self.metric_step_duration(step, statistic="Sum", period=period)
        ended = {
            "ok": self.metric_succeeded(period=period),
            "ko": self.metric_failed(period=period),
        }
        return cloudwatch.MathExpression(
            expression=f"({' + '.join(terms) or '0'}) / (FILL(ok, 0) + FILL(ko, 0))",
            using_metrics={**used, **ended},
            label=f"{self.pipeline_name} cost of a run",
            period=period,
        )

    def _rule(
        self,
        construct_id: str,
        detail_type: str,
        detail: Mapping[str, Sequence[str]],
        *,
        description: str,
        target: events.IRuleTarget | None,
    ) -> events.Rule:
        return events.Rule(
            self,
            construct_id,
            description=description,
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=[detail_type],
                detail={"pipelineArn": [self.pipeline_arn], **detail},
            ),
            targets=None if target is None else [target],
        )

    def _tell_of_starts(self, machine: sfn.IStateMachine) -> None:
        """Tell those who are told of failures of executions that could not be started."""
        for construct_id, topic in self._told.items():
            if self.node.try_find_child(f"{construct_id}Start") is not None:
                continue
            status = events.EventField.from_path("$.detail.status")
            execution = events.EventField.from_path("$.detail.executionArn")
            cause = events.EventField.from_path("$.detail.cause")
            events.Rule(
                self,
                f"{construct_id}Start",
                description=f"{self.pipeline_name} could not be started",
                event_pattern=events.EventPattern(
                    source=["aws.states"],
                    detail_type=["Step Functions Execution Status Change"],
                    detail={
                        "stateMachineArn": [machine.state_machine_arn],
                        "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                    },
                ),
                targets=[
                    targets.SnsTopic(
                        topic,
                        message=events.RuleTargetInput.from_text(
                            f"Pipeline {self.pipeline_name} was not started ({status}): {cause} "
                            f"See {execution}"
                        ),
                    )
                ],
            )
