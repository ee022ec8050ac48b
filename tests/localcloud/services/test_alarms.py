"""Alarms by all of their settings, and the expressions that they are made of."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from localcloud.services.alarms import _state
from localcloud.services.metric_math import ExpressionError, Series, evaluate
from tests.localcloud.support import Cloud, until

N: None = None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IF(all > 0, 100 * bad / all, 0)", [0.0, 50.0, N]),
        ("FILL(bad, 0) / FILL(all, 1)", [N, 0.5, 0.0]),
        ("FILL(bad, REPEAT)", [N, 2.0, 2.0]),
        ("bad / (all - all)", [N, N, N]),
        ("SUM([all, FILL(bad, 0)])", [0.0, 6.0, 0.0]),
        ("SUM(METRICS())", [0.0, 6.0, N]),
        ("MAX(all)", [4.0, 4.0, 4.0]),
        ("all > 1 AND bad > 1", [N, 1.0, N]),
        ("all >= 4 || all < 0", [0.0, 1.0, N]),
        ("ABS(-all) ^ 2", [0.0, 16.0, N]),
        ("DIFF(all)", [N, 4.0, N]),
        ("RATE(all) * PERIOD(all)", [N, 4.0, N]),
        ("AVG([all, 8])", [4.0, 6.0, 8.0]),
    ],
)
def test_metric_math(expression: str, expected: Series) -> None:
    series: dict[str, Series] = {"all": [0.0, 4.0, N], "bad": [N, 2.0, N]}
    assert evaluate(expression, series, period=60) == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("ANOMALY_DETECTION_BAND(m, 2)", "ANOMALY_DETECTION_BAND is not supported"),
        ("nothing + 1", "no metric 'nothing'"),
        ("1 +", "no expression"),
        ("METRICS()", "several time series"),
        ("__import__('os')", "not supported"),
    ],
)
def test_what_cannot_be_evaluated_says_so(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        evaluate(expression, {"m": [1.0], "n": [2.0]}, period=60)


# From the tables of the CloudWatch user guide, "Configuring how CloudWatch alarms treat missing
# data": 3 of 3, then 2 of 3; X breaches, 0 does not, - is missing. `=` keeps the state.
@pytest.mark.parametrize(
    ("data", "needed", "expected"),
    [
        ("0-X-X", 3, ("OK", "OK", "OK", "OK")),
        ("0----", 3, ("OK", "OK", "OK", "OK")),
        ("-----", 3, ("INSUFFICIENT_DATA", "=", "ALARM", "OK")),
        ("0XX-X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("--X--", 3, ("ALARM", "=", "ALARM", "OK")),
        ("0-X-X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("00X0X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0-X--", 2, ("OK", "OK", "ALARM", "OK")),
        ("----0", 2, ("OK", "OK", "ALARM", "OK")),
        ("---X-", 2, ("ALARM", "=", "ALARM", "OK")),
        # Not in the tables: too young to be an alarm by "Avoiding premature transitions".
        ("----X", 3, ("=", "=", "ALARM", "OK")),
    ],
)
def test_missing_data(data: str, needed: int, expected: tuple[str, str, str, str]) -> None:
    datapoints: Series = [{"X": 9.0, "0": 0.0}.get(each) for each in data]
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    for treatment, state_then in zip(treatments, expected, strict=True):
        alarm: dict[str, Any] = {
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": needed,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": treatment,
        }
        assert (_state(alarm, datapoints) or "=") == state_then, treatment


def rate(bad: str = "Bad", *, period: int = 60) -> list[dict[str, Any]]:
    """The share of bad requests in percent, as PutMetricAlarm takes it."""

    def metric(identifier: str, name: str) -> dict[str, Any]:
        stat = {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": period}
        return {"Id": identifier, "MetricStat": {**stat, "Stat": "Sum"}, "ReturnData": False}

    expression = "100 * FILL(bad, 0) / total"
    return [
        {"Id": "share", "Expression": expression, "ReturnData": True},
        metric("bad", bad),
        metric("total", "All"),
    ]


def put(cloud: Cloud, **values: float) -> None:
    data = [{"MetricName": name, "Value": value} for name, value in values.items()]
    cloud.client("cloudwatch").put_metric_data(Namespace="Shop", MetricData=data)


def state(cloud: Cloud, name: str) -> str:
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found[0]["StateValue"])


def test_an_alarm_on_a_rate_tells_its_topic(cloud: Cloud) -> None:
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name="t")["TopicArn"]
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="rate",
        Metrics=rate(),
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    put(cloud, All=100, Bad=5)
    until(lambda: state(cloud, "rate") == "OK")
    put(cloud, Bad=10)
    until(lambda: state(cloud, "rate") == "ALARM")
    message = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))[0]
    assert json.loads(json.loads(message["Body"])["Message"])["NewStateValue"] == "ALARM"


def test_dimensions_tell_metrics_apart(cloud: Cloud) -> None:
    client = cloud.client("cloudwatch")
    for name in ("one", "two"):
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="Shop",
            MetricName="Bad",
            Dimensions=[{"Name": "Shop", "Value": name}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
    dimensions = [{"Name": "Shop", "Value": "two"}]
    datum = {"MetricName": "Bad", "Value": 1, "Dimensions": dimensions}
    client.put_metric_data(Namespace="Shop", MetricData=[datum])
    until(lambda: state(cloud, "two") == "ALARM")
    assert state(cloud, "one") == "OK"


def test_a_template_makes_an_alarm_on_a_rate(cloud: Cloud) -> None:
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": "from-template",
            "Metrics": rate(),
            "EvaluationPeriods": 1,
            "Threshold": 10,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    }
    formation = cloud.client("cloudformation")
    formation.create_stack(
        StackName="alarms", TemplateBody=json.dumps({"Resources": {"Alarm": alarm}})
    )

    def status() -> str:
        return str(formation.describe_stacks(StackName="alarms")["Stacks"][0]["StackStatus"])

    until(lambda: not status().endswith("IN_PROGRESS"))
    assert status() == "CREATE_COMPLETE"
    put(cloud, All=4, Bad=1)
    until(lambda: state(cloud, "from-template") == "ALARM")


def test_a_state_set_by_hand_stays_until_there_are_data(cloud: Cloud) -> None:
    client = cloud.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="hand",
        Namespace="Shop",
        MetricName="Bad",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName="hand", StateValue="ALARM", StateReason="test")
    time.sleep(0.2)
    assert state(cloud, "hand") == "ALARM"


def test_equal_values_are_one_datum_and_count_each(cloud: Cloud) -> None:
    from localcloud import emulator
    from localcloud.sagemaker.metrics import Meter

    with emulator.within(cloud.scope):
        meter = Meter(cloud.sagemaker.clock, [{"EndpointName": "e"}])
        for value in range(1, 101):
            meter.add("ModelLatency", value * 1000.4)
            meter.add("Invocations", 1.0)
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[{"Name": "EndpointName", "Value": "e"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 3600,
        Period=86400,
        Statistics=["SampleCount", "Average"],
        ExtendedStatistics=["p99"],
    )["Datapoints"][0]
    assert found["SampleCount"] == 100
    assert math.isclose(found["Average"], 50_520, rel_tol=0.01)
    assert math.isclose(found["ExtendedStatistics"]["p99"], 99_040, rel_tol=0.01)
