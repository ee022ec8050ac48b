"""Endpoints of each kind deployed on the local cloud, asked, updated by canary, and deleted."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cdk import Duration, aws_kms as kms, aws_s3 as s3, aws_sns as sns

from demo.cloud import Cloud, local_cloud
from mlops_constructs import (
    Asynchronous,
    AsyncInput,
    AsyncOutput,
    BlueGreenEndpoint,
    Canary,
    Challenger,
    Component,
    DirectContainers,
    InferenceComponents,
    Instances,
    ManagedInstances,
    ModelArtifact,
    Rolling,
    ScaleOutSteps,
    Serverless,
    TrackBacklog,
    TrackInvocations,
)
from tests.support import new_stack, template_of

pytestmark = pytest.mark.slow

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2"
BUCKET = "models-of-every-kind"
_CODE = """
def model_fn(model_dir): return "{answer}"
def input_fn(body, content_type): return body
def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction
"""


def _template(version: str) -> str:
    """Every kind that the local cloud runs; the first endpoint serves a version."""
    stack = new_stack("Kinds")
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", BUCKET)
    shared: dict[str, Any] = {
        "encryption_key": kms.Key(stack, "Key"),
        "alarm_topic": sns.Topic(stack, "Topic"),
    }

    def model(answer: str) -> ModelArtifact:
        return ModelArtifact(
            image=IMAGE,
            model_data_url=f"s3://{BUCKET}/{answer}/model.tar.gz",
            environment={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
            buckets=[bucket],
            image_repository_arns=["arn:aws:ecr:us-east-1:683313688378:repository/sklearn"],
        )

    fleet = Instances("ml.m5.large", count=2)
    main = BlueGreenEndpoint(
        stack,
        "Main",
        endpoint_name="main",
        model=model(version),
        compute=fleet,
        deployment=Canary(percent=50, bake=Duration.minutes(2)),
        **shared,
    )
    main.add_autoscaling(
        min_capacity=2,
        max_capacity=4,
        policies=[
            TrackInvocations(per_minute=60_000),
            ScaleOutSteps(metric=main.metric_invocations(), steps={100_000: 1}),
        ],
    )
    main.add_warnings(topic=shared["alarm_topic"])
    main.add_dashboard()
    main.tell_deployments(shared["alarm_topic"])
    BlueGreenEndpoint(
        stack,
        "Tested",
        endpoint_name="tested",
        model=model("one"),
        compute=fleet,
        beside=[Challenger(name="bold", model=model("two"), compute=fleet, percent=30)],
        **shared,
    )
    queue = BlueGreenEndpoint(
        stack,
        "Queue",
        endpoint_name="queue",
        model=model("one"),
        compute=Asynchronous(
            "ml.m5.large", input=AsyncInput(bucket=bucket), output=AsyncOutput(bucket=bucket)
        ),
        **shared,
    )
    queue.add_autoscaling(min_capacity=0, max_capacity=2, policies=[TrackBacklog(per_instance=5)])
    BlueGreenEndpoint(
        stack,
        "Serverless",
        endpoint_name="serverless",
        model=model("one"),
        compute=Serverless(memory_mb=1024, max_concurrency=5),
        **shared,
    )
    BlueGreenEndpoint(
        stack,
        "Parts",
        endpoint_name="parts",
        model=InferenceComponents(
            [
                Component(name="a", model=model("one"), memory_mb=512, copies=2),
                Component(name="b", model=model("two"), memory_mb=512, copies=2),
            ]
        ),
        compute=ManagedInstances("ml.m5.large", max_count=4),
        deployment=Rolling(percent=50),
        **shared,
    )
    BlueGreenEndpoint(
        stack,
        "Direct",
        endpoint_name="direct",
        model=DirectContainers({"one": model("one"), "two": model("two")}),
        compute=fleet,
        **shared,
    )
    return json.dumps(template_of(stack).to_json())


def _archive(answer: str) -> bytes:
    code = _CODE.replace("{answer}", answer).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(code)
        archive.addfile(member, io.BytesIO(code))
    return packed.getvalue()


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with local_cloud(tmp_path_factory.mktemp("kinds"), keep=False) as running:
        storage = running.client("s3")
        storage.create_bucket(Bucket=BUCKET)
        for answer in ("one", "two"):
            storage.put_object(Bucket=BUCKET, Key=f"{answer}/model.tar.gz", Body=_archive(answer))
            storage.put_object(Bucket=BUCKET, Key=f"{answer}.json", Body=_template(answer))
        running.client("ssm").put_parameter(
            Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String"
        )
        _deploy(running, "create", "one")
        yield running


def _deploy(cloud: Cloud, verb: str, version: str) -> None:
    stacks = cloud.client("cloudformation")
    getattr(stacks, f"{verb}_stack")(
        StackName="Kinds",
        TemplateURL=f"https://s3.amazonaws.com/{BUCKET}/{version}.json",
        Capabilities=["CAPABILITY_IAM"],
    )

    def status() -> str:
        return str(stacks.describe_stacks(StackName="Kinds")["Stacks"][0]["StackStatus"])

    _until(lambda: not status().endswith("IN_PROGRESS"), seconds=180)
    assert status() == f"{verb.upper()}_COMPLETE", [
        event.get("ResourceStatusReason")
        for event in stacks.describe_stack_events(StackName="Kinds")["StackEvents"]
        if "FAILED" in event["ResourceStatus"]
    ]


def _answers(cloud: Cloud, number: int, **request: Any) -> Counter[str]:
    runtime = cloud.client("sagemaker-runtime")
    return Counter(
        runtime.invoke_endpoint(Body=b"1", ContentType="text/csv", **request)["Body"]
        .read()
        .decode()
        for _ in range(number)
    )


def test_every_kind_answers(cloud: Cloud) -> None:
    assert _answers(cloud, 5, EndpointName="main") == {"one": 5}
    assert _answers(cloud, 2, EndpointName="serverless") == {"one": 2}
    assert _answers(cloud, 2, EndpointName="direct", TargetContainerHostname="two") == {"two": 2}
    for component, answer in (("parts-a", "one"), ("parts-b", "two")):
        request = {"EndpointName": "parts", "InferenceComponentName": component}
        assert _answers(cloud, 2, **request) == {answer: 2}


def test_a_challenger_gets_its_share(cloud: Cloud) -> None:
    share = _answers(cloud, 200, EndpointName="tested")["two"] / 200
    # Five standard deviations of 200 draws: once in two million runs.
    assert abs(share - 0.3) < 0.163


def test_a_queue_answers_to_the_bucket(cloud: Cloud) -> None:
    storage = cloud.client("s3")
    storage.put_object(Bucket=BUCKET, Key="payloads/1.csv", Body=b"1")
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="queue", InputLocation=f"s3://{BUCKET}/payloads/1.csv"
    )
    key = answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    assert key.startswith("answers/")
    _until(lambda: storage.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1)
    assert storage.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"one"


def test_a_new_model_comes_by_canary_under_all_alarms(cloud: Cloud) -> None:
    sagemaker = cloud.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName="main")["EndpointConfigName"]
    _deploy(cloud, "update", "two")
    assert _answers(cloud, 5, EndpointName="main") == {"two": 5}
    endpoint = sagemaker.describe_endpoint(EndpointName="main")
    assert endpoint["EndpointConfigName"] != before
    settings = endpoint["LastDeploymentConfig"]
    assert settings["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "CANARY"
    assert len(settings["AutoRollbackConfiguration"]["Alarms"]) == 4
