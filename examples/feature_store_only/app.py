"""Features that several teams share, and nothing else of this library.

Shop events become features of a customer. A job of another team writes them; a service reads the
newest ones in milliseconds, analysts query the history with Athena. Both stores are encrypted
with one key, and the data outlive the stack.
"""

import os

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_iam as iam, aws_kms as kms
from constructs import Construct

from mlops_constructs import (
    Feature,
    FeatureSchema,
    FeatureStoreGroup,
    OfflineStore,
    OnlineAndOffline,
    OnlineStore,
    ServiceRules,
)


class CustomerFeatures(cdk.Stack):
    """The feature group, and who may do what with it."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        key = kms.Key(self, "Key", enable_key_rotation=True, description="Customer features")
        features = FeatureStoreGroup(
            self,
            "Features",
            feature_group_name="customer-behaviour",
            description="What a customer did in the shop lately",
            schema=FeatureSchema(
                record_identifier="customer_id",
                event_time="event_time",
                features=(
                    Feature.string("customer_id"),
                    Feature.string("event_time"),
                    Feature.integral("visits_7_days"),
                    Feature.integral("orders_30_days"),
                    Feature.fractional("spent_30_days"),
                    Feature.string("favourite_category"),
                ),
            ),
            stores=OnlineAndOffline(online=OnlineStore(), offline=OfflineStore()),
            encryption_key=key,
        )
        writer = iam.Role(self, "Writer", assumed_by=iam.ServicePrincipal("glue.amazonaws.com"))
        service = iam.Role(
            self, "Service", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )
        features.grant_ingest(writer)
        features.grant_read_online(service)


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
CustomerFeatures(app, "CustomerFeatures")
app.synth()
