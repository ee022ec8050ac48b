"""Batches: what BatchWriteRecord leaves, refuses or cannot do, no record is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mlops_constructs.runtime import IngestionError, IngestionReport, Retries, ingest
from tests.runtime.fakes import BatchStore, ServiceError

Entries = list[dict[str, Any]]


def people(count: int) -> list[dict[str, str]]:
    return [{"id": str(n), "event_time": "2026-11-01T00:00:00Z"} for n in range(count)]


def write(store: BatchStore, count: int, **options: Any) -> IngestionReport:
    return ingest("people", people(count), client=store, sleep=lambda seconds: None, **options)


def identifier(entry: dict[str, Any]) -> int:
    return int(entry["Record"][0]["ValueAsString"])


def error(entry: dict[str, Any], code: str) -> dict[str, Any]:
    return {"Entry": entry, "ErrorCode": code, "ErrorMessage": "so it is"}


def test_records_go_in_batches_of_25() -> None:
    store = BatchStore()
    report = write(store, 60)
    assert (report.written, len(store.stored), store.puts) == (60, 60, 0)
    assert sorted(store.batches) == [10, 25, 25]


def test_what_is_left_unprocessed_is_written_again() -> None:
    store = BatchStore(answer=lambda number, entries: {"UnprocessedEntries": entries[number:]})
    report = write(store, 25, workers=1)
    assert (report.written, len(store.stored), report.failures) == (25, 25, {})
    assert report.retries == len(store.batches) - 1 > 1


def test_a_refused_record_does_not_take_the_others_along() -> None:
    def answer(number: int, entries: Entries) -> dict[str, Any]:
        return {"Errors": [error(e, "ValidationError") for e in entries if identifier(e) == 7]}

    report = write(BatchStore(answer=answer), 50)
    assert report.written == 49
    assert [(f.position, f.reason) for f in report.failures.values()] == [
        (7, "ValidationError: so it is")
    ]


def test_a_throttled_record_is_tried_again_until_patience_ends() -> None:
    def answer(number: int, entries: Entries) -> dict[str, Any]:
        return {"Errors": [error(e, "ThrottlingException") for e in entries if identifier(e) == 7]}

    store = BatchStore(answer=answer)
    report = write(store, 25, retries=Retries(attempts=4))
    assert store.batches == [25, 1, 1, 1]
    assert report.written == 24
    assert report.failures[7].reason == "ThrottlingException: so it is"


def test_a_refused_call_is_repeated_record_by_record() -> None:
    """The service may refuse 25 records for one; the reason must stay with that one."""

    def answer(number: int, entries: Entries) -> dict[str, Any]:
        if any(identifier(entry) == 7 for entry in entries):
            raise ServiceError("ValidationError")
        return {}

    def refuse(number: int, name: str) -> None:
        if name == "7":
            raise ServiceError("ValidationError")

    store = BatchStore(refuse, answer)
    report = write(store, 50)
    assert (report.written, list(report.failures), store.puts) == (49, [7], 25)


def test_who_may_only_put_single_records_still_can() -> None:
    def denied(number: int, entries: Entries) -> dict[str, Any]:
        raise ServiceError("AccessDeniedException", 403)

    store = BatchStore(answer=denied)
    report = write(store, 100, workers=1)
    assert (report.written, store.puts, store.batches) == (100, 100, [25])


def test_who_may_not_write_at_all_is_told() -> None:
    def put_denied(number: int, name: str) -> None:
        raise ServiceError("AccessDeniedException", 403)

    def batch_denied(number: int, entries: Entries) -> dict[str, Any]:
        raise ServiceError("AccessDeniedException", 403)

    with pytest.raises(IngestionError, match="AccessDeniedException"):
        write(BatchStore(put_denied, batch_denied), 100)


def test_errors_that_name_no_record_of_the_call_cost_a_repetition() -> None:
    def answer(number: int, entries: Entries) -> dict[str, Any]:
        stranger = {"FeatureGroupName": "people", "Record": [{"FeatureName": "id"}]}
        return {"Errors": [error(stranger, "ValidationError") | {"Entry": stranger}]}

    store = BatchStore(answer=answer)
    report = write(store, 25)
    assert (report.written, store.puts, report.failures) == (25, 25, {})


@settings(max_examples=40, deadline=None)
# A record that is alone in its batch goes by PutRecord, of which `answer` does not hear.
@given(
    seed=st.randoms(use_true_random=False),
    count=st.integers(0, 120).filter(lambda count: count % 25 != 1),
)
def test_every_record_is_written_or_in_the_report(seed: Any, count: int) -> None:
    fates = {n: seed.choice(["good"] * 6 + ["bad", "late", "left"]) for n in range(count)}

    def answer(number: int, entries: Entries) -> dict[str, Any]:
        errors, unprocessed = [], []
        for entry in entries:
            fate = fates[identifier(entry)]
            if fate == "bad":
                errors.append(error(entry, "ValidationError"))
            elif fate == "late":
                errors.append(error(entry, "InternalFailure"))
                fates[identifier(entry)] = "good"
            elif fate == "left":
                unprocessed.append(entry)
                fates[identifier(entry)] = "good"
        return {"Errors": errors, "UnprocessedEntries": unprocessed}

    store = BatchStore(answer=answer)
    report = write(store, count, workers=2)
    bad = {n for n, fate in fates.items() if fate == "bad"}
    assert report.failures.keys() == bad
    assert store.stored.keys() == {str(n) for n in range(count)} - {str(n) for n in bad}
    assert report.written == count - len(bad)
