"""InvokeEndpoint of a local cloud against the model's process called directly.

Both sides are asked by the same bare HTTP client over one connection that stays open, so what is
compared is what the local cloud puts in between: its HTTP server, the choice of a variant and an
instance, metrics. The models are the same code in the same stand-in container, which answers at
once; beside a model that computes for a while the difference counts for less.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, progress
from demo.cloud import ROOT, Cloud, local_cloud

_PYTHON = ROOT / "localcloud" / ".venv" / "bin" / "python"
_WORKER = Path(__file__).with_name("invoke_worker.py")
_BUCKET, _KEY, _NAME = "bench-models", "model.tar.gz", "bench"
_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2"
_CODE = """
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept): return body, "text/csv"
"""
_REQUESTS = 2_000
"""Of each side and round; the 99th percentile is then made of the slowest twenty."""
_START_SECONDS = 60.0


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Microseconds at the 50th and 99th percentile of both sides, and their ratios."""
    archive = work / _KEY
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(_CODE.encode())
        tar.addfile(member, io.BytesIO(_CODE.encode()))
    progress("starting a local cloud")
    with local_cloud(work / "cloud", keep=False) as cloud:
        _deploy(cloud, archive)
        done = subprocess.run(
            [_PYTHON, _WORKER, cloud.url, _NAME, archive, _IMAGE, str(_REQUESTS), str(rounds)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise BenchmarkError(f"{_WORKER.name} failed:\n{done.stderr.strip()[-4000:]}")
    found: list[dict[str, list[float]]] = json.loads(done.stdout)
    return {
        "rounds": rounds,
        "requests": _REQUESTS,
        "p50": _compared(found, 0),
        "p99": _compared(found, 1),
    }


def _compared(found: list[dict[str, list[float]]], percentile: int) -> dict[str, Any]:
    """The median of the ratios of the rounds, and the microseconds of that round."""
    pairs = [(each["cloud"][percentile], each["direct"][percentile]) for each in found]
    ratios = {cloud / direct: (cloud, direct) for cloud, direct in pairs}
    ratio = statistics.median_low(ratios)
    return {"ratio": round(ratio, 3), "microseconds": [round(each) for each in ratios[ratio]]}


def _deploy(cloud: Cloud, archive: Path) -> None:
    cloud.client("s3").create_bucket(Bucket=_BUCKET)
    cloud.client("s3").put_object(Bucket=_BUCKET, Key=_KEY, Body=archive.read_bytes())
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(
        ModelName=_NAME,
        ExecutionRoleArn="arn:aws:iam::123456789012:role/Bench",
        PrimaryContainer={
            "Image": _IMAGE,
            "ModelDataUrl": f"s3://{_BUCKET}/{_KEY}",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        },
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": _NAME,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=_NAME, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=_NAME, EndpointConfigName=_NAME)
    deadline = time.monotonic() + _START_SECONDS
    while (found := sagemaker.describe_endpoint(EndpointName=_NAME))[
        "EndpointStatus"
    ] != "InService":
        if time.monotonic() > deadline or found["EndpointStatus"] == "Failed":
            raise BenchmarkError(f"The endpoint is {found['EndpointStatus']}.")
        time.sleep(0.1)
