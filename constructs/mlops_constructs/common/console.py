"""Where the AWS console is, for links in dashboards and messages.

Each partition has its own host, and a stack that fits any region learns its partition when it is
deployed.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import CfnMapping, Stack
from constructs import Construct

from mlops_constructs.common.pseudo import PARTITION

_MAPPING: Final = "Consoles"
_HOSTS: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_url(scope: Construct) -> str:
    """Address of the console in the region of a construct's stack, without a slash at its end."""
    stack = Stack.of(scope)
    found = stack.node.try_find_child(_MAPPING)
    hosts = (
        found
        if isinstance(found, CfnMapping)
        else CfnMapping(
            stack,
            _MAPPING,
            mapping={partition: {"host": host} for partition, host in _HOSTS.items()},
        )
    )
    return f"https://{stack.region}.{hosts.find_in_map(PARTITION, 'host')}"
