"""A cloud in a folder: what the tests of jobs, pipelines and models share."""

from __future__ import annotations

import io
import tarfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Job"


class MemoryLogs:
    """Logs as lists."""

    def __init__(self) -> None:
        self.streams: dict[tuple[str, str], list[str]] = defaultdict(list)

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        self.streams[group, stream].extend(lines)

    def text(self) -> str:
        return "\n".join(line for lines in self.streams.values() for line in lines)


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def members(body: bytes) -> list[str]:
    """The names in a tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        return sorted(tar.getnames())


def processing_request(script: str, **changes: Any) -> dict[str, Any]:
    """A CreateProcessingJob request that runs a script given as text."""
    return {
        "ProcessingJobName": "job",
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "-c", script],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
        **changes,
    }


def s3_output(name: str, uri: str, mode: str = "EndOfJob") -> dict[str, Any]:
    """An output of a processing job."""
    return {
        "OutputName": name,
        "S3Output": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/output/{name}",
            "S3UploadMode": mode,
        },
    }


def training_request(**changes: Any) -> dict[str, Any]:
    """A CreateTrainingJob request in script mode, with the code in a channel."""
    return {
        "TrainingJobName": "job",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/abc.tar.gz",
        },
        "InputDataConfig": [channel("code", "s3://bucket/code/abc.tar.gz")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
        **changes,
    }


def channel(name: str, uri: str) -> dict[str, Any]:
    """A channel of a training job."""
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
    }


def remaining(folder: Path) -> list[str]:
    """What a job left in its folder."""
    return [path.name for path in folder.glob("*")]
