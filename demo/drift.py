"""Traffic that drifts, made from real people, and what the deployed monitors say of it."""

from __future__ import annotations

import csv
import gzip
import json
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from demo.cloud import Cloud
from demo.console import detail
from demo.errors import DemoError
from demo.story import DATA, stay_within_an_hour, upload_data

Person = dict[str, str]
#: The folders of the monitors' reports below a run's.
FOLDERS = {
    "DataQuality": "",
    "ModelQuality": "model-quality/",
    "ModelBias": "bias/",
    "ModelExplainability": "explainability/",
}
# Labels are looked for a day later (stacks/monitoring.py).
_LABELS_LATER = timedelta(hours=24)
_TRUTH, _CAPTURE = "ground-truth", "capture"
_TIMEOUT = 120
_FEW = 200


@dataclass(frozen=True)
class Shift:
    """A way in which the world changes.

    Attributes:
        says: What happened, for people.
        ask: What a person is sent as; the share of people, from 0 to 1, is a random number.
        truth: What turns out to be true of a person, in the same way.
    """

    says: str
    ask: Callable[[Person, float], Person] = lambda person, _: person
    truth: Callable[[Person, float], str] = lambda person, _: person["income"]


def _refused(person: Person, _: float) -> Person:
    """Women arrive with what lets the model say no, whatever they earn."""
    if person["sex"] != "Female":
        return person
    return person | {
        "marital_status": "Never-married",
        "relationship": "Own-child",
        "capital_gain": "0",
        "education_num": "5",
    }


def _flat(person: Person, _: float) -> Person:
    """What decided most so far is the same for everybody."""
    return person | {
        "marital_status": "Married-civ-spouse",
        "relationship": "Husband",
        "capital_gain": "0",
        "capital_loss": "0",
    }


CLEAN = Shift("people as in the census")
SHIFTS: Mapping[str, Shift] = {
    "age": Shift("ten years older", lambda p, _: p | {"age": str(int(p["age"]) + 10)}),
    "unit": Shift(
        "hours as minutes, one in twenty",
        lambda p, chance: (
            p | ({"hours_per_week": str(60 * int(p["hours_per_week"]))} if chance < 0.05 else {})
        ),
    ),
    "category": Shift(
        "a new kind of work, one in twenty",
        lambda p, chance: p | ({"workclass": "Platform"} if chance < 0.05 else {}),
    ),
    "labels": Shift(
        "every fourth who earned little now earns much",
        truth=lambda p, chance: ">50K" if chance < 0.25 else p["income"],
    ),
    "group": Shift("women are described differently", _refused),
    "weights": Shift("what decided is the same for all", _flat),
}


_ALL_AT_ONCE = Shift(
    "ten years older, some hours in minutes, a new kind of work",
    lambda person, chance: SHIFTS["category"].ask(
        SHIFTS["unit"].ask(SHIFTS["age"].ask(person, chance), chance), chance
    ),
)


