"""Endpoints of tiny models, and clients that ask them without pause."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.localcloud.compute.support import IMAGE, archive
from tests.localcloud.support import Cloud, until

TINY = Path(__file__).with_name("tiny_container.py")
IMAGE_URI = IMAGE.replace("sagemaker-xgboost:3.2-0", "sagemaker-scikit-learn:1.4-2")
SAYS = "import os\ndef answer(body, headers):\n    return 200, b'{name}'\n"
#: Answers when the file exists whose name it is sent; what the test itself lets go on takes as long
#: as it must on any machine.
WAITS = """
import os, time
def answer(body, headers):
    while body != b"1" and not os.path.exists(body):
        time.sleep(0.01)
    return 200, b"{name}"
"""
ENDPOINT = "endpoint"


class Serving:
    """One endpoint of one account, and what is behind it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.bucket = cloud.bucket()
        self.runtime = cloud.client("sagemaker-runtime")
        self.cloudwatch = cloud.client("cloudwatch")

    # --- making ----------------------------------------------------------------------------------

    def container(self, code: str, **more: Any) -> dict[str, Any]:
        """A container whose model is this code, or says this name."""
        text = code if "def answer" in code else SAYS.replace("{name}", code)
        key = f"{uuid4().hex[:8]}/model.tar.gz"
        url = self.cloud.put(self.bucket, key, archive({"handler.py": text}))
        return {"Image": IMAGE_URI, "ModelDataUrl": url, **more}

    def model(self, *containers: dict[str, Any], **more: Any) -> str:
        name = f"m-{uuid4().hex[:8]}"
        given: dict[str, Any] = (
            {"PrimaryContainer": containers[0]} if len(containers) == 1 else {}
        ) or {"Containers": list(containers)}
        self.cloud.call("CreateModel", ModelName=name, **given, **more)
        return name

    def variant(self, code: str, name: str = "v0", **more: Any) -> dict[str, Any]:
        """A variant of instances, unless ``more`` says otherwise."""
        model = more.pop("ModelName", None) or self.model(self.container(code))
        shape = (
            {}
            if "ServerlessConfig" in more
            else {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        )
        return {"VariantName": name, "ModelName": model, **shape, **more}

    def config(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"c-{uuid4().hex[:8]}"
        self.cloud.call(
            "CreateEndpointConfig",
            EndpointConfigName=name,
            ProductionVariants=list(variants),
            **more,
        )
        return name

    def create(self, *variants: dict[str, Any], **more: Any) -> dict[str, Any]:
        config = self.config(*variants, **more)
        self.cloud.call("CreateEndpoint", EndpointName=ENDPOINT, EndpointConfigName=config)
        found = self.settled()
        assert found["EndpointStatus"] == "InService", found["FailureReason"]
        return found

    def update(self, *variants: dict[str, Any], **more: Any) -> None:
        """Update to a configuration of these variants; ``more`` goes to UpdateEndpoint."""
        config = self.config(*variants)
        self.cloud.call("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName=config, **more)

    def alarm(self, name: str, metric: str, threshold: float, **more: Any) -> str:
        """An alarm on a metric of the variant v0, over one minute."""
        settings: dict[str, Any] = {
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": ENDPOINT},
                {"Name": "VariantName", "Value": "v0"},
            ],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        if "ExtendedStatistic" in more:
            del settings["Statistic"]
        request = {"AlarmName": name, "Threshold": threshold, **settings, **more}
        self.cloudwatch.put_metric_alarm(**request)
        return name

    # --- looking ---------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        return self.cloud.call("DescribeEndpoint", EndpointName=ENDPOINT)

    def settled(self) -> dict[str, Any]:
        done = {"InService", "Failed"}
        until(lambda: self.described()["EndpointStatus"] in done, seconds=60)
        return self.described()

    def processes(self, variant: str = "v0") -> int:
        """The instances of a variant of the fleet that is in service."""
        return int(self._route().stable.variants[variant].pool.size)

    def under_way(self, variant: str = "v0") -> int:
        """How many requests its instances are answering."""
        return int(self._route().stable.variants[variant].pool.in_flight)

    def groups(self, variant: str = "v0") -> set[int]:
        """The process groups of those instances."""
        pool = self._route().stable.variants[variant].pool
        return {group for instance in pool.instances for group in instance.groups}

    def share(self) -> float:
        """Of the requests, what the new fleet of an update is to get now."""
        return float(self._route().candidate_share)

    def _route(self) -> Any:
        record = self.cloud.sagemaker.store.records(self.cloud.scope, "Endpoint")[0]
        return self.cloud.sagemaker.routes.get(record.arn)

    def invoke(self, body: bytes = b"1", **more: Any) -> str:
        """What the model answers, through an AWS client."""
        answer = self.runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=body, ContentType="text/csv", **more
        )
        return str(answer["Body"].read().decode())

    def ask(self, body: bytes = b"1", **more: Any) -> str:
        """The same a hundred times faster: what the HTTP face calls."""
        from localcloud import emulator
        from localcloud.sagemaker import runtime

        invocation = runtime.Invocation(ENDPOINT, body, "text/csv", "*/*", **more)
        with emulator.within(self.cloud.scope):
            return runtime.invoke(self.cloud.sagemaker, invocation).body.decode()

    def metric(self, name: str, statistic: str = "Sum", **dimensions: str) -> float:
        """A statistic over all of the time, with exactly these dimensions."""
        given = dimensions or {"EndpointName": ENDPOINT, "VariantName": "v0"}
        found = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": k, "Value": v} for k, v in given.items()],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 3600,
            Period=86400,
            Statistics=[statistic],
        )["Datapoints"]
        return float(found[0][statistic]) if found else 0.0

    def objects(self, prefix: str) -> dict[str, bytes]:
        s3 = self.cloud.client("s3")
        found = s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            item["Key"]: s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
            for item in found
        }

    @contextmanager
    def traffic(self, *, clients: int = 2, pause: float = 0.01, **asked: Any) -> Iterator[Traffic]:
        """Ask all the time while the block runs."""
        traffic = Traffic(lambda: self.ask(**asked), pause)
        threads = [threading.Thread(target=traffic.run) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            traffic.stop.set()
            for thread in threads:
                thread.join()


class Traffic:
    """What clients were answered: the answer, or the code and message of the error."""

    def __init__(self, ask: Callable[[], str], pause: float) -> None:
        self.ask, self._pause = ask, pause
        self._lock = threading.Lock()
        self.stop = threading.Event()
        self.answers: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                answer = self.ask()
            except Exception as error:
                answer = f"!{error}"
            with self._lock:
                self.answers.append(answer)
            time.sleep(self._pause)

    def counted(self, since: int = 0) -> Counter[str]:
        """How often there was each answer; errors by their code."""
        with self._lock:
            return Counter(each.split(":")[0] for each in self.answers[since:])

    def counted_between(self, start: int, end: int) -> Counter[str]:
        with self._lock:
            return Counter(each.split(":")[0] for each in self.answers[start:end])

    def mark(self) -> int:
        return len(self.answers)
