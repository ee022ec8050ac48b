"""What a domain of Studio makes in its VPC, and what it leaves there when it goes.

With home directories: a file system with a mount target in each subnet, and two security groups
that refer to each other, tagged with the domain's ARN. The groups outlive the domain, and so does
the file system unless its deletion is asked for; CloudFormation does not ask for it
(aws-cloudformation/cloudformation-coverage-roadmap#1085). In VpcOnly mode each app has an
interface in a subnet, which goes minutes after the app.

Nothing is made for a domain whose subnets do not exist here.
"""

from __future__ import annotations

import logging
from typing import Any

from botocore.exceptions import ClientError

from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

OWNER = "ManagedByAmazonSageMakerResource"
_NFS = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
_LINGERING = 120.0
"""Seconds, of the order of what users report."""

logger = logging.getLogger("localcloud.sagemaker")


def add_domain(cloud: SageMaker, record: Record) -> None:
    """Make the file system of the home directories and the groups that open it."""
    domain = record.data
    if not domain.get("HomeEfsFileSystemId") or not _subnets(cloud, domain):
        return
    tags = [{"Key": OWNER, "Value": record.arn}]
    inbound, outbound = (_group(cloud, domain, way, tags) for way in ("inbound", "outbound"))
    ec2, efs = _client(cloud, "ec2"), _client(cloud, "efs")
    for allow, group, other in (
        (ec2.authorize_security_group_ingress, inbound, outbound),
        (ec2.authorize_security_group_egress, outbound, inbound),
    ):
        allow(GroupId=group, IpPermissions=[{**_NFS, "UserIdGroupPairs": [{"GroupId": other}]}])
    home = efs.create_file_system(
        CreationToken=domain["DomainId"], Encrypted=bool(domain.get("KmsKeyId")), Tags=tags
    )["FileSystemId"]
    for subnet in domain["SubnetIds"]:
        efs.create_mount_target(FileSystemId=home, SubnetId=subnet, SecurityGroups=[inbound])
    cloud.touch(record, HomeEfsFileSystemId=home, OutboundNfsGroup=outbound)


def remove_home(cloud: SageMaker, record: Record) -> None:
    """Delete the file system of the home directories."""
    home = record.data.get("HomeEfsFileSystemId")
    if not home:
        return
    efs = _client(cloud, "efs")
    try:
        for target in efs.describe_mount_targets(FileSystemId=home)["MountTargets"]:
            efs.delete_mount_target(MountTargetId=target["MountTargetId"])
        efs.delete_file_system(FileSystemId=home)
    except ClientError:
        logger.info("%s of %s is not here", home, record.arn)


def add_app(cloud: SageMaker, record: Record) -> None:
    """Make the interface of an app in the VPC."""
    domain = cloud.find("Domain", record.data)
    if domain is None or domain.data["AppNetworkAccessType"] != "VpcOnly":
        return
    subnets = _subnets(cloud, domain.data)
    if not subnets:
        return
    groups = list(domain.data["DefaultUserSettings"]["SecurityGroups"])
    if domain.data.get("OutboundNfsGroup"):
        groups.append(domain.data["OutboundNfsGroup"])
    interface = _client(cloud, "ec2").create_network_interface(
        SubnetId=subnets[0],
        Groups=groups,
        Description="[DO NOT DELETE] ENI managed by SageMaker for Studio Domain"
        f" ({record.data['DomainId']})",
    )
    cloud.touch(record, NetworkInterfaceId=interface["NetworkInterface"]["NetworkInterfaceId"])


def remove_app(cloud: SageMaker, record: Record) -> None:
    """Let the interface of a deleted app go, a while after it."""
    interface = record.data.get("NetworkInterfaceId")
    if not interface:
        return

    def remove() -> None:
        try:
            _client(cloud, "ec2").delete_network_interface(NetworkInterfaceId=interface)
        except ClientError:
            logger.info("%s of %s is gone already", interface, record.arn)

    cloud.clock.after(_LINGERING, remove)


def _subnets(cloud: SageMaker, domain: Json) -> list[str]:
    if not domain.get("SubnetIds"):
        return []
    try:
        found = _client(cloud, "ec2").describe_subnets(SubnetIds=domain["SubnetIds"])
    except ClientError:
        return []
    return [subnet["SubnetId"] for subnet in found["Subnets"]]


def _group(cloud: SageMaker, domain: Json, way: str, tags: list[Json]) -> str:
    answer = _client(cloud, "ec2").create_security_group(
        GroupName=f"security-group-for-{way}-nfs-{domain['DomainId']}",
        Description=f"[DO NOT DELETE] Security Group that allows {way} NFS traffic for SageMaker"
        f" Notebooks Domain [{domain['DomainId']}]",
        VpcId=domain["VpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    return str(answer["GroupId"])


def _client(cloud: SageMaker, service: str) -> Any:
    return cloud.clients.client(service, cloud.scope)
