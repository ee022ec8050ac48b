"""Studio: a private domain for the people who make the models."""

from __future__ import annotations

from aws_cdk import CfnOutput, aws_events_targets as targets
from constructs import Construct

from mlops_constructs import (
    DataScientist,
    DomainAudit,
    MlEngineer,
    ProjectData,
    SecureVpcDomain,
    TaggedBudget,
    UserProfile,
)
from mlops_constructs.common.buckets import access_log_bucket
from stacks.base import PlatformStack, Setting, retention
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.training import TrainingStack

#: What nobody does by hand where everything is deployed.
_CHANGES = (
    *("CreateUserProfile", "DeleteDomain", "DeleteUserProfile", "UpdateDomain"),
    "UpdateUserProfile",
)


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
        environment, use_case = setting.environment, setting.use_case
        project = (
            ProjectData(bucket=data.data, read=(f"{use_case.pipeline.name}/", "feature-store/")),
            ProjectData(bucket=data.artifacts, write=(f"studio/{ProjectData.USER}/",)),
        )
        personas = {
            persona.name: persona
            for persona in (DataScientist(data=project), MlEngineer(data=project))
        }
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
        if environment.user_budget is not None:
            for name in environment.users:
                TaggedBudget(
                    self,
                    f"BudgetOf{name.capitalize()}",
                    monthly=environment.user_budget,
                    tag=self.domain.cost_tag(name),
                    topic=ground.alerts,
                )
        if environment.audit:
            DomainAudit(
                self,
                "Audit",
                buckets=[data.data, data.artifacts],
                # Apart from the data: whoever may read these may not thereby read the trail.
                access_logs=access_log_bucket(self, "AuditAccessLogs"),
                log_retention=retention(environment),
            )
            self.domain.on_api_call(
                "ChangesByHand",
                target=targets.SnsTopic(ground.alerts),
                operations=_CHANGES,
            )
        CfnOutput(self, "DomainId", value=self.domain.domain_id)
