"""The census pipeline in the local cloud against its three scripts run by hand.

The definition that is committed runs, bound to a bucket, roles and code archives of a local cloud
that is started for this. Every execution gets another ``DataVersion``, so that no step is taken
from the cache. Scripts run by hand (`benchmarks.by_hand`) take turns with it, in the same Python
environment and with the same setting of OpenMP.
"""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.by_hand import Scripts, pack_bundles
from benchmarks.measure import BenchmarkError, Sample, interleave, progress
from demo.cloud import Cloud, local_cloud
from stacks.use_case import CENSUS_INCOME

USE_CASE = Path(CENSUS_INCOME.pipeline)
DATA = USE_CASE / "data" / "adult.csv.gz"
PIPELINE = "pipeline in the local cloud"
CONTRACT = "scripts by hand, training with the toolkit"
BARE = "scripts by hand, training without the toolkit"
_NAME = "bench"
_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 300


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds, ratios, and what a step costs beyond its script."""
    archives = pack_bundles(USE_CASE, work)
    runs = count(1)

    def by_hand(*, toolkit: bool) -> Sample:
        scripts = Scripts(USE_CASE, archives, DATA, work / f"run-{next(runs)}")
        return scripts.run(toolkit=toolkit)

    progress("starting a local cloud")
    with local_cloud(work / "cloud", keep=False) as cloud:
        deployed = Deployed(cloud, archives)
        samples = interleave(
            {
                PIPELINE: lambda: deployed.run(version=f"bench-{next(runs)}"),
                CONTRACT: lambda: by_hand(toolkit=True),
                BARE: lambda: by_hand(toolkit=False),
            },
            rounds=rounds,
        )
        steps = deployed.steps()
    compared = samples.compare(PIPELINE, CONTRACT)
    mine, theirs = compared["seconds"]
    return {
        "rounds": rounds,
        "steps": steps,
        "seconds": samples.seconds(),
        "overhead seconds a step": round((mine - theirs) / len(steps), 3),
        "to scripts": compared,
        "to bare scripts": samples.compare(PIPELINE, BARE),
    }


class Deployed:
    """The pipeline in a local cloud, through the AWS API alone."""

    def __init__(self, cloud: Cloud, archives: dict[str, Path]) -> None:
        self._sagemaker = cloud.client("sagemaker")
        self._log = cloud.log
        self._last = ""
        s3, bucket = cloud.client("s3"), f"{_NAME}-data"
        s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(DATA), bucket, "raw/adult.csv.gz")
        bindings = {
            "bucket.data": bucket,
            "bucket.artifacts": bucket,
            "model_package_group": _NAME,
            "image.xgboost": _image(cloud.environment["AWS_REGION"]),
        }
        for name, archive in archives.items():
            s3.upload_file(str(archive), bucket, f"code/{archive.name}")
            bindings[f"code.{name}.uri"] = f"s3://{bucket}/code/{archive.name}"
            bindings[f"code.{name}.file"] = archive.name
        role = cloud.client("iam").create_role(
            RoleName=_NAME,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        )["Role"]["Arn"]
        bindings |= {"role.processing": role, "role.training": role}
        text = (USE_CASE / "definition.json").read_text()
        for name, value in bindings.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        if "{{" in text:
            unbound = text.partition("{{")[2].partition("}}")[0]
            raise BenchmarkError(f"Nothing binds {unbound} of {USE_CASE / 'definition.json'}.")
        self._sagemaker.create_model_package_group(ModelPackageGroupName=_NAME)
        self._sagemaker.create_pipeline(
            PipelineName=_NAME, PipelineDefinition=text, RoleArn=role, ClientRequestToken="0" * 32
        )
        self._input = f"s3://{bucket}/raw/adult.csv.gz"

    def run(self, *, version: str) -> Sample:
        """Run it once; the seconds from the call that starts it to the status that ends it."""
        given = {"InputDataUri": self._input, "DataVersion": version}
        start = time.perf_counter()
        self._last = self._sagemaker.start_pipeline_execution(
            PipelineName=_NAME,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in given.items()],
        )["PipelineExecutionArn"]
        while time.perf_counter() - start < _TIMEOUT_SECONDS:
            found = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=self._last)
            if found["PipelineExecutionStatus"] == "Succeeded":
                return Sample(time.perf_counter() - start)
            if found["PipelineExecutionStatus"] in ("Failed", "Stopped"):
                reason = found.get("FailureReason", "no reason was given")
                raise BenchmarkError(f"The pipeline failed: {reason}")
            time.sleep(_POLL_SECONDS)
        raise BenchmarkError(f"The pipeline did not end in {_TIMEOUT_SECONDS} s.")

    def steps(self) -> dict[str, float]:
        """The seconds of the steps of the last run.

        Raises:
            BenchmarkError: If a step was taken from the cache.
        """
        found = self._sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=self._last, SortOrder="Ascending"
        )["PipelineExecutionSteps"]
        if cached := [step["StepName"] for step in found if "CacheHitResult" in step]:
            raise BenchmarkError(f"Steps were taken from the cache: {', '.join(cached)}.")
        return {
            step["StepName"]: round((step["EndTime"] - step["StartTime"]).total_seconds(), 3)
            for step in found
        }


def _image(region: str) -> str:
    lock = json.loads((USE_CASE / "definition.lock.json").read_text())["images"]["xgboost"]
    registry = f"{lock['registries'][region]}.dkr.ecr.{region}.amazonaws.com"
    return f"{registry}/sagemaker-xgboost:{lock['version']}"
