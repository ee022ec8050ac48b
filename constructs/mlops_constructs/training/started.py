"""What starts a pipeline.

`TrainingPipeline` is one; this part of it knows the pipeline's name, ARN and parameters only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

from aws_cdk import (
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_scheduler as scheduler,
    aws_sqs as sqs,
)

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.times import check_schedule
from mlops_constructs.training import starting
from mlops_constructs.training.parameters import Value, start_values
from mlops_constructs.training.starter import SHORTEST_WINDOW, Starter, dead_letter_queue
from mlops_constructs.training.triggers import (
    make_event_rule,
    make_schedule,
    starter_role,
    timed,
)
from mlops_constructs.training.watched import WatchedPipeline

_LONGEST_WINDOW = Duration.days(1)

#: What a trigger does while an execution of the pipeline runs.
WhileRunning = Literal["wait", "skip", "start"]
_WHILE_RUNNING: tuple[WhileRunning, ...] = get_args(WhileRunning)


class StartedPipeline(WatchedPipeline):
    """A pipeline as those see it who start it.

    **One execution at a time.** Triggers start a state machine, which starts the pipeline unless it
    runs; see `starting`. ``while_running`` says what happens if it does:

    | value | an execution runs | meant for |
    |---|---|---|
    | ``wait`` (default) | the trigger waits for its end, up to a day; triggers that wait for the \
    same share one execution | new data, drift |
    | ``skip`` | nothing | schedules that come again soon |
    | ``start`` | another one starts beside it, straight from EventBridge | runs of different data |

    Attributes:
        START_TIME: As a trigger's parameter: when the execution was started, such as
            ``2026-11-21T03:00:00.000Z``. Data that has changed behind the same URI needs another
            value of some parameter, or results of cached steps take the place of a new run.
        encryption_key: Of the queues and logs of triggers.
    """

    START_TIME: ClassVar[str] = starting.START_TIME
    encryption_key: kms.IKey

    @property
    def starter(self) -> Starter:
        """The state machine that starts executions one after the other, made when it is needed."""
        found = self.node.try_find_child("Starter")
        if isinstance(found, Starter):
            return found
        made = Starter(
            self,
            "Starter",
            pipeline_name=self.pipeline_name,
            pipeline_arn=self.pipeline_arn,
            encryption_key=self.encryption_key,
        )
        self._tell_of_starts(made.machine)
        return made

    @property
    def dead_letters(self) -> sqs.Queue:
        """Where starts go that failed and for which no queue was given, made when needed."""
        found = self.node.try_find_child("DeadLetters")
        if isinstance(found, sqs.Queue):
            return found
        made = dead_letter_queue(self, "DeadLetters", self.encryption_key)
        self._undelivered.append(made)
        return made

    def add_schedule(
        self,
        construct_id: str,
        *,
        schedule: str | scheduler.ScheduleExpression,
        parameters: Mapping[str, Value] | None = None,
        while_running: WhileRunning = "wait",
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> scheduler.CfnSchedule:
        """Start the pipeline by the clock, with EventBridge Scheduler.

        Args:
            construct_id: The schedule's id; names its executions.
            schedule: ``rate(…)``, ``cron(…)`` or ``at(…)`` in UTC, or an expression with a zone.
            parameters: Values that differ from the defaults; `START_TIME` is when it was started.
            while_running: What happens while an execution runs.
            dead_letter_queue: Where starts go that failed for a day; `dead_letters` if None.

        Raises:
            ValidationError: If the expression is none, or a parameter does not fit the pipeline.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        if not isinstance(schedule, scheduler.ScheduleExpression):
            check_schedule(problems, "schedule", schedule)
        _check_while_running(problems, while_running)
        values = start_values(problems, self.definition.parameters, parameters or {})
        problems.raise_if_any()
        dead_letters = dead_letter_queue or self.dead_letters
        expression = (
            scheduler.ScheduleExpression.expression(schedule)
            if isinstance(schedule, str)
            else schedule
        )
        if while_running == "start":
            return make_schedule(
                self,
                construct_id,
                expression=expression,
                pipeline_name=self.pipeline_name,
                pipeline_arn=self.pipeline_arn,
                role=self._starter_role("ScheduleRole", "scheduler.amazonaws.com"),
                values=timed(values, "<aws.scheduler.scheduled-time>"),
                dead_letter_queue=dead_letters,
            )
        return self.starter.schedule(
            self,
            construct_id,
            description=f"Starts {self.pipeline_name}",
            expression=expression,
            values=values,
            skip=while_running == "skip",
            dead_letters=dead_letters,
        )

    def on_event(
        self,
        construct_id: str,
        *,
        event_pattern: events.EventPattern,
        parameters: Mapping[str, Value] | None = None,
        while_running: WhileRunning = "wait",
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> events.Rule:
        """Start the pipeline when an event arrives.

        Args:
            construct_id: The rule's id; names its executions.
            event_pattern: Which events.
            parameters: Values that differ from the defaults; ``$.detail.x`` takes one from the
                event, `START_TIME` is when it was started.
            while_running: What happens while an execution runs. For ``start``, EventBridge
                refuses names with underscores.
            dead_letter_queue: Where events go whose start failed for a day; `dead_letters` if
                None.

        Raises:
            ValidationError: If a parameter does not fit the pipeline or EventBridge.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        _check_while_running(problems, while_running)
        direct = while_running == "start"
        values = start_values(
            problems, self.definition.parameters, parameters or {}, from_event=True, direct=direct
        )
        problems.raise_if_any()
        dead_letters = dead_letter_queue or self.dead_letters
        if direct:
            return make_event_rule(
                self,
                construct_id,
                pattern=event_pattern,
                pipeline_name=self.pipeline_name,
                pipeline_arn=self.pipeline_arn,
                role=self._starter_role("EventRole", "events.amazonaws.com"),
                values=timed(values, "$.time"),
                dead_letter_queue=dead_letters,
            )
        return self.starter.rule(
            self,
            construct_id,
            pattern=event_pattern,
            description=f"Starts {self.pipeline_name}",
            values=values,
            skip=while_running == "skip",
            dead_letters=dead_letters,
        )

    def on_object_created(
        self,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        prefix: str | None = None,
        suffixes: Sequence[str] = (),
        parameters: Mapping[str, Value] | None = None,
        window: Duration | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> events.Rule:
        """Start the pipeline once when objects come, be it one or a thousand.

        The first object opens a window; when it closes, one execution starts that finds all of
        them. Objects that come later, or while an execution runs, start one more after it.

        Args:
            construct_id: The trigger's id; names its executions.
            bucket: Where objects come. A bucket of this app is told to send events; another one
                must do so already.
            prefix: Only objects whose keys begin so.
            suffixes: Only objects whose keys end with one of these, such as ``.csv``.
            parameters: Values that differ from the defaults. `START_TIME` for a parameter such as
                ``DataVersion`` keeps step caching from taking old results for the new data.
            window: How long more objects are waited for, 6 minutes to a day; 6 minutes if None.
            dead_letter_queue: Where events go that could not be queued; `dead_letters` if None.

        Raises:
            ValidationError: If a parameter does not fit the pipeline, or the window cannot be.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        window = SHORTEST_WINDOW if window is None else window
        _check_window(problems, window)
        problems.check_construct(
            "bucket", bucket, instead="Write Bucket.from_bucket_name(self, 'Data', name)."
        )
        # A text is a sequence, too: of its letters.
        problems.check(
            not isinstance(suffixes, str) and all(suffixes) and prefix != "",
            "prefix and suffixes",
            got=(prefix, suffixes),
            allowed="a text and a list of texts, none of them empty",
            instead=f"Write suffixes=[{suffixes!r}]."
            if suffixes and isinstance(suffixes, str)
            else "Leave them out for all objects.",
        )
        values = start_values(problems, self.definition.parameters, parameters or {})
        problems.raise_if_any()
        if not suffixes:
            keys = [{"prefix": prefix}] if prefix else []
        else:
            # A wildcard matches both ends at once; a prefix and a suffix would match either.
            keys = [{"wildcard": f"{prefix or ''}*{suffix}"} for suffix in suffixes]
        rule, undelivered = self.starter.objects(
            self,
            construct_id,
            description=f"New objects start {self.pipeline_name}",
            bucket=bucket,
            keys=keys,
            values=values,
            window=window,
            encryption_key=self.encryption_key,
            dead_letters=dead_letter_queue or self.dead_letters,
        )
        self._undelivered.append(undelivered)
        return rule

    def on_alarm(
        self,
        construct_id: str,
        *,
        alarm: cloudwatch.IAlarm,
        parameters: Mapping[str, Value] | None = None,
        while_running: WhileRunning = "wait",
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> events.Rule:
        """Start the pipeline when an alarm goes off, such as one of drift.

        Args:
            construct_id: The rule's id.
            alarm: Which alarm; one that stays in ALARM starts the pipeline once.
            parameters: As for `on_event`.
            while_running: As for `on_event`.
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
            while_running=while_running,
            dead_letter_queue=dead_letter_queue,
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody start executions."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:StartPipelineExecution"],
            resource_arns=[self.pipeline_arn],
        )

    def _starter_role(self, construct_id: str, service: str) -> iam.Role:
        found = self.node.try_find_child(construct_id)
        if isinstance(found, iam.Role):
            return found
        return starter_role(self, construct_id, service=service, pipeline_arn=self.pipeline_arn)


def _check_window(problems: Problems, window: Duration) -> None:
    fits = isinstance(window, Duration) and (
        SHORTEST_WINDOW.to_seconds() <= window.to_seconds() <= _LONGEST_WINDOW.to_seconds()
    )
    problems.check(
        fits,
        "window",
        got=f"{window.to_seconds():.0f} s" if isinstance(window, Duration) else window,
        allowed="6 minutes, more than SQS remembers what it has seen, to a day",
        instead="Write Duration.minutes(15), or leave it out.",
    )


def _check_while_running(problems: Problems, given: str) -> None:
    problems.check(
        given in _WHILE_RUNNING,
        "while_running",
        got=given,
        allowed=", ".join(_WHILE_RUNNING),
        instead="Write 'wait' for one execution after the other.",
    )
