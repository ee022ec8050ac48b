"""FeatureStoreGroup: a SageMaker feature group that keeps its data.

What it guarantees:

- **Nothing is lost by accident.** Group, bucket and key are retained when the stack goes or the
  group is replaced; destroying them takes two keys. Tags of the app never reach the group: they
  are create-only (CloudFormation registry), so that the next one would replace it.
- **Encrypted.** One customer key for both stores, or one for each.
- **Only what can be done.** With a lock file, synth refuses what would replace the group or what
  the service refuses: see `lock`.
- **Least privilege.** A role of its own that writes below one prefix and touches one table;
  grants that hold what the API calls need, keys, catalog and Athena included.
- **Checked at synth**, all errors at once, by the rules of `schema` and `stores`.

One kind of change per deployment: UpdateFeatureGroup takes new features (at most 100), the online
store's TTL and the throughput one at a time (botocore).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import (
    Annotations,
    Stack,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.regions import check_region
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.common.roles import sagemaker_role, wait_for_policy
from mlops_constructs.feature_store import creation, statements
from mlops_constructs.feature_store.interface import FeatureGroupBase
from mlops_constructs.feature_store.lock import COMMAND, CONTEXT, FeatureLock, lock_state
from mlops_constructs.feature_store.schema import FeatureSchema, check_group_name, check_tags
from mlops_constructs.feature_store.stores import (
    IcebergTable,
    InMemoryStore,
    OfflineStore,
    OnlineAndOffline,
    OwnGlueTable,
    Stores,
    check_stores,
    offline_of,
    online_of,
    table_names,
    throughput_config,
    ttl_config,
)


class FeatureStoreGroup(FeatureGroupBase):
    """A feature group with an online store, an offline store, or both.

    Attributes:
        schema: The features.
        role: The role with which the service writes the offline store; None without one.
        resource: The L1.

    Example:
        people = FeatureStoreGroup(
            self,
            "People",
            feature_group_name="census-dev-people",
            schema=FeatureSchema(
                record_identifier="person_id",
                event_time="event_time",
                features=(Feature.string("person_id"), Feature.string("event_time")),
            ),
            stores=OnlineAndOffline(online=OnlineStore(ttl=Duration.days(30))),
            lock=FeatureLock("features/census-dev-people.lock.json"),
        )
        people.grant_ingest(role)
    """

    @classmethod
    def from_feature_group_name(
        cls,
        scope: Construct,
        construct_id: str,
        feature_group_name: str,
        *,
        stores: Stores,
        encryption_key: kms.IKey | None = None,
    ) -> FeatureGroupBase:
        """A group that exists in the stack's account and region, with the same grants.

        Args:
            scope: The parent.
            construct_id: The id.
            feature_group_name: The group's name.
            stores: What the group has; an offline store must name its bucket.
            encryption_key: The key of its stores, if it has one of the account's own.

        Raises:
            ValidationError: If the offline store's bucket is left out.
        """
        offline = offline_of(stores)
        problems = Problems(f"{scope.node.path}/{construct_id}")
        problems.check(
            offline is None or offline.bucket is not None,
            "stores.offline.bucket",
            got=None,
            allowed="the bucket of the existing offline store",
            instead='Write OfflineStore(bucket=Bucket.from_bucket_name(self, "Offline", name)).',
        )
        problems.raise_if_any()
        imported = FeatureGroupBase(scope, construct_id)
        _describe(imported, feature_group_name, stores, encryption_key)
        imported.offline_bucket = offline.bucket if offline else None
        return imported

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        feature_group_name: str,
        schema: FeatureSchema,
        stores: Stores | None = None,
        description: str | None = None,
        encryption_key: kms.IKey | None = None,
        role: iam.IRole | None = None,
        tags: Mapping[str, str] | None = None,
        lock: FeatureLock | None = None,
        destroy_data: bool = False,
    ) -> None:
        """Make the group.

        Args:
            scope: The parent.
            construct_id: The id.
            feature_group_name: At most 64 lower-case letters, digits, hyphens and underscores,
                unique in account and region. Create-only.
            schema: The features. Only additions are possible later.
            stores: Where records are kept; `OnlineAndOffline` by default.
            description: At most 128 characters. Create-only.
            encryption_key: A symmetric key; made when left out.
            role: The role for the offline store, trusted by sagemaker.amazonaws.com; made when
                left out. What it needs is granted to it either way.
            tags: The group's own tags, at most 50, the only ones that it gets. Create-only.
            lock: The file that says what is deployed, so that synth can refuse to lose it.
            destroy_data: Whether deleting the stack deletes the group, and a bucket and key made
                here. Needs `allow_data_destruction`.

        Raises:
            ValidationError: With everything that the service would refuse, and what the lock
                file does not allow.
        """
        super().__init__(scope, construct_id)
        stores = OnlineAndOffline() if stores is None else stores
        problems = Problems(self)
        check_group_name(problems, feature_group_name)
        check_stores(problems, stores)
        _check_constructs(problems, stores, encryption_key, role)
        problems.check(
            lock is None or isinstance(lock, FeatureLock),
            "lock",
            got=lock,
            allowed="a FeatureLock",
            instead=f"Write FeatureLock({str(lock)!r}).",
        )
        problems.check(
            description is None or len(description) <= 128,
            "description",
            got=description,
            allowed="at most 128 characters",
            instead="Shorten it; longer notes belong to the features' metadata.",
        )
        check_tags(problems, tags or {})
        check_region(
            problems,
            Stack.of(self).region,
            "AWS::SageMaker::FeatureGroup",
            what="region",
            instead="Deploy the feature store to another region, such as the nearest with all of "
            "Feature Store.",
        )
        removal_policy = data_removal_policy(self, problems, destroy_data)
        offline = offline_of(stores) if isinstance(stores, Stores) else None
        if isinstance(schema, FeatureSchema):
            schema.check(
                problems,
                offline=offline is not None,
                iceberg=offline is not None and isinstance(offline.table, IcebergTable),
            )
        else:
            problems.add(
                "schema",
                got=schema,
                allowed="a FeatureSchema",
                instead="Write FeatureSchema(record_identifier=..., event_time=..., features=...), "
                "or infer one: FeatureSchema.from_file(...).",
            )
        problems.raise_if_any()

        self.schema = schema
        own_key = offline.encryption_key if offline and online_of(stores) is None else None
        key = ensure_key(
            self,
            encryption_key or own_key,
            description=f"Feature group {feature_group_name}",
            removal_policy=removal_policy,
        )
        _describe(self, feature_group_name, stores, key)
        self.offline_bucket = None
        self.role: iam.IRole | None = None
        if offline is not None:
            offline_key = offline.encryption_key or key
            self.offline_bucket = offline.bucket or secure_bucket(
                self, "Bucket", encryption_key=offline_key, removal_policy=removal_policy
            )
            self.role = role or sagemaker_role(
                self, "Role", description=f"Writes the offline store of {feature_group_name}"
            )
            self._allow_role(self.role, self.offline_bucket, offline, offline_key)
        online_config = self._online_config(key)
        offline_config = self._offline_config(self.offline_bucket, offline, key)
        self.resource = sagemaker.CfnFeatureGroup(
            self,
            "Resource",
            feature_group_name=feature_group_name,
            description=description,
            record_identifier_feature_name=schema.record_identifier,
            event_time_feature_name=schema.event_time,
            feature_definitions=[
                {"featureName": feature.name, "featureType": str(feature.type)}
                for feature in schema.features
            ],
            online_store_config=online_config,
            offline_store_config=offline_config,
            throughput_config=throughput_config(stores),
            role_arn=self.role.role_arn if self.role else None,
        )
        if lock is not None:
            self._hold_to(
                lock,
                {
                    "FeatureGroupName": feature_group_name,
                    "RecordIdentifierFeatureName": schema.record_identifier,
                    "EventTimeFeatureName": schema.event_time,
                    "Description": description,
                    "OnlineStoreConfig": online_config,
                    "OfflineStoreConfig": offline_config,
                    "ThroughputConfig": throughput_config(stores),
                    "RoleArn": self.role.role_arn if self.role else None,
                    "Tags": dict(tags) if tags else None,
                },
            )
        self.resource.apply_removal_policy(removal_policy)
        # Whoever adds tags, and whenever: see the module's docstring.
        if tags:
            self.resource.add_property_override(
                "Tags", [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
            )
        else:
            self.resource.add_property_deletion_override("Tags")
        if self.role:
            wait_for_policy(self.resource, self.role)
        creation.queue(self, self.resource)

    def _hold_to(self, lock: FeatureLock, properties: dict[str, Any]) -> None:
        """Refuse what the lock file does not allow; record the rest if that is asked for."""
        stack = Stack.of(self)
        names = {"StackName": stack.stack_name, "LogicalId": stack.get_logical_id(self.resource)}
        resolved = stack.resolve({"names": names, "properties": properties})
        state = lock_state(
            names=resolved["names"],
            properties=resolved.get("properties", {}),
            features={feature.name: str(feature.type) for feature in self.schema.features},
        )
        record = str(self.node.try_get_context(CONTEXT)).lower() == "true"
        problems = Problems(self)
        pending = lock.pending(problems, state, record=record)
        problems.raise_if_any()
        if record:
            lock.write(state)
        elif pending:
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:feature-lock",
                f"{pending[0]}; not in {lock} yet. After the deployment, record it with "
                f"`{COMMAND}` and commit the file.",
            )

    def _allow_role(
        self, role: iam.IRole, bucket: s3.IBucket, offline: OfflineStore, key: kms.IKey
    ) -> None:
        statements.allow_offline_writes(role, bucket, offline.prefix)
        tables = self._table_arns(offline)
        statements.allow(role, ["glue:GetTable", "glue:UpdateTable"], *tables)
        acknowledge_wildcards(
            role, tables, "The service adds the time of creation to the names of its tables."
        )
        key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")

    def _online_config(self, key: kms.IKey) -> dict[str, Any] | None:
        online = online_of(self.stores)
        if online is None:
            return None
        config: dict[str, Any] = {
            "EnableOnlineStore": True,
            "SecurityConfig": {"KmsKeyId": key.key_arn},
            "StorageType": "InMemory" if isinstance(online, InMemoryStore) else "Standard",
        }
        if online.ttl is not None:
            config["TtlDuration"] = ttl_config(online.ttl)
        return config

    def _offline_config(
        self, bucket: s3.IBucket | None, offline: OfflineStore | None, key: kms.IKey
    ) -> dict[str, Any] | None:
        if bucket is None or offline is None:
            return None
        config: dict[str, Any] = {
            "S3StorageConfig": {
                "S3Uri": bucket.s3_url_for_object(offline.prefix),
                "KmsKeyId": (offline.encryption_key or key).key_arn,
            },
            "TableFormat": "Iceberg" if isinstance(offline.table, IcebergTable) else "Glue",
        }
        if isinstance(offline.table, OwnGlueTable):
            config["DisableGlueTableCreation"] = True
        if (names := table_names(offline)) is not None:
            config["DataCatalogConfig"] = {
                "Catalog": "AwsDataCatalog",
                "Database": names.database,
                "TableName": names.table,
            }
        return config


def _check_constructs(
    problems: Problems, stores: Stores, encryption_key: object, role: object
) -> None:
    """Note names and ARNs where constructs are wanted: Python finds out much later."""
    offline = offline_of(stores) if isinstance(stores, Stores) else None
    given = {
        "encryption_key": (encryption_key, "Key.from_key_arn(self, 'Key', arn)"),
        "role": (role, "Role.from_role_arn(self, 'Role', arn)"),
    }
    if offline is not None:
        given["stores.offline.bucket"] = (
            offline.bucket,
            "Bucket.from_bucket_name(self, 'Offline', name)",
        )
        given["stores.offline.encryption_key"] = (
            offline.encryption_key,
            given["encryption_key"][1],
        )
    for what, (value, instead) in given.items():
        problems.check_construct(what, value, instead=f"Write {instead}.")


def _describe(
    group: FeatureGroupBase, name: str, stores: Stores, encryption_key: kms.IKey | None
) -> None:
    group.feature_group_name = name
    group.feature_group_arn = Stack.of(group).format_arn(
        service="sagemaker", resource="feature-group", resource_name=name.lower()
    )
    group.stores = stores
    group.encryption_key = encryption_key
