"""The endpoints of a private network: its own, or those of a central VPC.

An interface endpoint costs money for every hour and zone. Two ways to pay less:

| | costs in function |
|---|---|
| ``OwnEndpoints(zones=1)`` | if that zone fails, no zone reaches an AWS API; calls from the other \
zones are billed as traffic between zones |
| ``OwnEndpoints(without={…})`` | what `OptionalEndpoint.lost` says |
| `SharedEndpoints` | every call passes a transit gateway, billed per GB; the central VPC is \
everybody's single point of failure; its endpoint policies are everybody's |

Sharing goes by a Route 53 Profile: the central VPC's endpoints keep their private DNS, the profile
takes it to the VPCs that it is associated with, in other accounts too, by AWS RAM; a transit
gateway takes the packets. Gateway endpoints cannot be shared and stay in each VPC.

Sources: Networking & Content Delivery blog, "Streamlining multi-VPC DNS management with Amazon
Route 53 Profiles and interface VPC endpoint integration"; registry schemas of
AWS::Route53Profiles::* and AWS::EC2::TransitGatewayAttachment (2026-10-20).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import (
    Annotations,
    Stack,
    aws_ec2 as ec2,
    aws_ram as ram,
    aws_route53profiles as route53profiles,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.features import OptionalEndpoint
from mlops_constructs.studio.security_groups import HTTPS

_PROFILE_NAME = re.compile(r"(?![0-9]+$)[a-zA-Z0-9_' -]{1,64}")


@dataclass(frozen=True, kw_only=True)
class OwnEndpoints:
    """Interface endpoints in the network itself.

    Attributes:
        zones: In how many zones they stand; all unless given.
        without: Endpoints that are left out although a feature brings them.
    """

    zones: int | None = None
    without: Collection[OptionalEndpoint] = ()

    def check(self, problems: Problems, zones: int) -> None:
        """Note what does not fit a network of so many zones."""
        problems.check(
            self.zones is None or 1 <= self.zones <= zones,
            "endpoints.zones",
            got=self.zones,
            allowed=f"1 to {zones}, the zones of the network",
            instead="Leave it out for an endpoint in every zone.",
        )
        unknown = [one for one in self.without if not isinstance(one, OptionalEndpoint)]
        problems.check(
            not unknown,
            "endpoints.without",
            got=unknown,
            allowed=", ".join(f"OptionalEndpoint.{one.name}" for one in OptionalEndpoint),
            instead="Every job or notebook needs the others: leave the feature out instead.",
        )

    def warn(self, scope: Construct, zones: int) -> None:
        """Say what a cheaper network costs in function."""
        costs = [one.lost for one in OptionalEndpoint if one in self.without]
        if self.zones is not None and self.zones < zones:
            costs.append(
                f"if the {self.zones} zone(s) of the endpoints fail, the other "
                f"{zones - self.zones} reach no AWS API either"
            )
        if costs:
            Annotations.of(scope).add_warning_v2(
                "mlops-constructs:fewer-endpoints",
                f"This network has fewer interface endpoints: {'; '.join(costs)}. Leave "
                "endpoints= out to have them all.",
            )


@dataclass(frozen=True, kw_only=True)
class SharedEndpoints:
    """Interface endpoints of a central VPC, which `PrivateNetwork.share_endpoints` shares.

    Attributes:
        profile_id: The Route 53 Profile with the private DNS of the endpoints, ``rp-…``.
        transit_gateway_id: The way to them, ``tgw-…``.
        cidr: The addresses of the central VPC.
    """

    profile_id: str
    transit_gateway_id: str
    cidr: str

    def check(self, problems: Problems, own_cidr: str | None) -> None:
        """Note everything that is wrong with them."""
        for what, value, prefix in (
            ("profile_id", self.profile_id, "rp-"),
            ("transit_gateway_id", self.transit_gateway_id, "tgw-"),
        ):
            problems.check(
                is_token(value) or value.startswith(prefix),
                f"endpoints.{what}",
                got=value,
                allowed=f"an id such as '{prefix}0123456789abcdef0'",
                instead="Copy it from the outputs of the central network's stack.",
            )
        check_cidrs(problems, "endpoints.cidr", [self.cidr], own_cidr)


def check_cidrs(problems: Problems, what: str, cidrs: Sequence[str], own_cidr: str | None) -> None:
    """Note addresses that are none, or that the VPC itself has."""
    for cidr in cidrs:
        if is_token(cidr):
            continue
        try:
            block = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            problems.add(
                what,
                got=cidr,
                allowed=f"an IPv4 network such as '10.0.0.0/16' ({error})",
                instead="Write the first address and the prefix length.",
            )
            continue
        problems.check(
            own_cidr is None
            or is_token(own_cidr)
            or not block.overlaps(ipaddress.IPv4Network(own_cidr)),
            what,
            got=cidr,
            allowed=f"addresses outside this network's own {own_cidr}",
            instead="Give each VPC addresses of its own: a transit gateway routes by them.",
        )


def use_shared(
    scope: Construct, shared: SharedEndpoints, vpc: ec2.IVpc, subnets: Sequence[ec2.ISubnet]
) -> None:
    """Associate a VPC with the profile, and lead it to the central VPC."""
    route53profiles.CfnProfileAssociation(
        scope,
        "EndpointProfile",
        name=_association_name(scope),
        profile_id=shared.profile_id,
        resource_id=vpc.vpc_id,
    )
    _attach(scope, vpc, subnets, shared.transit_gateway_id, [shared.cidr])


def share(
    scope: Construct,
    *,
    profile_name: str,
    endpoints: Mapping[str, ec2.InterfaceVpcEndpoint],
    vpc: ec2.IVpc,
    subnets: Sequence[ec2.ISubnet],
    transit_gateway_id: str,
    cidrs: Sequence[str],
    principals: Sequence[str],
) -> route53profiles.CfnProfile:
    """A profile with the DNS of the endpoints, the way back, and who may use the profile."""
    profile = route53profiles.CfnProfile(scope, "Profile", name=profile_name)
    for construct_id, endpoint in endpoints.items():
        route53profiles.CfnProfileResourceAssociation(
            scope,
            construct_id,
            name=construct_id,
            profile_id=profile.attr_id,
            resource_arn=Stack.of(scope).format_arn(
                service="ec2",
                resource="vpc-endpoint",
                resource_name=endpoint.vpc_endpoint_id,
            ),
        )
    _attach(scope, vpc, subnets, transit_gateway_id, cidrs)
    if principals:
        ram.CfnResourceShare(
            scope,
            "Share",
            name=profile_name,
            allow_external_principals=False,
            principals=list(principals),
            resource_arns=[profile.attr_arn],
        )
    return profile


def check_profile_name(problems: Problems, name: str) -> None:
    """Note a name that Route 53 Profiles would refuse (registry schema)."""
    problems.check(
        is_token(name) or _PROFILE_NAME.fullmatch(name) is not None,
        "profile_name",
        got=name,
        allowed="up to 64 letters, digits, spaces, hyphens and underscores, not digits alone",
        instead="Write, for example, 'ml-endpoints'.",
    )


def allow_from(group: ec2.SecurityGroup, cidrs: Sequence[str]) -> None:
    """HTTPS from other VPCs to the endpoints."""
    for cidr in cidrs:
        group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(HTTPS), f"HTTPS from {cidr}")


def _attach(
    scope: Construct,
    vpc: ec2.IVpc,
    subnets: Sequence[ec2.ISubnet],
    transit_gateway_id: str,
    cidrs: Sequence[str],
) -> None:
    attachment = ec2.CfnTransitGatewayAttachment(
        scope,
        "Attachment",
        vpc_id=vpc.vpc_id,
        subnet_ids=[subnet.subnet_id for subnet in subnets],
        transit_gateway_id=transit_gateway_id,
    )
    for zone, subnet in enumerate(subnets, start=1):
        for number, cidr in enumerate(cidrs, start=1):
            route = ec2.CfnRoute(
                scope,
                f"Route{zone}To{number}",
                route_table_id=subnet.route_table.route_table_id,
                destination_cidr_block=cidr,
                transit_gateway_id=transit_gateway_id,
            )
            # The gateway refuses routes of a VPC that is not attached yet.
            route.add_dependency(attachment)


def _association_name(scope: Construct) -> str:
    """A name of up to 64 characters; one VPC has one profile, the name tells nobody apart."""
    return scope.node.path.replace("/", "-")[-64:].lstrip("-_ ")
