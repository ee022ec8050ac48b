"""Policy statements of a feature group, each with what it is for, and their acknowledged wildcards.

Sources: SageMaker developer guide, "Security and Access Control" of Feature Store, and the
content of the managed policy AmazonSageMakerFeatureStoreAccess, which covers only buckets with
"sagemaker" in their names and is therefore not used.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam, aws_s3 as s3

from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.grants import allow_list

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
    allow_list(grantee, bucket, [prefix])
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
    allow_list(grantee, bucket, [f"{prefix}/"])
    acknowledge_wildcards(grantee, (objects,), "Athena names the files of query results itself.")
