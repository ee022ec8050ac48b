"""The VPC of a private network: made without a way out, or checked for what the network needs."""

from __future__ import annotations

from aws_cdk import Tags, aws_ec2 as ec2, aws_logs as logs
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.roles import service_role
from mlops_constructs.studio.address_space import ExistingVpc, NewVpc

_DEFAULT_GROUP = (
    "CloudFormation cannot take rules out of the default group, and a custom resource would add a "
    "Lambda function with rights on security groups. Nothing here is put into the group, it lets "
    "in nobody but itself, the endpoints do not let it in, and no route leaves the VPC."
)


def make_vpc(scope: Construct, choice: NewVpc) -> ec2.IVpc:
    """A VPC of private subnets below ``scope``, whose routes lead nowhere yet.

    From L1s and `ec2.PrivateSubnet`: `ec2.Vpc` looks up the zones of a concrete account and
    region even when it is told them, and then fails without credentials.
    """
    vpc = ec2.CfnVPC(
        scope,
        "Vpc",
        cidr_block=choice.cidr,
        enable_dns_hostnames=True,
        enable_dns_support=True,
    )
    Tags.of(vpc).add("Name", vpc.node.path)
    acknowledge(vpc, in_packs("VPCDefaultSecurityGroupClosed", _DEFAULT_GROUP))
    zones = zip(choice.zone_names(), choice.subnet_cidrs(), strict=True)
    subnets = [
        _make_subnet(scope, f"Subnet{number}", vpc.ref, zone, cidr)
        for number, (zone, cidr) in enumerate(zones, start=1)
    ]
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Network",
        vpc_id=vpc.ref,
        vpc_cidr_block=choice.cidr,
        availability_zones=[subnet.availability_zone for subnet in subnets],
        isolated_subnet_ids=[subnet.subnet_id for subnet in subnets],
        isolated_subnet_route_table_ids=[subnet.route_table.route_table_id for subnet in subnets],
    )


def select_subnets(problems: Problems, choice: ExistingVpc) -> list[ec2.ISubnet]:
    """The subnets of an existing VPC; what they lack is noted."""
    selection = choice.subnets
    try:
        subnets = list(
            choice.vpc.select_subnets(
                availability_zones=selection.availability_zones,
                one_per_az=selection.one_per_az,
                subnet_filters=selection.subnet_filters,
                subnet_group_name=selection.subnet_group_name,
                subnets=selection.subnets,
                subnet_type=selection.subnet_type,
            ).subnets
        )
    except RuntimeError as error:
        problems.add(
            "vpc.subnets",
            got=str(error).splitlines()[0],
            allowed="a selection that the VPC has subnets for",
            instead="Write ExistingVpc(subnets=ec2.SubnetSelection(subnets=[…]), …).",
        )
        return []
    problems.check(
        len(subnets) >= 2,
        "vpc.subnets",
        got=f"{len(subnets)} subnet(s)",
        allowed="private subnets in two zones at least",
        instead="SageMaker hosting needs two zones: select another subnet.",
    )
    if choice.make_endpoints:
        without = [subnet.node.path for subnet in subnets if not _has_route_table(subnet)]
        problems.check(
            not without,
            "vpc.subnets",
            got=without,
            allowed="subnets whose route tables are known; gateway endpoints add routes to them",
            instead="Import them with ec2.Subnet.from_subnet_attributes(…, route_table_id=…), or "
            "set make_endpoints=False if the VPC has its endpoints.",
        )
    return subnets


def make_flow_log(scope: Construct, vpc: ec2.IVpc, group: logs.LogGroup) -> None:
    """Flow logs of all traffic of the VPC into the log group."""
    role = service_role(
        scope,
        "FlowLogRole",
        description="Writes flow logs of the private network",
        service="vpc-flow-logs.amazonaws.com",
    )
    flow_log = ec2.FlowLog(
        scope,
        "FlowLog",
        resource_type=ec2.FlowLogResourceType.from_vpc(vpc),
        destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role),
        traffic_type=ec2.FlowLogTrafficType.ALL,
    )
    flow_log.node.add_dependency(role)


def _make_subnet(
    scope: Construct, construct_id: str, vpc_id: str, zone: str, cidr: str
) -> ec2.PrivateSubnet:
    subnet = ec2.PrivateSubnet(
        scope,
        construct_id,
        availability_zone=zone,
        cidr_block=cidr,
        vpc_id=vpc_id,
        map_public_ip_on_launch=False,
    )
    # What `ec2.Vpc` would write, so that `ec2.Vpc.from_lookup` sorts the subnets.
    for key, value in (("subnet-name", "Private"), ("subnet-type", "Isolated")):
        Tags.of(subnet).add(f"aws-cdk:{key}", value, include_resource_types=["AWS::EC2::Subnet"])
    return subnet


def _has_route_table(subnet: ec2.ISubnet) -> bool:
    try:
        return bool(subnet.route_table.route_table_id)
    except RuntimeError:  # an imported subnet of which only the id is known
        return False
