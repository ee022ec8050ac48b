"""What the function of a stream does with records: written, kept, or sent again; none is lost."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given, settings, strategies as st

from mlops_constructs.feature_store.stream_code.feature_stream import handler
from mlops_constructs.feature_store.stream_code.feature_stream.handler import (
    MARGIN_MILLISECONDS,
    FeatureStreamFunction,
)
from mlops_constructs.feature_store.stream_code.feature_stream.values import (
    RecordError,
    Schema,
    UnknownFeatureError,
    convert,
    parse,
)

SCHEMA = Schema(
    "id", "at", {"id": "String", "at": "String", "age": "Integral", "hours": "Fractional"}
)
NOW = "2026-11-01T00:00:00Z"


def values(text: str, schema: Schema = SCHEMA) -> dict[str, str]:
    found = convert(schema, parse(text.encode()))
    return {each["FeatureName"]: each["ValueAsString"] for each in found}


def of(member: str) -> str:
    return f'{{"id": "a", "at": "{NOW}", {member}}}'


@pytest.mark.parametrize(
    ("member", "written"),
    [
        ('"age": 39', {"age": "39"}),
        ('"age": 39.0', {"age": "39"}),
        ('"age": "-39"', {"age": "-39"}),
        ('"age": true', {"age": "1"}),
        ('"age": 9223372036854775807', {"age": "9223372036854775807"}),
        ('"age": null', {}),
        ('"hours": 0.1', {"hours": "0.1"}),
        ('"hours": 40', {"hours": "40"}),
        ('"hours": "1.5e3"', {"hours": "1.5e3"}),
        ('"hours": 0.12345678901234567890', {"hours": "0.12345678901234567890"}),
    ],
)
def test_values_are_written_without_loss(member: str, written: dict[str, str]) -> None:
    assert values(of(member)) == {"id": "a", "at": NOW} | written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no", "not JSON"),
        ("[]", "not a JSON object but a list"),
        ('"a"', "not a JSON object but text"),
        ("[" * 100_000, "nested too deep"),
        (of('"age": 39, "age": 40'), "named twice: 'age'"),
        (of('"age": 39.5'), "age: got a number '39.5'; an Integral takes whole numbers"),
        (of('"age": 9223372036854775808'), "64 bits"),
        (of('"age": "٣"'), "whole numbers"),
        (of('"age": 1e999999999999999999999'), "too long for a number"),
        (of('"hours": NaN'), "NaN is no number of JSON"),
        (of('"hours": 1e400'), "what a double holds"),
        (of('"hours": true'), "got a boolean True; a Fractional takes numbers"),
        (of('"hours": [1, 2]'), "send one feature for each element"),
        ('{"id": 7, "at": "2026-11-01T00:00:00Z"}', "id: got a number 7; a String takes text"),
        ('{"id": "a"}', "at: missing"),
        ('{"id": null, "at": "2026-11-01T00:00:00Z"}', "id: missing"),
        ('{"id": "a", "at": "2026-11-01"}', "write a time such as"),
        ('{"id": "a", "at": "2026-11-01T00:00:00"}', "write a time such as"),
        ('{"id": "a", "at": "2026-13-01T00:00:00Z"}', "month"),
        (json.dumps({"id": "a" * 358_401, "at": NOW}), "longer than 358400 bytes"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(RecordError, match=r"(?s).*" + reason.replace("(", r"\(")):
        values(text)


def test_all_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(RecordError, match=r"age: .*hours: .*at: missing") as error:
        values('{"id": "a", "age": "x", "hours": "y", "more": 1}')
    assert not isinstance(error.value, UnknownFeatureError)


@pytest.mark.parametrize(
    ("at", "written"),
    [
        ("2026-11-01T02:00:00+02:00", NOW),
        ("2026-11-01T00:00:00.5Z", "2026-11-01T00:00:00.500Z"),
        ("2026-11-01T00:00:00.123456789Z", "2026-11-01T00:00:00.123Z"),
        ("2026-11-01 00:00:00Z", NOW),
    ],
)
def test_event_times_become_the_services_form(at: str, written: str) -> None:
    assert values(json.dumps({"id": "a", "at": at}))["at"] == written


def test_event_times_in_milliseconds_are_found_out() -> None:
    schema = Schema("id", "at", {"id": "String", "at": "Fractional"})
    assert values('{"id": "a", "at": 1793491200.25}', schema)["at"] == "1793491200.25"
    with pytest.raises(RecordError, match="in seconds, not milliseconds"):
        values('{"id": "a", "at": 1793491200250}', schema)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(SCHEMA.types)), inner),
    )
    | st.fixed_dictionaries(
        {"id": st.text(min_size=1), "at": st.just(NOW)},
        optional={"age": st.integers() | st.text(), "hours": st.floats() | st.text()},
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_json_is_written_or_refused(sent: Any) -> None:
    try:
        written = values(json.dumps(sent))
    except ValueError:
        return
    assert sent["id"] == written["id"]
    if isinstance(sent.get("age"), int):
        assert int(written["age"]) == sent["age"]
    if isinstance(sent.get("hours"), float):
        assert float(written["hours"]) == sent["hours"]


class Service:
    """The three clients: a group, a bucket, and errors by identifier."""

    def __init__(self) -> None:
        self.written: list[dict[str, str]] = []
        self.errors: dict[str, Exception] = {}
        self.kept: dict[str, Any] = {}
        self.types = dict(SCHEMA.types)
        self.described = 0
        self._lock = threading.Lock()

    def put_record(self, *, FeatureGroupName: str, Record: list[dict[str, str]]) -> None:  # noqa: N803  # boto3's
        assert FeatureGroupName == "people"
        record = {each["FeatureName"]: each["ValueAsString"] for each in Record}
        with self._lock:
            if record["id"] in self.errors:
                raise self.errors[record["id"]]
            self.written.append(record)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803  # boto3's
        assert (Bucket, ContentType) == ("letters", "application/json")
        self.kept[Key] = json.loads(Body)

    def describe_feature_group(self, **request: str) -> dict[str, Any]:
        self.described += 1
        names = list(self.types)
        page = names[:2] if "NextToken" not in request else names[2:]
        return {
            "RecordIdentifierFeatureName": "id",
            "EventTimeFeatureName": "at",
            "FeatureDefinitions": [
                {"FeatureName": name, "FeatureType": self.types[name]} for name in page
            ],
            "NextToken": "" if "NextToken" in request else "more",
        }


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def function(
    service: Service, clock: Clock | None = None, workers: int = 8
) -> FeatureStreamFunction:
    return FeatureStreamFunction(
        group="people",
        bucket="letters",
        control=service,
        runtime=service,
        storage=service,
        clock=clock or Clock(),
        workers=workers,
    )


def sent(*records: Mapping[str, Any] | bytes) -> list[dict[str, Any]]:
    """A batch as Lambda gives it (Lambda developer guide, "Kinesis Data Streams event")."""
    return [
        {
            "eventID": f"shardId-000000000006:{100 + place}",
            "eventSource": "aws:kinesis",
            "kinesis": {
                "partitionKey": "1",
                "sequenceNumber": str(100 + place),
                "data": base64.b64encode(
                    record if isinstance(record, bytes) else json.dumps(record).encode()
                ).decode(),
                "approximateArrivalTimestamp": 1793491200.678,
            },
        }
        for place, record in enumerate(records)
    ]


def person(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "at": NOW} | more


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "PutRecord")


def run(service: Service, batch: Sequence[Mapping[str, Any]], **more: Any) -> list[str]:
    answer = function(service)(batch, milliseconds_left=more.get("left", lambda: 100_000))
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_records_are_written() -> None:
    service = Service()
    assert run(service, sent(person("a", age=1), person("b", hours=2.5))) == []
    assert sorted(service.written, key=lambda each: each["id"]) == [
        {"id": "a", "at": NOW, "age": "1"},
        {"id": "b", "at": NOW, "hours": "2.5"},
    ]
    assert service.kept == {}


def test_bad_records_are_kept_whole_and_do_not_stop_the_others() -> None:
    service = Service()
    service.errors["refused"] = refusal("ValidationError")
    batch = sent(b"\xff\xfe", person("a"), person("refused"), person("b", age="old"))
    assert run(service, batch) == []
    assert [each["id"] for each in service.written] == ["a"]
    folder = "rejected/2026/11/01/shardId-000000000006"
    assert set(service.kept) == {f"{folder}/{number}.json" for number in (100, 102, 103)}
    first = service.kept[f"{folder}/100.json"]
    assert first["reason"].startswith("not UTF-8")
    assert base64.b64decode(first["record"]["kinesis"]["data"]) == b"\xff\xfe"
    assert "ValidationError" in service.kept[f"{folder}/102.json"]["reason"]
    before = dict(service.kept)
    run(service, batch)
    assert service.kept == before, "a repeated batch keeps each record once"


@pytest.mark.parametrize(
    "error",
    [
        refusal("ThrottlingException"),
        refusal("InternalFailure"),
        refusal("ServiceUnavailable"),
        EndpointConnectionError(endpoint_url="https://example.invalid"),
    ],
    ids=lambda error: type(error).__name__ + str(getattr(error, "response", "")),
)
def test_passing_failures_are_sent_again_from_the_first(error: Exception) -> None:
    service = Service()
    service.errors = {"b": error, "d": error}
    batch = sent(*(person(name) for name in "abcd"))
    assert run(service, batch) == ["101"]
    assert service.kept == {}
    service.errors = {}
    assert run(service, batch[1:]) == []
    assert {each["id"] for each in service.written} == set("abcd")


def test_records_of_one_entity_stay_in_order() -> None:
    service = Service()
    batch = sent(*(person(f"p{place % 7}", age=place) for place in range(200)))
    assert run(service, batch) == []
    for entity in range(7):
        ages = [int(each["age"]) for each in service.written if each["id"] == f"p{entity}"]
        assert ages == list(range(entity, 200, 7))


def test_what_is_refused_to_everybody_fails_the_invocation() -> None:
    service = Service()
    service.errors["a"] = refusal("AccessForbidden")
    with pytest.raises(ClientError, match="AccessForbidden"):
        run(service, sent(person("a"), person("b")))
    assert service.kept == {}


def test_a_record_that_cannot_be_kept_fails_the_invocation() -> None:
    service = Service()
    service.put_object = None  # type: ignore[method-assign,assignment]  # a bucket that is gone
    with pytest.raises(TypeError):
        run(service, sent(b"bad"))


def test_nothing_is_begun_when_the_time_runs_out() -> None:
    service = Service()
    times = iter([100_000, 100_000])
    left = lambda: next(times, MARGIN_MILLISECONDS - 1)  # noqa: E731  # one expression
    # One entity, so that one thread asks for the time, record by record.
    batch = sent(*(person("a", age=place) for place in range(4)))
    assert run(service, batch, left=left) == ["102"]
    assert [each["age"] for each in service.written] == ["0", "1"]


def test_many_bad_records_do_not_use_up_the_time_of_the_first_good_one() -> None:
    service = Service()
    times = iter([100_000] * 5)
    left = lambda: next(times, MARGIN_MILLISECONDS - 1)  # noqa: E731  # one expression
    batch = sent(person("a"), *([b"bad"] * 50))
    answer = function(service, workers=1)(batch, milliseconds_left=left)
    assert [each["id"] for each in service.written] == ["a"]
    assert len(service.kept) == 4
    assert answer == {"batchItemFailures": [{"itemIdentifier": "105"}]}


def test_a_feature_that_was_added_meanwhile_is_learned() -> None:
    service, clock = Service(), Clock()
    write = function(service, clock)

    def send(name: str) -> None:
        write(sent(person(name, score=1.5)), milliseconds_left=lambda: 100_000)

    send("early")
    assert [kept["reason"] for kept in service.kept.values()] == [
        "not in the feature group: 'score'"
    ]
    service.types["score"] = "Fractional"
    pages = service.described
    send("soon")
    assert service.described == pages, "bad records must not have the group described each time"
    clock.seconds = 31
    send("late")
    assert service.written == [{"id": "late", "at": NOW, "score": "1.5"}]


def test_calls_are_valid_for_botocore(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients: dict[str, Any] = {}

    def make(name: str, **arguments: Any) -> Any:
        clients[name] = session.client(name, **arguments)
        return clients[name]

    session = boto3.Session("key", "secret", region_name="eu-west-1")
    monkeypatch.setattr(boto3, "client", make)
    for name, value in (("FEATURE_GROUP", "people"), ("DEAD_LETTER_BUCKET", "letters")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORKERS", "2")
    handler._function.cache_clear()
    handler._function()
    group = "arn:aws:sagemaker:eu-west-1:111122223333:feature-group/people"
    with (
        Stubber(clients["sagemaker"]) as control,
        Stubber(clients["sagemaker-featurestore-runtime"]) as runtime,
        Stubber(clients["s3"]) as storage,
    ):
        control.add_response(
            "describe_feature_group",
            {
                "FeatureGroupArn": group,
                "FeatureGroupName": "people",
                "RecordIdentifierFeatureName": "id",
                "EventTimeFeatureName": "at",
                "FeatureDefinitions": [
                    {"FeatureName": name, "FeatureType": kind}
                    for name, kind in SCHEMA.types.items()
                ],
                "CreationTime": 0,
                "NextToken": "",
            },
            {"FeatureGroupName": "people"},
        )
        runtime.add_response(
            "put_record",
            {},
            {
                "FeatureGroupName": "people",
                "Record": [
                    {"FeatureName": "id", "ValueAsString": "a"},
                    {"FeatureName": "at", "ValueAsString": NOW},
                ],
            },
        )
        storage.add_response("put_object", {})

        class Context:
            @staticmethod
            def get_remaining_time_in_millis() -> int:
                return 100_000

        answer = handler.handle({"Records": sent(person("a"), b"bad")}, Context())
        assert answer == {"batchItemFailures": []}
        runtime.assert_no_pending_responses()
        storage.assert_no_pending_responses()
    handler._function.cache_clear()
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
    named = {each["Name"] for each in metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert named <= set(metrics)
    assert (metrics["RecordsWritten"], metrics["RecordsRejected"]) == (1, 1)
