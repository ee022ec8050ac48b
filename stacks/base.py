"""What every stack of the platform has in common."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from mlops_constructs import CostTags, allow_data_destruction
from stacks.environments import LOG_RETENTION, Environment
from stacks.use_case import UseCase


@dataclass(frozen=True)
class Setting:
    """What every stack of a platform is built for."""

    environment: Environment
    use_case: UseCase


class PlatformStack(cdk.Stack):
    """A stack of one environment: named, tagged, protected as its environment says.

    Its id is ``<Layer>-<environment>``, its name ``<use case>-<environment>-<layer>``, so that
    several use cases fit into one account.
    """

    def __init__(self, scope: Construct, layer: str, setting: Setting) -> None:
        environment, use_case = setting.environment, setting.use_case
        super().__init__(
            scope,
            f"{layer}-{environment.name}",
            stack_name=f"{use_case.name}-{environment.name}-{layer.lower()}",
            description=f"{layer} of {use_case.name} in {environment.name}.",
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=not environment.destroy_data,
        )
        self._setting = setting
        if environment.destroy_data:
            allow_data_destruction(self)
        CostTags(
            project=use_case.name,
            team=environment.team,
            environment=environment.name,
            cost_center=environment.cost_center,
        ).apply_to(self)

    def resource_name(self, *parts: str) -> str:
        """A name that is unique among the use cases and environments of an account."""
        setting = self._setting
        return "-".join((setting.use_case.name, setting.environment.name, *parts))


def retention(environment: Environment) -> logs.RetentionDays:
    """How long the environment keeps its logs, as the CDK writes it."""
    name: str = LOG_RETENTION[environment.log_days]
    found: logs.RetentionDays = getattr(logs.RetentionDays, name)
    return found
