from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.compute.ports import ServiceError
from localcloud.dag.caching import CachedStep, MemoryCache, cache_key, duration
from localcloud.dag.definition import Step
from tests.localcloud.dag.support import ARN, Run, pipeline, processing

SECOND = ARN[:-1] + "2"


def cached(name: str, expire: str = "P30D", **arguments: Any) -> dict[str, Any]:
    step = processing(name, **arguments)
    return {**step, "CacheConfig": {"Enabled": True, "ExpireAfter": expire}}


def consumer(name: str) -> dict[str, Any]:
    source = {"Get": "Steps.A.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    return processing(name, Environment={"DATA": source})


def test_a_hit_brings_the_properties_of_the_earlier_step(run: Run) -> None:
    cache = MemoryCache()
    first = run(pipeline(cached("A")), cache=cache)
    moved = cached("A")  # where the output goes is not part of the key
    moved["Arguments"]["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] = "s3://new/x"
    second = run(pipeline(moved, consumer("B")), cache=cache, arn=SECOND)
    assert run.control.names("CreateProcessingJob") == ["A", "B"]
    hit = second.steps[0].as_api()
    assert hit["CacheHitResult"] == {"SourcePipelineExecutionArn": ARN}
    assert hit["Metadata"] == first.steps[0].metadata
    assert run.control.requests[-1][1]["Environment"] == {"DATA": "s3://bucket/A"}


@pytest.mark.parametrize(
    "changed",
    [
        cached("A", Environment={"X": "1"}),
        cached("A", AppSpecification={"ImageUri": "other"}),
        cached("A", ProcessingInputs=[{"InputName": "i"}]),
        processing("A"),
    ],
)
def test_other_key_attributes_or_no_caching_run_the_step(run: Run, changed: Any) -> None:
    cache = MemoryCache()
    run(pipeline(cached("A")), cache=cache)
    second = run(pipeline(changed), cache=cache)
    assert second.steps[0].cache_hit_arn is None
    assert len(run.control.requests) == 2


def test_only_steps_that_succeeded_are_remembered(run: Run) -> None:
    cache = MemoryCache()
    run.control.failures = {"A": ["AlgorithmError: x"]}
    assert run(pipeline(cached("A")), cache=cache).status == "Failed"
    assert run(pipeline(cached("A")), cache=cache).steps[0].cache_hit_arn is None


def test_a_run_without_caching_serves_later_ones(run: Run) -> None:
    cache = MemoryCache()
    run(pipeline(processing("A")), cache=cache)
    assert run(pipeline(cached("A")), cache=cache, arn=SECOND).steps[0].cache_hit_arn == ARN


def test_results_expire_and_the_newest_counts() -> None:
    cache = MemoryCache()
    now = datetime.now(UTC)
    for age in (2, 1, 3):
        cache.store("p", "k", CachedStep(str(age), now - timedelta(days=age), {}, {}))
    found = cache.find("p", "k", now - duration("P2D"))
    assert found is not None
    assert found.execution_arn == "1"
    assert cache.find("p", "k", now - duration("T1h")) is None
    assert cache.find("other", "k", None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("P4DT12H", timedelta(days=4, hours=12)),
        ("T16m", timedelta(minutes=16)),
        ("5y", timedelta(days=5 * 365)),
        ("PT1H", timedelta(hours=1)),
        ("p1w", timedelta(weeks=1)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "30 days", "one hour"])
def test_what_is_no_duration_stops_the_start(run: Run, text: str) -> None:
    with pytest.raises(ServiceError, match="is no ISO 8601 duration"):
        run(pipeline(cached("A", text)), cache=MemoryCache())
    assert run.control.requests == []


def test_of_a_tuning_step_only_what_the_service_names_makes_the_key() -> None:
    def key(**changes: Any) -> str | None:
        job = {"HyperParameterRanges": {}, "ResourceConfig": {"InstanceCount": 1}, **changes}
        step = Step("T", "Tuning", {}, {}, None)
        return cache_key(step, {"HyperParameterTuningJobConfig": {}, "TrainingJobDefinition": job})

    assert key(ResourceConfig={"InstanceCount": 2}) == key()
    assert key(HyperParameterRanges={"IntegerParameterRanges": []}) != key()
