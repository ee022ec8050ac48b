"""Paths of packets inside a VPC, as far as templates tell them.

A call reaches an interface endpoint if the endpoint is in the same VPC, has private DNS, and both
security groups let HTTPS through; or if a Route 53 Profile takes the endpoint's DNS to the VPC, and
the route tables lead there by a transit gateway. It reaches a gateway endpoint if the subnet's
route table leads to it and the caller's group lets HTTPS out. A route to the internet (NAT or
internet gateway, transit gateway) leads to every API.

Source: AWS PrivateLink guide, "Access an AWS service using an interface VPC endpoint" and
"Gateway endpoints".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.access.estate import Estate, Item
from mlops_constructs.access.evaluation import Request, listed, matching, policy
from mlops_constructs.access.roles import check_policies
from mlops_constructs.reach.services import Endpoint

HTTPS: Final = 443
#: The CDK writes this rule into a group that lets nothing out.
_NOWHERE: Final = "255.255.255.255/32"


@dataclass(frozen=True)
class Place:
    """Where something runs.

    Attributes:
        what: What runs there, for reports.
        subnets: The ids of its subnets.
        groups: The ids of its security groups.
    """

    what: str
    subnets: tuple[str, ...]
    groups: tuple[str, ...]


class Network:
    """The VPCs of an estate.

    Args:
        estate: The templates.
        fips: Whether callers use FIPS endpoints.
    """

    def __init__(self, estate: Estate, *, fips: bool = False) -> None:
        self._estate = estate
        self._fips = fips
        self.endpoints = list(estate.of_type("AWS::EC2::VPCEndpoint"))
        for item in self.endpoints:
            check_policies(item, policy(item.properties.get("PolicyDocument")))
        self._vpc_of = {
            estate.ref(item): str(item.properties.get("VpcId"))
            for item in estate.of_type("AWS::EC2::Subnet")
        }
        self._ranges = {
            estate.ref(item): str(item.properties.get("CidrBlock", ""))
            for item in estate.of_type("AWS::EC2::VPC")
        }
        self._tables = {
            str(item.properties.get("SubnetId")): str(item.properties.get("RouteTableId"))
            for item in estate.of_type("AWS::EC2::SubnetRouteTableAssociation")
        }
        self._rules = {
            direction: list(_rules(estate, direction)) for direction in ("Ingress", "Egress")
        }
        self._groups = {
            f"{estate.ref(item)}.GroupId": item
            for item in estate.of_type("AWS::EC2::SecurityGroup")
        }

    def is_known(self, place: Place) -> bool:
        """Whether the templates make the subnets, so that their routes are known."""
        return all(subnet in self._vpc_of for subnet in place.subnets)

    def internet(self, place: Place) -> str | None:
        """The default route of all subnets of a place, if there is one for each."""
        ways = {self._default_route(subnet) for subnet in place.subnets}
        return None if None in ways or not ways else ", ".join(sorted(way for way in ways if way))

    def candidates(self, endpoint: Endpoint, place: Place) -> list[Item]:
        """The endpoints in the place's VPC, or shared with it, that serve an endpoint service."""
        names = endpoint.names(self._estate.region, fips=self._fips)
        vpcs = self._vpcs(place)
        shared = self._shared_with(vpcs)
        return [
            item
            for item in self.endpoints
            if item.properties.get("ServiceName") in names
            and (not vpcs or str(item.properties.get("VpcId")) in vpcs or item in shared)
        ]

    def profiles(self, place: Place) -> list[str]:
        """The Route 53 Profiles of the place's VPC that are in none of the templates."""
        known = {
            f"{self._estate.ref(item)}.Id"
            for item in self._estate.of_type("AWS::Route53Profiles::Profile")
        }
        return sorted(self._profiles(self._vpcs(place)) - known)

    def _vpcs(self, place: Place) -> set[str]:
        return {self._vpc_of[subnet] for subnet in place.subnets if subnet in self._vpc_of}

    def _profiles(self, vpcs: set[str]) -> set[str]:
        return {
            str(item.properties.get("ProfileId"))
            for item in self._estate.of_type("AWS::Route53Profiles::ProfileAssociation")
            if str(item.properties.get("ResourceId")) in vpcs
        }

    def _shared_with(self, vpcs: set[str]) -> list[Item]:
        profiles = self._profiles(vpcs)
        arns = {
            str(item.properties.get("ResourceArn"))
            for item in self._estate.of_type("AWS::Route53Profiles::ProfileResourceAssociation")
            if str(item.properties.get("ProfileId")) in profiles
        }
        return [
            item
            for item in self.endpoints
            if any(arn.endswith(f"vpc-endpoint/{self._estate.ref(item)}") for arn in arns)
        ]

    def obstacles(self, item: Item, place: Place) -> Iterator[str]:
        """Why the endpoint cannot be reached from the place, besides its policy."""
        properties = item.properties
        if properties.get("VpcEndpointType", "Gateway") == "Gateway":
            tables = listed(properties.get("RouteTableIds"))
            for subnet in place.subnets:
                table = self._tables.get(subnet)
                if subnet in self._vpc_of and table not in tables:
                    yield f"the route table of {_short(subnet)} does not lead to it"
            if place.groups and not any(
                self._leaves(group, None) for group in self._known_groups(place)
            ):
                yield "no security group lets HTTPS out to it"
            return
        if str(properties.get("PrivateDnsEnabled", "false")).lower() != "true":
            yield "it has no private DNS, so that the service's name leads out of the VPC"
        groups = [str(group) for group in listed(properties.get("SecurityGroupIds"))]
        callers = self._known_groups(place)
        vpc = str(properties.get("VpcId"))
        own = next(iter(self._vpcs(place)), vpc)
        if own != vpc:
            for subnet in place.subnets:
                if not self._leads_to(subnet, vpc):
                    yield f"the route table of {_short(subnet)} does not lead to its VPC"
        if not place.groups or len(callers) < len(place.groups):
            return
        if not any(self._leaves(caller, groups, vpc) for caller in callers):
            yield "no security group lets HTTPS out to it"
        if groups and not any(
            self._enters(group, place.groups, own) for group in groups if group in self._groups
        ):
            yield f"its security group lets no HTTPS in from {_short(place.groups[0])}"

    def lets_through(self, item: Item, request: Request) -> bool:
        """Whether the policy of the endpoint allows a request; without one it allows all."""
        document = policy(item.properties.get("PolicyDocument"))
        if document is None:
            return True
        if any(True for _ in matching(document, request, "Deny", principal=True)):
            return False
        return any(True for _ in matching(document, request, "Allow", principal=True))

    # --- rules ----------------------------------------------------------------------------------

    def _known_groups(self, place: Place) -> list[str]:
        return [group for group in place.groups if group in self._groups]

    def _leaves(self, group: str, to: Sequence[str] | None, vpc: str = "") -> bool:
        rules = [rule for owner, rule in self._rules["Egress"] if owner == group]
        inline = self._groups[group].properties.get("SecurityGroupEgress")
        if not rules and not inline:
            # A group without rules for what goes out lets everything out.
            return True
        return any(
            _is_https(rule) and self._is_about(rule, "Destination", to, vpc) for rule in rules
        )

    def _enters(self, group: str, callers: Sequence[str], vpc: str) -> bool:
        rules = [rule for owner, rule in self._rules["Ingress"] if owner == group]
        return any(
            _is_https(rule) and self._is_about(rule, "Source", callers, vpc) for rule in rules
        )

    def _is_about(
        self, rule: Mapping[str, Any], end: str, groups: Sequence[str] | None, vpc: str
    ) -> bool:
        if groups is None:
            return rule.get("CidrIp") == "0.0.0.0/0" or bool(rule.get(f"{end}PrefixListId"))
        if rule.get(f"{end}SecurityGroupId") in groups:
            return True
        return _covers(str(rule.get("CidrIp", "")), self._ranges.get(vpc, ""))

    def _leads_to(self, subnet: str, vpc: str) -> bool:
        """Whether the subnet's route table sends packets for a VPC to a transit gateway."""
        table = self._tables.get(subnet)
        return any(
            route.properties.get("RouteTableId") == table
            and route.properties.get("TransitGatewayId")
            and _covers(
                str(route.properties.get("DestinationCidrBlock", "")), self._ranges.get(vpc, "")
            )
            for route in self._estate.of_type("AWS::EC2::Route")
        )

    def _default_route(self, subnet: str) -> str | None:
        table = self._tables.get(subnet)
        for route in self._estate.of_type("AWS::EC2::Route"):
            properties = route.properties
            if (
                properties.get("RouteTableId") == table
                and properties.get("DestinationCidrBlock") == "0.0.0.0/0"
            ):
                for key in ("NatGatewayId", "GatewayId", "TransitGatewayId", "InstanceId"):
                    if properties.get(key):
                        return key.removesuffix("Id")
                return "another appliance"
        return None


