"""A steady rate of requests over loopback while an endpoint is updated: none may be lost."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from localcloud.instance import Instance
from localcloud.settings import Settings, client_environment
from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.support import IMAGE_URI

pytestmark = pytest.mark.slow

RATE = 60.0
CODE = """
import time
def model_fn(model_dir): return "{name}"
def transform_fn(model, body, content_type, accept):
    time.sleep(0.02)  # so that there is always a request under way, whatever is stopped
    return model, "text/plain"
"""


class Server:
    """A local cloud of its own process, behind a socket."""

    def __init__(self, url: str) -> None:
        environment = client_environment(url, "us-east-1")
        session = botocore.session.Session()
        # A retry would hide a lost request.
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)

        def client(service: str) -> Any:
            return session.create_client(
                service,
                region_name="us-east-1",
                endpoint_url=url,
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
                config=config,
            )

        self.s3, self.sagemaker = client("s3"), client("sagemaker")
        self.runtime, self.cloudwatch = client("sagemaker-runtime"), client("cloudwatch")
        self.s3.create_bucket(Bucket="models")

    def config(self, name: str) -> str:
        body = archive({"code/inference.py": CODE.replace("{name}", name)})
        self.s3.put_object(Bucket="models", Key=f"{name}.tar.gz", Body=body)
        container = {
            "Image": IMAGE_URI,
            "ModelDataUrl": f"s3://models/{name}.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        }
        role = "arn:aws:iam::123456789012:role/Serving"
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 2,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def status(self) -> str:
        return str(self.sagemaker.describe_endpoint(EndpointName="shop")["EndpointStatus"])

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while self.status() != "InService":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def ask(self) -> str:
        answer = self.runtime.invoke_endpoint(
            EndpointName="shop", Body=b"1", ContentType="text/csv"
        )
        return str(answer["Body"].read().decode())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    instance = Instance("load", home=tmp_path)
    facts = instance.up(Settings(port=1, work_dir=tmp_path / "work", time_scale=0.01), None)
    try:
        yield Server(facts.url)
    finally:
        instance.down()


class SteadyLoad:
    """Requests at a steady rate, however long the answers take."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._due: queue.Queue[bool] = queue.Queue()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(12)]
        self._clock = threading.Thread(target=self._send)
        self.sent = 0
        self.answers: list[str] = []

    def __enter__(self) -> SteadyLoad:
        for thread in (*self._threads, self._clock):
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        self._clock.join()
        for _ in self._threads:
            self._due.put(False)
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(max(0.0, began + self.sent / RATE - time.monotonic())):
            self._due.put(True)
            self.sent += 1

    def _ask(self) -> None:
        while self._due.get():
            try:
                self.answers.append(self._server.ask())
            except Exception as error:
                self.answers.append(f"lost: {error}")


@pytest.mark.parametrize("policy", ["at once", "canary", "rolling"])
def test_no_request_is_lost_by_an_update(server: Server, policy: str) -> None:
    server.sagemaker.create_endpoint(EndpointName="shop", EndpointConfigName=server.config("old"))
    server.wait()
    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    routing = {"Type": "CANARY", "CanarySize": half, "WaitIntervalInSeconds": 100}
    policies: dict[str, dict[str, Any]] = {
        # Without baking the old fleet ends in the very moment in which it is replaced.
        "at once": {},
        "canary": {
            "DeploymentConfig": {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": routing,
                    "TerminationWaitInSeconds": 0,
                }
            }
        },
        "rolling": {
            "DeploymentConfig": {
                "RollingUpdatePolicy": {"MaximumBatchSize": half, "WaitIntervalInSeconds": 100}
            }
        },
    }
    new = server.config("new")
    with SteadyLoad(server) as load:
        time.sleep(1)
        server.sagemaker.update_endpoint(
            EndpointName="shop", EndpointConfigName=new, **policies[policy]
        )
        server.wait()
        time.sleep(1)
    counted = Counter(load.answers)
    assert set(counted) == {"old", "new"}, counted
    assert sum(counted.values()) == load.sent > 2 * RATE
    assert set(load.answers[-20:]) == {"new"}
    assert _invocations(server) == load.sent


def _invocations(server: Server) -> float:
    found = server.cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": "shop"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 3600,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(each["Sum"] for each in found))
