"""Where jobs and models run inside a VPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from aws_cdk import aws_ec2 as ec2


@dataclass(frozen=True, kw_only=True)
class JobNetwork:
    """The subnets and security groups of jobs and models.

    Attributes:
        vpc: The VPC.
        security_groups: 1 to 5 groups (botocore, VpcConfig.SecurityGroupIds).
        subnets: Which subnets; private isolated ones by default. Models need two zones.
    """

    vpc: ec2.IVpc
    security_groups: Sequence[ec2.ISecurityGroup]
    subnets: ec2.SubnetSelection = field(
        default_factory=lambda: ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    )

    @cached_property
    def subnet_ids(self) -> list[str]:
        """The ids of the selected subnets."""
        selection = self.subnets
        return self.vpc.select_subnets(
            availability_zones=selection.availability_zones,
            one_per_az=selection.one_per_az,
            subnet_filters=selection.subnet_filters,
            subnet_group_name=selection.subnet_group_name,
            subnets=selection.subnets,
            subnet_type=selection.subnet_type,
        ).subnet_ids

    @cached_property
    def security_group_ids(self) -> list[str]:
        """The ids of the security groups."""
        return [group.security_group_id for group in self.security_groups]
