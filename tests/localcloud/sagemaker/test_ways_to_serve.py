"""Every way to serve a model, asked for real."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.errors import ServiceError
from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.support import ENDPOINT, IMAGE_URI, SAYS, WAITS, Serving
from tests.localcloud.support import until

ECHO = "def answer(body, headers):\n    return 200, body + b'{name}'\n"
PICKY = """
def answer(body, headers):
    if b"bad" in body:
        return 400, b"bad input"
    return 200, b"fine"
"""


def test_weights_are_honoured_within_what_chance_allows(serving: Serving) -> None:
    serving.create(
        serving.variant("one", InitialVariantWeight=3.0),
        serving.variant("two", name="v1", InitialVariantWeight=1.0),
    )
    asked = 400
    counted = Counter(serving.ask() for _ in range(asked))
    # Five standard deviations of a binomial: once in two million runs.
    bound = 5 * math.sqrt(asked * 0.75 * 0.25)
    assert abs(counted["one"] - 0.75 * asked) < bound
    assert {serving.ask(target_variant="v1") for _ in range(5)} == {"two"}
    assert serving.metric("Invocations") == counted["one"]
    # Each request counts as one divided by the number of instances.
    assert serving.metric("InvocationsPerInstance") == counted["one"]
    described = serving.described()["EndpointConfigName"]
    names = {"EndpointName": ENDPOINT, "VariantName": "v0", "EndpointConfigName": described}
    assert serving.metric("Invocations", **names) == counted["one"]
    changed = {"VariantName": "v0", "DesiredWeight": 0.0}
    serving.cloud.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=ENDPOINT,
        DesiredWeightsAndCapacities=[changed],
    )
    assert {serving.ask() for _ in range(10)} == {"two"}


def test_a_shadow_gets_copies_and_nobody_gets_its_answers(serving: Serving) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{serving.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    shadow = serving.variant("shadow", name="s0", InitialVariantWeight=1.0)
    serving.create(
        serving.variant("shown"), ShadowProductionVariants=[shadow], DataCaptureConfig=capture
    )
    assert serving.described()["ShadowProductionVariants"][0]["VariantName"] == "s0"
    assert {serving.ask(inference_id="id-1") for _ in range(10)} == {"shown"}
    of_shadow = {"EndpointName": ENDPOINT, "VariantName": "s0"}
    until(lambda: serving.metric("Invocations", **of_shadow) == 10)
    assert serving.metric("Invocations") == 10

    def lines(variant: str) -> list[dict[str, Any]]:
        found = serving.objects(f"capture/{ENDPOINT}/{variant}/")
        assert all(_CAPTURED.fullmatch(key) for key in found), list(found)
        return [json.loads(line) for body in found.values() for line in body.splitlines()]

    until(lambda: len(lines("s0")) == 10)
    until(lambda: len(lines("v0")) == 10)
    (line, *_) = lines("s0")
    moment = line["eventMetadata"].pop("inferenceTime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert line["eventMetadata"].pop("eventId")
    assert line == {
        "captureData": {
            "endpointInput": _part("INPUT", "1"),
            "endpointOutput": _part("OUTPUT", "shadow"),
        },
        "eventMetadata": {"inferenceId": "id-1"},
        "eventVersion": "0",
    }


_CAPTURED = re.compile(
    r"capture/endpoint/\w\d/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}.jsonl"
)


def _part(mode: str, data: str) -> dict[str, Any]:
    return {"observedContentType": "text/csv", "mode": mode, "data": data, "encoding": "CSV"}


def test_serverless_containers_start_with_requests_and_are_few(
    serving: Serving, tmp_path: Path
) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    code = WAITS.replace("{name}", "waited")
    serving.create(serving.variant(code, ServerlessConfig=serverless))
    # What creation started is idle for ten minutes of AWS's time, and goes.
    until(lambda: serving.processes() == 0)
    answers: list[str] = []
    goes_on = tmp_path / "goes-on"

    def ask() -> None:
        try:
            answers.append(serving.ask(str(goes_on).encode()))
        except ServiceError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 2)
    assert answers == ["ThrottlingException"] * 2
    goes_on.touch()
    for thread in threads:
        thread.join()
    assert answers[2:] == ["waited"] * 2
    assert serving.metric("ModelSetupTime", "SampleCount") == 2
    assert serving.metric("ModelSetupTime", "Minimum") > 10_000
    until(lambda: serving.processes() == 0)


def test_provisioned_concurrency_starts_nothing_late(serving: Serving) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
    serving.create(serving.variant("warm", ServerlessConfig=serverless))
    assert serving.invoke() == "warm"
    assert serving.metric("ModelSetupTime", "SampleCount") == 0
    more = {"MaxConcurrency": 3, "ProvisionedConcurrency": 2}
    serving.cloud.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=ENDPOINT,
        DesiredWeightsAndCapacities=[{"VariantName": "v0", "ServerlessUpdateConfig": more}],
    )
    with pytest.raises(ServiceError, match="less than or equal to 4194304"):
        serving.ask(b"x" * 4_194_305)
    shown = serving.settled()["ProductionVariants"][0]["CurrentServerlessConfig"]
    assert shown == {"MemorySizeInMB": 1024, **more}
    assert serving.processes() == 2


def test_answers_that_come_later(serving: Serving) -> None:
    cloud = serving.cloud
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topics, queues = {}, {}
    for name in ("Success", "Error"):
        topics[f"{name}Topic"] = sns.create_topic(Name=name)["TopicArn"]
        queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topics[f"{name}Topic"], Protocol="sqs", Endpoint=arn)
    output = {
        "S3OutputPath": f"s3://{serving.bucket}/answers/",
        "S3FailurePath": f"s3://{serving.bucket}/failures/",
        "NotificationConfig": topics
        | {"IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]},
    }
    serving.create(serving.variant(PICKY), AsyncInferenceConfig={"OutputConfig": output})
    with pytest.raises(ClientError, match="is an asynchronous endpoint"):
        serving.invoke()
    with pytest.raises(ClientError, match="Exactly one of InputLocation and Body"):
        serving.runtime.invoke_endpoint_async(EndpointName=ENDPOINT)

    source = cloud.put(serving.bucket, "question", b"good")
    taken = serving.runtime.invoke_endpoint_async(
        EndpointName=ENDPOINT, InputLocation=source, ContentType="text/csv", Accept="text/csv"
    )
    message = _received(sqs, queues["Success"])
    assert message["invocationStatus"] == "Completed"
    assert message["requestParameters"] == {
        "accept": "text/csv",
        "contentType": "text/csv",
        "endpointName": ENDPOINT,
        "inputLocation": source,
    }
    assert message["responseParameters"]["outputLocation"] == taken["OutputLocation"]
    assert message["inferenceId"] == taken["InferenceId"]
    assert message["responseBody"] == {"content": "ZmluZQ==", "encoding": "BASE64"}
    constant = {"eventVersion": "1.0", "eventSource": "aws:sagemaker"}
    assert constant.items() <= message.items()
    key = taken["OutputLocation"].removeprefix(f"s3://{serving.bucket}/")
    assert serving.objects("answers/") == {key: b"fine"}

    taken = serving.runtime.invoke_endpoint_async(EndpointName=ENDPOINT, Body=b"bad")
    message = _received(sqs, queues["Error"])
    assert message["invocationStatus"] == "Failed"
    assert "bad input" in message["failureReason"]
    (failure,) = serving.objects("failures/").items()
    assert taken["FailureLocation"] == f"s3://{serving.bucket}/{failure[0]}"
    assert b"bad input" in failure[1]
    assert serving.metric("InvocationsProcessed") == 2
    assert serving.metric("InvocationFailures") == 1


def _received(sqs: Any, url: str) -> dict[str, Any]:
    found = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    message: dict[str, Any] = json.loads(json.loads(found[0]["Body"])["Message"])
    return message


def test_components_share_an_endpoint_and_go_to_zero(serving: Serving) -> None:
    serving.create(
        {
            "VariantName": "v0",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": {
                "Status": "ENABLED",
                "MinInstanceCount": 0,
                "MaxInstanceCount": 2,
            },
        },
        ExecutionRoleArn="arn:aws:iam::123456789012:role/Serving",
    )
    call = serving.cloud.call

    def component(name: str, code: str, copies: int = 1, memory: int = 1024) -> dict[str, Any]:
        container = serving.container(code)
        needs = {"MinMemoryRequiredInMb": memory}
        return {
            "InferenceComponentName": name,
            "Specification": {
                "Container": {
                    "Image": container["Image"],
                    "ArtifactUrl": container["ModelDataUrl"],
                },
                "ComputeResourceRequirements": needs,
            },
            "RuntimeConfig": {"CopyCount": copies},
        }

    def described(name: str) -> dict[str, Any]:
        return call("DescribeInferenceComponent", InferenceComponentName=name)

    def settled(name: str) -> dict[str, Any]:
        until(lambda: described(name)["InferenceComponentStatus"] in {"InService", "Failed"})
        found = described(name)
        assert found["InferenceComponentStatus"] == "InService", found
        return found

    for name in ("one", "two"):
        call("CreateInferenceComponent", EndpointName=ENDPOINT, **component(name, name))
        runtime = settled(name)["RuntimeConfig"]
        assert runtime == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
    assert serving.invoke(InferenceComponentName="one") == "one"
    assert serving.ask(component="two") == "two"
    assert serving.metric("Invocations", InferenceComponentName="one") == 1
    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        serving.invoke()
    with pytest.raises(ServiceError, match="Inference Component three not found"):
        serving.ask(component="three")
    with pytest.raises(ServiceError, match=r"at most 2\."):
        call("CreateInferenceComponent", EndpointName=ENDPOINT, **component("big", "big", 3, 7000))
    with pytest.raises(ServiceError, match="delete its inference components first: one, two"):
        call("DeleteEndpoint", EndpointName=ENDPOINT)

    with serving.traffic(clients=1, component="one") as traffic:
        until(lambda: traffic.mark() > 5)
        call("UpdateInferenceComponent", **component("one", "renewed", copies=2))
        assert settled("one")["RuntimeConfig"]["CurrentCopyCount"] == 2
        until(lambda: "renewed" in traffic.counted())
    assert set(traffic.counted()) == {"one", "renewed"}

    for name in ("one", "two"):
        call(
            "UpdateInferenceComponentRuntimeConfig",
            InferenceComponentName=name,
            DesiredRuntimeConfig={"CopyCount": 0},
        )
        assert settled(name)["RuntimeConfig"]["CurrentCopyCount"] == 0
    assert serving.described()["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    with pytest.raises(ServiceError, match="no capacity to process this request"):
        serving.ask(component="one")
    of_one = {"InferenceComponentName": "one"}
    assert serving.metric("NoCapacityInvocationFailures", **of_one) == 1
    call("DeleteInferenceComponent", InferenceComponentName="two")
    until(lambda: len(call("ListInferenceComponents")["InferenceComponents"]) == 1)


@pytest.mark.slow
def test_many_models_come_on_first_use_and_leave_for_others(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    hungry = "held = bytearray(60 * 2**20)\n" + SAYS
    for name in ("a", "b", "c"):
        code = hungry.replace("{name}", name)
        serving.cloud.put(serving.bucket, f"models/{name}.tar.gz", archive({"handler.py": code}))
    # Room for two of them, whatever Python itself takes: each holds 60 MiB and 4 to 34 more.
    monkeypatch.setattr("localcloud.sagemaker.fleets.memory_mib", lambda _: 190.0)
    container = {
        "Image": IMAGE_URI,
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{serving.bucket}/models/",
    }
    serving.create(serving.variant("", ModelName=serving.model(container)))
    with pytest.raises(ServiceError, match="TargetModel must be given"):
        serving.ask()
    with pytest.raises(ServiceError, match=r"Failed to download model data\(bucket: .*none.tar.gz"):
        serving.ask(target_model="none.tar.gz")
    asked = ("a", "a", "b", "a", "c", "a", "b")
    assert [serving.ask(target_model=f"{name}.tar.gz") for name in asked] == list(asked)
    # Two fit. The first of each is loaded, and b again, which had to leave for c.
    assert serving.metric("ModelCacheHit", "SampleCount") == len(asked) + 1
    assert serving.metric("ModelCacheHit") == 3
    assert serving.metric("ModelLoadingTime", "SampleCount") == 4
    assert serving.metric("ModelUnloadingTime", "SampleCount") == 2


def test_containers_in_a_row_and_one_by_one(serving: Serving) -> None:
    containers = [
        serving.container(ECHO.replace("{name}", name), ContainerHostname=name)
        for name in ("first", "second")
    ]
    serving.create(serving.variant("", ModelName=serving.model(*containers)))
    assert serving.invoke(b"in-") == "in-firstsecond"
    with pytest.raises(ServiceError, match="not invoked directly"):
        serving.ask(target_container="first")

    direct = serving.model(*containers, InferenceExecutionConfig={"Mode": "Direct"})
    serving.update(serving.variant("", ModelName=direct))
    serving.settled()
    assert serving.invoke(b"in-", TargetContainerHostname="second") == "in-second"
    with pytest.raises(ClientError, match="must be one of first, second"):
        serving.invoke()
    of_second = {"EndpointName": ENDPOINT, "VariantName": "v0", "ContainerName": "second"}
    assert serving.metric("Invocations", **of_second) == 1


@pytest.mark.slow
def test_a_container_that_ends_is_replaced(serving: Serving) -> None:
    code = """
