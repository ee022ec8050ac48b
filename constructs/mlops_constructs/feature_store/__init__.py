"""FeatureStoreGroup: a feature group that keeps its data, with grants that work."""

from mlops_constructs.feature_store.alarms import FeatureGroupAlarms
from mlops_constructs.feature_store.group import FeatureStoreGroup
from mlops_constructs.feature_store.interface import (
    AthenaQueries,
    FeatureGroupBase,
    FeatureGroupStatus,
)
from mlops_constructs.feature_store.lock import FeatureLock
from mlops_constructs.feature_store.schema import FeatureSchema
from mlops_constructs.feature_store.stores import (
    GlueTable,
    IcebergTable,
    InMemoryStore,
    OfflineOnly,
    OfflineStore,
    OnDemand,
    OnlineAndOffline,
    OnlineOnly,
    OnlineStore,
    OwnGlueTable,
    Provisioned,
    Stores,
    TableNames,
)
from mlops_constructs.feature_store.types import BatchOperation, Feature, FeatureType, Operation

__all__ = [
    "AthenaQueries",
    "BatchOperation",
    "Feature",
    "FeatureGroupAlarms",
    "FeatureGroupBase",
    "FeatureGroupStatus",
    "FeatureLock",
    "FeatureSchema",
    "FeatureStoreGroup",
    "FeatureType",
    "GlueTable",
    "IcebergTable",
    "InMemoryStore",
    "OfflineOnly",
    "OfflineStore",
    "OnDemand",
    "OnlineAndOffline",
    "OnlineOnly",
    "OnlineStore",
    "Operation",
    "OwnGlueTable",
    "Provisioned",
    "Stores",
    "TableNames",
]
