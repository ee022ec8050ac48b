"""A VPC of one's own, or one that exists; and the arithmetic of its subnets."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from aws_cdk import Fn, aws_ec2 as ec2

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.common.tokens import is_token

_MOST_ZONES = 3
_SHORTEST_PREFIX = 16
_LONGEST_PREFIX = 24
#: Four blocks whatever the number of zones, so that adding the third zone moves no subnet.
_SUBNET_BITS = 2
_PRIVATE = tuple(
    ipaddress.IPv4Network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
#: SageMaker uses it for Docker (Amazon VPC user guide, "VPC CIDR blocks").
_DOCKER = ipaddress.IPv4Network("172.17.0.0/16")
_ZONE_NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+[a-z]")


@dataclass(frozen=True, kw_only=True)
class NewVpc:
    """A VPC without a way to the internet, made by the network.

    Attributes:
        cidr: Its addresses, /16 to /24, private. Each zone's subnet gets a quarter of them, less
            the five that AWS keeps: 16,379 in a /16, 59 in a /24.
        zones: 2 or 3, or the names of the zones. By number, CloudFormation picks the first zones
            of the account; name them where a service or an instance type is not in all zones.
    """

    cidr: str = "10.20.0.0/16"
    zones: int | tuple[str, ...] = 2

    @property
    def zone_count(self) -> int:
        """How many zones there are."""
        return self.zones if isinstance(self.zones, int) else len(self.zones)

    @property
    def is_sound(self) -> bool:
        """Whether `check` has nothing to note."""
        problems = Problems("vpc")
        self.check(problems)
        try:
            problems.raise_if_any()
        except ValidationError:
            return False
        return True

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong with the addresses and the zones."""
        problems.check(
            2 <= self.zone_count <= _MOST_ZONES,
            "vpc.zones",
            got=self.zones,
            allowed="2 or 3 zones",
            instead="SageMaker hosting needs subnets in two zones: write zones=2.",
        )
        if not isinstance(self.zones, int):
            names_fit = all(is_token(zone) or _ZONE_NAME.fullmatch(zone) for zone in self.zones)
            problems.check(
                names_fit and len(set(self.zones)) == len(self.zones),
                "vpc.zones",
                got=self.zones,
                allowed="different zone names such as 'eu-west-1a'",
                instead="Name each zone once, or give their number.",
            )
        self._check_cidr(problems)

    def _check_cidr(self, problems: Problems) -> None:
        if is_token(self.cidr):
            problems.add(
                "vpc.cidr",
                got=self.cidr,
                allowed="addresses that are known at synth",
                instead="Write them out: the subnets are computed from them.",
            )
            return
        try:
            block = ipaddress.IPv4Network(self.cidr)
        except ValueError as error:
            problems.add(
                "vpc.cidr",
                got=self.cidr,
                allowed=f"an IPv4 network such as '10.20.0.0/16' ({error})",
                instead="Write the first address and the prefix length.",
            )
            return
        problems.check(
            _SHORTEST_PREFIX <= block.prefixlen <= _LONGEST_PREFIX,
            "vpc.cidr",
            got=self.cidr,
            allowed=f"/{_SHORTEST_PREFIX} to /{_LONGEST_PREFIX}",
            instead="A VPC takes no more than a /16; in less than a /24, the endpoints and a few "
            "users (up to 4 addresses each) use up the subnets.",
        )
        problems.check(
            any(block.subnet_of(private) for private in _PRIVATE),
            "vpc.cidr",
            got=self.cidr,
            allowed=", ".join(str(private) for private in _PRIVATE),
            instead="Use private addresses: traffic to public ones would stay in the VPC.",
        )
        problems.check(
            not block.overlaps(_DOCKER),
            "vpc.cidr",
            got=self.cidr,
            allowed=f"addresses outside {_DOCKER}",
            instead="SageMaker uses that range for Docker; take another one.",
        )

    def subnet_cidrs(self) -> list[str]:
        """The addresses of each zone's subnet; call `check` first."""
        blocks = ipaddress.IPv4Network(self.cidr).subnets(prefixlen_diff=_SUBNET_BITS)
        return [str(block) for block, _ in zip(blocks, range(self.zone_count), strict=False)]

    def zone_names(self) -> list[str]:
        """The names of the zones.

        Always as `Fn::GetAZs` or as given: asking CDK for them needs credentials in a stack with
        a concrete account and region.
        """
        if isinstance(self.zones, int):
            return [Fn.select(index, Fn.get_azs()) for index in range(self.zones)]
        return list(self.zones)


@dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC that somebody else owns; its subnets, routes and flow logs stay as they are.

    Attributes:
        vpc: The VPC, with DNS support and DNS host names on.
        subnets: Private subnets of default tenancy, in two zones at least.
        make_endpoints: Whether to make endpoints. Set it to False where the VPC has them
            already or shares those of a central VPC: a service's private DNS name can belong to
            one endpoint of a VPC only.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection = field(
        default_factory=lambda: ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    )
    make_endpoints: bool = True
