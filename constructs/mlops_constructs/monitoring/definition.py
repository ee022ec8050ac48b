"""The open engine's pipeline definition: one Processing step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_constructs.common.bundles import CodeBundle
from mlops_constructs.common.images import FrameworkImage
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
from mlops_constructs.monitoring.schedules import OnGroundTruth, hours_of

#: Until when a run looks back. Whoever starts it may give a time.
TIME_PARAMETER = "ScheduledTime"

#: The parameter for the key of labels that have just arrived, of suites that wait for them.
LABELS_PARAMETER = "GroundTruthKey"
_NO_LABELS = "-"

_BASE = "/opt/ml/processing"
# A shell, because the archive is named after its content.
_ENTRYPOINT = [
    "/bin/bash",
    "-c",
    f"mkdir -p {_BASE}/code && tar -xzf {_BASE}/input/code/*.tar.gz -C {_BASE}/code && "
    f'cd {_BASE}/code && exec python3 -m analysis.analyze "$@"',
    "analyze",
]


#: What the metrics' dimension ``MonitorType`` says, in the service's words.
METRIC_TYPES: Mapping[type[Monitor], str] = {
    DataQuality: "DataQuality",
    ModelQuality: "ModelQuality",
    BiasDrift: "ModelBias",
    AttributionDrift: "ModelExplainability",
}


def metric_type(monitor: Monitor) -> str:
    """What the metrics' dimension ``MonitorType`` says, in the service's words."""
    return METRIC_TYPES[type(monitor)]


def folders_of(monitors: Sequence[Monitor]) -> dict[str, S3Folder]:
    """What the analysis reads besides the monitored data, by its option."""
    folders: dict[str, S3Folder] = {}
    for monitor in monitors:
        if isinstance(monitor, DataQuality | AttributionDrift) and monitor.reference is not None:
            folders["--reference"] = monitor.reference
        if isinstance(monitor, DataQuality) and monitor.constraints is not None:
            folders["--data-constraints"] = monitor.constraints
        if isinstance(monitor, ModelQuality | BiasDrift) and monitor.ground_truth is not None:
            folders["--ground-truth"] = monitor.ground_truth
        if isinstance(monitor, ModelQuality) and monitor.constraints is not None:
            folders["--quality-constraints"] = monitor.constraints
        if isinstance(monitor, BiasDrift) and monitor.config is not None:
            folders["--bias-config"] = monitor.config
        if isinstance(monitor, BiasDrift) and monitor.constraints is not None:
            folders["--bias-constraints"] = monitor.constraints
        if isinstance(monitor, AttributionDrift) and monitor.model is not None:
            folders["--model"] = monitor.model
        if isinstance(monitor, AttributionDrift) and monitor.constraints is not None:
            folders["--attribution-baseline"] = monitor.constraints
    return folders


def pipeline_definition(
    plan: Plan,
    monitors: Sequence[Monitor],
    engine: OpenEngine,
    *,
    image: FrameworkImage,
    code: CodeBundle,
    job_role_arn: str,
) -> dict[str, Any]:
    """The definition, with tokens."""
    report_uri = {
        "Std:Join": {
            "On": "/",
            "Values": [plan.reports.uri, {"Get": "Execution.PipelineExecutionId"}],
        }
    }
    output = {
        "OutputName": "report",
        "AppManaged": False,
        "S3Output": {
            "S3Uri": report_uri,
            "LocalPath": f"{_BASE}/output",
            "S3UploadMode": "EndOfJob",
        },
    }
    job = {
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": engine.instance_type,
                "VolumeSizeInGB": engine.volume_size_gb,
                "VolumeKmsKeyId": plan.key.key_arn,
            }
        },
        "AppSpecification": {
            "ImageUri": image.uri,
            "ContainerEntrypoint": _ENTRYPOINT,
            "ContainerArguments": _arguments(plan, monitors, report_uri),
        },
        # Everything else is fetched by the analysis, which reads only what is new.
        "ProcessingInputs": [_input("code", code.s3_object_url)],
        "ProcessingOutputConfig": {"KmsKeyId": plan.key.key_arn, "Outputs": [output]},
        "NetworkConfig": _network(engine),
        "RoleArn": job_role_arn,
        "StoppingCondition": {"MaxRuntimeInSeconds": int(engine.max_runtime.to_seconds())},
    }
    retry = {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 30,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    }
    parameters = {TIME_PARAMETER: "now"}
    if isinstance(plan.schedule, OnGroundTruth):
        parameters[LABELS_PARAMETER] = _NO_LABELS
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            {"Name": name, "Type": "String", "DefaultValue": value}
            for name, value in parameters.items()
        ],
        "Steps": [
            {
                "Name": "DataQuality",
                "Type": "Processing",
                "Arguments": job,
                "RetryPolicies": [retry],
            }
        ],
    }


def _arguments(plan: Plan, monitors: Sequence[Monitor], report_uri: dict[str, Any]) -> list[Any]:
    options: dict[str, Any] = {
        "--monitor": plan.monitor_name,
        "--until": {"Get": f"Parameters.{TIME_PARAMETER}"},
        "--hours": str(hours_of(plan.schedule)),
        "--kind": "capture" if isinstance(plan.target, EndpointCapture) else "dataset",
        "--data": plan.data.uri,
        **{option: folder.uri for option, folder in folders_of(monitors).items()},
        "--pipeline": plan.pipeline_name,
        "--execution": {"Get": "Execution.PipelineExecutionId"},
        "--history": f"{plan.reports.uri}/history",
        "--output": f"{_BASE}/output",
        "--report-uri": report_uri,
        "--message": "/opt/ml/output/message",
    }
    if isinstance(plan.target, EndpointCapture):
        options["--endpoint"] = plan.target.endpoint_name
    if plan.baselines is not None:
        options["--model-package-group"] = plan.baselines.model_package_group_name
    if isinstance(plan.schedule, OnGroundTruth):
        options["--labels"] = {"Get": f"Parameters.{LABELS_PARAMETER}"}
    return [word for option in options.items() for word in option] + ["--publish"]


def _network(engine: OpenEngine) -> dict[str, Any]:
    network: dict[str, Any] = {
        # The analysis fetches the window's objects and publishes metrics itself.
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": True,
    }
    if engine.network is not None:
        network["VpcConfig"] = {
            "SecurityGroupIds": engine.network.security_group_ids,
            "Subnets": engine.network.subnet_ids,
        }
    return network


def _input(name: str, uri: str) -> dict[str, Any]:
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{_BASE}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }
