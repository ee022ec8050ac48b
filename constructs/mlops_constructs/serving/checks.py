"""Checks of an endpoint's arguments that are about more than one of them."""

from __future__ import annotations

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Compute
from mlops_constructs.serving.deployment import Deployment
from mlops_constructs.serving.model import ServedModel


def check_kinds(problems: Problems, *, model: object, compute: object, deployment: object) -> None:
    """Refuse what is no member of a union at all, before its members are asked for."""
    for what, given, kinds, instead in (
        ("model", model, ServedModel, "Write ApprovedModel(...)."),
        ("compute", compute, Compute, "Write Instances('ml.m5.large', count=2)."),
        ("deployment", deployment, Deployment | None, "Write Canary(percent=50)."),
    ):
        problems.check(
            isinstance(given, kinds),
            what,
            got=given,
            allowed=" or ".join(
                kind.__name__ for kind in getattr(kinds, "__args__", ()) if kind is not type(None)
            ),
            instead=instead,
        )
    problems.raise_if_any()


def check_network(problems: Problems, network: JobNetwork | None) -> None:
    """Note what the service would refuse of a model's VPC."""
    if network is None:
        return
    subnets, groups = network.subnet_ids, network.security_group_ids
    problems.check(
        2 <= len(subnets) <= 16,
        "network.subnets",
        got=f"{len(subnets)} subnets",
        allowed="2 to 16 subnets in two zones or more, even for one instance",
        instead="Select private subnets in two availability zones.",
    )
    problems.check(
        1 <= len(groups) <= 5,
        "network.security_groups",
        got=f"{len(groups)} groups",
        allowed="1 to 5",
        instead="Pass one security group for models.",
    )


def check_serverless(
    problems: Problems, *, network: JobNetwork | None, capture: DataCapture | None
) -> None:
    """Note what serverless endpoints do not have."""
    for what, given in (("network", network), ("capture", capture)):
        problems.check(
            given is None,
            what,
            got=type(given).__name__,
            allowed="none with Serverless, which the service offers neither VPC nor capture",
            instead=f"Leave {what} out, or write compute=Instances('ml.m5.large').",
        )
