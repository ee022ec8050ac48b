"""The ground that the other stacks stand on: the key, the alert topic and the private network."""

from __future__ import annotations

from aws_cdk import aws_kms as kms, aws_sns as sns, aws_sns_subscriptions as subscriptions
from constructs import Construct

from mlops_constructs import NetworkFeature, NewVpc, PrivateNetwork
from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.delivery.budget import allow_budgets
from stacks.base import PlatformStack, Setting, retention


class NetworkStack(PlatformStack):
    """Key, alerts and network.

    Attributes:
        key: Encrypts everything of the environment.
        alerts: Where alarms, failures and releases are told.
        network: The VPC with its endpoints and security groups.
    """

    def __init__(self, scope: Construct, setting: Setting) -> None:
        super().__init__(scope, "Network", setting)
        environment, use_case = setting.environment, setting.use_case
        problems = Problems(self)
        self.key = kms.Key(
            self,
            "Key",
            description=f"Data of {use_case.name} in {environment.name}",
            enable_key_rotation=True,
            removal_policy=data_removal_policy(self, problems, environment.destroy_data),
        )
        problems.raise_if_any()
        allow_publishers(
            self.key, "budgets.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"
        )
        self.alerts = sns.Topic(self, "Alerts", master_key=self.key, enforce_ssl=True)
        allow_budgets(self.alerts)
        for address in environment.notify:
            self.alerts.add_subscription(subscriptions.EmailSubscription(address))
        self.network = PrivateNetwork(
            self,
            "Network",
            vpc=NewVpc(cidr=environment.cidr, zones=environment.zones),
            features=(
                NetworkFeature.JOBS,
                NetworkFeature.STUDIO,
                NetworkFeature.FEATURE_STORE,
                # Monitors put the event of a violation on the bus.
                NetworkFeature.EVENTS,
            ),
            encryption_key=self.key,
            flow_log_retention=retention(environment),
            destroy_data=environment.destroy_data,
        )
