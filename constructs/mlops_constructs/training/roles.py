"""The roles of a pipeline: one that runs it, and one per kind of job.

| role | may |
|---|---|
| pipeline | create, describe, stop and tag jobs of its step types; pass the job roles |
| | to SageMaker; read the files that conditions look into; register versions; |
| | invoke the functions, write to the queues and use the EMR that steps name |
| processing | read raw data; read and write the pipeline's folders of the artifacts bucket |
| training | read and write these folders; read raw data only if a training step names it |
| model | read these folders |

Every job role may also read step code, pull the images that the definition names, use the keys,
write its logs and metrics, and manage network interfaces in the VPC.

SageMaker may assume each without a condition on ``aws:SourceArn`` or ``aws:SourceAccount``. The
guide documents the source ARN that it sends for pipelines, processing, training and transform jobs,
but none for tuning, whose jobs run as the training role (SageMaker developer guide, "Cross-service
confused deputy prevention"): a condition on a key that is not sent would refuse every job. Nobody
else can hand a role of this account to the service, as ``iam:PassRole`` ends at the account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Stack, aws_iam as iam, aws_kms as kms, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.bundles import CodeBundle
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.grants import allow_volume_key
from mlops_constructs.common.images import FrameworkImage
from mlops_constructs.common.roles import (
    allow_image_pull,
    allow_job_logs,
    allow_job_metrics,
    allow_vpc,
    sagemaker_role,
)
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.document import Json, Step
from mlops_constructs.training.grants import allow_files, allow_keys
from mlops_constructs.training.outside import Outside, allow_outside
from mlops_constructs.training.registry import ModelRegistry
from mlops_constructs.training.step_types import STEP_TYPES, StepType
from mlops_constructs.training.usage import prefixes, uses

#: The kinds of jobs that have a role, and what CloudWatch calls them.
JOB_KINDS: Mapping[str, str] = {
    "processing": "ProcessingJobs",
    "training": "TrainingJobs",
    "model": "TransformJobs",
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What jobs work with.

    Attributes:
        artifacts: What jobs write.
        data: Raw data, if the pipeline reads any.
        key: The key of volumes and outputs.
        images: Container images.
        code: Step code.
    """

    artifacts: s3.IBucket
    data: s3.IBucket | None
    key: kms.IKey
    images: Sequence[FrameworkImage]
    code: Sequence[CodeBundle]


def job_role(
    scope: Construct,
    kind: str,
    *,
    definition: PipelineDefinition,
    folders: Sequence[str],
    resources: Resources,
) -> iam.Role:
    """The role of one kind of job.

    Args:
        scope: The pipeline's construct.
        kind: A key of `JOB_KINDS`.
        definition: What the pipeline runs.
        folders: The pipeline's prefixes in the artifacts bucket.
        resources: What the jobs work with.
    """
    role = sagemaker_role(
        scope,
        f"{kind.title()}Role",
        description=f"{kind.title()} jobs of the pipeline {definition.name}",
    )
    group = JOB_KINDS[kind]
    allow_files(role, resources.artifacts, folders, write=kind != "model")
    keys = [resources.key, resources.artifacts.encryption_key]
    allow_keys(role, keys, write=kind != "model")
    if resources.data is not None and _reads_data(definition, kind):
        allow_files(role, resources.data, [""])
        allow_keys(role, [resources.data.encryption_key], write=False)
    for bundle in resources.code[:1]:
        # One grant covers every archive of the bucket that all of them are in.
        bundle.grant_read(role)
        acknowledge_wildcards(
            role,
            [bundle.archives_arn],
            "An execution goes on with the code archive that it began with, whose key is its hash.",
        )
    allow_volume_key(role, resources.key)
    if resources.images:
        allow_image_pull(role, *(image.repository_arn for image in resources.images))
    allow_vpc(role)
    allow_job_logs(role, group)
    allow_job_metrics(role, f"/aws/sagemaker/{group}")
    return role


def pipeline_role(
    scope: Construct,
    *,
    definition: PipelineDefinition,
    folders: Sequence[str],
    resources: Resources,
    job_roles: Sequence[iam.Role],
    registry: ModelRegistry | None,
    outside: Outside,
) -> iam.Role:
    """The role that SageMaker Pipelines runs the steps with."""
    role = sagemaker_role(
        scope, "PipelineRole", description=f"Runs the steps of the pipeline {definition.name}"
    )
    allow_outside(role, definition.steps, outside)
    used = {step.type for step in definition.steps}
    # Types that make the same calls get one statement.
    for needs in dict.fromkeys(STEP_TYPES[step_type] for step_type in sorted(used)):
        _allow_jobs(role, needs)
    if job_roles:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[each.role_arn for each in job_roles],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
    if _looks_into_files(definition.document):
        allow_files(role, resources.artifacts, folders)
        allow_keys(role, [resources.key, resources.artifacts.encryption_key], write=False)
    if "RegisterModel" in used and registry is not None:
        registry.grant_register(role)
    if used & {"QualityCheck", "ClarifyCheck"} and registry is not None:
        registry.grant_baselines(role)
    return role


def _allow_jobs(role: iam.Role, needs: StepType) -> None:
    if not needs.actions:
        return
    stack = Stack.of(role)
    arns = [
        stack.format_arn(
            service="sagemaker",
            resource=resource.partition("/")[0],
            resource_name=resource.partition("/")[2],
        )
        for resource in needs.resources
    ]
    actions = [f"sagemaker:{action}" for action in needs.actions]
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=arns))
    acknowledge_wildcards(
        role, arns, "Pipelines names jobs after the execution, the step and a random id."
    )


def _reads_data(definition: PipelineDefinition, kind: str) -> bool:
    return any(
        STEP_TYPES[step.type].role == f"role.{kind}"
        and uses(step, definition.document, "bucket.data")
        for step in definition.steps
    )


def _looks_into_files(value: Json) -> bool:
    if isinstance(value, dict):
        return "Std:JsonGet" in value or any(map(_looks_into_files, value.values()))
    return isinstance(value, list) and any(map(_looks_into_files, value))


def kinds_of(steps: Sequence[Step]) -> list[str]:
    """The kinds of jobs among the steps, in the order of `JOB_KINDS`."""
    used = {STEP_TYPES[step.type].role for step in steps if step.type in STEP_TYPES}
    return [kind for kind in JOB_KINDS if f"role.{kind}" in used]


def folders_of(definition: PipelineDefinition, pipeline_name: str) -> tuple[str, ...]:
    """The pipeline's prefixes in the artifacts bucket; its own name if it names none."""
    named = prefixes(definition.document, "bucket.artifacts", pipeline_name)
    return named or (f"{pipeline_name}/",)
