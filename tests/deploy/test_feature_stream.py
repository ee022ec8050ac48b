"""A stream into a feature group, deployed to the local cloud: what arrives, and what is kept."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns

from demo.cloud import Cloud, local_cloud
from mlops_constructs import (
    Feature,
    FeatureGroupAlarms,
    FeatureSchema,
    FeatureStoreGroup,
    FeatureStream,
    OnlineOnly,
    OnlineStore,
    Provisioned,
    StreamReading,
    allow_data_destruction,
)
from tests.support import feature_flags

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

ASSETS, STACK, GROUP = "assets", "Stream", "clicks"
NOW = "2026-11-01T00:00:00Z"


def app() -> cdk.App:
    made = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    synthesizer = cdk.DefaultStackSynthesizer(
        file_assets_bucket_name=ASSETS, generate_bootstrap_version_rule=False
    )
    stack = cdk.Stack(made, STACK, synthesizer=synthesizer)
    allow_data_destruction(stack)
    group = FeatureStoreGroup(
        stack,
        "Group",
        feature_group_name=GROUP,
        schema=FeatureSchema(
            record_identifier="visitor",
            event_time="at",
            features=(
                Feature.string("visitor"),
                Feature.string("at"),
                Feature.integral("clicks"),
            ),
        ),
        stores=OnlineOnly(OnlineStore(throughput=Provisioned(read_units=10, write_units=10))),
        destroy_data=True,
    )
    topic = sns.Topic(stack, "Alerts")
    group.add_alarms(topic=topic, when=FeatureGroupAlarms(minutes=1))
    stream = FeatureStream(
        stack,
        "Clicks",
        group=group,
        topic=topic,
        reading=StreamReading(window=cdk.Duration.seconds(1)),
        destroy_data=True,
    )
    cdk.CfnOutput(stack, "StreamName", value=stream.stream.stream_name)
    cdk.CfnOutput(stack, "Bucket", value=stream.dead_letters.bucket_name)
    cdk.CfnOutput(stack, "Queue", value=stream.dead_letter_queue.queue_url)
    cdk.CfnOutput(stack, "Alarms", value=cdk.Fn.join(" ", [a.alarm_name for a in stream.alarms]))
    return made


def until(probe: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while not (found := probe()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def upload(cloud: Cloud, assembly: Path) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=ASSETS)
    for asset in assembly.glob("asset.*"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in filter(Path.is_file, asset.rglob("*")):
                archive.write(path, path.relative_to(asset))
        key = f"{asset.name.removeprefix('asset.')}.zip"
        s3.put_object(Bucket=ASSETS, Key=key, Body=packed.getvalue())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), keep=False) as running:
        yield running


@pytest.fixture(scope="module")
def outputs(cloud: Cloud) -> dict[str, str]:
    assembly = Path(app().synth().directory)
    upload(cloud, assembly)
    formation = cloud.client("cloudformation")
    formation.create_stack(
        StackName=STACK,
        TemplateBody=(assembly / f"{STACK}.template.json").read_text(),
        Capabilities=["CAPABILITY_IAM"],
    )

    def settled() -> Any:
        (found,) = formation.describe_stacks(StackName=STACK)["Stacks"]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    stack = until(settled, "the stack did not settle")
    events = formation.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [e["ResourceStatusReason"] for e in events if "FAILED" in e["ResourceStatus"]]
    assert (stack["StackStatus"], failed) == ("CREATE_COMPLETE", [])
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def test_records_arrive_and_poisoned_ones_are_kept(cloud: Cloud, outputs: dict[str, str]) -> None:
    sent = [
        {"visitor": "ada", "at": NOW, "clicks": 3},
        {"visitor": "bob", "at": NOW, "clicks": "many"},
        {"visitor": "cyd", "at": NOW, "clicks": 5},
    ]
    cloud.client("kinesis").put_records(
        StreamName=outputs["StreamName"],
        Records=[
            {"Data": data, "PartitionKey": "one"}
            for data in (*(json.dumps(each).encode() for each in sent), b"\xff no JSON")
        ],
    )
    online = cloud.client("sagemaker-featurestore-runtime")

    def clicks(visitor: str) -> str | None:
        record = online.get_record(FeatureGroupName=GROUP, RecordIdentifierValueAsString=visitor)
        found = {v["FeatureName"]: v["ValueAsString"] for v in record.get("Record", ())}
        return found.get("clicks")

    assert until(lambda: clicks("cyd"), "no record arrived") == "5"
    assert (clicks("ada"), clicks("bob")) == ("3", None)

    s3 = cloud.client("s3")

    def kept() -> Any:
        found = s3.list_objects_v2(Bucket=outputs["Bucket"], Prefix="rejected/")
        objects = found.get("Contents", [])
        return objects if len(objects) == 2 else None

    letters = [
        json.loads(s3.get_object(Bucket=outputs["Bucket"], Key=each["Key"])["Body"].read())
        for each in until(kept, "the poisoned records were not kept")
    ]
    reasons = {
        base64.b64decode(each["record"]["kinesis"]["data"]): each["reason"] for each in letters
    }
    assert reasons[json.dumps(sent[1]).encode()] == (
        "clicks: got text 'many'; an Integral takes whole numbers"
    )
    assert reasons[b"\xff no JSON"].startswith("not UTF-8")

    # The queue names each object, so that its depth is what is still to be dealt with.
    queue, named = cloud.client("sqs"), set[str]()

    def told() -> bool:
        answer = queue.receive_message(QueueUrl=outputs["Queue"], MaxNumberOfMessages=10)
        for message in answer.get("Messages", ()):
            named.add(json.loads(message["Body"])["detail"]["object"]["key"])
        return len(named) == 2

    until(told, "the queue did not hear of the objects")
    assert named == {each["Key"] for each in kept()}


def test_its_alarms_are_there(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Those on reserved capacity are made of metric math."""
    names = set(outputs["Alarms"].split())
    found = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert names <= {each["AlarmName"] for each in found}
    assert all(each["AlarmActions"] == each["OKActions"] != [] for each in found)
    math = [each for each in found if "Metrics" in each]
    assert {each["AlarmDescription"].partition(": ")[2]: len(each["Metrics"]) for each in math} == {
        "more than 80 % of the read units are used": 3,
        "more than 80 % of the write units are used": 4,
    }


def test_alarms_fire(cloud: Cloud, outputs: dict[str, str]) -> None:
    """When writes are refused, and when more is written than was reserved: 10 units a second."""
    assert outputs
    online = cloud.client("sagemaker-featurestore-runtime")
    large = {"FeatureName": "visitor", "ValueAsString": "x" * 100_000}
    time_of = {"FeatureName": "at", "ValueAsString": NOW}

    def fired() -> bool:
        online.put_record(FeatureGroupName=GROUP, Record=[large, time_of])
        with pytest.raises(online.exceptions.ClientError):
            online.put_record(FeatureGroupName=GROUP, Record=[large])
        found = cloud.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        told = {each["AlarmDescription"].partition(": ")[2] for each in found}
        return {
            "PutRecord fails by an error of the client",
            "more than 80 % of the write units are used",
        } <= told

    until(fired, "the alarms did not fire")
