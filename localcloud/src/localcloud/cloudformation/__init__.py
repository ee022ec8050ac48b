"""CloudFormation resource types added to ministack's: all of SageMaker's, and what it lacks."""

from __future__ import annotations

from localcloud import emulator
from localcloud.cloudformation import corrections
from localcloud.cloudformation.buses import BUSES
from localcloud.cloudformation.delivery import DELIVERY
from localcloud.cloudformation.network import NETWORK
from localcloud.cloudformation.operations import OPERATIONS
from localcloud.cloudformation.resource import SageMakerResource
from localcloud.cloudformation.schemas import Schema, known_types, schema
from localcloud.cloudformation.special import SPECIAL
from localcloud.cloudformation.trails import TRAILS
from localcloud.sagemaker.kinds import kinds
from localcloud.sagemaker.service import SageMaker

_PREFIX = "AWS::SageMaker::"
_UNTAGGED = frozenset({"ModelPackage"})
"""Types that refuse tags at creation (a version of a model package group takes the group's)."""


def register(cloud: SageMaker) -> None:
    """Register the types with the CloudFormation engine."""
    for type_name in sorted(known_types()):
        name = type_name.removeprefix(_PREFIX)
        if type_name.startswith(_PREFIX) and name in kinds():
            of = schema(type_name)
            _add(of, SPECIAL.get(name, SageMakerResource)(cloud, of), tagged=name not in _UNTAGGED)
    others = {**BUSES, **DELIVERY, **NETWORK, **OPERATIONS, **TRAILS}
    for type_name, implementation in others.items():
        of = schema(type_name)
        _add(of, implementation(cloud, of), tagged=False)
    corrections.register(cloud)


def _add(of: Schema, handlers: emulator.ResourceHandlers, *, tagged: bool) -> None:
    whole = {path[0] for path in of.create_only if len(path) == 1}
    nested = {path[0] for path in (*of.create_only, *of.conditional)} - whole
    emulator.add_resource_type(
        of.type_name,
        handlers,
        create_only=frozenset(whole),
        conditionally_create_only=frozenset(nested),
        replaces=of.replaces,
        # Where tags are create-only, a tag of the stack must not reach the resource: changing it
        # later would replace the resource and what it holds.
        tags=of.tags if tagged and of.tags not in whole else None,
    )
