"""Destroying data takes two keys: the environment allows it and the construct is told so."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct

from mlops_constructs.common.errors import Problems

_ALLOWED = "mlops-constructs:allow-data-destruction"


def allow_data_destruction(scope: Construct) -> None:
    """Let the constructs below ``scope`` destroy data when they are told to.

    Call it on an app or a stack before anything is added to it, or set the context value
    ``mlops-constructs:allow-data-destruction`` to true. Without it, ``destroy_data=True`` of a
    construct is refused.
    """
    scope.node.set_context(_ALLOWED, True)


def data_removal_policy(scope: Construct, problems: Problems, destroy_data: bool) -> RemovalPolicy:
    """RETAIN, or DESTROY when the construct is told so and the environment allows it."""
    if not destroy_data:
        return RemovalPolicy.RETAIN
    problems.check(
        scope.node.try_get_context(_ALLOWED) in (True, "true"),
        "destroy_data",
        got=True,
        allowed="True only where the environment allows data to be destroyed",
        instead="Call allow_data_destruction(stack) before adding constructs to a stack whose "
        "data may be lost, or leave destroy_data out.",
    )
    return RemovalPolicy.DESTROY
