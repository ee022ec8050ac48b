"""Rules about feature groups."""

from __future__ import annotations

import re
from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, Scope
from mlops_constructs.rules.engine.values import Node, Problems, show

FEATURE_GROUP: Final = "AWS::SageMaker::FeatureGroup"

#: Names of groups and features (botocore; the schema's pattern has no end anchor).
NAME: Final = re.compile(r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,63}")
#: Columns that Feature Store adds to the offline store itself (botocore).
RESERVED_NAMES: Final = ("is_deleted", "write_time", "api_invocation_time")


def _features(group: Resource) -> dict[str, Node] | None:
    """Feature definitions by name; None unless every name is known."""
    definitions = group["FeatureDefinitions"]
    names = [definition["FeatureName"].text for definition in definitions.items]
    if definitions.count is None or not names or None in names:
        return None
    return {str(name): node for name, node in zip(names, definitions.items, strict=True)}


def _event_time_type(group: Resource) -> str | None:
    features, name = _features(group), group["EventTimeFeatureName"].text
    if features is None or name is None or name not in features:
        return None
    return features[name]["FeatureType"].text


@rule(
    "FG01",
    FEATURE_GROUP,
    fix="Set OnlineStoreConfig.EnableOnlineStore to true, give OfflineStoreConfig, or both",
    source="botocore CreateFeatureGroup; github.com/aws/sagemaker-core#175",
)
def has_a_store(group: Resource) -> Problems:
    """A feature group has an online store, an offline store, or both."""
    online = group["OnlineStoreConfig.EnableOnlineStore"]
    if group["OfflineStoreConfig"].absent and (online.absent or online.flag is False):
        yield group.problem("The online store is off and there is no OfflineStoreConfig")


@rule(
    "FG02",
    FEATURE_GROUP,
    fix="Add it to FeatureDefinitions, or name a feature that is there",
    source="botocore CreateFeatureGroup.RecordIdentifierFeatureName",
)
def record_identifier_declared(group: Resource) -> Problems:
    """The record identifier is a declared feature."""
    yield from _declared(group, "RecordIdentifierFeatureName")


@rule(
    "FG03",
    FEATURE_GROUP,
    fix="Add it to FeatureDefinitions, or name a feature that is there",
    source="SageMaker developer guide: Quotas, Naming Rules and Data Types",
)
def event_time_declared(group: Resource) -> Problems:
    """The event time is a declared feature."""
    yield from _declared(group, "EventTimeFeatureName")


def _declared(group: Resource, member: str) -> Problems:
    features, name = _features(group), group[member].text
    if features is not None and name is not None and name not in features:
        yield group[member].problem(f"{show(name)} is not in FeatureDefinitions")


@rule(
    "FG04",
    FEATURE_GROUP,
    fix="Declare it as String (ISO-8601) or Fractional (seconds since 1970)",
    source="botocore CreateFeatureGroup.EventTimeFeatureName",
)
def event_time_type(group: Resource) -> Problems:
    """The event time is a String or a Fractional."""
    if _event_time_type(group) == "Integral":
        yield group["EventTimeFeatureName"].problem("The event-time feature is Integral")


@rule(
    "FG05",
    FEATURE_GROUP,
    fix="Declare the event time as String (ISO-8601), or use TableFormat Glue",
    source="SageMaker developer guide: Create Feature Groups",
)
def iceberg_event_time(group: Resource) -> Problems:
    """An Iceberg offline store has a String event time."""
    table_format = group["OfflineStoreConfig.TableFormat"].text
    if table_format == "Iceberg" and _event_time_type(group) == "Fractional":
        yield group["EventTimeFeatureName"].problem(
            "The event-time feature is Fractional and TableFormat is Iceberg"
        )


@rule(
    "FG06",
    FEATURE_GROUP,
    fix=f"Choose another name than {', '.join(RESERVED_NAMES)}",
    source="botocore FeatureDefinition.FeatureName",
)
def reserved_names(group: Resource) -> Problems:
    """No feature has a name that Feature Store uses itself."""
    for definition in group["FeatureDefinitions"].items:
        name = definition["FeatureName"]
        if (name.text or "").lower() in RESERVED_NAMES:
            yield name.problem(f"{show(name.text)} is reserved")


@rule(
    "FG07",
    FEATURE_GROUP,
    fix="Rename one of them: the Glue table of an offline store lower-cases its columns",
    source=(
        "Amazon Athena user guide: Name databases, tables, and columns (folded to lower case); "
        "unproven that CreateFeatureGroup refuses it"
    ),
    severity="warning",
)
def unique_names(group: Resource) -> Problems:
    """Feature names are unique; with an offline store also regardless of case."""
    fold = group["OfflineStoreConfig"].present
    seen: dict[str, str] = {}
    for definition in group["FeatureDefinitions"].items:
        name = definition["FeatureName"]
        if name.text is None:
            continue
        key = name.text.lower() if fold else name.text
        if key in seen:
            yield name.problem(f"{show(name.text)} repeats {show(seen[key])}")
        seen.setdefault(key, name.text)


@rule(
    "FG08",
    FEATURE_GROUP,
    fix="Use StorageType Standard, or leave OfflineStoreConfig out",
    source="SageMaker developer guide: Offline store",
)
def in_memory_is_online_only(group: Resource) -> Problems:
    """An InMemory online store has no offline store beside it."""
    storage = group["OnlineStoreConfig.StorageType"]
    if storage.text == "InMemory" and group["OfflineStoreConfig"].present:
        yield storage.problem("StorageType InMemory does not replicate to an offline store")


