"""A small definition, as the compiler writes it, and a stack around it."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.pipeline import TrainingPipeline
from mlops_constructs.training.registry import ModelRegistry
from tests.support import new_stack

Json = Any


def output(step: str, name: str) -> Json:
    uri = {
        "Std:Join": {
            "On": "/",
            "Values": [
                "s3://{{bucket.artifacts}}",
                {"Get": "Execution.PipelineName"},
                {"Get": "Execution.PipelineExecutionId"},
                step,
                name,
            ],
        }
    }
    return {
        "OutputName": name,
        "S3Output": {
            "LocalPath": f"/opt/ml/processing/output/{name}",
            "S3UploadMode": "EndOfJob",
            "S3Uri": uri,
        },
    }


def _input(name: str, uri: Json) -> Json:
    return {"InputName": name, "S3Input": {"S3DataType": "S3Prefix", "S3Uri": uri}}


def processing(name: str, **arguments: Json) -> Json:
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {"ImageUri": "{{image.xgboost}}"},
            "ProcessingInputs": [
                _input("code", "{{code.steps.uri}}"),
            ],
            "ProcessingOutputConfig": {"Outputs": [output(name.lower(), "data")]},
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": {"Get": "Parameters.InstanceType"},
                    "VolumeSizeInGB": 30,
                }
            },
            "RoleArn": "{{role.processing}}",
            **arguments,
        },
    }


def training(name: str, **arguments: Json) -> Json:
    return {
        "Name": name,
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {
                "TrainingImage": "{{image.xgboost}}",
                "TrainingInputMode": "File",
            },
            "HyperParameters": {
                "sagemaker_submit_directory": "/opt/ml/input/data/code/{{code.steps.file}}",
                "eta": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Eta"}]}},
            },
            "OutputDataConfig": {"S3OutputPath": "s3://{{bucket.artifacts}}/models/"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 30,
            },
            "RoleArn": "{{role.training}}",
            **arguments,
        },
    }


def tuning(name: str, *jobs: Json) -> Json:
    return {
        "Name": name,
        "Type": "Tuning",
        "Arguments": {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            },
            "TrainingJobDefinitions": [
                _tuned(job["Arguments"]) | {"DefinitionName": job["Name"]} for job in jobs
            ],
        },
    }


def _tuned(job: Json) -> Json:
    """A training job as a tuning job has it."""
    job = dict(job)
    job["StaticHyperParameters"] = job.pop("HyperParameters")
    return {
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **job,
        "TuningObjective": {"MetricName": "auc", "Type": "Maximize"},
    }


def model(name: str) -> Json:
    return {
        "Name": name,
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": "{{role.model}}",
            "PrimaryContainer": {
                "Image": "{{image.xgboost}}",
                "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"},
                "Environment": {"Image": "not an image"},
            },
        },
    }


def transform(name: str) -> Json:
    return {
        "Name": name,
        "Type": "Transform",
        "Arguments": {
            "ModelName": {"Get": "Steps.Create.ModelName"},
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": "s3://{{bucket.artifacts}}/models/",
                    }
                }
            },
            "TransformOutput": {"S3OutputPath": "s3://{{bucket.artifacts}}/models/"},
            "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
            "DataCaptureConfig": {"DestinationS3Uri": "s3://{{bucket.artifacts}}/models/"},
        },
    }


def gate(name: str, *, accept: list[Json], reject: list[Json]) -> Json:
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {
                    "Type": "GreaterThanOrEqualTo",
                    "LeftValue": {
                        "Std:JsonGet": {
                            "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"},
                            "Path": "auc.value",
                        }
                    },
                    "RightValue": {"Get": "Parameters.MinAuc"},
                }
            ],
            "IfSteps": accept,
            "ElseSteps": reject,
        },
    }


def register(name: str) -> Json:
    return {
        "Name": name,
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": "{{model_package_group}}",
            "InferenceSpecification": {"Containers": [{"Image": "{{image.xgboost}}"}]},
        },
    }


FAIL: Json = {"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": "not good enough"}}


def document() -> Json:
    """Preprocess → Train → Evaluate → gate → Register, else Refuse."""
    preprocess = processing("Preprocess")
    preprocess["Arguments"]["ProcessingInputs"].append(
        _input("raw", {"Get": "Parameters.InputData"})
    )
    train = training(
        "Train",
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": {
                            "Get": "Steps.Preprocess.ProcessingOutputConfig"
                            ".Outputs['data'].S3Output.S3Uri"
                        },
                    }
                },
            }
        ],
    )
    evaluate = processing("Evaluate") | {
        "DependsOn": ["Train"],
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "data", "FilePath": "report.json"}
        ],
    }
    return copy.deepcopy(
        {
            "Version": "2020-12-01",
            "Metadata": {},
            "Parameters": [
                {
                    "Name": "InputData",
                    "Type": "String",
                    "DefaultValue": "s3://{{bucket.data}}/raw/",
                },
                {"Name": "InstanceType", "Type": "String", "DefaultValue": "ml.m5.large"},
                {"Name": "Eta", "Type": "Float", "DefaultValue": 1.0},
                {"Name": "MinAuc", "Type": "Float", "DefaultValue": 0.9},
                {"Name": "Rounds_Max", "Type": "Integer", "DefaultValue": 100},
                {
                    "Name": "Approval",
                    "Type": "String",
                    "DefaultValue": "PendingManualApproval",
                    "EnumValues": ["PendingManualApproval", "Approved"],
                },
            ],
            "Steps": [
                preprocess,
                train,
                evaluate,
                gate("Gate", accept=[register("Register")], reject=[FAIL]),
            ],
        }
    )


def step(definition: Json, name: str) -> Json:
    """The raw step of a document, in branches too."""
    return next(raw for raw in _steps(definition["Steps"]) if raw["Name"] == name)


def _steps(steps: Json) -> Json:
    for raw in steps:
        yield raw
        for branch in ("IfSteps", "ElseSteps"):
            yield from _steps(raw["Arguments"].get(branch, []))


def definition(raw: Json = None) -> PipelineDefinition:
    here = Path(__file__)
    return PipelineDefinition(
        name="sample",
        document=document() if raw is None else raw,
        bundles={"steps": {"train.py": here}},
        images={"xgboost": "3.2-0"},
    )


def write_folder(folder: Path) -> Path:
    """A use case's folder as the compiler leaves it."""
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "train.py").write_text("print('train')\n")
    (folder / "pipeline.py").write_text("# the DAG\n")
    text = json.dumps(document(), indent=2, sort_keys=True) + "\n"
    (folder / "definition.json").write_text(text)
    lock = {
        "schema_version": 1,
        "use_case": folder.name,
        "definition_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "sdk": {"sagemaker": "3.27.0"},
        "sources": {f"{folder.name}/pipeline.py": hashlib.sha256(b"# the DAG\n").hexdigest()},
        "sentinels": [],
        "bundles": {"steps": {"entry": "train.py", "files": ["steps/train.py"]}},
        "images": {"xgboost": {"framework": "xgboost", "version": "3.2-0"}},
        "parameters": {},
        "steps": {},
    }
    (folder / "definition.lock.json").write_text(json.dumps(lock))
    return folder