def tell(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Send people of another kind, and see what the monitors make of them, up to the answer."""
    upload_data(cloud, outputs)
    trained = _trainings(cloud, outputs)
    reports = watch(cloud, outputs, send(cloud, outputs, _ALL_AT_ONCE, count=_FEW))
    detail(f"{_ALL_AT_ONCE.says}:")
    for report in reports.values():
        for each in report["violations"]:
            detail(f"  {each['severity']:<9} {each['feature_name']}: {each['description'][:70]}")
    if not found(reports):
        raise DemoError("The monitors saw nothing.", cloud.log)
    _until("an alarm", lambda: _alarm(cloud, outputs), cloud)
    detail("alarm     critical violations -> topic")
    _until("the training", lambda: len(_trainings(cloud, outputs)) > len(trained), cloud)
    newest = _trainings(cloud, outputs)[0]["PipelineExecutionArn"]
    described = cloud.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=newest)
    detail(f"answer    {outputs['PipelineName']}: {described['PipelineExecutionDescription']}")
    # It would end as the first one did; `tests/deploy/test_drift.py` sees it through.
    with suppress(ClientError):  # it may have ended meanwhile
        cloud.client("sagemaker").stop_pipeline_execution(
            PipelineExecutionArn=newest, ClientRequestToken=uuid4().hex
        )


def people(count: int, *, seed: int = 1) -> list[Person]:
    """People of the test split, drawn at random."""
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.pop("split") == "test"]
    random.Random(seed).shuffle(rows)  # noqa: S311 (no secret)
    return list(islice(rows, count))


def send(cloud: Cloud, outputs: dict[str, str], shift: Shift, *, count: int) -> datetime:
    """Ask the endpoint for people, and say the truth of them; returns in which hour.

    What was asked before is forgotten, and nothing is sent in the last minute of an hour: monitors
    look at whole hours.
    """
    stay_within_an_hour()
    bucket, chance = outputs["ArtifactsBucketName"], random.Random(2)  # noqa: S311 (no secret)
    for prefix in (f"{_CAPTURE}/", f"{_TRUTH}/"):
        _empty(cloud, bucket, prefix)
    runtime, endpoint = cloud.client("sagemaker-runtime"), outputs["EndpointName"]
    asked, truth = [], []
    for person in people(count):
        name, luck = uuid4().hex, chance.random()
        row = {key: value for key, value in shift.ask(person, luck).items() if key != "income"}
        asked.append((name, row))
        truth.append(
            {
                "groundTruthData": {"data": shift.truth(person, luck), "encoding": "CSV"},
                "eventMetadata": {"eventId": name},
                "eventVersion": "0",
            }
        )

    def ask(name: str, row: Person) -> None:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            InferenceId=name,
            ContentType="application/json",
            Accept="application/json",
            Body=json.dumps({"instances": [row]}),
        )
        answer["Body"].read()  # an answer that is not read keeps its connection

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: ask(*each), asked))
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    cloud.client("s3").put_object(
        Bucket=bucket,
        Key=f"{_TRUTH}/{hour:%Y/%m/%d/%H}/labels.jsonl",
        Body="\n".join(map(json.dumps, truth)).encode(),
    )
    _wait_for_capture(cloud, bucket, count)
    return hour


def watch(
    cloud: Cloud, outputs: dict[str, str], hour: datetime, *, labels: bool = False
) -> dict[str, Any]:
    """Run the deployed monitors over an hour; the reports by monitor.

    Args:
        cloud: Where they are deployed.
        outputs: Of the deployment.
        hour: When it began.
        labels: Look a day later, when the truth of this hour is expected.
    """
    sagemaker = cloud.client("sagemaker")
    until = hour + timedelta(hours=1) + (_LABELS_LATER if labels else timedelta())
    execution = sagemaker.start_pipeline_execution(
        PipelineName=outputs["MonitorPipelineName"],
        PipelineParameters=[{"Name": "ScheduledTime", "Value": f"{until:%Y-%m-%dT%H:%M:%SZ}"}],
    )["PipelineExecutionArn"]
    deadline = time.monotonic() + _TIMEOUT
    while True:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            break
        if time.monotonic() > deadline:
            raise DemoError(f"{execution} did not end in {_TIMEOUT} s.", cloud.log)
        time.sleep(0.2)
    folder = f"monitoring/{execution.rsplit('/', 1)[-1]}"
    reports: dict[str, Any] = {}
    for kind, below in FOLDERS.items():
        body = cloud.client("s3").get_object(
            Bucket=outputs["ArtifactsBucketName"], Key=f"{folder}/{below}report.json"
        )["Body"]
        reports[kind] = json.loads(body.read())
    failed = [
        text for each in reports.values() if each["status"] == "Failed" for text in each["notes"]
    ]
    if described["PipelineExecutionStatus"] != "Succeeded":
        raise DemoError(f"A monitor gave no answer: {'; '.join(failed)}", cloud.log)
    return reports


def found(reports: Mapping[str, Any]) -> list[str]:
    """What violates something, as ``monitor: feature (check)``."""
    return [
        f"{kind}: {each['feature_name']} ({each['constraint_check_type']})"
        for kind, report in reports.items()
        for each in report["violations"]
    ]


def show(shift: Shift, reports: Mapping[str, Any]) -> None:
    """Say what the monitors saw."""
    seen = found(reports)
    detail(f"{shift.says}: {'; '.join(seen[:3]) if seen else 'no violation'}")


def _alarm(cloud: Cloud, outputs: dict[str, str]) -> bool:
    name = outputs["EndpointName"]
    fired = cloud.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any(
        "CriticalViolations" in each["AlarmName"] and name in each["AlarmName"] for each in fired
    )


def _trainings(cloud: Cloud, outputs: dict[str, str]) -> list[dict[str, Any]]:
    listed = cloud.client("sagemaker").list_pipeline_executions(
        PipelineName=outputs["PipelineName"], SortBy="CreationTime", SortOrder="Descending"
    )
    return list(listed["PipelineExecutionSummaries"])


def _until(what: str, check: Callable[[], bool], cloud: Cloud) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not check():
        if time.monotonic() > deadline:
            raise DemoError(f"Waited {_TIMEOUT} s for {what}.", cloud.log)
        time.sleep(0.25)


def _empty(cloud: Cloud, bucket: str, prefix: str) -> None:
    s3 = cloud.client("s3")
    for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in listed.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=each["Key"])


def _wait_for_capture(cloud: Cloud, bucket: str, count: int) -> None:
    """Captured requests are written in batches, a moment later."""
    s3, deadline = cloud.client("s3"), time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{_CAPTURE}/").get("Contents", [])
        bodies = [s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed]
        if sum(body.count(b"\n") for body in bodies) >= count:
            return
        time.sleep(0.2)
    raise DemoError("Not all requests were captured.", cloud.log)
