"""The Glue tables of offline stores.

Tables of the Iceberg format get the service's data files, but no Iceberg metadata: queries read
them, changes through Athena (deleting a history) are not there.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from localcloud import emulator
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record


def catalog(group: Json, created: str) -> Json:
    """The Glue table that a group gets when it names none."""
    name = re.sub(r"[^a-z0-9]", "_", group["FeatureGroupName"].lower())
    return {
        "Catalog": "AwsDataCatalog",
        "Database": "sagemaker_featurestore",
        "TableName": f"{name}_{created}",
    }


def declare(cloud: SageMaker, group: Record) -> None:
    """Make the Glue table of a new group, or give it the features that were added."""
    offline = group.data.get("OfflineStoreConfig") or {}
    if not offline or offline.get("DisableGlueTableCreation"):
        return
    glue: Any = cloud.clients.client("glue", emulator.current_scope())
    names, table = offline["DataCatalogConfig"], _table(group)
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": names["Database"]})
    try:
        glue.create_table(DatabaseName=names["Database"], TableInput=table)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=names["Database"], TableInput=table)


def _table(group: Record) -> Json:
    offline = group.data["OfflineStoreConfig"]
    kinds = {"Integral": "bigint", "Fractional": "double"}
    columns = [
        {"Name": each["FeatureName"].lower(), "Type": kinds.get(each["FeatureType"], "string")}
        for each in group.data["FeatureDefinitions"]
    ]
    columns += [
        {"Name": "write_time", "Type": "timestamp"},
        {"Name": "api_invocation_time", "Type": "timestamp"},
        {"Name": "is_deleted", "Type": "boolean"},
    ]
    iceberg = offline.get("TableFormat") == "Iceberg"
    hadoop = "org.apache.hadoop.hive.ql.io.parquet"
    table: Json = {
        "Name": offline["DataCatalogConfig"]["TableName"],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG"} if iceberg else {"EXTERNAL": "TRUE"},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": offline["S3StorageConfig"]["ResolvedOutputS3Uri"],
            "InputFormat": f"{hadoop}.MapredParquetInputFormat",
            "OutputFormat": f"{hadoop}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{hadoop}.serde.ParquetHiveSerDe"},
        },
    }
    if not iceberg:
        parts = ("year", "month", "day", "hour")
        table["PartitionKeys"] = [{"Name": part, "Type": "string"} for part in parts]
    return table