@rule(
    "FG09",
    FEATURE_GROUP,
    fix="Use ThroughputMode OnDemand, or StorageType Standard",
    source="botocore ThroughputConfig.ThroughputMode",
)
def provisioned_is_standard(group: Resource) -> Problems:
    """Provisioned throughput is for the Standard tier."""
    mode = group["ThroughputConfig.ThroughputMode"]
    if mode.text == "Provisioned" and group["OnlineStoreConfig.StorageType"].text == "InMemory":
        yield mode.problem("ThroughputMode Provisioned with StorageType InMemory")


@rule(
    "FG10",
    FEATURE_GROUP,
    fix=(
        "OnDemand takes no capacity units; Provisioned takes ProvisionedWriteCapacityUnits, and "
        "ProvisionedReadCapacityUnits as well with an online store"
    ),
    source="botocore ThroughputConfig",
)
def capacity_fits_mode(group: Resource) -> Problems:
    """Capacity units fit the throughput mode."""
    throughput = group["ThroughputConfig"]
    reads = throughput["ProvisionedReadCapacityUnits"]
    writes = throughput["ProvisionedWriteCapacityUnits"]
    mode = throughput["ThroughputMode"].text
    if mode == "OnDemand":
        for units in (reads, writes):
            if units.present:
                yield units.problem(f"{units.path[-1]} with ThroughputMode OnDemand")
    elif mode == "Provisioned":
        if writes.absent:
            yield throughput.problem("Provisioned without ProvisionedWriteCapacityUnits")
        if reads.absent and group["OnlineStoreConfig.EnableOnlineStore"].flag is True:
            yield throughput.problem("Provisioned without ProvisionedReadCapacityUnits")


@rule(
    "FG11",
    FEATURE_GROUP,
    fix="Give RoleArn a role that Feature Store may assume and that may write to the bucket",
    source="botocore CreateFeatureGroup.RoleArn",
)
def offline_needs_role(group: Resource) -> Problems:
    """An offline store has a role to write with."""
    if group["OfflineStoreConfig"].present and group["RoleArn"].absent:
        yield group["OfflineStoreConfig"].problem("OfflineStoreConfig without RoleArn")


@rule(
    "FG12",
    FEATURE_GROUP,
    fix="Set DisableGlueTableCreation to false, or use TableFormat Glue",
    source="botocore OfflineStoreConfig.TableFormat",
)
def iceberg_table_is_made(group: Resource) -> Problems:
    """An Iceberg table is made by Feature Store."""
    disable = group["OfflineStoreConfig.DisableGlueTableCreation"]
    if disable.flag is True and group["OfflineStoreConfig.TableFormat"].text == "Iceberg":
        yield disable.problem("DisableGlueTableCreation with TableFormat Iceberg")


@rule(
    "FG13",
    FEATURE_GROUP,
    fix="Give Unit and Value, and set EnableOnlineStore to true",
    source="botocore TtlDuration; SageMaker developer guide: Time to live (TTL) duration",
)
def ttl_is_complete(group: Resource) -> Problems:
    """A time to live has a unit, a value and an online store."""
    online = group["OnlineStoreConfig"]
    ttl = online["TtlDuration"]
    if not ttl.present:
        return
    for member in ("Unit", "Value"):
        if ttl[member].absent:
            yield ttl.problem(f"TtlDuration without {member}")
    if online["EnableOnlineStore"].flag is False or online["EnableOnlineStore"].absent:
        yield ttl.problem("TtlDuration with the online store off")


@rule(
    "FG14",
    FEATURE_GROUP,
    fix="Use 1 to 64 letters, digits, inner hyphens and inner underscores",
    source="botocore FeatureGroupName, FeatureName (the schema's pattern has no end anchor)",
)
def names_fit(group: Resource) -> Problems:
    """Names of feature groups and features fit the API's pattern."""
    definitions = group["FeatureDefinitions"].items
    for name in (group["FeatureGroupName"], *(d["FeatureName"] for d in definitions)):
        if name.text is not None and not NAME.fullmatch(name.text[:1000]):
            yield name.problem(f"The API refuses the name {show(name.text)}")


@rule(
    "FG15",
    FEATURE_GROUP,
    fix="Set EnableOnlineStore to true (the default is false), or leave the settings out",
    source="botocore OnlineStoreConfig.EnableOnlineStore",
    severity="warning",
)
def online_settings_have_effect(group: Resource) -> Problems:
    """Settings of the online store are given only when it is on."""
    online = group["OnlineStoreConfig"]
    if online["EnableOnlineStore"].flag is False or online["EnableOnlineStore"].absent:
        for member in ("StorageType", "TtlDuration", "SecurityConfig"):
            if online[member].present:
                yield online[member].problem(f"{member} is given and the online store is off")


@rule(
    "FG16",
    FEATURE_GROUP,
    fix="Chain the groups with DependsOn, so that at most four are made at once",
    source="SageMaker developer guide: Quotas, Naming Rules and Data Types",
    severity="warning",
)
def four_at_once(group: Resource) -> Problems:
    """CloudFormation makes at most four feature groups at once."""
    first = group.scope.once("groups without predecessors", lambda: _first_groups(group.scope))
    if len(first) > 4 and group is first[4]:
        yield group.problem(f"{len(first)} feature groups are made at once")


def _first_groups(scope: Scope) -> list[Resource]:
    """The groups that wait for no other group: CloudFormation starts them together."""
    names = {group.logical_id for group in scope.of_type(FEATURE_GROUP)}
    return [
        group
        for group in scope.of_type(FEATURE_GROUP)
        if not scope.template.predecessors(group.logical_id) & names
    ]
