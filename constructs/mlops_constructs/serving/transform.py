"""Batch transform by the clock: a model answers a folder of records, and no endpoint stands.

EventBridge Scheduler calls CreateTransformJob itself (a universal target), so that there is no
function and no state machine in between. A job's name must be unique: it ends with the id of the
schedule's run. Each run writes below a prefix of its own, which ends with the time it was scheduled
for, so that no run overwrites another.

The model has no name, as everywhere: a release replaces it, and the schedule's input follows. A job
that is under way has its model already.

Limits: botocore, ``CreateTransformJobRequest`` and below. Batch transform takes no uncompressed
models (botocore, ``ContainerDefinition.ModelDataSource``), no multi-model and no direct containers,
as its requests name none. Source of the schedule's keywords: Amazon EventBridge Scheduler user
guide, "Adding context attributes".
"""

from __future__ import annotations

from typing import Any

from aws_cdk import (
    ArnFormat,
    Stack,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_scheduler as scheduler,
    aws_sns as sns,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.given import check_given
from mlops_constructs.common.grants import allow_read, allow_volume_key, allow_write
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import (
    allow_image_pull,
    allow_job_logs,
    allow_job_metrics,
    allow_vpc,
    sagemaker_role,
    service_role,
)
from mlops_constructs.common.times import check_schedule, check_time_zone
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving import grants, hosting
from mlops_constructs.serving.checks import check_network
from mlops_constructs.serving.containers import SerialPipeline
from mlops_constructs.serving.model import ModelSource
from mlops_constructs.serving.transform_job import (
    Split,
    TransformInput,
    TransformInstances,
    TransformJob,
    TransformOutput,
)

__all__ = [
    "ScheduledTransform",
    "Split",
    "TransformInput",
    "TransformInstances",
    "TransformOutput",
]

# 63 characters, less a hyphen and the 16 of a run's id.
_LONGEST_NAME = 46


class ScheduledTransform(Construct):
    """A transform job by the clock.

    Attributes:
        condition: Whether a model was approved yet; None unless the model is an `ApprovedModel`.
        encryption_key: The key of the jobs' volumes, passed in or made.
        job_name: What the names of jobs begin with.
        role: What the jobs run with.
        schedule: The schedule.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_name: str,
        model: ModelSource | SerialPipeline,
        schedule: str,
        time_zone: str = "Etc/UTC",
        records: TransformInput,
        answers: TransformOutput,
        compute: TransformInstances,
        network: JobNetwork | None = None,
        network_isolation: bool = True,
        encryption_key: kms.IKey | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> None:
        """Make the model, its role and the schedule.

        Args:
            scope: The parent.
            construct_id: The id.
            job_name: Lower case, at most 46 characters.
            model: What answers.
            schedule: ``cron(…)``, ``rate(…)`` or ``at(…)``.
            time_zone: Of the expression, such as ``Europe/Berlin``.
            records: What is answered.
            answers: Where the answers go: below ``<prefix>/<time>/``.
            compute: What the jobs run on.
            network: The VPC that the containers run in.
            network_isolation: Whether the containers are kept from any outbound connection.
            encryption_key: For the jobs' volumes; made if left out.
            dead_letter_queue: Where starts go that failed for a day.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        for what, value, kind in (
            ("job_name", job_name, str),
            ("model", model, ModelSource | SerialPipeline),
            ("schedule", schedule, str),
            ("time_zone", time_zone, str),
            ("records", records, TransformInput),
            ("answers", answers, TransformOutput),
            ("compute", compute, TransformInstances),
            ("network", network, JobNetwork | None),
            ("encryption_key", encryption_key, kms.IKey | None),
            ("dead_letter_queue", dead_letter_queue, sqs.IQueue | None),
        ):
            check_given(problems, what, value, kind)
        problems.raise_if_any()
        job = TransformJob(name=job_name, records=records, answers=answers, compute=compute)
        self.job_name = job_name
        self._check(problems, model, schedule, network_isolation=network_isolation)
        check_time_zone(problems, "time_zone", time_zone)
        job.check(problems)
        check_network(problems, network)
        problems.raise_if_any()
        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Volumes of the transform jobs {job_name}"
        )
        self.role = self._make_role(model, job, network)
        host = hosting.Host(role=self.role, network=network, isolated=network_isolation)
        made, self.condition = host.make_model(self, model)
        self.schedule = self._make_schedule(
            schedule,
            time_zone,
            job.to_request(made.attr_model_name, self.encryption_key.key_arn),
            dead_letter_queue,
        )
        hosting.only_if(self.condition, [self.schedule])

    def on_status_change(
        self, construct_id: str, *, target: events.IRuleTarget, statuses: tuple[str, ...] = ()
    ) -> events.Rule:
        """A rule for changes of the jobs' status.

        Args:
            construct_id: The rule's id.
            target: What is called.
            statuses: ``InProgress``, ``Completed``, ``Failed``, ``Stopping``, ``Stopped``; all by
                default.
        """
        detail: dict[str, Any] = {"TransformJobName": [{"prefix": f"{self.job_name}-"}]}
        if statuses:
            detail["TransformJobStatus"] = list(statuses)
        return events.Rule(
            self,
            construct_id,
            description=f"Transform jobs {self.job_name}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Transform Job State Change"],
                detail=detail,
            ),
            targets=[target],
        )

    def tell_failures(self, topic: sns.ITopic, *, construct_id: str = "Failures") -> events.Rule:
        """Tell a topic of jobs that failed or were stopped, and why.

        Args:
            topic: Who is told.
            construct_id: The rule's id.
        """
        name, status, reason = (
            events.EventField.from_path(f"$.detail.{field}")
            for field in ("TransformJobName", "TransformJobStatus", "FailureReason")
        )
        message = events.RuleTargetInput.from_text(f"{name}: {status}. {reason}")
        return self.on_status_change(
            construct_id,
            target=targets.SnsTopic(topic, message=message),
            statuses=("Failed", "Stopped"),
        )

    def _check(
        self, problems: Problems, model: object, schedule: str, *, network_isolation: bool
    ) -> None:
        problems.check(
            not is_token(self.job_name),
            "job_name",
            got=self.job_name,
            allowed="a literal: events are told apart by it",
            instead="Write the name as text.",
        )
        check_name(problems, "job_name", self.job_name, most=_LONGEST_NAME)
        if isinstance(model, ModelSource | SerialPipeline):
            model.check(problems)
            problems.check(
                not any(source.uses_data_source for source in model.sources),
                "model.model_data_url",
                got=[getattr(source, "model_data_url", None) for source in model.sources],
                allowed="archives: batch transform takes no uncompressed models",
                instead="Write 's3://<bucket>/<version>/model.tar.gz'.",
            )
            problems.check(
                not (network_isolation and model.needs_network),
                "network_isolation",
                got=True,
                allowed="False with code that the container fetches itself",
                instead="Write network_isolation=False, or ModelFolder(...).",
            )
        else:
            problems.add(
                "model",
                got=model,
                allowed="a model of one container, or SerialPipeline",
                instead="Write ApprovedModel(...).",
            )
        check_schedule(problems, "schedule", schedule)

    def _make_role(
        self,
        model: ModelSource | SerialPipeline,
        job: TransformJob,
        network: JobNetwork | None,
    ) -> iam.Role:
        role = sagemaker_role(
            self,
            "Role",
            description=f"What SageMaker may do for the transform jobs {self.job_name}",
        )
        sources = model.sources
        allow_image_pull(
            role, *hosting.once(arn for each in sources for arn in each.image_repository_arns)
        )
        allow_job_logs(role, "TransformJobs")
        allow_job_metrics(role, "/aws/sagemaker/TransformJobs")
        for bucket in hosting.once(bucket for each in sources for bucket in each.buckets):
            grants.allow_model_read(role, bucket)
        records, answers = job.records, job.answers
        allow_read(
            role, records.bucket, (f"{records.prefix}/",), reason="Records come by themselves."
        )
        allow_write(
            role,
            answers.bucket,
            (f"{answers.prefix}/",),
            reason="The service names answers after their records.",
        )
        if network is not None:
            allow_vpc(role)
        allow_volume_key(role, self.encryption_key)
        return role

    def _make_schedule(
        self,
        expression: str,
        time_zone: str,
        request: dict[str, Any],
        dead_letter_queue: sqs.IQueue | None,
    ) -> scheduler.CfnSchedule:
        stack = Stack.of(self)
        role = service_role(
            self,
            "ScheduleRole",
            description=f"Starts the transform jobs {self.job_name}",
            service="scheduler.amazonaws.com",
        )
        jobs = stack.format_arn(
            service="sagemaker",
            resource="transform-job",
            resource_name=f"{self.job_name}-*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:CreateTransformJob"], resources=[jobs])
        )
        acknowledge_wildcards(role, [jobs], "Each run's job ends with an id of its own.")
        target: dict[str, Any] = {
            "arn": f"arn:{PARTITION}:scheduler:::aws-sdk:sagemaker:createTransformJob",
            "roleArn": role.role_arn,
            "input": stack.to_json_string(request),
        }
        if dead_letter_queue is not None:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["sqs:SendMessage"], resources=[dead_letter_queue.queue_arn]
                )
            )
            if (key := dead_letter_queue.encryption_master_key) is not None:
                key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")
            target["deadLetterConfig"] = {"arn": dead_letter_queue.queue_arn}
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description=f"Starts the transform jobs {self.job_name}",
            schedule_expression=expression,
            schedule_expression_timezone=time_zone,
            flexible_time_window={"mode": "OFF"},
            target=target,
        )
        for each in (role, self.role):
            schedule.node.add_dependency(each)
        return schedule
