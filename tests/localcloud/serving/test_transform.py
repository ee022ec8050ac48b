from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from localcloud.compute.jobs import run_job
from localcloud.compute.outcome import Outcome
from localcloud.compute.ports import FolderObjects
from tests.localcloud.compute.support import IMAGE, ROLE, MemoryLogs, archive

SCRIPT = """
import os
def model_fn(model_dir): return os.environ["SAGEMAKER_BATCH"]
def transform_fn(model, body, content_type, accept):
    lines = body.splitlines()
    return "\\n".join(f"{len(lines)}:{line}" for line in lines) + "\\n", accept
"""
CONTAINER = {
    "Image": IMAGE.replace("xgboost", "scikit-learn"),
    "ModelDataUrl": "s3://b/m.tar.gz",
    "Environment": {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    },
}


def transform(folder: Path, script: str = SCRIPT, **changes: Any) -> tuple[Outcome, FolderObjects]:
    objects = FolderObjects(folder / "s3")
    objects.put("b", "m.tar.gz", archive({"code/inference.py": script}))
    objects.put("b", "in/x/1.csv", b"a\nb\n")
    objects.put("b", "in/2.csv", b"c")
    container = changes.pop("container", CONTAINER)
    request = {
        "TransformJobName": "job",
        "ModelName": "m",
        "RoleArn": ROLE,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": "s3://b/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
        **changes,
    }
    outcome = run_job(
        "Transform",
        request,
        objects=objects,
        logs=MemoryLogs(),
        workdir=folder / "job",
        stop=threading.Event(),
        model_container=container,
    )
    assert not (folder / "job").exists()
    return outcome, objects


@pytest.mark.parametrize(
    ("strategy", "first"), [("MultiRecord", b"2:a\n2:b\n"), ("SingleRecord", b"1:a\n1:b\n")]
)
def test_every_object_has_an_answer(tmp_path: Path, strategy: str, first: bytes) -> None:
    outcome, objects = transform(tmp_path, BatchStrategy=strategy)
    assert outcome.described()["TransformJobStatus"] == "Completed", outcome.failure_reason
    assert objects.list("b", "out/") == ["out/2.csv.out", "out/x/1.csv.out"]
    assert objects.get("b", "out/x/1.csv.out") == first


@pytest.mark.slow
def test_every_payload_passes_through_all_containers(tmp_path: Path) -> None:
    outcome, objects = transform(tmp_path, container={"Containers": [CONTAINER, CONTAINER]})
    assert outcome.described()["TransformJobStatus"] == "Completed", outcome.failure_reason
    assert objects.get("b", "out/2.csv.out") == b"1:1:c\n"


def test_a_failing_model_fails_the_job(tmp_path: Path) -> None:
    script = "def model_fn(_): 0\ndef transform_fn(m, b, c, a): raise ValueError('no')"
    outcome, _ = transform(tmp_path, script)
    assert outcome.status == "Failed"
    assert "answered 2.csv with status 500: no" in (outcome.failure_reason or "")


def test_filters_are_refused(tmp_path: Path) -> None:
    outcome, _ = transform(tmp_path, DataProcessing={"InputFilter": "$[1:]"})
    assert "no batch transform with this DataProcessing" in (outcome.failure_reason or "")