import os
def answer(body, headers):
    if body == b"die":
        os._exit(1)
    return 200, b"alive"
"""
    serving.create(serving.variant(code))
    with pytest.raises(ServiceError, match=r"Received server error \(503\) from primary"):
        serving.ask(b"die")

    def alive() -> bool:
        try:
            return serving.ask() == "alive"
        except ServiceError:
            return False

    until(alive)
    assert serving.metric("Invocation5XXErrors") >= 1
    # One that ends while nobody asks it is replaced when somebody asks the endpoint again.
    serving.cloud.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=ENDPOINT,
        DesiredWeightsAndCapacities=[{"VariantName": "v0", "DesiredInstanceCount": 2}],
    )
    serving.settled()
    before = serving.groups()
    os.killpg(min(before), signal.SIGKILL)
    until(lambda: alive() and len(serving.groups() - {min(before)}) == 2)


@pytest.mark.slow
def test_concurrency_and_the_use_of_instances_are_measured(
    serving: Serving, tmp_path: Path
) -> None:
    code = WAITS.replace("{name}", "waited")
    serving.create(serving.variant(code, InitialInstanceCount=2))
    goes_on = tmp_path / "goes-on"
    body = str(goes_on).encode()
    threads = [threading.Thread(target=serving.ask, args=(body,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: serving.under_way() == 4)
    until(lambda: serving.metric("ConcurrentRequestsPerModel", "Maximum") == 2.0)
    goes_on.touch()
    for thread in threads:
        thread.join()
    assert serving.metric("ConcurrentRequestsPerModel", "Maximum") == 2.0

    def used() -> set[str]:
        found = serving.cloudwatch.list_metrics(Namespace="/aws/sagemaker/Endpoints")["Metrics"]
        return {metric["MetricName"] for metric in found}

    until(lambda: used() == {"CPUUtilization", "MemoryUtilization"})
