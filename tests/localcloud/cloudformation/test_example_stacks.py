"""The examples of this repository, deployed: their templates as they are committed.

`tests/examples` holds the templates to what the apps give. What an example takes for granted, such
as a model's artifact, is made here; an image of one's own is a tiny container.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.support import TINY
from tests.localcloud.support import Cloud, until

pytestmark = pytest.mark.slow

_COMMITTED = Path(__file__).parents[2] / "examples" / "__snapshots__" / "test_examples"
_ANSWERS = "def answer(body, headers):\n    return 200, b'answered ' + body\n"


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repositories that the examples name, and a server that starts at once."""
    monkeypatch.setattr("localcloud.serving.model_process._SERVER", TINY)
    for repository in ("fraud", "summaries"):
        monkeypatch.setitem(_stand_ins(), repository, "sklearn")


def _stand_ins() -> dict[str, Any]:
    from localcloud.compute.containers import STAND_INS

    return STAND_INS


def deploy(cloud: Cloud, example: str) -> dict[str, Any]:
    """The example's resources by type, each physical id in a list."""
    [path] = _COMMITTED.glob(f"*[[]{example}[]].json")
    [template] = json.loads(path.read_text()).values()
    formation = cloud.client("cloudformation")
    formation.create_stack(
        StackName=example.replace("_", "-"),
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
    )
    assert settled(cloud, example) == "CREATE_COMPLETE", failures(cloud, example)
    found: dict[str, Any] = {}
    for resource in formation.describe_stack_resources(StackName=example.replace("_", "-"))[
        "StackResources"
    ]:
        found.setdefault(resource["ResourceType"], []).append(resource["PhysicalResourceId"])
    return found


def settled(cloud: Cloud, example: str) -> str:
    formation, name = cloud.client("cloudformation"), example.replace("_", "-")

    def status() -> str:
        try:
            stacks = formation.describe_stacks(StackName=name)["Stacks"]
        except formation.exceptions.ClientError:
            return "DELETE_COMPLETE"
        return str(stacks[0]["StackStatus"])

    until(lambda: not status().endswith("IN_PROGRESS"), seconds=60)
    return status()


def failures(cloud: Cloud, example: str) -> list[str]:
    events = cloud.client("cloudformation").describe_stack_events(
        StackName=example.replace("_", "-")
    )["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]


def delete(cloud: Cloud, example: str) -> None:
    cloud.client("cloudformation").delete_stack(StackName=example.replace("_", "-"))
    assert settled(cloud, example) == "DELETE_COMPLETE", failures(cloud, example)


def test_an_endpoint_from_an_artifact_answers(cloud: Cloud) -> None:
    bucket = cloud.bucket(f"models-{cloud.scope.account}")
    cloud.put(bucket, "fraud/1.4.0/model.tar.gz", archive({"handler.py": _ANSWERS}))
    found = deploy(cloud, "endpoint_from_artifact")
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName="fraud", Body=b"it")
    assert answer["Body"].read() == b"answered it"
    described = cloud.call("DescribeEndpoint", EndpointName="fraud")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len(found["AWS::EC2::Subnet"]) == 2
    assert cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    delete(cloud, "endpoint_from_artifact")
    assert cloud.call("ListEndpoints")["Endpoints"] == []


def test_an_asynchronous_endpoint_takes_its_payload_from_s3(cloud: Cloud) -> None:
    bucket = cloud.bucket(f"models-{cloud.scope.account}")
    model = archive({"handler.py": _ANSWERS})
    cloud.put(bucket, "summaries/2.1.0/handler.py", _ANSWERS.encode())
    cloud.put(bucket, "summaries-small/2.1.0/model.tar.gz", model)
    found = deploy(cloud, "async_endpoint")
    # Nobody asked yet, so that the fleet went to nothing. How it comes back by its backlog is shown
    # where the clock is slow enough for alarms (tests/localcloud/services).
    cloud.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/summaries/variant/AllTraffic",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
    )
    [documents] = found["AWS::S3::Bucket"]
    location = cloud.put(documents, "documents/long.txt", b"a long document")
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="summaries", InputLocation=location
    )
    summary, _, key = answer["OutputLocation"].removeprefix("s3://").partition("/")
    assert (summary, key.split("/")[0]) == (documents, "summaries")
    s3 = cloud.client("s3")

    def written() -> bytes | None:
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket=summary).get("Contents", ())]
        return s3.get_object(Bucket=summary, Key=key)["Body"].read() if key in keys else None

    assert until(written, seconds=60) == b"answered a long document"


def test_features_are_written_and_read(cloud: Cloud) -> None:
    deploy(cloud, "feature_store_only")
    group = {"FeatureGroupName": "customer-behaviour"}
    assert cloud.call("DescribeFeatureGroup", **group)["FeatureGroupStatus"] == "Created"
    store = cloud.client("sagemaker-featurestore-runtime")
    record = {"customer_id": "7", "event_time": "2026-01-01T00:00:00Z", "visits_7_days": "3"}
    store.put_record(
        **group,
        Record=[{"FeatureName": k, "ValueAsString": v} for k, v in record.items()],
    )
    read = store.get_record(**group, RecordIdentifierValueAsString="7")["Record"]
    assert {f["FeatureName"]: f["ValueAsString"] for f in read} == record
    delete(cloud, "feature_store_only")
    # The data outlive the stack.
    assert cloud.call("DescribeFeatureGroup", **group)["FeatureGroupStatus"] == "Created"
