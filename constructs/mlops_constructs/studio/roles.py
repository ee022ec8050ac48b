"""The roles of a domain: that of a user without a persona, those of personas, that of jobs.

Studio assumes its roles for this account and region only: the guide documents the source ARN that
it sends, down to the ``*`` at its end, which is no wildcard (SageMaker developer guide,
"Cross-service confused deputy prevention"). It documents one each for training, processing and
transform jobs, too, but none for AutoML and tuning, which users start with the same role: the role
of jobs has no such condition, as one on a key that is not sent would refuse every job.
"""

from __future__ import annotations

from aws_cdk import aws_iam as iam, aws_kms as kms
from constructs import Construct

from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.pseudo import ACCOUNT_ID, PARTITION, REGION
from mlops_constructs.common.roles import (
    allow_image_pull,
    allow_job_logs,
    allow_job_metrics,
    allow_vpc,
    sagemaker_role,
)
from mlops_constructs.studio.guards import Guards
from mlops_constructs.studio.permissions import give
from mlops_constructs.studio.personas import Persona

_JOB_KINDS = ("ProcessingJobs", "TrainingJobs", "TransformJobs")
#: AWS's images and the account's own; the accounts of the former differ by region and framework.
_REPOSITORIES = "arn:{partition}:ecr:{region}:*:repository/*"


def default_role(scope: Construct, key: kms.IKey) -> iam.Role:
    """The domain's own role: enough to open an app, nothing to do in it.

    Users whose profile names no role, and shared spaces, run as it.
    """
    role = _studio_role(scope, "DefaultRole", "Studio users without a persona")
    key.grant(role, "kms:DescribeKey")
    _allow_grants(role, key)
    return role


def persona_role(
    scope: Construct,
    persona: Persona,
    *,
    guards: Guards,
    job_roles: list[iam.IRole],
    key: kms.IKey,
) -> iam.Role:
    """The execution role of a persona's profiles; its id is the persona's name."""
    role = _studio_role(scope, persona.name, f"Studio users: {persona.name}")
    if persona.permissions_boundary is not None:
        iam.PermissionsBoundary.of(role).apply(persona.permissions_boundary)
    give(role, persona.permissions(guards, [job_role.role_arn for job_role in job_roles]))
    for data in persona.data:
        data.allow_user(role)
    key.grant(role, "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
    _allow_grants(role, key)
    return role


def job_role(scope: Construct, key: kms.IKey) -> iam.Role:
    """What jobs of users run as, before buckets are granted to it."""
    role = sagemaker_role(scope, "JobRole", description="Jobs that Studio users start")
    allow_vpc(role)
    allow_job_logs(role, *_JOB_KINDS)
    for kind in _JOB_KINDS:
        allow_job_metrics(role, f"/aws/sagemaker/{kind}")
    allow_image_pull(role, _REPOSITORIES.format(partition=PARTITION, region=REGION))
    in_findings = _REPOSITORIES.format(partition="<AWS::Partition>", region="<AWS::Region>")
    acknowledge(
        role,
        {
            f"AwsSolutions-IAM5[Resource::{in_findings}]": "SageMaker's own images are in accounts "
            "of AWS that differ by region and framework, and users bring images of the account; "
            "pulling is reading, and other accounts' repositories decide for themselves."
        },
    )
    key.grant(role, "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
    _allow_grants(role, key)
    return role


def _studio_role(scope: Construct, construct_id: str, description: str) -> iam.Role:
    of_this_account = {
        "ArnLike": {"aws:SourceArn": f"arn:{PARTITION}:sagemaker:{REGION}:{ACCOUNT_ID}:*"}
    }
    role = sagemaker_role(scope, construct_id, description=description, conditions=of_this_account)
    policy = role.assume_role_policy
    if policy is not None:
        # Studio sets the profile's name as the source identity (ExecutionRoleIdentityConfig).
        policy.add_statements(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("sagemaker.amazonaws.com")],
                actions=["sts:SetSourceIdentity"],
                conditions=of_this_account,
            )
        )
    allow_job_logs(role, "studio")
    return role


def _allow_grants(role: iam.Role, key: kms.IKey) -> None:
    """Let SageMaker attach encrypted volumes for the role, and let the role give no other grant."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )
