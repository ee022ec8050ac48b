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


def _ready(cloud: Cloud) -> Any:
    cloud.call("CreateFeatureGroup", **GROUP)
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


def test_an_older_record_does_not_replace_a_newer_one(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    for age, day in ((30, 2), (20, 1)):
        runtime.put_record(FeatureGroupName="group", Record=_record(age, day))
    read = runtime.get_record(
        FeatureGroupName="group", RecordIdentifierValueAsString="1", FeatureNames=["age"]
    )
    assert read["Record"] == [{"FeatureName": "age", "ValueAsString": "30"}]


def test_a_deleted_record_is_not_brought_back_by_an_older_one(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    one = {"FeatureGroupName": "group", "RecordIdentifierValueAsString": "1"}
    runtime.delete_record(**one, EventTime="2026-01-03T00:00:00Z")
    runtime.put_record(FeatureGroupName="group", Record=_record(20, 1))
    assert "Record" not in runtime.get_record(**one)


def test_batches(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    runtime.put_record(FeatureGroupName="group", Record=_record(30, 2))
    answer = runtime.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": "group", "RecordIdentifiersValueAsString": ["1", "2"]},
            {"FeatureGroupName": "missing", "RecordIdentifiersValueAsString": ["1"]},
        ]
    )
    assert [r["RecordIdentifierValueAsString"] for r in answer["Records"]] == ["1"]
    assert [e["FeatureGroupName"] for e in answer["Errors"]] == ["missing"]


def test_records_that_do_not_fit_their_group(cloud: Cloud) -> None:
    runtime = _ready(cloud)
    wrong_type = [*_record(1, 1)[:2], {"FeatureName": "age", "ValueAsString": "old"}]
    unknown = [*_record(1, 1), {"FeatureName": "size", "ValueAsString": "1"}]
    for record in (wrong_type, unknown, _record(1, 1)[1:]):
        with pytest.raises(ClientError):
            runtime.put_record(FeatureGroupName="group", Record=record)


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


def test_the_offline_store_gets_a_place_of_its_own(cloud: Cloud) -> None:
    cloud.call(
        "CreateFeatureGroup",
        **GROUP,
        RoleArn="arn:aws:iam::123456789012:role/r-execution",
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": "s3://bucket/prefix"}},
    )
    described = cloud.call("DescribeFeatureGroup", FeatureGroupName="group")
    resolved = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    assert resolved.startswith(
        f"s3://bucket/prefix/{cloud.scope.account}/sagemaker/us-east-1/offline-store/group-"
    )
    assert described["OfflineStoreConfig"]["DataCatalogConfig"]["Database"] == (
        "sagemaker_featurestore"
    )
