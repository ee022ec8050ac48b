from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.errors import ServiceError
from tests.localcloud.support import Cloud, until

FEATURES = [
    {"FeatureName": "id", "FeatureType": "String"},
    {"FeatureName": "time", "FeatureType": "String"},
    {"FeatureName": "age", "FeatureType": "Integral"},
]
GROUP: dict[str, Any] = {
    "FeatureGroupName": "group",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "time",
    "FeatureDefinitions": FEATURES,
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}


ONE = {"FeatureGroupName": "group", "RecordIdentifierValueAsString": "1"}


def _ready(cloud: Cloud, **changes: Any) -> Any:
    cloud.call("CreateFeatureGroup", **{**GROUP, **changes})
    group = {"FeatureGroupName": "group"}
    until(lambda: cloud.call("DescribeFeatureGroup", **group)["FeatureGroupStatus"] == "Created")
    return cloud.client("sagemaker-featurestore-runtime")


def _record(age: int, day: int, identifier: str = "1") -> list[dict[str, str]]:
    values = {"id": identifier, "time": f"2026-01-{day:02}T00:00:00Z", "age": str(age)}
    return [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EventTimeFeatureName": "when"}, "EventTime feature 'when' must be in"),
        ({"RecordIdentifierFeatureName": "key"}, "RecordIdentifier feature 'key' must be in"),
        ({"EventTimeFeatureName": "id"}, "must be different features"),
        ({"EventTimeFeatureName": "age"}, "must be of type String or Fractional, not Integral"),
        ({"FeatureDefinitions": [*FEATURES, FEATURES[0]]}, "duplicate feature names"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": False}}, "online and offline store"),
    ],
)
def test_what_the_service_refuses(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        cloud.call("CreateFeatureGroup", **{**GROUP, **changes})
    assert not cloud.call("ListFeatureGroups")["FeatureGroupSummaries"]


def test_only_a_newer_record_replaces_one(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    for age, day in ((30, 2), (20, 1), (40, 2)):
        runtime.put_record(FeatureGroupName="group", Record=_record(age, day))
    read = runtime.get_record(**ONE, FeatureNames=["age"])
    assert read["Record"] == [{"FeatureName": "age", "ValueAsString": "30"}]


def test_records_expire(cloud: Cloud) -> None:
    ttl = {"TtlDuration": {"Unit": "Weeks", "Value": 5200}}
    runtime = _ready(cloud, OnlineStoreConfig={"EnableOnlineStore": True, **ttl})
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    read = runtime.get_record(**ONE, ExpirationTimeResponse="Enabled")
    assert read["ExpiresAt"] == "2125-08-31T00:00:00Z"
    second = {"Unit": "Seconds", "Value": 1}
    runtime.put_record(FeatureGroupName="group", Record=_record(31, 3), TtlDuration=second)
    assert "Record" not in runtime.get_record(**ONE)
    # It is deleted for good: an older record may come back.
    runtime.put_record(FeatureGroupName="group", Record=_record(29, 1))
    assert "Record" in runtime.get_record(**ONE)


def test_a_deleted_record_is_not_brought_back_by_an_older_one(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    runtime.delete_record(**ONE, EventTime="2026-01-02T00:00:00Z")
    assert "Record" in runtime.get_record(**ONE)
    runtime.delete_record(**ONE, EventTime="2026-01-03T00:00:00Z")
    runtime.put_record(FeatureGroupName="group", Record=_record(20, 1))
    assert "Record" not in runtime.get_record(**ONE)
    assert runtime.list_records(FeatureGroupName="group")["RecordIdentifiers"] == []
    every = runtime.list_records(FeatureGroupName="group", IncludeSoftDeletedRecords=True)
    assert every["RecordIdentifiers"] == ["1"]


def test_what_is_deleted_hard_leaves_no_trace_online(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    hard = {**ONE, "DeletionMode": "HardDelete"}
    with pytest.raises(ClientError, match="not later"):
        runtime.delete_record(**hard, EventTime="2026-01-02T00:00:00Z")
    runtime.delete_record(**hard, EventTime="2026-01-03T00:00:00Z")
    assert "Record" not in runtime.get_record(**ONE)
    runtime.put_record(FeatureGroupName="group", Record=_record(20, 1))
    assert "Record" in runtime.get_record(**ONE)


def test_batches(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    wrong = [*_record(1, 1, "3")[:2], {"FeatureName": "age", "ValueAsString": "old"}]
    answer = runtime.batch_write_record(
        Entries=[
            {"FeatureGroupName": "group", "Record": record}
            for record in (_record(30, 2), wrong, _record(31, 2, "2"))
        ]
    )
    assert [error["Entry"]["Record"] for error in answer["Errors"]] == [wrong]
    read = runtime.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": "group", "RecordIdentifiersValueAsString": ["1", "2", "3"]},
            {"FeatureGroupName": "missing", "RecordIdentifiersValueAsString": ["1"]},
        ]
    )
    assert [r["RecordIdentifierValueAsString"] for r in read["Records"]] == ["1", "2"]
    assert [e["FeatureGroupName"] for e in read["Errors"]] == ["missing"]
    page = runtime.list_records(FeatureGroupName="group", MaxResults=1)
    assert page["RecordIdentifiers"] == ["1"]
    page = runtime.list_records(FeatureGroupName="group", NextToken=page["NextToken"])
    assert page["RecordIdentifiers"] == ["2"]
    assert "NextToken" not in page


def test_single_features_are_updated_where_the_store_can(cloud: Cloud) -> None:
    online = {"EnableOnlineStore": True, "StorageType": "Standard_V2"}
    runtime = _ready(cloud, OnlineStoreConfig=online)
    age = {"FeatureName": "age", "ValueAsString": "31"}
    with pytest.raises(ClientError, match="No record"):
        runtime.update_record(**ONE, Features=[age])
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    runtime.update_record(**ONE, Features=[age])
    assert age in runtime.get_record(**ONE)["Record"]
    earlier = {"FeatureName": "time", "ValueAsString": "2026-01-01T00:00:00Z"}
    with pytest.raises(ClientError, match="older than"):
        runtime.update_record(**ONE, Features=[age, earlier])


def test_records_that_do_not_fit_their_group(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    wrong_type = [*_record(1, 1)[:2], {"FeatureName": "age", "ValueAsString": "old"}]
    unknown = [*_record(1, 1), {"FeatureName": "size", "ValueAsString": "1"}]
    no_time = [*_record(1, 1)[:1], {"FeatureName": "time", "ValueAsString": "2026-13-01T00:00:00Z"}]
    for record in (wrong_type, unknown, _record(1, 1)[1:], no_time):
        with pytest.raises(ClientError):
            runtime.put_record(FeatureGroupName="group", Record=record)
    with pytest.raises(ClientError, match="OfflineStore is not enabled"):
        runtime.put_record(
            FeatureGroupName="group", Record=_record(1, 1), TargetStores=["OfflineStore"]
        )


def test_features_can_be_added(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    added = {"FeatureName": "size", "FeatureType": "Fractional"}
    cloud.call("UpdateFeatureGroup", FeatureGroupName="group", FeatureAdditions=[added])
    runtime.put_record(
        FeatureGroupName="group",
        Record=[*_record(1, 1), {"FeatureName": "size", "ValueAsString": "1.5"}],
    )
    described = cloud.call("DescribeFeatureGroup", FeatureGroupName="group")
    assert described["FeatureDefinitions"][-1] == added


def test_calls_are_counted_in_cloudwatch(cloud: Cloud) -> None:
    from datetime import UTC, datetime, timedelta

    runtime = _ready(
        cloud,
        ThroughputConfig={
            "ThroughputMode": "Provisioned",
            "ProvisionedReadCapacityUnits": 5,
            "ProvisionedWriteCapacityUnits": 5,
        },
    )
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 1))
    with pytest.raises(ClientError):
        runtime.put_record(FeatureGroupName="group", Record=_record(30, 1)[:1])
    runtime.get_record(**ONE)
    entry = {"FeatureGroupName": "group", "Record": _record(31, 2)}
    runtime.batch_write_record(Entries=[entry, entry])
    metrics = cloud.client("cloudwatch")

    def total(name: str, operation: str, *, group: bool = True) -> float | None:
        dimensions = [{"Name": "OperationName", "Value": operation}]
        if group:
            dimensions.append({"Name": "FeatureGroupName", "Value": "group"})
        now = datetime.now(UTC)
        found = metrics.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=2),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(each["Sum"] for each in found) if found else None

    assert total("Invocations", "PutRecord") == 2
    assert total("Operation4XXErrors", "PutRecord") == 1
    assert total("ConsumedWriteCapacityUnits", "PutRecord") == 1
    assert total("ConsumedReadCapacityUnits", "GetRecord") == 1
    assert total("ConsumedWriteCapacityUnits", "BatchWriteRecord") == 2
    # By group the service has no other metrics of batches.
    assert total("Invocations", "BatchWriteRecord", group=False) == 1
    assert total("Invocations", "BatchWriteRecord") is None
    latency = total("Latency", "GetRecord")
    assert latency
    assert latency > 0
