"""Online batch reads: every identifier gets one answer."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.runtime import OnlineRecords, Retries, read_online
from tests.runtime.fakes import ServiceError


class FakeReads:
    """Knows the identifiers below 250; handles ``at_most`` of a call and refuses "bad"."""

    def __init__(self, at_most: int = 100, errors: tuple[Exception, ...] = ()) -> None:
        self.at_most, self.errors = at_most, list(errors)
        self.calls: list[dict[str, Any]] = []
        self.throttled = 1

    def batch_get_record(self, **request: Any) -> dict[str, Any]:
        (group,) = request["Identifiers"]
        self.calls.append(group)
        if self.errors:
            raise self.errors.pop()
        asked = group["RecordIdentifiersValueAsString"]
        assert 1 <= len(asked) <= 100
        handled, left = asked[: self.at_most], asked[self.at_most :]
        answer: dict[str, Any] = {"Records": [], "Errors": [], "UnprocessedIdentifiers": []}
        for each in handled:
            about = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": each}
            if each == "busy" and self.throttled:
                self.throttled -= 1
                answer["Errors"].append(
                    about | {"ErrorCode": "ServiceUnavailable", "ErrorMessage": "later"}
                )
            elif each == "bad":
                answer["Errors"].append(
                    about | {"ErrorCode": "ValidationError", "ErrorMessage": "no"}
                )
            elif each == "busy" or int(each) < 250:
                values = [{"FeatureName": "id", "ValueAsString": each}]
                answer["Records"].append(about | {"Record": values})
        if left:
            answer["UnprocessedIdentifiers"].append(
                {"FeatureGroupName": "people", "RecordIdentifiersValueAsString": left}
            )
        return answer


def read(client: FakeReads, identifiers: list[str], **arguments: Any) -> OnlineRecords:
    return read_online("people", identifiers, client=client, sleep=lambda _: None, **arguments)


@pytest.mark.parametrize("at_most", [100, 40, 1])
def test_every_identifier_gets_one_answer(at_most: int) -> None:
    asked = [str(number) for number in range(240, 260)] * 2 + [str(n) for n in range(200)] + ["bad"]
    client = FakeReads(at_most)
    answer = read(client, asked, retries=Retries(attempts=200))
    known = {str(number) for number in (*range(200), *range(240, 250))}
    assert answer.found == {each: {"id": each} for each in known}
    assert answer.missing == {str(number) for number in range(250, 260)}
    assert answer.failed == {"bad": "ValidationError: no"}


def test_calls_hold_as_many_identifiers_as_the_service_takes() -> None:
    client = FakeReads()
    read(client, [str(number) for number in range(250)], features=["age"])
    sizes = [len(call["RecordIdentifiersValueAsString"]) for call in client.calls]
    assert sizes == [100, 100, 50]
    assert client.calls[0]["FeatureNames"] == ["age"]


def test_throttled_calls_and_records_are_asked_for_again() -> None:
    client = FakeReads(errors=(ServiceError("ThrottlingException"), ServiceError("Odd", 500)))
    assert read(client, ["1", "busy"]).found.keys() == {"1", "busy"}
    assert len(client.calls) == 4


def test_what_stays_unprocessed_is_reported() -> None:
    answer = read(FakeReads(at_most=1), ["1", "2", "3"], retries=Retries(attempts=2))
    assert answer.found.keys() == {"1", "2"}
    assert answer.failed == {"3": "UnprocessedIdentifiers"}
    throttled = FakeReads(errors=(ServiceError("ThrottlingException"),) * 2)
    assert "ThrottlingException" in read(throttled, ["1"], retries=Retries(attempts=2)).failed["1"]


def test_a_refused_call_raises() -> None:
    with pytest.raises(ServiceError, match="AccessDenied"):
        read(FakeReads(errors=(ServiceError("AccessDeniedException"),)), ["1"])


def test_one_text_is_not_several() -> None:
    with pytest.raises(
        ValidationError, match=r"2 problems[^W]*Write \['p-1'\][^W]*Write \['age'\]"
    ):
        read_online("people", "p-1", features="age", client=FakeReads())


def test_nothing_asked() -> None:
    assert read(FakeReads(), []) == OnlineRecords()
