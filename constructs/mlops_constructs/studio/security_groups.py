"""Security groups of a private network.

Sources: SageMaker developer guide, "Connect SageMaker Studio in a VPC to external resources" and
"Give SageMaker AI training jobs access to resources in your Amazon VPC".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from mlops_constructs.common.findings import acknowledge, in_packs

HTTPS: Final = 443
NFS: Final = (2049, 2049)
#: Between the apps of Studio.
STUDIO_APPS: Final = (8192, 65535)


def make_group(
    scope: Construct, construct_id: str, vpc: ec2.IVpc, description: str
) -> ec2.SecurityGroup:
    """A group that lets nothing in and nothing out."""
    return ec2.SecurityGroup(
        scope, construct_id, vpc=vpc, description=description, allow_all_outbound=False
    )


def allow_hosts(group: ec2.SecurityGroup) -> None:
    """All traffic between the hosts of a distributed job."""
    hosts = allow_itself(group, "Hosts", "hosts of one job")
    acknowledge(
        hosts,
        in_packs(
            "EC2RestrictedCommonPorts",
            "The hosts of a distributed job choose their ports at run time; the rule lets in the "
            "group itself and nobody else.",
        ),
    )


def allow_itself(
    group: ec2.SecurityGroup,
    construct_id: str,
    users: str,
    ports: tuple[int, int] | None = None,
) -> ec2.CfnSecurityGroupIngress:
    """Rules from a group to itself: resources of their own, as a group cannot name itself.

    Args:
        group: The group.
        construct_id: What the rules' ids start with.
        users: Between whom, for the description.
        ports: First and last TCP port; all traffic if none are given.

    Returns:
        The rule for what comes in.
    """
    group_id = group.security_group_id
    protocol = "tcp" if ports else "-1"
    first, last = ports or (None, None)
    ec2.CfnSecurityGroupEgress(
        group,
        f"{construct_id}Out",
        group_id=group_id,
        destination_security_group_id=group_id,
        ip_protocol=protocol,
        from_port=first,
        to_port=last,
        description=f"Between {users}",
    )
    return ec2.CfnSecurityGroupIngress(
        group,
        f"{construct_id}In",
        group_id=group_id,
        source_security_group_id=group_id,
        ip_protocol=protocol,
        from_port=first,
        to_port=last,
        description=f"Between {users}",
    )


def allow_https_out(
    group: ec2.SecurityGroup,
    endpoints: ec2.SecurityGroup,
    gateway_prefix_lists: Sequence[str],
    far: str | None = None,
) -> None:
    """HTTPS to the endpoints: to any address, unless the gateways' prefix lists are known.

    Args:
        group: Who calls.
        endpoints: The group of the interface endpoints.
        gateway_prefix_lists: Of the gateway endpoints.
        far: The addresses of the central VPC that the interface endpoints are in; a group cannot
            be named across a transit gateway.
    """
    if not gateway_prefix_lists:
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "HTTPS to VPC endpoints")
        return
    ec2.CfnSecurityGroupEgress(
        group,
        "EndpointsOut",
        group_id=group.security_group_id,
        destination_security_group_id=None if far else endpoints.security_group_id,
        cidr_ip=far,
        ip_protocol="tcp",
        from_port=HTTPS,
        to_port=HTTPS,
        description="HTTPS to interface endpoints",
    )
    for number, prefix_list in enumerate(gateway_prefix_lists, start=1):
        ec2.CfnSecurityGroupEgress(
            group,
            f"Gateway{number}Out",
            group_id=group.security_group_id,
            destination_prefix_list_id=prefix_list,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            description="HTTPS to gateway endpoints",
        )
