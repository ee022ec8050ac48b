"""The open engine: a SageMaker pipeline with one Processing step, started by EventBridge Scheduler.

A pipeline and not a bare job, because Scheduler has a target for pipelines, executions are listed
with their reasons, and the step is retried when the service fails.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import (
    Stack,
    aws_events as events,
    aws_iam as iam,
    aws_sagemaker as sagemaker,
    aws_scheduler as scheduler,
)

from mlops_constructs.common.bundles import CodeBundle, code_bundle
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.images import framework_image
from mlops_constructs.common.roles import (
    allow_job_metrics,
    sagemaker_role,
    service_role,
    wait_for_policy,
)
from mlops_constructs.monitoring import access
from mlops_constructs.monitoring.analysis.publish import EVENT_SOURCE, NAMESPACE
from mlops_constructs.monitoring.definition import (
    LABELS_PARAMETER,
    TIME_PARAMETER,
    folders_of,
    metric_type,
    pipeline_definition,
)
from mlops_constructs.monitoring.engines import OpenEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    S3Folder,
)
from mlops_constructs.monitoring.plan import Plan
from mlops_constructs.monitoring.schedules import OnGroundTruth, scheduler_expression

_ANALYSIS = Path(__file__).parent / "analysis"


@dataclass(frozen=True, kw_only=True)
class OpenMonitor:
    """What the engine made.

    Attributes:
        pipeline: The pipeline's L1.
        pipeline_name: Its name.
        pipeline_arn: Its ARN.
        schedule: What starts it; None when labels do.
        arrivals: The rules by which labels start it.
        role: The role of the analysis.
    """

    pipeline: sagemaker.CfnPipeline
    pipeline_name: str
    pipeline_arn: str
    schedule: scheduler.CfnSchedule | None
    arrivals: Sequence[events.CfnRule]
    role: iam.Role


def make_open_monitor(plan: Plan, monitors: Sequence[Monitor], engine: OpenEngine) -> OpenMonitor:
    """Make pipeline, roles and schedule below the suite."""
    scope, stack = plan.scope, Stack.of(plan.scope)
    name = plan.pipeline_name
    # A model is explained by its own code, with the libraries that it is served with.
    explains = any(isinstance(monitor, AttributionDrift) for monitor in monitors)
    image = engine.image or (
        framework_image(scope, "xgboost")
        if explains
        else framework_image(scope, "sklearn", "1.4-2")
    )
    code = _bundle(plan, monitors)
    role = sagemaker_role(scope, "Role", description=f"Analyses data for {plan.monitor_name}")
    access.allow_job(
        role, key=plan.key, repository_arn=image.repository_arn, network=engine.network
    )
    arn = stack.format_arn(service="sagemaker", resource="pipeline", resource_name=name)
    _allow_analysis(role, plan, monitors, code)
    role.add_to_policy(
        iam.PolicyStatement(actions=["sagemaker:ListPipelineExecutions"], resources=[arn])
    )
    if plan.baselines is not None:
        watched = plan.target
        endpoint = watched.endpoint_name if isinstance(watched, EndpointCapture) else None
        access.allow_package(role, endpoint, plan.baselines)
    pipeline_role = _pipeline_role(plan, name, role)
    pipeline = sagemaker.CfnPipeline(
        scope,
        "Pipeline",
        pipeline_name=name,
        pipeline_description=f"Data quality of {plan.monitor_name}",
        pipeline_definition={
            "PipelineDefinitionBody": stack.to_json_string(
                pipeline_definition(
                    plan, monitors, engine, image=image, code=code, job_role_arn=role.role_arn
                )
            )
        },
        parallelism_configuration={"MaxParallelExecutionSteps": 1},
        role_arn=pipeline_role.role_arn,
    )
    wait_for_policy(pipeline, pipeline_role)
    wait_for_policy(pipeline, role)
    waits = isinstance(plan.schedule, OnGroundTruth)
    return OpenMonitor(
        pipeline=pipeline,
        pipeline_name=name,
        pipeline_arn=arn,
        schedule=None if waits else _schedule(plan, pipeline, name, arn),
        arrivals=_arrivals(plan, monitors, pipeline, name, arn) if waits else [],
        role=role,
    )


def _bundle(plan: Plan, monitors: Sequence[Monitor]) -> CodeBundle:
    settings: dict[str, Any] = {"monitors": [metric_type(monitor) for monitor in monitors]}
    for monitor in monitors:
        if isinstance(monitor, DataQuality):
            settings |= {
                "false_alarm_rate": monitor.false_alarm_rate,
                "drift_floor": monitor.drift_floor,
                "missing_values": list(monitor.missing_values),
                "columns": list(monitor.reference.columns) if monitor.reference else [],
                "capture_columns": list(monitor.capture_columns),
                "ignore": list(monitor.ignore),
            }
        if isinstance(monitor, (ModelQuality, BiasDrift)):
            settings |= {
                "inference_attribute": monitor.inference_attribute,
                "probability_attribute": monitor.probability_attribute,
            }
            if monitor.probability_threshold is not None:
                settings["probability_threshold"] = monitor.probability_threshold
        if isinstance(monitor, ModelQuality):
            settings |= {
                "problem_type": str(monitor.problem_type),
                "positive_label": monitor.positive_label,
                "label_delay_hours": monitor.label_delay_hours,
            }
        if isinstance(monitor, BiasDrift):
            settings["bias_tolerance"] = monitor.tolerance
        if isinstance(monitor, ModelQuality | BiasDrift):
            settings |= {
                name: value
                for name in ("label_attribute", "event_id_attribute")
                if (value := getattr(monitor, name)) is not None
            }
        if isinstance(monitor, AttributionDrift):
            settings |= {
                "attribution_threshold": monitor.threshold,
                "attribution_floor": monitor.share_floor,
                "attribution_rows": monitor.explained_records,
            }
            settings |= {
                name: value
                for name in ("inference_attribute", "probability_attribute")
                if (value := getattr(monitor, name)) is not None
            }
            if monitor.reference is not None:
                settings["columns"] = list(monitor.reference.columns)
    files = {f"analysis/{path.name}": path for path in sorted(_ANALYSIS.glob("*.py"))}
    with tempfile.TemporaryDirectory(prefix="mlops-constructs-") as folder:
        path = Path(folder, "settings.json")
        path.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return code_bundle(plan.scope, "Code", {**files, "settings.json": path})


def _allow_analysis(
    role: iam.Role, plan: Plan, monitors: Sequence[Monitor], code: CodeBundle
) -> None:
    allow_job_metrics(role, NAMESPACE)
    access.allow_read_folder(role, plan.data)
    for folder in folders_of(monitors).values():
        access.allow_read_folder(role, folder)
    access.allow_write_folder(role, plan.reports)
    access.allow_read_folder(  # what earlier runs measured
        role, S3Folder(bucket=plan.reports.bucket, prefix=f"{plan.reports.prefix}/history")
    )
    code.grant_read(role)
    acknowledge_wildcards(
        role,
        [code.archives_arn],
        "Code archives are named after their content; runs under way keep theirs.",
    )
    bus = Stack.of(role).format_arn(service="events", resource="event-bus", resource_name="default")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["events:PutEvents"],
            resources=[bus],
            conditions={"StringEquals": {"events:source": EVENT_SOURCE}},
        )
    )


def _pipeline_role(plan: Plan, name: str, job_role: iam.Role) -> iam.Role:
    role = sagemaker_role(plan.scope, "PipelineRole", description=f"Runs the pipeline {name}")
    # SageMaker Pipelines names its jobs pipelines-<execution>-<step>-<random>.
    jobs = Stack.of(role).format_arn(
        service="sagemaker", resource="processing-job", resource_name="pipelines-*"
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "sagemaker:AddTags",
                "sagemaker:CreateProcessingJob",
                "sagemaker:DescribeProcessingJob",
                "sagemaker:StopProcessingJob",
            ],
            resources=[jobs],
        )
    )
    acknowledge_wildcards(role, [jobs], "SageMaker Pipelines makes up the names of its jobs.")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[job_role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    )
    return role


def _arrivals(
    plan: Plan,
    monitors: Sequence[Monitor],
    pipeline: sagemaker.CfnPipeline,
    name: str,
    arn: str,
) -> list[events.CfnRule]:
    role = service_role(
        plan.scope,
        "ArrivalRole",
        description=f"Starts the pipeline {name} when labels arrive",
        service="events.amazonaws.com",
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[arn])
    )
    folder = folders_of(monitors)["--ground-truth"]
    rule = events.CfnRule(
        plan.scope,
        "Arrival",
        description=f"Ground truth for {plan.monitor_name}",
        event_pattern={
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": [folder.bucket.bucket_name]},
                "object": {"key": [{"prefix": f"{folder.prefix}/"}]},
            },
        },
        targets=[
            {
                "id": "Pipeline",
                "arn": arn,
                "roleArn": role.role_arn,
                "sageMakerPipelineParameters": {
                    "pipelineParameterList": [
                        {"name": TIME_PARAMETER, "value": "$.time"},
                        {"name": LABELS_PARAMETER, "value": "$.detail.object.key"},
                    ]
                },
            }
        ],
    )
    wait_for_policy(rule, role)
    rule.add_resource_dependency(pipeline)
    return [rule]


def _schedule(
    plan: Plan, pipeline: sagemaker.CfnPipeline, name: str, arn: str
) -> scheduler.CfnSchedule:
    role = service_role(
        plan.scope,
        "ScheduleRole",
        description=f"Starts the pipeline {name}",
        service="scheduler.amazonaws.com",
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[arn])
    )
    schedule = scheduler.CfnSchedule(
        plan.scope,
        "Schedule",
        description=f"Starts the pipeline {name}",
        schedule_expression=scheduler_expression(plan.schedule),
        flexible_time_window={"mode": "OFF"},
        target={
            "arn": arn,
            "roleArn": role.role_arn,
            "sageMakerPipelineParameters": {
                "pipelineParameterList": [
                    {"name": TIME_PARAMETER, "value": "<aws.scheduler.scheduled-time>"}
                ]
            },
        },
    )
    wait_for_policy(schedule, role)
    schedule.add_resource_dependency(pipeline)
    return schedule
