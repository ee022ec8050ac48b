"""Permissions of monitoring jobs and of those who read reports."""

from __future__ import annotations

from aws_cdk import Stack, aws_iam as iam, aws_kms as kms

from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.grants import allow_read, allow_volume_key, allow_write
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import allow_image_pull, allow_job_logs, allow_vpc
from mlops_constructs.monitoring.inputs import PackageBaselines, S3Folder, TrainedModel


def allow_read_folder(grantee: iam.IGrantable, folder: S3Folder) -> iam.Grant:
    """Read and list what lies below a folder, with the bucket's key if CDK knows it."""
    prefix = folder.prefix if isinstance(folder, TrainedModel) else f"{folder.prefix}/"
    return allow_read(grantee, folder.bucket, [prefix])


def allow_write_folder(grantee: iam.IGrantable, folder: S3Folder) -> iam.Grant:
    """Write below a folder."""
    return allow_write(grantee, folder.bucket, [f"{folder.prefix}/"])


def allow_job(
    role: iam.Role, *, key: kms.IKey, repository_arn: str, network: JobNetwork | None
) -> None:
    """What every monitoring job needs: its image, logs, keys and network."""
    allow_image_pull(role, repository_arn)
    allow_job_logs(role, "ProcessingJobs")
    key.grant(role, "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
    allow_volume_key(role, key)
    if network is not None:
        allow_vpc(role)


def allow_package(role: iam.Role, endpoint: str | None, baselines: PackageBaselines) -> None:
    """Ask which package is served, and read its files."""
    for folder in baselines.folders:
        allow_read_folder(role, folder)
    # SageMaker lower-cases names inside ARNs.
    group = baselines.model_package_group_name.lower()
    allowed = {
        "DescribeModelPackage": ("model-package", f"{group}/*"),
        "ListModelPackages": ("model-package-group", group),
    }
    if endpoint is not None:
        allowed |= {
            "DescribeEndpoint": ("endpoint", endpoint.lower()),
            "DescribeEndpointConfig": ("endpoint-config", "*"),
            "DescribeModel": ("model", "*"),
        }
    stack = Stack.of(role)
    for action, (resource, name) in allowed.items():
        arn = stack.format_arn(service="sagemaker", resource=resource, resource_name=name)
        role.add_to_policy(iam.PolicyStatement(actions=[f"sagemaker:{action}"], resources=[arn]))
        acknowledge_wildcards(
            role,
            [arn],
            "CloudFormation names models and configurations, the registry its versions; which of "
            "them is served is what is asked.",
        )
