"""Where a group keeps its records. Combinations that the service refuses cannot be written.

| wanted | write |
|---|---|
| serve features with single-digit milliseconds | ``OnlineOnly(OnlineStore(...))`` |
| the same, faster, without history | ``OnlineOnly(InMemoryStore(...))`` |
| history for training only | ``OfflineOnly(OfflineStore(...))`` |
| both | ``OnlineAndOffline(online=OnlineStore(...), offline=OfflineStore(...))`` |

An in-memory store does not replicate to an offline store and takes no provisioned throughput
(SageMaker developer guide, "Offline store", "Throughput modes"). Collection types, such as
vectors, exist in the in-memory tier only and cannot be declared in CloudFormation; neither can the
storage type ``Standard_V2``, which botocore has and the registry schema has not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aws_cdk import Duration, aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token

#: The most read or write units of a group (registry schema of AWS::SageMaker::FeatureGroup).
MOST_UNITS = 10_000_000

_TTL_UNITS = (("Weeks", 604_800), ("Days", 86_400), ("Hours", 3_600), ("Minutes", 60))
_TABLE = re.compile(r"[a-z0-9_]{1,255}")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*")


@dataclass(frozen=True)
class OnDemand:
    """Pay per read and write; the service follows the traffic."""


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """Pay for reserved throughput; more than that is throttled.

    A change to on-demand is possible once in 24 hours (botocore, ThroughputConfig).

    Attributes:
        read_units: Read capacity units, 0 to 10,000,000.
        write_units: Write capacity units, 0 to 10,000,000.
    """

    read_units: int
    write_units: int


@dataclass(frozen=True, kw_only=True)
class OnlineStore:
    """The standard tier.

    Attributes:
        ttl: How long after its event time a record is deleted for good; never by default.
        throughput: On demand by default.
    """

    ttl: Duration | None = None
    throughput: OnDemand | Provisioned = field(default_factory=OnDemand)


@dataclass(frozen=True, kw_only=True)
class InMemoryStore:
    """The in-memory tier, on demand only; takes 10 to 15 minutes to create or delete.

    Attributes:
        ttl: How long after its event time a record is deleted for good; never by default.
    """

    ttl: Duration | None = None


@dataclass(frozen=True, kw_only=True)
class TableNames:
    """What the service calls the table that it makes.

    botocore (OfflineStoreConfig) says that the table is made with these names; in 2022 the service
    refused them (aws/sagemaker-python-sdk#2916).

    Attributes:
        database: The Glue database; made if it is not there.
        table: The table.
    """

    database: str
    table: str


@dataclass(frozen=True, kw_only=True)
class IcebergTable:
    """An Apache Iceberg table that the service makes and compacts; event times are Strings.

    Attributes:
        names: The service's own by default: ``sagemaker_featurestore`` and the group's name with
            the time of its creation.
    """

    names: TableNames | None = None


@dataclass(frozen=True, kw_only=True)
class GlueTable:
    """A Hive-style Glue table of Parquet files that the service makes.

    Attributes:
        names: The service's own by default, as in `IcebergTable`.
    """

    names: TableNames | None = None


@dataclass(frozen=True, kw_only=True)
class OwnGlueTable:
    """A Glue table that you make; Feature Store only writes the Parquet files.

    Attributes:
        database: The Glue database.
        table: The table.
    """

    database: str
    table: str


@dataclass(frozen=True, kw_only=True)
class OfflineStore:
    """The history of all records, in S3.

    Attributes:
        bucket: Made when it is left out. It must be in the group's region.
        prefix: Where in the bucket; the service adds account, region and group below it.
        table: The table's format; Iceberg by default.
        encryption_key: A symmetric key of its own, such as the bucket's; the group's by default.
    """

    bucket: s3.IBucket | None = None
    prefix: str = "feature-store"
    table: IcebergTable | GlueTable | OwnGlueTable = field(default_factory=IcebergTable)
    encryption_key: kms.IKey | None = None


@dataclass(frozen=True)
class OnlineOnly:
    """The latest record of each entity."""

    online: OnlineStore | InMemoryStore = field(default_factory=OnlineStore)


@dataclass(frozen=True)
class OfflineOnly:
    """The history alone.

    Attributes:
        offline: Where it lies.
        write_units: Provisioned write capacity units; on demand when left out.
    """

    offline: OfflineStore = field(default_factory=OfflineStore)
    write_units: int | None = None


@dataclass(frozen=True, kw_only=True)
class OnlineAndOffline:
    """Both; what is written online appears offline within minutes."""

    online: OnlineStore = field(default_factory=OnlineStore)
    offline: OfflineStore = field(default_factory=OfflineStore)


Stores = OnlineOnly | OfflineOnly | OnlineAndOffline


def online_of(stores: Stores) -> OnlineStore | InMemoryStore | None:
    """The online store, if there is one."""
    return None if isinstance(stores, OfflineOnly) else stores.online


def offline_of(stores: Stores) -> OfflineStore | None:
    """The offline store, if there is one."""
    return None if isinstance(stores, OnlineOnly) else stores.offline


def table_names(offline: OfflineStore) -> TableNames | None:
    """Database and table, where they are chosen and not the service's."""
    if isinstance(offline.table, OwnGlueTable):
        return TableNames(database=offline.table.database, table=offline.table.table)
    return offline.table.names


def is_provisioned(stores: Stores) -> bool:
    """Whether throughput is reserved."""
    if isinstance(stores, OfflineOnly):
        return stores.write_units is not None
    return isinstance(stores.online, OnlineStore) and isinstance(
        stores.online.throughput, Provisioned
    )


def throughput_config(stores: Stores) -> dict[str, str | int]:
    """``ThroughputConfig`` in the spelling of CloudFormation's L1 props."""
    if isinstance(stores, OfflineOnly) and stores.write_units is not None:
        return {
            "throughputMode": "Provisioned",
            "provisionedWriteCapacityUnits": stores.write_units,
        }
    online = online_of(stores)
    if isinstance(online, OnlineStore) and isinstance(online.throughput, Provisioned):
        return {
            "throughputMode": "Provisioned",
            "provisionedReadCapacityUnits": online.throughput.read_units,
            "provisionedWriteCapacityUnits": online.throughput.write_units,
        }
    return {"throughputMode": "OnDemand"}


def ttl_config(ttl: Duration) -> dict[str, str | int]:
    """``TtlDuration`` in the largest unit that fits."""
    seconds = int(ttl.to_seconds())
    for unit, size in _TTL_UNITS:
        if seconds % size == 0:
            return {"Unit": unit, "Value": seconds // size}
    return {"Unit": "Seconds", "Value": seconds}


def check_stores(problems: Problems, stores: Stores) -> None:
    """Note what the types alone cannot refuse."""
    if not isinstance(stores, Stores):
        problems.add(
            "stores",
            got=stores,
            allowed="OnlineOnly, OfflineOnly or OnlineAndOffline",
            instead="Write OnlineAndOffline(online=OnlineStore(), offline=OfflineStore()).",
        )
        return
    if isinstance(stores, OnlineAndOffline) and isinstance(stores.online, InMemoryStore):
        problems.add(
            "stores.online",
            got="InMemoryStore",
            allowed="OnlineStore: the in-memory tier does not replicate to an offline store",
            instead="Write OnlineOnly(InMemoryStore(...)), or take OnlineStore(...).",
        )
    _check_ttl(problems, online_of(stores))
    for what, key in (
        ("write_units", "provisionedWriteCapacityUnits"),
        ("read_units", "provisionedReadCapacityUnits"),
    ):
        units = throughput_config(stores).get(key)
        if units is not None and not is_token(units):
            problems.check(
                isinstance(units, int) and not isinstance(units, bool) and 0 <= units <= MOST_UNITS,
                f"stores: {what}",
                got=units,
                allowed=f"0 to {MOST_UNITS} capacity units",
                instead="Write the units per second that you expect at the peak.",
            )
    offline = offline_of(stores)
    if offline is not None and not is_token(offline.prefix):
        problems.check(
            bool(_PREFIX.fullmatch(offline.prefix)) and len(offline.prefix) <= 512,
            "stores.offline.prefix",
            got=offline.prefix,
            allowed="1 to 512 characters that are safe in S3 keys, without outer slashes",
            instead=f"Write {_safe_prefix(offline.prefix)!r}.",
        )
    if offline is not None and (names := table_names(offline)) is not None:
        for what in ("database", "table"):
            name = getattr(names, what)
            problems.check(
                is_token(name) or bool(_TABLE.fullmatch(name)),
                f"stores.offline.table: {what}",
                got=name,
                allowed="1 to 255 lower-case letters, digits and underscores, which Athena needs "
                "no quotes for",
                instead=f"Write {re.sub('[^a-z0-9_]+', '_', name.lower())[:255] or 'features'!r}.",
            )


def _safe_prefix(prefix: str) -> str:
    parts = (re.sub(r"[^\w.!*'()-]+", "-", part, flags=re.ASCII) for part in prefix.split("/"))
    return "/".join(filter(None, parts))[:512].strip("/") or "feature-store"


def _check_ttl(problems: Problems, online: OnlineStore | InMemoryStore | None) -> None:
    if online is None or online.ttl is None:
        return
    if not isinstance(online.ttl, Duration):
        problems.add(
            "stores.online.ttl",
            got=online.ttl,
            allowed="a Duration",
            instead="Write a duration such as Duration.days(30).",
        )
        return
    if online.ttl.is_unresolved():
        return
    milliseconds = online.ttl.to_milliseconds()
    problems.check(
        milliseconds >= 1000 and milliseconds % 1000 == 0,
        "stores.online.ttl",
        got=f"{milliseconds / 1000:g} seconds",
        allowed="at least one second, in whole seconds",
        instead="Write a duration such as Duration.days(30), or leave ttl out to keep records.",
    )
