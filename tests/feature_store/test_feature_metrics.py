"""What is seen of a group: its metrics, alarms and graphs."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_cloudwatch as cloudwatch, aws_sns as sns

from mlops_constructs import FeatureGroupAlarms, ValidationError
from mlops_constructs.feature_store import (
    FeatureStoreGroup,
    OfflineOnly,
    OnlineAndOffline,
    OnlineOnly,
    OnlineStore,
    Provisioned,
    Stores,
)
from tests.feature_store.test_feature_group import group
from tests.support import nag_findings, new_stack, resources_of

PROVISIONED = OnlineAndOffline(
    online=OnlineStore(throughput=Provisioned(read_units=100, write_units=40))
)


def alarms_of(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """Properties by what the alarm is about."""
    return {
        each["Properties"]["AlarmDescription"].partition(": ")[2]: each["Properties"]
        for each in resources_of(stack, "AWS::CloudWatch::Alarm").values()
    }


def with_alarms(stores: Stores, **arguments: Any) -> tuple[cdk.Stack, FeatureStoreGroup]:
    stack = new_stack()
    made = group(stack, stores=stores)
    made.add_alarms(**arguments)
    return stack, made


def test_alarms_of_a_provisioned_group() -> None:
    stack, _ = with_alarms(PROVISIONED)
    found = alarms_of(stack)
    assert set(found) == {
        "GetRecord is throttled",
        "PutRecord is throttled",
        "DeleteRecord is throttled",
        "1 % of GetRecord take longer than 100 ms",
        "1 % of PutRecord take longer than 250 ms",
        "PutRecord fails by an error of the client",
        "PutRecord fails by an error of the server",
        "more than 80 % of the read units are used",
        "more than 80 % of the write units are used",
    }
    latency = found["1 % of GetRecord take longer than 100 ms"]
    assert (latency["ExtendedStatistic"], latency["Threshold"]) == ("p99", 100_000)
    throttled = found["GetRecord is throttled"]
    assert (throttled["Namespace"], throttled["MetricName"]) == (
        "AWS/SageMaker",
        "ThrottledRequests",
    )
    assert {each["Name"]: each["Value"] for each in throttled["Dimensions"]} == {
        "FeatureGroupName": "census-dev-people",
        "OperationName": "GetRecord",
    }
    used = found["more than 80 % of the write units are used"]["Metrics"]
    assert [each["Expression"] for each in used if "Expression" in each] == [
        "100 * SUM([putRecord, deleteRecord, batchWriteRecord]) / PERIOD(putRecord) / 40"
    ]
    stats = {each["Id"]: each["MetricStat"] for each in used if "MetricStat" in each}
    assert {each["Metric"]["MetricName"] for each in stats.values()} == {
        "ConsumedWriteCapacityUnits"
    }
    assert {name: each["Metric"]["Dimensions"][1]["Value"] for name, each in stats.items()} == {
        "putRecord": "PutRecord",
        "deleteRecord": "DeleteRecord",
        "batchWriteRecord": "BatchWriteRecord",
    }
    assert {(each["Stat"], each["Period"]) for each in stats.values()} == {("Sum", 60)}
    assert nag_findings(stack) == []


def test_alarms_fit_the_stores() -> None:
    offline, _ = with_alarms(OfflineOnly())
    assert not [each for each in alarms_of(offline) if "GetRecord" in each or "units" in each]
    reserved, _ = with_alarms(OfflineOnly(write_units=5))
    assert [each for each in alarms_of(reserved) if "units" in each] == [
        "more than 80 % of the write units are used"
    ]
    online, _ = with_alarms(OnlineOnly())
    assert not [each for each in alarms_of(online) if "units" in each]


def test_batches_are_counted_by_account() -> None:
    stack, _ = with_alarms(OnlineOnly(), when=FeatureGroupAlarms(batches=True, failed_writes=4))
    found = {what: alarm for what, alarm in alarms_of(stack).items() if "any group" in what}
    assert {what: (alarm["MetricName"], alarm["Threshold"]) for what, alarm in found.items()} == {
        "BatchWriteRecord, of any group, is throttled": ("ThrottledRequests", 0),
        "BatchGetRecord, of any group, is throttled": ("ThrottledRequests", 0),
        "BatchWriteRecord, of any group, fails by an error of the client": (
            "Operation4XXErrors",
            4,
        ),
        "BatchWriteRecord, of any group, fails by an error of the server": (
            "Operation5XXErrors",
            4,
        ),
    }
    for what, alarm in found.items():
        operation = what.partition(",")[0]
        assert alarm["Dimensions"] == [{"Name": "OperationName", "Value": operation}]
    offline, _ = with_alarms(OfflineOnly(), when=FeatureGroupAlarms(batches=True))
    assert not [each for each in alarms_of(offline) if "BatchGetRecord" in each]


def test_thresholds_and_topic() -> None:
    stack = new_stack()
    topic = sns.Topic.from_topic_arn(stack, "Alerts", "arn:aws:sns:eu-west-1:111122223333:alerts")
    group(stack, stores=OnlineOnly()).add_alarms(
        topic=topic,
        when=FeatureGroupAlarms(
            throttled=3, read_latency=Duration.millis(20), failed_writes=2, minutes=2
        ),
    )
    found = alarms_of(stack)
    assert found["PutRecord is throttled"]["Threshold"] == 3
    assert found["1 % of GetRecord take longer than 20 ms"]["Threshold"] == 20_000
    assert found["PutRecord fails by an error of the client"]["EvaluationPeriods"] == 2
    for alarm in found.values():
        assert len(alarm["AlarmActions"]) == len(alarm["OKActions"]) == 1


def test_thresholds_that_make_no_sense() -> None:
    nonsense = FeatureGroupAlarms(
        throttled=-1,
        read_latency=Duration.millis(0),
        failed_writes=-1,
        capacity_used=0,
        minutes=61,
    )
    with pytest.raises(ValidationError, match=r"(?s)Test/People/Alarms: 5 problems.*minutes"):
        with_alarms(PROVISIONED, when=nonsense)


def test_capacity_is_of_provisioned_groups_only() -> None:
    made = group(new_stack())
    with pytest.raises(ValidationError, match=r"metric_read_capacity_used: .*Provisioned\("):
        made.metric_read_capacity_used()


@pytest.mark.parametrize(
    ("stores", "operations"),
    [
        (PROVISIONED, {"GetRecord", "PutRecord", "DeleteRecord"}),
        (OfflineOnly(), {"PutRecord", "DeleteRecord"}),
    ],
)
def test_graphs(stores: Stores, operations: set[str]) -> None:
    stack = new_stack()
    made = group(stack, stores=stores)
    cloudwatch.Dashboard(stack, "Dashboard", widgets=[made.widgets(width=6)])
    (dashboard,) = resources_of(stack, "AWS::CloudWatch::Dashboard").values()
    body = stack.resolve(dashboard["Properties"]["DashboardBody"])
    text = "".join(part if isinstance(part, str) else "region" for part in body["Fn::Join"][1])
    widgets = json.loads(text)["widgets"]
    assert [each["properties"]["title"].partition(": ")[2] for each in widgets] == [
        "requests",
        "p99 latency in microseconds",
        "throttled and failed requests",
        "consumed units",
    ]
    labels = [each[-1]["label"] for each in widgets[0]["properties"]["metrics"]]
    assert set(labels) == {f"{operation} Invocations" for operation in operations}
