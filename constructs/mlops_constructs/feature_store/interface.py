"""What a group of this app and an imported one have in common: grants and events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from aws_cdk import (
    Stack,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
)

from mlops_constructs.common.errors import Problem, ValidationError
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.feature_store import statements
from mlops_constructs.feature_store.metrics import FeatureGroupMetrics
from mlops_constructs.feature_store.stores import (
    InMemoryStore,
    OfflineStore,
    offline_of,
    online_of,
    table_names,
)

#: The database of tables that the service makes.
SERVICE_DATABASE = "sagemaker_featurestore"


class FeatureGroupStatus(StrEnum):
    """The states of a group (botocore, FeatureGroupStatus)."""

    CREATING = "Creating"
    CREATED = "Created"
    CREATE_FAILED = "CreateFailed"
    DELETING = "Deleting"
    DELETE_FAILED = "DeleteFailed"


@dataclass(frozen=True, kw_only=True)
class AthenaQueries:
    """Which workgroup runs a reader's queries, and where their results go.

    Attributes:
        workgroup: The workgroup's name.
        results_bucket: The offline store's bucket by default.
        results_prefix: ``athena-results/<group>`` by default.
    """

    workgroup: str = "primary"
    results_bucket: s3.IBucket | None = None
    results_prefix: str | None = None


class FeatureGroupBase(FeatureGroupMetrics):
    """Grants, metrics and events of a feature group.

    Attributes:
        feature_group_name: The name.
        feature_group_arn: The ARN; SageMaker's ARNs hold names in lower case.
        stores: Where the records are.
        encryption_key: The key of both stores, unless the offline store has one of its own; None
            when an imported group has AWS's own key.
        offline_bucket: The offline store's bucket, if there is one.
    """

    feature_group_arn: str
    encryption_key: kms.IKey | None
    offline_bucket: s3.IBucket | None

    def on_status_change(
        self,
        construct_id: str,
        *,
        target: events.IRuleTarget | None = None,
        statuses: Sequence[FeatureGroupStatus] = (),
    ) -> events.Rule:
        """A rule for changes of the group's status; several events per change are normal.

        Args:
            construct_id: The rule's id.
            target: Whom to tell; more can be added with ``add_target``.
            statuses: Which states; all by default. CREATED also matches ``Active``, the spelling
                of the documented sample event, where the API says ``Created``.
        """
        wanted = [str(status) for status in statuses]
        if FeatureGroupStatus.CREATED in statuses:
            wanted.append("Active")
        detail: dict[str, list[str]] = {"FeatureGroupName": [self.feature_group_name]}
        if wanted:
            detail["FeatureGroupStatus"] = wanted
        return events.Rule(
            self,
            construct_id,
            description=f"Status of the feature group {self.feature_group_name}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Feature Group State Change"],
                detail=detail,
            ),
            targets=[target] if target else None,
        )

    def grant_ingest(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow PutRecord, BatchWriteRecord, and DescribeFeatureGroup to learn the schema.

        The service writes the offline store with the group's own role, so that writers need no
        access to S3.
        """
        grant = statements.allow(
            grantee,
            ["sagemaker:PutRecord", "sagemaker:BatchWriteRecord", "sagemaker:DescribeFeatureGroup"],
            self.feature_group_arn,
        )
        self._allow_online_key(grantee)
        return grant

    def grant_update(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow UpdateRecord, which changes single features of a record.

        The service has it for in-memory stores and for the storage type ``Standard_V2`` (botocore,
        UpdateRecord), which CloudFormation's registry does not have.

        Raises:
            ValidationError: If the group has no in-memory store.
        """
        if not isinstance(online_of(self.stores), InMemoryStore):
            self._refuse("grant_update", "an in-memory store", "OnlineOnly(InMemoryStore())")
        grant = statements.allow(grantee, ["sagemaker:UpdateRecord"], self.feature_group_arn)
        self._allow_online_key(grantee)
        return grant

    def grant_delete(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow DeleteRecord, soft and hard."""
        grant = statements.allow(grantee, ["sagemaker:DeleteRecord"], self.feature_group_arn)
        self._allow_online_key(grantee)
        return grant

    def grant_read_online(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow GetRecord and BatchGetRecord.

        Raises:
            ValidationError: If the group has no online store.
        """
        if online_of(self.stores) is None:
            self._refuse("grant_read_online", "an online store", "OnlineAndOffline(...)")
        grant = statements.allow(
            grantee, ["sagemaker:GetRecord", "sagemaker:BatchGetRecord"], self.feature_group_arn
        )
        self._allow_online_key(grantee)
        return grant

    def grant_read_offline(
        self, grantee: iam.IGrantable, *, athena: AthenaQueries | None = None
    ) -> iam.Grant:
        """Allow reading the history: files, table and, through Athena, SQL.

        DescribeFeatureGroup tells the table's name (`OfflineGroup.from_description`).
        Under Lake Formation the reader also needs SELECT on the table, which only an
        administrator of the data lake can grant.

        Args:
            grantee: The reader.
            athena: Workgroup and place of the results; the defaults of `AthenaQueries`.

        Raises:
            ValidationError: If the group has no offline store.
        """
        offline, bucket = offline_of(self.stores), self.offline_bucket
        if offline is None or bucket is None:
            self._refuse("grant_read_offline", "an offline store", "OnlineAndOffline(...)")
        athena = athena or AthenaQueries()
        results_bucket = athena.results_bucket or bucket
        statements.allow_offline_reads(grantee, bucket, self._data_prefix(offline))
        statements.allow_query_results(
            grantee, results_bucket, athena.results_prefix or self.athena_results_prefix
        )
        tables = self._table_arns(offline)
        statements.allow(grantee, statements.READ_GLUE, *tables)
        acknowledge_wildcards(
            grantee, tables, "The service adds the time of creation to the names of its tables."
        )
        key = offline.encryption_key or self.encryption_key
        if key is not None:
            key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey")
        if athena.results_bucket is not None and athena.results_bucket.encryption_key is not None:
            athena.results_bucket.encryption_key.grant(
                grantee, "kms:Decrypt", "kms:GenerateDataKey"
            )
        statements.allow(grantee, ["sagemaker:DescribeFeatureGroup"], self.feature_group_arn)
        workgroup = Stack.of(self).format_arn(
            service="athena", resource="workgroup", resource_name=athena.workgroup
        )
        return statements.allow(grantee, statements.READ_ATHENA, workgroup)

    @property
    def athena_results_prefix(self) -> str:
        """Where in the offline bucket query results go unless told otherwise."""
        return f"athena-results/{self.feature_group_name}"

    def _data_prefix(self, offline: OfflineStore) -> str:
        """What the keys of the group's objects begin with.

        The service resolves a group's prefix to
        ``<prefix>/<account>/sagemaker/<region>/offline-store/<group>-<creation time>/``.
        """
        stack = Stack.of(self)
        return (
            f"{offline.prefix}/{stack.account}/sagemaker/{stack.region}/offline-store/"
            f"{self.feature_group_name}-"
        )

    def _table_arns(self, offline: OfflineStore) -> list[str]:
        """The Glue catalog, database and table.

        A table that the service makes is named after the group and the time of its creation. In
        the names seen, hyphens are kept, or turned into underscores, and the time follows either:
        ``?`` stands for one character.
        """
        if (names := table_names(offline)) is not None:
            database, table = names.database, names.table
        else:
            name = re.sub(r"[-_]", "?", self.feature_group_name)
            database, table = SERVICE_DATABASE, f"{name}?*"
        stack = Stack.of(self)
        return [
            stack.format_arn(service="glue", resource="catalog"),
            stack.format_arn(service="glue", resource="database", resource_name=database),
            stack.format_arn(service="glue", resource="table", resource_name=f"{database}/{table}"),
        ]

    def _allow_online_key(self, grantee: iam.IGrantable) -> None:
        """Callers of the runtime API decrypt with their own permissions."""
        if self.encryption_key is not None and online_of(self.stores) is not None:
            self.encryption_key.grant_decrypt(grantee)

    def _refuse(self, method: str, needed: str, instead: str) -> NoReturn:
        raise ValidationError(
            self,
            [
                Problem(
                    what=method,
                    got=type(self.stores).__name__,
                    allowed=f"a group with {needed}",
                    instead=f"Give the group stores={instead}, or drop the grant.",
                )
            ],
        )
