"""No more than four feature groups of a stack are created at the same time.

SageMaker creates at most four groups at once in an account and region and refuses more
(developer guide, "Quotas, naming rules and data types" of Feature Store); CloudFormation would
start all of them together.
"""

from __future__ import annotations

from aws_cdk import Stack, aws_sagemaker as sagemaker
from constructs import Construct

MOST_AT_ONCE = 4

# Held strongly: the Python side of a stack must live for Stack.of to answer with the same object.
# jsii keeps every object of a process alive on its own side anyhow.
_groups_of: dict[Stack, list[sagemaker.CfnFeatureGroup]] = {}


def queue(scope: Construct, group: sagemaker.CfnFeatureGroup) -> None:
    """Make the group wait for the one four places before it in its stack."""
    earlier = _groups_of.setdefault(Stack.of(scope), [])
    if len(earlier) >= MOST_AT_ONCE:
        group.add_resource_dependency(earlier[-MOST_AT_ONCE])
    earlier.append(group)
