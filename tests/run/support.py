"""A use case of a few processing steps, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "mlops_constructs.cli")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def processing(name: str, script: str = "pass", *depends_on: str, **more: Any) -> dict[str, Any]:
    """A step that runs one line of Python."""
    return {
        "Name": name,
        "Type": "Processing",
        "DependsOn": list(depends_on),
        "Arguments": {
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", script],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
            "RoleArn": "{{role.processing}}",
        },
        **more,
    }


def reading(name: str, parameter: str) -> dict[str, Any]:
    """A step that prints what it finds in the data that a parameter names."""
    script = (
        "import pathlib, sys; print([p.read_text() for p in pathlib.Path(sys.argv[1]).iterdir()])"
    )
    step = processing(name, script)
    folder = "/opt/ml/processing/input/data"
    step["Arguments"]["AppSpecification"]["ContainerArguments"] = [folder]
    step["Arguments"]["ProcessingInputs"] = [
        {
            "InputName": "data",
            "S3Input": {
                "S3Uri": {"Get": f"Parameters.{parameter}"},
                "LocalPath": folder,
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }
    ]
    return step


def condition(name: str, then: list[Any], otherwise: list[Any], **more: Any) -> dict[str, Any]:
    """A condition on the parameter ``Least`` being at most 1."""
    one = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": 1,
        "RightValue": {"Get": "Parameters.Least"},
    }
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": [one], "IfSteps": then, "ElseSteps": otherwise},
        **more,
    }


def write(
    folder: Path, *steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None
) -> Path:
    """Write a definition; the folder."""
    folder.mkdir(exist_ok=True)
    document = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": parameters or [],
        "Steps": list(steps),
    }
    (folder / "definition.json").write_text(json.dumps(document))
    return folder


def command(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``mlops-constructs`` as a user does, without a terminal."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )
