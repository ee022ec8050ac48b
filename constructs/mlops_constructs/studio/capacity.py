"""How many addresses a network's users and instances take, and how many its subnets have."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.address_space import ExistingVpc, NewVpc
from mlops_constructs.studio.endpoints import OwnEndpoints, SharedEndpoints
from mlops_constructs.studio.features import NetworkFeature, endpoints_for

#: What AWS keeps of each subnet (Amazon VPC user guide, "Subnet CIDR blocks").
_RESERVED = 5
_PER_USER = 4
_PER_INSTANCE = 2


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much a network is for; its subnets must have the addresses even if a zone fails.

    A user takes up to four addresses, an instance of a job or of a model two (SageMaker developer
    guide, "Connect Studio in a VPC to external resources", "Give SageMaker AI training jobs access
    to resources in your Amazon VPC", "Give SageMaker AI hosted endpoints access …"), and each
    interface endpoint one in every zone that it stands in.

    Attributes:
        users: Who work in Studio at the same time.
        job_instances: Instances of the jobs that run at the same time.
        model_instances: Instances of endpoints; twice those of one that is deployed blue/green.
    """

    users: int = 5
    job_instances: int = 10
    model_instances: int = 0

    @property
    def addresses(self) -> int:
        """The addresses that it takes, without those of interface endpoints."""
        return _PER_USER * self.users + _PER_INSTANCE * (self.job_instances + self.model_instances)

    def check(self, problems: Problems, room: int | None) -> None:
        """Note that the subnets are too small.

        Args:
            problems: Where to note it.
            room: The addresses that are left when the largest zone fails; None if nobody knows.
        """
        wanted = (self.users, self.job_instances, self.model_instances)
        problems.check(
            min(wanted) >= 0,
            "capacity",
            got=wanted,
            allowed="no number below 0",
            instead="Count who and what is there at the same time.",
        )
        problems.check(
            room is None or self.addresses <= room,
            "capacity",
            got=f"{self.users} users x {_PER_USER} + {self.job_instances} + {self.model_instances} "
            f"instances x {_PER_INSTANCE} = {self.addresses} addresses",
            allowed=f"{room} addresses: what the subnets have without the largest, less the "
            f"{_RESERVED} that AWS keeps of each and one for each interface endpoint",
            instead="Take a larger cidr or another zone, or say how much fewer there will be: "
            "Capacity(users=…, job_instances=…).",
        )


def room_in(subnets: Sequence[str], endpoints: Sequence[int]) -> int:
    """The addresses that are left when the zone with the most of them fails.

    Args:
        subnets: The addresses of each zone's subnet, such as ``10.20.0.0/18``.
        endpoints: The interface endpoints in each.
    """
    free = [
        max(ipaddress.IPv4Network(cidr).num_addresses - _RESERVED - count, 0)
        for cidr, count in zip(subnets, endpoints, strict=True)
    ]
    return sum(sorted(free)[:-1])


def find_room(
    choice: NewVpc | ExistingVpc,
    endpoints: OwnEndpoints | SharedEndpoints,
    features: Collection[NetworkFeature],
    subnets: Sequence[ec2.ISubnet],
) -> int | None:
    """The addresses left for users and instances, where the addresses are known and right.

    Args:
        choice: The VPC.
        endpoints: Its interface endpoints, or somebody else's.
        features: What it is used for.
        subnets: Of an existing VPC.
    """
    if isinstance(choice, ExistingVpc):
        cidrs = _known_cidrs(subnets)
        makes = choice.make_endpoints
    else:
        cidrs = choice.subnet_cidrs() if choice.is_sound else []
        makes = True
    if not cidrs:
        return None
    counts = [0] * len(cidrs)
    if isinstance(endpoints, OwnEndpoints) and makes:
        here = len(endpoints_for(features, endpoints.without))
        zones = len(cidrs) if endpoints.zones is None else endpoints.zones
        counts = [here if zone < zones else 0 for zone in range(len(cidrs))]
    return room_in(cidrs, counts)


def _known_cidrs(subnets: Sequence[ec2.ISubnet]) -> list[str]:
    """The addresses of subnets, or nothing if those of one are not known."""
    cidrs: list[str] = []
    for subnet in subnets:
        try:
            cidr = subnet.ipv4_cidr_block
        except RuntimeError:  # an imported subnet of which only the id is known
            return []
        if is_token(cidr):
            return []
        cidrs.append(cidr)
    return cidrs
