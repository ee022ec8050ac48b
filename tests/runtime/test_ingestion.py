"""Ingestion: no record is lost, whatever the service, the source and the machine do."""

from __future__ import annotations

import json
import random
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mlops_constructs import ValidationError
from mlops_constructs.runtime import IngestionError, IngestionReport, Retries, ingest
from tests.runtime.fakes import FakeStore, ServiceError

NO_WAIT: dict[str, Any] = {"sleep": lambda seconds: None}


def people(count: int) -> Iterator[dict[str, Any]]:
    return ({"id": str(n), "event_time": "2026-11-01T00:00:00Z", "age": n} for n in range(count))


def ids(count: int) -> set[str]:
    return {str(n) for n in range(count)}


def test_everything_is_written_in_parallel() -> None:
    together = threading.Barrier(4, timeout=10)

    def meet(number: int, identifier: str) -> None:
        if number <= 4:
            together.wait()

    store = FakeStore(meet)
    report = ingest("people", people(500), client=store, workers=4)
    assert store.stored.keys() == ids(500)
    assert store.most_at_once == 4
    assert (report.written, report.skipped, report.retries, report.failures) == (500, 0, 0, {})
    assert str(report).startswith("people: 500 written, 0 skipped, 0 failed, 0 retries")
    assert store.requests[0] == {
        "FeatureGroupName": "people",
        "Record": [
            {"FeatureName": "id", "ValueAsString": "0"},
            {"FeatureName": "event_time", "ValueAsString": "2026-11-01T00:00:00Z"},
            {"FeatureName": "age", "ValueAsString": "0"},
        ],
    }


def test_stores_can_be_chosen() -> None:
    store = FakeStore()
    ingest("people", people(1), client=store, target_stores=["OfflineStore"])
    assert store.requests[0]["TargetStores"] == ["OfflineStore"]


def test_throttled_calls_are_made_again_ever_later() -> None:
    pauses: list[float] = []

    def throttle(number: int, identifier: str) -> None:
        if number < 8:
            raise ServiceError(("ThrottlingException", "InternalFailure")[number % 2], 429)

    store = FakeStore(throttle)
    report = ingest("people", people(1), client=store, workers=1, sleep=pauses.append)
    assert (report.written, report.retries, store.puts) == (1, 7, 8)
    limits = [0.1 * 2**n for n in range(7)]
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert len(set(pauses)) == 7


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), ServiceError("Odd", 503)])
def test_what_is_lost_on_the_way_is_sent_again(error: Exception) -> None:
    def once(number: int, identifier: str) -> None:
        if number == 1:
            raise error

    assert ingest("people", people(3), client=FakeStore(once), **NO_WAIT).retries == 1


def test_failures_are_reported_with_their_reason() -> None:
    def refuse(number: int, identifier: str) -> None:
        if identifier == "1":
            raise ServiceError("ValidationError")
        if identifier == "2":
            raise ServiceError("ThrottlingException")

    source = [*people(4), {"id": "4", "tags": ["a"]}, {"id": None}]
    report = ingest(
        "people", source, client=FakeStore(refuse), retries=Retries(attempts=3), **NO_WAIT
    )
    assert {position: failure.reason for position, failure in report.failures.items()} == {
        1: "ValidationError: ValidationError from the service",
        2: "ThrottlingException: ThrottlingException from the service",
        4: "tags: a value of type list is no number, text, time or boolean",
        5: "the record has no values",
    }
    assert report.failures[1].record == source[1]
    assert (report.written, report.retries) == (2, 2)
    assert "  1 x the record has no values" in str(report)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFound", "ExpiredToken"])
def test_what_is_refused_to_all_stops_the_run(code: str, tmp_path: Path) -> None:
    def refuse(number: int, identifier: str) -> None:
        if number > 40:
            raise ServiceError(code)

    store, checkpoint = FakeStore(refuse), tmp_path / "people.json"
    with pytest.raises(IngestionError, match=code) as caught:
        ingest("people", people(100_000), client=store, checkpoint=checkpoint, workers=2, **NO_WAIT)
    assert caught.value.report.written <= 40
    assert store.puts < 200
    done = json.loads(checkpoint.read_text())["Done"]
    assert {str(n) for n in range(done)} <= store.stored.keys()


def test_too_many_failures_stop_the_run_and_are_tried_again(tmp_path: Path) -> None:
    def refuse(number: int, identifier: str) -> None:
        raise ServiceError("ValidationError")

    checkpoint = tmp_path / "people.json"
    with pytest.raises(IngestionError, match="more than 5 records failed"):
        ingest(
            "people",
            people(100_000),
            client=FakeStore(refuse),
            checkpoint=checkpoint,
            most_failures=5,
        )
    store = FakeStore()
    report = ingest("people", people(1000), client=store, checkpoint=checkpoint, most_failures=5)
    assert report.failures == {}
    assert store.stored.keys() == ids(1000)


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    checkpoint = tmp_path / "people.json"
    ingest("people", people(20), client=FakeStore(), checkpoint=checkpoint)
    store = FakeStore()
    report = ingest("people", people(20), client=store, checkpoint=checkpoint)
    assert (report.skipped, report.written, store.puts) == (20, 0, 0)
    report = ingest("people", people(25), client=store, checkpoint=checkpoint)
    assert store.stored.keys() == {"20", "21", "22", "23", "24"}