def _rules(estate: Estate, direction: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rules of all groups, with the group that each belongs to."""
    for group in estate.of_type("AWS::EC2::SecurityGroup"):
        for rule in listed(group.properties.get(f"SecurityGroup{direction}")):
            if not isinstance(rule, dict):
                continue
            yield f"{estate.ref(group)}.GroupId", rule
    for item in estate.of_type(f"AWS::EC2::SecurityGroup{direction}"):
        yield str(item.properties.get("GroupId")), item.properties


def _is_https(rule: Mapping[str, Any]) -> bool:
    protocol = str(rule.get("IpProtocol"))
    if protocol == "-1":
        return True
    if protocol not in ("tcp", "6"):
        return False
    try:
        return int(rule.get("FromPort", -1)) <= HTTPS <= int(rule.get("ToPort", -1))
    except (TypeError, ValueError):
        return False


def _covers(cidr: str, vpc_range: str) -> bool:
    if cidr == "0.0.0.0/0":
        return True
    try:
        outer, inner = ipaddress.ip_network(cidr), ipaddress.ip_network(vpc_range)
    except ValueError:
        # `Fn::GetAtt Vpc.CidrBlock` has no text before deployment, and is the VPC's range.
        return cidr.endswith(".CidrBlock")
    return cidr != _NOWHERE and inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # the versions are equal


def _short(name: str) -> str:
    return name.removesuffix(".GroupId").rpartition(".")[2]
