"""The native engine: Model Monitor's job definitions and schedules.

Job definitions are immutable and unnamed, so that CloudFormation can make the new one, point the
schedule at it and delete the old one; the schedule takes the name out of the definition's ARN.

Assumptions that could not be read in the service's documentation are marked so in the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import (
    CfnResource,
    Fn,
    Stack,
    aws_iam as iam,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.images import framework_image
from mlops_constructs.common.roles import allow_job_metrics, sagemaker_role, wait_for_policy
from mlops_constructs.monitoring import access
from mlops_constructs.monitoring.baseline_job import Baseline, make_baseline
from mlops_constructs.monitoring.engines import NativeEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    S3Dataset,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.plan import Plan
from mlops_constructs.monitoring.schedules import Once, Schedule, hours_of, native_expression

_INPUT = "/opt/ml/processing/input/endpoint"
_OUTPUT = "/opt/ml/processing/output"

#: Monitors whose merge job shares the hour (botocore, MonitoringStoppingCondition).
_HALF_HOUR = (ModelQuality, BiasDrift)


@dataclass(frozen=True)
class Kind:
    """How the service spells one kind of monitor.

    Attributes:
        slug: In our names and construct ids.
        monitoring_type: In schedules.
        definition: The L1 of its job definition.
        prefix: What the definition's properties begin with.
        metrics: The end of its CloudWatch namespace.
        image: The family of its image.
    """

    slug: str
    monitoring_type: str
    definition: type[Any]
    prefix: str
    metrics: str
    image: str


KINDS: Mapping[type[Monitor], Kind] = {
    DataQuality: Kind(
        "data-quality",
        "DataQuality",
        sagemaker.CfnDataQualityJobDefinition,
        "data_quality",
        "data-metrics",
        "model-monitor",
    ),
    ModelQuality: Kind(
        "model-quality",
        "ModelQuality",
        sagemaker.CfnModelQualityJobDefinition,
        "model_quality",
        "model-metrics",
        "model-monitor",
    ),
    BiasDrift: Kind(
        "bias",
        "ModelBias",
        sagemaker.CfnModelBiasJobDefinition,
        "model_bias",
        "bias-metrics",
        "clarify",
    ),
    AttributionDrift: Kind(
        "explainability",
        "ModelExplainability",
        sagemaker.CfnModelExplainabilityJobDefinition,
        "model_explainability",
        "explainability-metrics",
        "clarify",
    ),
}


@dataclass(frozen=True, kw_only=True)
class NativeMonitor:
    """What the engine made for one monitor.

    Attributes:
        definition: The job definition.
        schedule: The schedule.
        schedule_name: Its name.
        role: The role of its jobs.
    """

    definition: CfnResource
    schedule: sagemaker.CfnMonitoringSchedule
    schedule_name: str
    role: iam.Role


def metric_namespace(target: Target, kind: Kind) -> str:
    """Where the service publishes.

    AWS's page and its samples disagree; this is what a recorded alarm of
    aws-samples/amazon-sagemaker-drift-detection has.
    """
    place = "Endpoints" if isinstance(target, EndpointCapture) else "ModelMonitoring"
    return f"aws/sagemaker/{place}/{kind.metrics}"


def make_native_monitor(plan: Plan, monitor: Monitor, engine: NativeEngine) -> NativeMonitor:
    """Make job definition, role and schedule of one monitor below the suite."""
    kind = KINDS[type(monitor)]
    own = Construct(plan.scope, kind.monitoring_type)
    image = framework_image(own, kind.image)
    role = sagemaker_role(own, "Role", description=f"{kind.monitoring_type} of {plan.monitor_name}")
    access.allow_job(
        role, key=plan.key, repository_arn=image.repository_arn, network=engine.network
    )
    allow_job_metrics(role, metric_namespace(plan.target, kind))
    for folder in _read(plan, monitor):
        access.allow_read_folder(role, folder)
    access.allow_write_folder(role, plan.reports)
    baseline = make_baseline(own, plan, monitor, engine, kind.slug, image, role)
    if isinstance(monitor, AttributionDrift):
        _allow_shadow_endpoint(role, monitor)
    seconds = min(int(engine.max_runtime.to_seconds()), _longest(monitor, plan.schedule))
    network: dict[str, Any] = {
        # Clarify reaches an endpoint of its own, and the analyser publishes metrics.
        "enableNetworkIsolation": False,
        "enableInterContainerTrafficEncryption": True,
    }
    if engine.network is not None:
        network["vpcConfig"] = {
            "securityGroupIds": engine.network.security_group_ids,
            "subnets": engine.network.subnet_ids,
        }
    properties = {
        f"{kind.prefix}_app_specification": {"imageUri": image.uri} | _app(monitor, baseline),
        f"{kind.prefix}_job_input": _input(plan.target, monitor),
        f"{kind.prefix}_job_output_config": {
            "kmsKeyId": plan.key.key_arn,
            "monitoringOutputs": [
                {
                    "s3Output": {
                        "s3Uri": f"{plan.reports.uri}/{kind.slug}",
                        "localPath": _OUTPUT,
                        "s3UploadMode": "EndOfJob",
                    }
                }
            ],
        },
        f"{kind.prefix}_baseline_config": baseline.properties(
            statistics=isinstance(monitor, DataQuality)
        ),
    }
    definition = kind.definition(
        own,
        "Definition",
        **properties,
        job_resources={
            "clusterConfig": {
                "instanceCount": 1,
                "instanceType": engine.instance_type,
                "volumeSizeInGb": engine.volume_size_gb,
                "volumeKmsKeyId": plan.key.key_arn,
            }
        },
        network_config=network,
        stopping_condition={"maxRuntimeInSeconds": seconds},
        role_arn=role.role_arn,
    )
    # Create-only on this type: a tag would replace the definition.
    definition.add_property_deletion_override("Tags")
    wait_for_policy(definition, role)
    if baseline.job is not None:
        definition.add_resource_dependency(baseline.job)
    name = f"{plan.monitor_name}-{kind.slug}"
    made = sagemaker.CfnMonitoringSchedule(
        own,
        "Schedule",
        monitoring_schedule_name=name,
        monitoring_schedule_config={
            "monitoringJobDefinitionName": Fn.select(1, Fn.split("/", definition.ref)),
            "monitoringType": kind.monitoring_type,
            "scheduleConfig": {
                "scheduleExpression": native_expression(plan.schedule),
                **_once(plan.schedule),
            },
        },
    )
    return NativeMonitor(definition=definition, schedule=made, schedule_name=name, role=role)


def _once(schedule: Schedule) -> dict[str, str]:
    """Which hours a single run analyses, which the service wants to know of ``NOW``."""
    if not isinstance(schedule, Once):
        return {}
    return {"dataAnalysisStartTime": f"-PT{schedule.hours}H", "dataAnalysisEndTime": "-PT0H"}


def _longest(monitor: Monitor, schedule: Schedule) -> int:
    hours = 24 if isinstance(schedule, Once) else hours_of(schedule)
    return 1800 if hours == 1 and isinstance(monitor, _HALF_HOUR) else hours * 3600


def _read(plan: Plan, monitor: Monitor) -> Sequence[S3Folder]:
    truth = monitor.ground_truth if isinstance(monitor, ModelQuality | BiasDrift) else None
    return [plan.data] if truth is None else [plan.data, truth]


def _app(monitor: Monitor, baseline: Baseline) -> dict[str, Any]:
    if isinstance(monitor, ModelQuality):
        return {"problemType": str(monitor.problem_type)}
    config = baseline.config
    return {} if config is None else {"configUri": f"{config.uri}/analysis_config.json"}


def _input(target: Target, monitor: Monitor) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        name: value
        for name, value in (
            ("featuresAttribute", getattr(monitor, "features_attribute", None)),
            ("inferenceAttribute", getattr(monitor, "inference_attribute", None)),
            ("probabilityAttribute", getattr(monitor, "probability_attribute", None)),
            ("probabilityThresholdAttribute", getattr(monitor, "probability_threshold", None)),
            ("excludeFeaturesAttribute", ",".join(getattr(monitor, "ignore", ())) or None),
        )
        if value is not None
    }
    if isinstance(target, EndpointCapture):
        job_input: dict[str, Any] = {
            "endpointInput": {
                "endpointName": target.endpoint_name,
                "localPath": _INPUT,
                **attributes,
            }
        }
    else:
        job_input = {
            "batchTransformInput": {
                "dataCapturedDestinationS3Uri": target.uri,
                "datasetFormat": _format(target),
                "localPath": _INPUT,
                **attributes,
            }
        }
    if isinstance(monitor, ModelQuality | BiasDrift) and monitor.ground_truth is not None:
        job_input["groundTruthS3Input"] = {"s3Uri": monitor.ground_truth.uri}
    return job_input


def _format(target: S3Dataset) -> dict[str, Any]:
    """Parquet is a flag in the registry schema, and a structure in botocore's model."""
    match target.file_format:
        case "jsonl":
            return {"json": {"line": True}}
        case "parquet":
            return {"parquet": True}
    return {"csv": {"header": not target.columns}}


def _allow_shadow_endpoint(role: iam.Role, monitor: AttributionDrift) -> None:
    """Let Clarify put the model behind an endpoint of its own while it computes attributions.

    That these are the actions is common knowledge, not a page of the documentation.
    """
    stack = Stack.of(role)
    shadows = [
        stack.format_arn(
            service="sagemaker",
            resource=resource,
            resource_name=f"{monitor.shadow_endpoint_prefix}*",
        )
        for resource in ("endpoint", "endpoint-config")
    ]
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "sagemaker:AddTags",
                "sagemaker:CreateEndpoint",
                "sagemaker:CreateEndpointConfig",
                "sagemaker:DeleteEndpoint",
                "sagemaker:DeleteEndpointConfig",
                "sagemaker:DescribeEndpoint",
                "sagemaker:DescribeEndpointConfig",
                "sagemaker:InvokeEndpoint",
            ],
            resources=shadows,
        )
    )
    acknowledge_wildcards(
        role, shadows, "Clarify makes up the rest of the name of its short-lived endpoint."
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:DescribeModel"],
            resources=[
                stack.format_arn(
                    service="sagemaker",
                    resource="model",
                    resource_name=(monitor.model_name or "").lower(),
                )
            ],
        )
    )
