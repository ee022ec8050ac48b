"""TrainingPipeline: a compiled pipeline definition, deployed with protection on every job.

It reads a definition that was compiled beforehand (the SageMaker SDK is never imported), refuses
one that is stale or that the service would refuse, puts network, isolation and encryption on
every job, ships step code as content-hashed archives, makes the roles, and deploys the pipeline
with the definition in the template: a changed role, bucket or image updates the pipeline, with no
Lambda function in between.

What the construct binds, as sentinels of the definition:

| sentinel | bound to |
|---|---|
| ``{{role.processing}}``, ``{{role.training}}``, ``{{role.model}}`` | the ARNs of roles made here |
| ``{{bucket.artifacts}}``, ``{{bucket.data}}`` | names of buckets |
| ``{{image.<name>}}`` | URIs of container images |
| ``{{code.<bundle>.uri}}``, ``{{code.<bundle>.file}}`` | a code archive's S3 URI and file name |
| ``{{model_package_group}}`` | the registry's group |
| ``["{{job.subnets}}"]``, ``["{{job.security_groups}}"]``, ``{{job.key}}`` | what protects jobs |

Everything else is bound by ``bindings``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aws_cdk import (
    Annotations,
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
    aws_scheduler as scheduler,
    aws_sns as sns,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.bundles import CodeBundle, code_bundle
from mlops_constructs.common.encryption import allow_publishers, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.images import FrameworkImage, framework_image
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.binding import Binding, bind, to_text
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.document import sentinels
from mlops_constructs.training.inputs import (
    KEY,
    SECURITY_GROUPS,
    SUBNETS,
    check_definition,
    check_pipeline,
)
from mlops_constructs.training.parameters import Value, start_values
from mlops_constructs.training.registry import ModelRegistry
from mlops_constructs.training.roles import (
    Resources,
    folders_of,
    job_role,
    kinds_of,
    pipeline_role,
)
from mlops_constructs.training.triggers import make_event_rule, make_schedule, starter_role

# The template around the definition may have 1 MB (CloudFormation quotas); the quotes of the
# definition are escaped in it, and a stack holds more than a pipeline.
_LONGEST_DEFINITION = 262_144

_METRICS = "AWS/Sagemaker/ModelBuildingPipeline"
_STATUSES = (
    "Executing",
    "Stopping",
    "Stopped",
    "Failed",
    "Succeeded",
    "CompletedWithFailures",
)


class TrainingPipeline(Construct):
    """A SageMaker pipeline with its roles, code and triggers.

    Attributes:
        pipeline_name: The pipeline's name, a literal.
        pipeline_arn: Its ARN.
        definition: What was given.
        hardening: A line for everything that was added to the definition's jobs, or left out.
        artifacts_bucket: Given or made.
        encryption_key: Given or made.
        role: The role that runs the steps.
        job_roles: The roles of jobs, by kind: ``processing``, ``training``, ``model``.
        code: The code archives, by bundle.
        resource: The ``AWS::SageMaker::Pipeline``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        definition: PipelineDefinition,
        network: JobNetwork,
        encryption_key: kms.IKey | None = None,
        data_bucket: s3.IBucket | None = None,
        artifacts_bucket: s3.IBucket | None = None,
        registry: ModelRegistry | None = None,
        images: Mapping[str, FrameworkImage] | None = None,
        bindings: Mapping[str, Binding] | None = None,
        max_parallel_steps: int | None = None,
        description: str | None = None,
        allow_network_access: Collection[str] = (),
        allow_plain_traffic: Collection[str] = (),
    ) -> None:
        """Check the definition and deploy it.

        Args:
            scope: The parent.
            construct_id: The id below it.
            pipeline_name: 1 to 256 lower-case letters, digits and inner hyphens; create-only.
            definition: The compiled definition.
            network: Where jobs run.
            encryption_key: Encrypts volumes and outputs; made if not given.
            data_bucket: Raw data, read by jobs that name ``{{bucket.data}}``.
            artifacts_bucket: What jobs write, below the pipeline's name; made if not given.
            registry: Where versions of the model are registered.
            images: Images by name, in place of AWS's or beside them.
            bindings: More sentinels: a string, or a list where the sentinel stands alone in one.
            max_parallel_steps: Most steps of an execution that run at once; no limit if None.
            description: Up to 3072 characters.
            allow_network_access: Names of steps whose containers may reach the VPC's network
                (Feature Store, MLflow). Weakens a default, and warns.
            allow_plain_traffic: Names of steps whose containers talk to one another unencrypted,
                as encryption slows distributed training. Weakens a default, and warns.

        Raises:
            ValidationError: With everything that is wrong with the arguments or the definition.
        """
        super().__init__(scope, construct_id)
        self.definition = definition
        self.pipeline_name = pipeline_name
        images = images or {}
        bindings = bindings or {}
        problems = Problems(self)
        check_pipeline(problems, pipeline_name=pipeline_name, max_parallel_steps=max_parallel_steps)
        document, self.hardening = check_definition(
            problems,
            definition,
            given=[
                "bucket.artifacts",
                *(["bucket.data"] if data_bucket else []),
                *(["model_package_group"] if registry else []),
                *(f"image.{name}" for name in (*definition.images, *images)),
            ],
            bindings=bindings,
            network_access=allow_network_access,
            plain_traffic=allow_plain_traffic,
        )
        problems.raise_if_any()
        self._warn("network-access", "reach the network of the VPC", allow_network_access)
        self._warn("plain-traffic", "exchange data unencrypted", allow_plain_traffic)

        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Jobs of the pipeline {pipeline_name}"
        )
        self.artifacts_bucket = artifacts_bucket or secure_bucket(
            self, "Artifacts", encryption_key=self.encryption_key
        )
        self.code = {
            name: code_bundle(self, f"Code-{name}", files)
            for name, files in definition.bundles.items()
        }
        used_images = self._images(images)
        resources = Resources(
            artifacts=self.artifacts_bucket,
            data=data_bucket,
            key=self.encryption_key,
            images=list(used_images.values()),
            code=list(self.code.values()),
        )
        folders = folders_of(definition, pipeline_name)
        self.job_roles = {
            kind: job_role(self, kind, definition=definition, folders=folders, resources=resources)
            for kind in kinds_of(definition.steps)
        }
        self.role = pipeline_role(
            self,
            definition=definition,
            folders=folders,
            resources=resources,
            job_roles=list(self.job_roles.values()),
            registry=registry,
        )
        bound = {
            **bindings,
            **_code_bindings(self.code),
            **{f"image.{name}": image.uri for name, image in used_images.items()},
            **{f"role.{kind}": role.role_arn for kind, role in self.job_roles.items()},
            "bucket.artifacts": self.artifacts_bucket.bucket_name,
            SUBNETS: network.subnet_ids,
            SECURITY_GROUPS: network.security_group_ids,
            KEY: self.encryption_key.key_arn,
        }
        if data_bucket is not None:
            bound["bucket.data"] = data_bucket.bucket_name
        if registry is not None:
            bound["model_package_group"] = registry.model_package_group_name
        body = to_text(bind(document, bound))
        self._check_size(problems, body)
        self.resource = sagemaker.CfnPipeline(
            self,
            "Resource",
            pipeline_name=pipeline_name,
            pipeline_description=description,
            # These two are typed Any and take CloudFormation's spelling.
            pipeline_definition={"PipelineDefinitionBody": body},
            parallelism_configuration=None
            if max_parallel_steps is None
            else {"MaxParallelExecutionSteps": max_parallel_steps},
            role_arn=self.role.role_arn,
        )
        wait_for_policy(self.resource, self.role)
        for role in self.job_roles.values():
            wait_for_policy(self.resource, role)
        self.pipeline_arn = Stack.of(self).format_arn(
            service="sagemaker", resource="pipeline", resource_name=self.resource.ref
        )

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

    def _images(self, given: Mapping[str, FrameworkImage]) -> dict[str, FrameworkImage]:
        used = [
            name.partition(".")[2]
            for name in sentinels(self.definition.document)
            if name.startswith("image.")
        ]
        return {
            name: given[name]
            if name in given
            else framework_image(self, name, self.definition.images[name])
            for name in sorted(used)
        }

    def _starter(self, construct_id: str, service: str) -> iam.Role:
        found = self.node.try_find_child(construct_id)
        if isinstance(found, iam.Role):
            return found
        return starter_role(self, construct_id, service=service, pipeline_arn=self.pipeline_arn)

    def _warn(self, name: str, what: str, steps: Collection[str]) -> None:
        if steps:
            Annotations.of(self).add_warning_v2(
                f"mlops-constructs:{name}",
                f"Jobs of {', '.join(sorted(steps))} may {what}, as the construct was told.",
            )

    def _check_size(self, problems: Problems, body: str) -> None:
        problems.check(
            len(body) <= _LONGEST_DEFINITION,
            "definition",
            got=f"{len(body):,} characters",
            allowed=f"{_LONGEST_DEFINITION:,}, as it is a part of the template",
            instead="Move long arguments of steps into files of their code bundles.",
        )
        problems.raise_if_any()


def _code_bindings(code: Mapping[str, CodeBundle]) -> dict[str, str]:
    bindings = {}
    for name, bundle in code.items():
        bindings[f"code.{name}.uri"] = bundle.s3_object_url
        bindings[f"code.{name}.file"] = bundle.file_name
    return bindings