class CrashError(Exception):
    pass


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 80),
    crash_after=st.integers(0, 80),
    workers=st.integers(1, 4),
    where=st.sampled_from(["source", "service", "worker"]),
)
def test_no_record_is_lost_in_a_crash(  # noqa: PLR0917  # fixture and strategies
    tmp_path: Path, seed: int, count: int, crash_after: int, workers: int, where: str
) -> None:
    """Crash after crash, with throttling and refusals: in the end everything is there or named."""
    checkpoint = tmp_path / f"{seed}-{count}-{crash_after}-{workers}-{where}.json"
    checkpoint.unlink(missing_ok=True)
    chance = random.Random(seed)
    store = FakeStore()
    refused = {str(n) for n in range(count) if chance.random() < 0.1}

    def misbehave(number: int, identifier: str) -> None:
        if crashing and number >= begun + crash_after:
            if where == "worker":
                raise MemoryError
            if where == "service":
                raise ServiceError("ExpiredTokenException")
        if identifier in refused:
            raise ServiceError("ValidationError")
        if number % 5 == 0:
            raise ServiceError("ThrottlingException")

    def source() -> Iterator[dict[str, Any]]:
        for n, person in enumerate(people(count)):
            if crashing and where == "source" and n == crash_after:
                raise CrashError
            yield person

    store._misbehave = misbehave
    report: IngestionReport | None = None
    for crashing in (True, True, False):
        begun = store.puts
        try:
            report = ingest(
                "people",
                source(),
                client=store,
                workers=workers,
                checkpoint=checkpoint,
                retries=Retries(attempts=50),
                **NO_WAIT,
            )
        except (CrashError, IngestionError, MemoryError):
            assert crashing
    assert report is not None
    assert store.stored.keys() == ids(count) - refused
    assert {str(position) for position in report.failures} == refused


def test_the_record_that_stops_a_run_is_written_by_the_next(tmp_path: Path) -> None:
    """Although later ones were accepted before it was refused."""
    later = threading.Event()

    def expire(number: int, identifier: str) -> None:
        if identifier == "3":
            assert later.wait(10)
            raise ServiceError("ExpiredToken")
        if identifier == "20":
            later.set()

    store, checkpoint = FakeStore(expire), tmp_path / "people.json"
    with pytest.raises(IngestionError, match="ExpiredToken"):
        ingest("people", people(30), client=store, workers=2, checkpoint=checkpoint)
    assert "20" in store.stored
    assert json.loads(checkpoint.read_text())["Done"] == 3
    store = FakeStore()
    ingest("people", people(30), client=store, workers=2, checkpoint=checkpoint)
    assert store.stored.keys() == ids(30) - {"0", "1", "2"}


def test_a_source_that_breaks_raises_its_own_error(tmp_path: Path) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield from people(3)
        raise CrashError("the cursor is gone")

    store = FakeStore()
    with pytest.raises(CrashError, match="the cursor is gone"):
        ingest("people", source(), client=store, checkpoint=tmp_path / "people.json")
    assert store.stored.keys() == ids(3)


def test_a_crash_without_warning_repeats_a_second_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written while the run goes on, not only at its end."""
    monkeypatch.setattr("mlops_constructs.runtime.ingestion._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    checkpoint, seen = tmp_path / "people.json", list[int]()

    def look(report: IngestionReport) -> None:
        seen.append(json.loads(checkpoint.read_text())["Done"])

    ingest("people", people(200), client=FakeStore(), checkpoint=checkpoint, progress=look)
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert seen[-1] == 200


@pytest.mark.parametrize("text", ["", "{}", '{"Version": 1, "FeatureGroupName": "x"}', "[]"])
def test_a_broken_checkpoint(tmp_path: Path, text: str) -> None:
    checkpoint = tmp_path / "people.json"
    checkpoint.write_text(text)
    with pytest.raises(ValidationError, match="delete it to begin anew"):
        ingest("people", people(1), client=FakeStore(), checkpoint=checkpoint)
    assert checkpoint.read_text() == text


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    checkpoint = tmp_path / "people.json"
    ingest("people", people(9), client=FakeStore(), checkpoint=checkpoint)
    before = checkpoint.read_text()
    with pytest.raises(ValidationError, match="of the group people"):
        ingest("places", people(9), client=FakeStore(), checkpoint=checkpoint)
    with pytest.raises(ValidationError, match="9 records settled, but the source has 5"):
        ingest("people", people(5), client=FakeStore(), checkpoint=checkpoint)
    assert checkpoint.read_text() == before


def test_the_rate_is_limited() -> None:
    pauses: list[float] = []
    ingest("people", people(11), client=FakeStore(), records_per_second=5, sleep=pauses.append)
    # Nothing sleeps here: the last of 11 turns lies two seconds after the first.
    assert max(pauses) == pytest.approx(2.0, abs=0.2)


def test_memory_does_not_grow_with_the_source() -> None:
    def peak(count: int) -> int:
        store = FakeStore()
        store.requests = _Nothing()
        store.stored = {}
        tracemalloc.start()
        ingest("people", ({"id": "same", "text": "x" * 1000} for _ in range(count)), client=store)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(4000) < 1.5 * peak(400) + 200_000


class _Nothing(list[dict[str, Any]]):
    def append(self, item: dict[str, Any], /) -> None:
        pass


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ValidationError, match="3 problems"):
        ingest("people", [], client=FakeStore(), workers=0, most_failures=-1, records_per_second=0)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"target_stores": "OnlineStore"}, "a list of OfflineStore, OnlineStore"),
        ({"target_stores": ["Online"]}, "a list of OfflineStore, OnlineStore"),
        ({"checkpoint": "/nowhere/at/all"}, "a file in a folder that is there"),
    )
    for arguments, said in wrong:
        store = FakeStore()
        with pytest.raises(ValidationError, match=said):
            ingest("people", [{"id": "1"}], client=store, **arguments)
        assert store.puts == 0
    with pytest.raises(TypeError, match="got int; allowed: mappings, a pandas data frame"):
        ingest("people", 5, client=FakeStore())
