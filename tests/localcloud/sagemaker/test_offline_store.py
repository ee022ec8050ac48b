"""What becomes of records offline: files as the service lays them out, and Athena's queries."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from localcloud import emulator
from localcloud.sagemaker import offline_store
from mlops_constructs.runtime import Labels, OfflineGroup, ingest, training_set_sql
from tests.localcloud.support import Cloud, until

GROUP: dict[str, Any] = {
    "FeatureGroupName": "People",
    "RecordIdentifierFeatureName": "Id",
    "EventTimeFeatureName": "when",
    "FeatureDefinitions": [
        {"FeatureName": "Id", "FeatureType": "String"},
        {"FeatureName": "when", "FeatureType": "String"},
        {"FeatureName": "age", "FeatureType": "Integral"},
        {"FeatureName": "Body-Height", "FeatureType": "Fractional"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
    "RoleArn": "arn:aws:iam::123456789012:role/r-execution",
}


def _create(cloud: Cloud, **offline: Any) -> dict[str, Any]:
    """A group that is ready; what the service says of it."""
    config = {"S3StorageConfig": {"S3Uri": f"s3://{cloud.bucket()}/prefix/"}, **offline}
    cloud.call("CreateFeatureGroup", **GROUP, OfflineStoreConfig=config)
    described: dict[str, Any] = until(lambda: _described(cloud, "Created"))
    return described


def _described(cloud: Cloud, status: str) -> dict[str, Any] | None:
    described = cloud.call("DescribeFeatureGroup", FeatureGroupName="People")
    return described if described["FeatureGroupStatus"] == status else None


def _put(cloud: Cloud, **values: str) -> None:
    record = [{"FeatureName": name, "ValueAsString": text} for name, text in values.items()]
    runtime = cloud.client("sagemaker-featurestore-runtime")
    runtime.put_record(FeatureGroupName="People", Record=record)


def _flush(cloud: Cloud) -> None:
    with emulator.within(cloud.scope):
        offline_store.flush(cloud.sagemaker)


def _files(cloud: Cloud, described: dict[str, Any]) -> dict[str, bytes]:
    """The objects of the group, by their keys below its prefix."""
    uri = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    s3 = cloud.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return {
        item["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=bucket, Key=item["Key"])[
            "Body"
        ].read()
        for item in listed
    }


def _query(cloud: Cloud, sql: str) -> list[dict[str, str | None]]:
    """Run it as any client of Athena would; the rows of its result."""
    athena = cloud.client("athena")
    started = athena.start_query_execution(
        QueryString=sql,
        ResultConfiguration={"OutputLocation": f"s3://{cloud.bucket()}/results/"},
    )["QueryExecutionId"]

    def ended() -> dict[str, Any] | None:
        found = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
        return found if found["Status"].get("CompletionDateTime") else None

    execution = until(ended)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"][5:].partition("/")
    assert cloud.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    answer = athena.get_query_results(QueryExecutionId=started)["ResultSet"]
    rows = [[datum.get("VarCharValue") for datum in row["Data"]] for row in answer["Rows"]]
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]


def test_files_lie_where_the_service_puts_them(cloud: Cloud, tmp_path: Path) -> None:
    described = _create(cloud)
    assert re.fullmatch(
        rf"s3://[^/]+/prefix/{cloud.scope.account}/sagemaker/us-east-1/offline-store/"
        r"people-\d{10}/data",
        described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"],
    )
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    _put(cloud, Id="a", when="2026-03-04T05:06:07Z", age="30", **{"Body-Height": "1.75"})
    _put(cloud, Id="b", when="2026-03-04T05:59:59.999Z")
    cloud.client("sagemaker-featurestore-runtime").delete_record(
        FeatureGroupName="People",
        RecordIdentifierValueAsString="a",
        EventTime="2026-03-04T06:00:00Z",
    )
    files: dict[str, bytes] = {}

    def written() -> bool:
        files.update(_files(cloud, described))
        return sum("hour=06" in key for key in files) == 1

    until(written)  # without a word from us
    key = next(key for key in files if "hour=05" in key)
    assert re.fullmatch(r"year=2026/month=03/day=04/hour=05/20260304T05\d{4}Z_\w{16}\.parquet", key)
    for number, content in enumerate(files.values()):
        (tmp_path / f"{number}.parquet").write_bytes(content)
    found = duckdb.sql(f"FROM read_parquet('{tmp_path}/*.parquet') ORDER BY \"when\"")
    assert found is not None
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
        "Id": "VARCHAR",
        "when": "VARCHAR",
        "age": "BIGINT",
        "Body-Height": "DOUBLE",
        "write_time": "TIMESTAMP",
        "api_invocation_time": "TIMESTAMP",
        "is_deleted": "BOOLEAN",
    }
    rows = found.fetchall()
    assert [(*row[:4], row[6]) for row in rows] == [
        ("a", "2026-03-04T05:06:07Z", 30, 1.75, False),
        ("b", "2026-03-04T05:59:59.999Z", None, None, False),
        ("a", "2026-03-04T06:00:00Z", None, None, True),
    ]
    for *_, write_time, received, _ in rows:
        assert before <= received <= write_time


def test_iceberg_tables_are_laid_out_by_the_day(cloud: Cloud) -> None:
    described = _create(cloud, TableFormat="Iceberg")
    _put(cloud, Id="a", when="2026-03-04T05:06:07Z")
    _flush(cloud)
    (key,) = _files(cloud, described)
    assert re.fullmatch(r"[0-9a-f]{8}/when_trunc=2026-03-04/20260304T050607Z_\w{16}\.parquet", key)
    catalog = described["OfflineStoreConfig"]["DataCatalogConfig"]
    glue = cloud.client("glue").get_table(
        DatabaseName="sagemaker_featurestore", Name=catalog["TableName"]
    )["Table"]
    assert glue["Parameters"]["table_type"] == "ICEBERG"
    assert not glue["PartitionKeys"]


def test_a_store_that_cannot_be_written_says_so_and_loses_nothing(cloud: Cloud) -> None:
    described = _create(cloud)
    bucket = described["OfflineStoreConfig"]["S3StorageConfig"]["S3Uri"].split("/")[2]
    cloud.client("s3").delete_bucket(Bucket=bucket)
    _put(cloud, Id="a", when="2026-03-04T05:06:07Z")
    _flush(cloud)
    status = cloud.call("DescribeFeatureGroup", FeatureGroupName="People")["OfflineStoreStatus"]
    assert status["Status"] == "Blocked"
    assert "bucket" in status["BlockedReason"]
    cloud.bucket(bucket)
    _flush(cloud)
    assert len(_files(cloud, described)) == 1


@pytest.mark.parametrize("table_format", ["Glue", "Iceberg"])
def test_a_training_set_through_athena(cloud: Cloud, table_format: str) -> None:
    """Ingested by the library, joined by its SQL: nothing that became true later is in it."""
    _create(cloud, TableFormat=table_format)
    runtime = cloud.client("sagemaker-featurestore-runtime")
    people = [("a", 1, 30), ("a", 3, 31), ("b", 1, 40), ("c", 4, 50)]
    report = ingest(
        "People",
        [{"Id": who, "when": f"2026-03-0{day}T00:00:00Z", "age": age} for who, day, age in people],
        client=runtime,
    )
    assert report.written == len(people)
    runtime.delete_record(
        FeatureGroupName="People",
        RecordIdentifierValueAsString="b",
        EventTime="2026-03-02T00:00:00Z",
    )
    added = {"FeatureName": "city", "FeatureType": "String"}
    cloud.call("UpdateFeatureGroup", FeatureGroupName="People", FeatureAdditions=[added])
    _flush(cloud)
    labels = cloud.bucket()
    cloud.put(labels, "labels/labels.csv", b"a,2026-03-02T00:00:00Z\nb,2026-03-03T00:00:00Z\n")
    _query(
        cloud,
        "CREATE EXTERNAL TABLE sagemaker_featurestore.labels (`id` string, `at` string)"
        " ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION 's3://{labels}/labels/'",
    )
    described = cloud.call("DescribeFeatureGroup", FeatureGroupName="People")
    sql = training_set_sql(
        labels=Labels(table="labels", time="at", database="sagemaker_featurestore"),
        groups=[OfflineGroup.from_description(described, entity="id")],
    )
    assert sorted(_query(cloud, sql), key=lambda row: str(row["id"])) == [
        {"id": "a", "at": "2026-03-02T00:00:00Z", "age": "30", "Body-Height": None, "city": None},
        {"id": "b", "at": "2026-03-03T00:00:00Z", "age": None, "Body-Height": None, "city": None},
    ]