@dataclass
class Ground:
    """What a pipeline stands on."""

    stack: cdk.Stack
    network: JobNetwork
    key: kms.Key
    data: s3.Bucket
    artifacts: s3.Bucket
    registry: ModelRegistry

    def pipeline(self, raw: Json = None, **arguments: Any) -> TrainingPipeline:
        given: dict[str, Any] = {
            "pipeline_name": "sample-dev",
            "definition": definition(raw),
            "network": self.network,
            "encryption_key": self.key,
            "data_bucket": self.data,
            "artifacts_bucket": self.artifacts,
            "registry": self.registry,
        }
        return TrainingPipeline(self.stack, "Training", **(given | arguments))


def ground(stack: cdk.Stack | None = None) -> Ground:
    stack = stack or new_stack()
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-1",
        availability_zones=["a", "b"],
        isolated_subnet_ids=["subnet-1", "subnet-2"],
    )
    group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1")
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    return Ground(
        stack=stack,
        network=JobNetwork(vpc=vpc, security_groups=[group]),
        key=key,
        data=secure_bucket(stack, "Data", encryption_key=key),
        artifacts=secure_bucket(stack, "Artifacts", encryption_key=key),
        registry=ModelRegistry(stack, "Registry", model_package_group_name="sample-dev"),
    )
