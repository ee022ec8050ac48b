"""Permissions of monitoring jobs and of those who read reports."""

from __future__ import annotations

from collections.abc import Sequence

import jsii
from aws_cdk import Stack, aws_iam as iam, aws_kms as kms
from constructs import Construct, IValidation

from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import allow_image_pull, allow_job_logs, allow_vpc
from mlops_constructs.monitoring.inputs import S3Folder


def allow_read(grantee: iam.IGrantable, folder: S3Folder) -> iam.Grant:
    """Read and list what lies below a folder, with the bucket's key if CDK knows it."""
    grant = _allow(grantee, folder, ["s3:GetObject"])
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["s3:ListBucket"],
        resource_arns=[folder.bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": [folder.prefix, f"{folder.prefix}/*"]}},
    )
    if folder.bucket.encryption_key is not None:
        folder.bucket.encryption_key.grant_decrypt(grantee)
    return grant


def allow_write(grantee: iam.IGrantable, folder: S3Folder) -> iam.Grant:
    """Write below a folder."""
    return _allow(grantee, folder, ["s3:AbortMultipartUpload", "s3:PutObject"])


def allow_job(
    role: iam.Role, *, key: kms.IKey, repository_arn: str, network: JobNetwork | None
) -> None:
    """What every monitoring job needs: its image, logs, keys and network."""
    allow_image_pull(role, repository_arn)
    allow_job_logs(role, "ProcessingJobs")
    key.grant(role, "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )
    if network is not None:
        allow_vpc(role)


def acknowledge_wildcards(grantee: iam.IGrantable, arns: Sequence[str], reason: str) -> None:
    """Accept cdk-nag's findings about these wildcard resources in the grantee's own policies."""
    if isinstance(grantee, Construct):
        grantee.node.add_validation(_AcknowledgeWildcards(grantee, arns, reason))


def _allow(grantee: iam.IGrantable, folder: S3Folder, actions: Sequence[str]) -> iam.Grant:
    objects = folder.bucket.arn_for_objects(f"{folder.prefix}/*")
    acknowledge_wildcards(
        grantee,
        [objects],
        "The objects below this folder are named by the jobs that write them, hour after hour.",
    )
    return iam.Grant.add_to_principal(
        grantee=grantee, actions=list(actions), resource_arns=[objects]
    )


@jsii.implements(IValidation)
class _AcknowledgeWildcards:
    """Acknowledges when the app is validated.

    Only then is it known how a policy refers to a resource of another stack, and cdk-nag's ids
    hold the reference.
    """

    def __init__(self, grantee: Construct, arns: Sequence[str], reason: str) -> None:
        self._grantee = grantee
        self._arns = arns
        self._reason = reason

    def validate(self) -> list[str]:
        """Acknowledge; there is nothing to refuse."""
        stack = Stack.of(self._grantee)
        acknowledge(
            self._grantee,
            {
                f"AwsSolutions-IAM5[Resource::{_flat(stack.resolve(arn))}]": self._reason
                for arn in self._arns
            },
        )
        return []


def _flat(value: object) -> str:
    """A resolved ARN as cdk-nag writes it into the ids of its findings."""
    match value:
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::ImportValue": inner} | {"Fn::Sub": inner}:
            return _flat(inner)
        case {"Ref": name}:
            return f"<{name}>"
    return str(value).replace("${", "<").replace("}", ">")
