"""Where the native engine finds a monitor's baseline: given, made in the stack, or copied.

**Made in the stack.** Of a reference the service's own image makes the baseline, as the SageMaker
SDK's ``suggest_baseline`` has it do (paths and variables: SageMaker SDK 3.27, ``model_monitor`` and
``clarify``): its statistics hold sketches that only it writes, without which it compares no
distributions. CloudFormation runs the job, and makes the definition that names its results after
it; another reference makes another job, which writes into another folder.

**Copied.** With `PackageBaselines` the files of the served package are in fixed places, see
`package_copies`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from aws_cdk import Fn, aws_iam as iam, aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.images import FrameworkImage
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.monitoring import access
from mlops_constructs.monitoring.engines import NativeEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    Monitor,
    S3Dataset,
    S3Folder,
)
from mlops_constructs.monitoring.plan import Plan

_BASE = "/opt/ml/processing"
#: As long as CloudFormation waits for a resource unless its type says otherwise.
_LONGEST_SECONDS = 2 * 3600


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a job definition names.

    Attributes:
        folder: Where the files are; None when the monitor has no baseline.
        constraints: The name of the file with constraints.
        config: The folder with ``analysis_config.json``, for Clarify's monitors.
        job: What makes the files; None when they are there, or come with a package.
    """

    folder: S3Folder | None
    constraints: str = "constraints.json"
    config: S3Folder | None = None
    job: sagemaker.CfnProcessingJob | None = None

    def properties(self, *, statistics: bool) -> dict[str, Any] | None:
        """The definition's ``…BaselineConfig``."""
        if self.folder is None:
            return None
        named: dict[str, Any] = {
            "constraintsResource": {"s3Uri": f"{self.folder.uri}/{self.constraints}"}
        }
        if statistics:
            named["statisticsResource"] = {"s3Uri": f"{self.folder.uri}/statistics.json"}
        if self.job is not None:
            named["baseliningJobName"] = Fn.select(1, Fn.split("/", self.job.ref))
        return named


def copies_folder(plan: Plan, slug: str) -> S3Folder:
    """Where the files of the served package are put for one kind of monitor."""
    return S3Folder(bucket=plan.reports.bucket, prefix=f"{plan.reports.prefix}/baselines/{slug}")


def make_baseline(  # noqa: PLR0917  # one caller, whose locals these are
    scope: Construct,
    plan: Plan,
    monitor: Monitor,
    engine: NativeEngine,
    slug: str,
    image: FrameworkImage,
    role: iam.Role,
) -> Baseline:
    """Find or make a monitor's baseline, and let the monitor read it."""
    config = monitor.config if isinstance(monitor, BiasDrift | AttributionDrift) else None
    if plan.baselines is not None:
        folder = copies_folder(plan, slug)
        # A bias configuration may come with the package; one that names the model cannot.
        found = Baseline(folder=folder, config=folder if isinstance(monitor, BiasDrift) else config)
    elif monitor.constraints is not None:
        found = Baseline(folder=monitor.constraints, config=config)
    elif isinstance(monitor, DataQuality | AttributionDrift) and monitor.reference is not None:
        found = _made(scope, plan, monitor.reference, engine, slug, image, role, config)
    else:
        found = Baseline(folder=None, config=config)
    for folder in {each.uri: each for each in (found.folder, found.config) if each}.values():
        access.allow_read_folder(role, folder)
    return found


def _made(  # noqa: PLR0917  # as above
    scope: Construct,
    plan: Plan,
    reference: S3Dataset,
    engine: NativeEngine,
    slug: str,
    image: FrameworkImage,
    role: iam.Role,
    config: S3Folder | None,
) -> Baseline:
    access.allow_read_folder(role, reference)
    identity = json.dumps([reference.prefix, list(reference.columns), reference.file_format])
    which = hashlib.sha256(identity.encode()).hexdigest()[:12]
    folder = S3Folder(
        bucket=plan.reports.bucket, prefix=f"{plan.reports.prefix}/baselines/{slug}/{which}"
    )
    if config is None:
        inputs = [_input("baseline_dataset_input", reference, "baseline_dataset_input")]
        environment = {
            "dataset_source": f"{_BASE}/input/baseline_dataset_input",
            "dataset_format": json.dumps(_format(reference)),
            "output_path": f"{_BASE}/output",
            "publish_cloudwatch_metrics": "Disabled",
        }
    else:
        inputs = [
            _input("dataset", reference, "data"),
            _input("analysis_config", config, "config"),
        ]
        environment = {}
    network: dict[str, Any] = {
        # As the monitor's own jobs: Clarify asks an endpoint of its own.
        "enableNetworkIsolation": False,
        "enableInterContainerTrafficEncryption": True,
    }
    if engine.network is not None:
        network["vpcConfig"] = {
            "securityGroupIds": engine.network.security_group_ids,
            "subnets": engine.network.subnet_ids,
        }
    job = sagemaker.CfnProcessingJob(
        scope,
        "Baseline",
        app_specification={"imageUri": image.uri},
        environment=environment or None,
        network_config=network,
        processing_inputs=inputs,
        processing_output_config={
            "kmsKeyId": plan.key.key_arn,
            "outputs": [
                {
                    "outputName": "baseline",
                    "s3Output": {
                        "s3Uri": folder.uri,
                        "localPath": f"{_BASE}/output",
                        "s3UploadMode": "EndOfJob",
                    },
                }
            ],
        },
        processing_resources={
            "clusterConfig": {
                "instanceCount": 1,
                "instanceType": engine.instance_type,
                "volumeSizeInGb": engine.volume_size_gb,
                "volumeKmsKeyId": plan.key.key_arn,
            }
        },
        role_arn=role.role_arn,
        stopping_condition={"maxRuntimeInSeconds": _LONGEST_SECONDS},
    )
    # Create-only on this type: a tag would make the baseline anew.
    job.add_property_deletion_override("Tags")
    wait_for_policy(job, role)
    name = "constraints.json" if config is None else "analysis.json"
    return Baseline(folder=folder, constraints=name, config=config, job=job)


def _input(name: str, folder: S3Folder, below: str) -> dict[str, Any]:
    return {
        "inputName": name,
        "s3Input": {
            "s3Uri": folder.uri,
            "localPath": f"{_BASE}/input/{below}",
            "s3DataType": "S3Prefix",
            "s3InputMode": "File",
            "s3DataDistributionType": "FullyReplicated",
            "s3CompressionType": "None",
        },
    }


def _format(reference: S3Dataset) -> dict[str, Any]:
    """The analyser's own spelling, which is not that of job definitions (SDK, DatasetFormat)."""
    if reference.file_format == "jsonl":
        return {"json": {"lines": True}}
    return {"csv": {"header": not reference.columns, "output_columns_position": "START"}}
