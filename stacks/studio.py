"""Studio: a private domain for the people who make the models."""

from __future__ import annotations

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs import DataScientist, MlEngineer, SecureVpcDomain, UserProfile
from mlops_constructs.common.grants import allow_read
from stacks.base import PlatformStack, Setting
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.training import TrainingStack


class StudioStack(PlatformStack):
    """Domain, personas and users.

    Attributes:
        domain: The Studio domain.
    """

    def __init__(
        self,
        scope: Construct,
        setting: Setting,
        *,
        ground: NetworkStack,
        data: DataStack,
        training: TrainingStack,
    ) -> None:
        super().__init__(scope, "Studio", setting)
        environment = setting.environment
        personas = {persona.name: persona for persona in (DataScientist(), MlEngineer())}
        self.domain = SecureVpcDomain(
            self,
            "Domain",
            domain_name=self.resource_name(),
            network=ground.network,
            encryption_key=ground.key,
            personas=tuple(personas.values()),
            user_profiles=[
                UserProfile(name, persona=personas[persona])
                for name, persona in environment.users.items()
            ],
            destroy_data=environment.destroy_data,
        )
        for role in self.domain.roles.values():
            data.features.grant_read_online(role)
            training.pipeline.grant_start(role)
        if self.domain.job_role is not None:
            allow_read(self.domain.job_role, data.data)
        CfnOutput(self, "DomainId", value=self.domain.domain_id)
