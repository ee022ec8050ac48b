"""What ministack's own resource types leave undone, done through the API."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from localcloud import emulator
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json


def register(cloud: SageMaker) -> None:
    """Complete the types of ministack that deployments by the CDK need whole."""

    def tag_bucket(bucket: str, properties: Json, attributes: Json) -> Json:
        """The tags of a bucket are dropped; the CDK's auto-deletion looks for one of them."""
        client: Any = cloud.clients.client("s3", cloud.scope)
        tags = [{"Key": t["Key"], "Value": str(t["Value"])} for t in properties.get("Tags") or []]
        if tags:
            client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
        else:
            client.delete_bucket_tagging(Bucket=bucket)
        return attributes

    def vpc_range(vpc: str, properties: Json, attributes: Json) -> Json:
        """``Fn::GetAtt`` of the address range, which ``Peer.ipv4(vpc.vpcCidrBlock)`` uses."""
        client: Any = cloud.clients.client("ec2", cloud.scope)
        try:
            found = client.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"]
        except ClientError:
            found = properties.get("CidrBlock")
        return {**attributes, "CidrBlock": found}

    emulator.complete_resource_type("AWS::S3::Bucket", tag_bucket)
    emulator.complete_resource_type("AWS::EC2::VPC", vpc_range)
