"""How long, and with how much memory, the service rules check a template of 500 resources.

Each round starts, one after the other in the same run, `mlops-constructs check`, `cfn-lint` on
the same file, and a Python that only imports aws_cdk, as fresh processes. Prints one JSON object:
the medians in seconds, the peak memory in MiB, and the ratios. `measure` returns the same.

    python -m benchmarks.bench_rules [ROUNDS]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESOURCES = 500
BIN = Path(sys.executable).parent


def template() -> dict[str, Any]:
    """500 resources: endpoints with all that belongs to them, feature groups, monitors."""
    resources: dict[str, Any] = {}
    number = 0
    while len(resources) <= RESOURCES - 10:
        resources.update(unit(number))
        number += 1
    while len(resources) < RESOURCES:
        resources[f"Topic{len(resources)}"] = {"Type": "AWS::SNS::Topic"}
    return {"Resources": resources}


def unit(i: int) -> dict[str, Any]:
    """Ten resources that belong together, without a fault."""
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/xgboost:1.7"
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
    }
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
    role = {"Fn::GetAtt": [f"Role{i}", "Arn"]}
    local = "/opt/ml/processing"
    parts: dict[str, tuple[str, dict[str, Any]]] = {
        "Role": (
            "IAM::Role",
            {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}},
        ),
        "Policy": (
            "IAM::Policy",
            {
                "PolicyName": "read",
                "Roles": [{"Ref": f"Role{i}"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        ),
        "Model": (
            "SageMaker::Model",
            {"ExecutionRoleArn": role, "PrimaryContainer": {"Image": image}},
        ),
        "Config": (
            "SageMaker::EndpointConfig",
            {
                "ProductionVariants": [
                    {
                        "VariantName": "main",
                        "ModelName": {"Fn::GetAtt": [f"Model{i}", "ModelName"]},
                        "InstanceType": "ml.m5.large",
                        "InitialInstanceCount": 2,
                        "InitialVariantWeight": 1,
                    }
                ],
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 100,
                    "DestinationS3Uri": "s3://bucket/capture",
                    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                },
            },
        ),
        "Endpoint": (
            "SageMaker::Endpoint",
            {
                "EndpointName": f"endpoint-{i}",
                "EndpointConfigName": {"Fn::GetAtt": [f"Config{i}", "EndpointConfigName"]},
                "RetainAllVariantProperties": True,
            },
        ),
        "Target": (
            "ApplicationAutoScaling::ScalableTarget",
            {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "ResourceId": {"Fn::Sub": f"endpoint/${{Endpoint{i}.EndpointName}}/variant/main"},
                "MinCapacity": 1,
                "MaxCapacity": 4,
            },
        ),
        "Group": (
            "SageMaker::FeatureGroup",
            {
                "FeatureGroupName": f"group-{i}",
                "RecordIdentifierFeatureName": "f0",
                "EventTimeFeatureName": "f1",
                "FeatureDefinitions": [
                    {"FeatureName": f"f{n}", "FeatureType": "String"} for n in range(20)
                ],
                "OnlineStoreConfig": {"EnableOnlineStore": True},
            },
        ),
        "Definition": (
            "SageMaker::DataQualityJobDefinition",
            {
                "DataQualityAppSpecification": {"ImageUri": image},
                "DataQualityJobInput": {
                    "EndpointInput": {
                        "EndpointName": {"Fn::GetAtt": [f"Endpoint{i}", "EndpointName"]},
                        "LocalPath": f"{local}/input/endpoint",
                    }
                },
                "DataQualityJobOutputConfig": {
                    "MonitoringOutputs": [
                        {"S3Output": {"S3Uri": "s3://bucket/out", "LocalPath": f"{local}/output"}}
                    ]
                },
                "JobResources": {
                    "ClusterConfig": {
                        "InstanceCount": 1,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 20,
                    }
                },
                "RoleArn": role,
            },
        ),
        "Schedule": (
            "SageMaker::MonitoringSchedule",
            {
                "MonitoringScheduleName": f"schedule-{i}",
                "MonitoringScheduleConfig": {
                    "MonitoringType": "DataQuality",
                    "MonitoringJobDefinitionName": {
                        "Fn::Select": [1, {"Fn::Split": ["/", {"Ref": f"Definition{i}"}]}]
                    },
                    "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
                },
            },
        ),
        "Packages": (
            "SageMaker::ModelPackageGroup",
            {"ModelPackageGroupName": f"packages-{i}"},
        ),
    }
    made = {
        f"{name}{i}": {"Type": f"AWS::{kind}", "Properties": body}
        for name, (kind, body) in parts.items()
    }
    made[f"Model{i}"]["DependsOn"] = [f"Policy{i}"]
    if i:
        made[f"Group{i}"]["DependsOn"] = [f"Group{i - 1}"]
    return made


def run(command: list[str]) -> tuple[float, float]:
    """The seconds and the peak memory in MiB of a fresh process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def measure(rounds: int = 3) -> dict[str, Any]:
    """Medians of the three commands, which take turns, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(template(), indent=1))
        commands = {
            "rules": [str(BIN / "mlops-constructs"), "check", str(path)],
            "cfn_lint": [str(BIN / "cfn-lint"), "--regions", "us-east-1", "-t", str(path)],
            "import_aws_cdk": [sys.executable, "-c", "import aws_cdk"],
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(run(command))
    seconds = {name: statistics.median(run[0] for run in runs) for name, runs in found.items()}
    peaks = {name: max(run[1] for run in runs) for name, runs in found.items()}
    return {
        "resources": RESOURCES,
        "rounds": rounds,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak MiB": {name: round(value, 1) for name, value in peaks.items()},
        "ratio to cfn-lint": round(seconds["rules"] / seconds["cfn_lint"], 4),
        "ratio to import aws_cdk": round(seconds["rules"] / seconds["import_aws_cdk"], 3),
        "memory ratio to cfn-lint": round(peaks["rules"] / peaks["cfn_lint"], 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3), indent=2))
