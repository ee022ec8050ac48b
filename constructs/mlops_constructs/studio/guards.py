"""Conditions that a persona's requests must meet: its network, key, instance types, isolation.

SageMaker's condition keys differ from action to action (service authorization reference,
"Actions, resources, and condition keys for Amazon SageMaker"): a condition on a key that an action
does not have is never met. Each `Guards.on` therefore names the keys that its actions have.

On a key with several values, ``ForAllValues`` alone would let a request pass that leaves the key
out, such as a job outside every VPC; `Null` shuts that door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from mlops_constructs.studio.permissions import Conditions


class Guard(Enum):
    """A condition key of SageMaker, with the operators that it needs."""

    SUBNETS = "sagemaker:VpcSubnets"
    SECURITY_GROUPS = "sagemaker:VpcSecurityGroupIds"
    INSTANCE_TYPES = "sagemaker:InstanceTypes"
    VOLUME_KEY = "sagemaker:VolumeKmsKey"
    OUTPUT_KEY = "sagemaker:OutputKmsKey"
    ISOLATION = "sagemaker:NetworkIsolation"
    TRAFFIC_ENCRYPTION = "sagemaker:InterContainerTrafficEncryption"


@dataclass(frozen=True, kw_only=True)
class Guards:
    """What requests are held to.

    Attributes:
        subnet_ids: The subnets that jobs may use.
        security_group_ids: The security groups that jobs may use.
        key_arn: The key of volumes and outputs; a request must name it by this ARN.
        instance_types: Instance types of jobs, wildcards allowed.
    """

    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    key_arn: str
    instance_types: Sequence[str]

    def on(self, *guards: Guard) -> Conditions:
        """The conditions for actions that have all these keys."""
        conditions: Conditions = {}
        for guard in guards:
            for operator, value in self._operators(guard).items():
                conditions.setdefault(operator, {})[guard.value] = value
        return conditions

    def _operators(self, guard: Guard) -> dict[str, object]:
        match guard:
            case Guard.SUBNETS:
                return _each_of("StringEquals", self.subnet_ids)
            case Guard.SECURITY_GROUPS:
                return _each_of("StringEquals", self.security_group_ids)
            case Guard.INSTANCE_TYPES:
                return _each_of("StringLike", self.instance_types)
            case Guard.VOLUME_KEY | Guard.OUTPUT_KEY:
                return {"ArnEquals": self.key_arn}
            case Guard.ISOLATION | Guard.TRAFFIC_ENCRYPTION:
                return {"Bool": "true"}


def _each_of(operator: str, values: Sequence[str]) -> dict[str, object]:
    return {f"ForAllValues:{operator}": list(values), "Null": "false"}
