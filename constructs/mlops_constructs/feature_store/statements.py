"""Policy statements of a feature group, each with what it is for, and their acknowledged wildcards.

Sources: SageMaker developer guide, "Security and Access Control" of Feature Store, and the
content of the managed policy AmazonSageMakerFeatureStoreAccess, which covers only buckets with
"sagemaker" in their names and is therefore not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import jsii
from aws_cdk import Stack, aws_iam as iam, aws_s3 as s3
from constructs import Construct, IValidation

from mlops_constructs.common.findings import acknowledge

READ_GLUE = ("glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable")
READ_ATHENA = (
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetWorkGroup",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)


def allow(grantee: iam.IGrantable, actions: Sequence[str], *resources: str) -> iam.Grant:
    """Allow actions on resources."""
    return iam.Grant.add_to_principal(
        grantee=grantee, actions=list(actions), resource_arns=list(resources)
    )


def allow_offline_writes(role: iam.IRole, bucket: s3.IBucket, prefix: str) -> None:
    """What the service does with the group's role in the bucket.

    CreateFeatureGroup assumes the role and reads the bucket's ACL; objects are written with an
    ACL. Without the two ACL actions it fails with "Invalid S3Uri". Iceberg reads its own
    metadata back.
    """
    objects = bucket.arn_for_objects(f"{prefix}/*")
    metadata = bucket.arn_for_objects(f"{prefix}/*/metadata/*")
    allow(role, ["s3:GetBucketAcl"], bucket.bucket_arn)
    allow(role, ["s3:PutObject", "s3:PutObjectAcl"], objects)
    allow(role, ["s3:GetObject"], metadata)
    acknowledge_wildcards(
        role,
        (objects, metadata),
        "Feature Store names the objects itself, below this prefix of the offline store.",
    )


def allow_offline_reads(grantee: iam.IGrantable, bucket: s3.IBucket, prefix: str) -> None:
    """Read the objects whose keys begin with ``prefix``, and list them."""
    objects = bucket.arn_for_objects(f"{prefix}*")
    allow(grantee, ["s3:GetObject"], objects)
    allow(grantee, ["s3:GetBucketLocation"], bucket.bucket_arn)
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["s3:ListBucket"],
        resource_arns=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": f"{prefix}*"}},
    )
    acknowledge_wildcards(
        grantee,
        (objects,),
        "The group's history lies in objects that Feature Store names; the key begins with the "
        "group's name.",
    )


def allow_query_results(grantee: iam.IGrantable, bucket: s3.IBucket, prefix: str) -> None:
    """Write and read the results of Athena queries.

    The actions are those of the Athena guide, "Access to Amazon S3 from Athena".
    """
    objects = bucket.arn_for_objects(f"{prefix}/*")
    allow(
        grantee,
        [
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ],
        objects,
    )
    allow(grantee, ["s3:GetBucketLocation"], bucket.bucket_arn)
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["s3:ListBucket"],
        resource_arns=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": f"{prefix}/*"}},
    )
    acknowledge_wildcards(grantee, (objects,), "Athena names the files of query results itself.")


def acknowledge_wildcards(grantee: iam.IGrantable, arns: Sequence[str], reason: str) -> None:
    """Accept cdk-nag's findings about these wildcard resources in the grantee's own policies."""
    if isinstance(grantee, Construct) and any("*" in arn for arn in arns):
        grantee.node.add_validation(_AcknowledgeWildcards(grantee, arns, reason))


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
                if "*" in arn
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
