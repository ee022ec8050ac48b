"""Feature groups: the control plane of the feature store."""

from __future__ import annotations

from datetime import UTC, datetime

from localcloud.errors import invalid
from localcloud.sagemaker import checks, crud, offline_tables
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record

_ADDITIONS = 100
"""Features that one UpdateFeatureGroup may add (botocore: FeatureAdditions)."""


@crud.prepare("FeatureGroup")
def _complete(cloud: SageMaker, data: Json) -> None:
    data.setdefault("NextToken", "")
    online, offline = data.get("OnlineStoreConfig"), data.get("OfflineStoreConfig")
    if not (online and online.get("EnableOnlineStore")) and not offline:
        raise invalid("Validation Error: At least one of the online and offline store is needed.")
    if not offline:
        return
    if (online or {}).get("StorageType") == "InMemory":
        raise invalid("Validation Error: The InMemory online store has no offline store.")
    name = data["FeatureGroupName"]
    storage = offline["S3StorageConfig"]
    created = datetime.now(UTC).strftime("%s")
    scope = cloud.scope
    # A group that is made anew gets a prefix of its own: the old group's data stay where they are.
    storage["ResolvedOutputS3Uri"] = (
        f"{storage['S3Uri'].rstrip('/')}/{scope.account}/sagemaker/{scope.region}/offline-store/"
        f"{name.lower()}-{created}/data"
    )
    data["OfflineStoreStatus"] = {"Status": "Active"}
    if not offline.get("DisableGlueTableCreation"):
        offline.setdefault("DataCatalogConfig", offline_tables.catalog(data, created))


@operation("CreateFeatureGroup")
def _create(cloud: SageMaker, request: Json) -> Json:
    """The generic operation, and the Glue table, once nothing can be refused any more."""
    of = kind("FeatureGroup")
    record = crud.store_new(cloud, of, "CreateFeatureGroup", request)
    offline_tables.declare(cloud, record)
    crud.start(cloud, record)
    return record.data


@crud.on_update("FeatureGroup")
def _update(cloud: SageMaker, record: Record, members: Json) -> None:
    """Features can be added only; one kind of change per call."""
    given = [
        name
        for name in ("FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig")
        if members.get(name)
    ]
    if len(given) != 1:
        raise invalid(
            "Validation Error: Give exactly one of FeatureAdditions, OnlineStoreConfig and"
            f" ThroughputConfig, not {len(given)}."
        )
    change = members[given[0]]
    if given[0] == "FeatureAdditions":
        if len(change) > _ADDITIONS:
            raise invalid(f"Validation Error: At most {_ADDITIONS} features can be added at once.")
        definitions = [*record.data["FeatureDefinitions"], *change]
        checks.before_store(
            cloud, "FeatureGroup", {**record.data, "FeatureDefinitions": definitions}
        )
        cloud.touch(record, FeatureDefinitions=definitions)
        offline_tables.declare(cloud, record)
    else:
        cloud.touch(record, **{given[0]: {**(record.data.get(given[0]) or {}), **change}})
    record.data["LastUpdateStatus"] = {"Status": "Successful"}
