"""What an error says about trying again, read from botocore's own errors; pauses; the rate."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from botocore import exceptions

from mlops_constructs.runtime.clients import runtime_client
from mlops_constructs.runtime.retries import Outlook, RateLimit, Retries, code_of, outlook


def answer(code: str, status: int) -> exceptions.ClientError:
    return exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "PutRecord",
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answer("ThrottlingException", 400), Outlook.AGAIN),
        (answer("ServiceUnavailable", 503), Outlook.AGAIN),
        (answer("Unheard", 500), Outlook.AGAIN),
        (answer("Unheard", 429), Outlook.AGAIN),
        (exceptions.EndpointConnectionError(endpoint_url="x"), Outlook.AGAIN),
        (exceptions.ReadTimeoutError(endpoint_url="x"), Outlook.AGAIN),
        (exceptions.ConnectionClosedError(endpoint_url="x"), Outlook.AGAIN),
        (TimeoutError(), Outlook.AGAIN),
        (answer("ValidationError", 400), Outlook.NEVER),
        (exceptions.ParamValidationError(report="x"), Outlook.NEVER),
        (KeyError("x"), Outlook.NEVER),
        (answer("AccessForbidden", 403), Outlook.HOPELESS),
        (answer("ResourceNotFound", 404), Outlook.HOPELESS),
        (exceptions.NoCredentialsError(), Outlook.HOPELESS),
    ],
)
def test_outlook(error: Exception, expected: Outlook) -> None:
    assert outlook(error) is expected


def test_codes() -> None:
    assert code_of(answer("ThrottlingException", 400)) == "ThrottlingException"
    assert code_of(TimeoutError()) == "TimeoutError"


def test_pauses_grow_to_the_longest() -> None:
    retries = Retries(first_pause=1, longest_pause=8)
    drawn = [[retries.pause(n) for _ in range(200)] for n in (1, 2, 3, 4, 5, 50)]
    for pauses, longest in zip(drawn, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.8 * longest < max(pauses) <= longest
        assert min(pauses) < 0.2 * longest


def test_an_even_rate() -> None:
    now, pauses = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    rate = RateLimit(4, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        rate.wait()
    now[0] += 10
    rate.wait()
    assert pauses == [0.25, 0.25]
    RateLimit(None, sleep=sleep).wait()
    assert len(pauses) == 2


def test_the_client_leaves_retries_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config: Any = runtime_client(connections=24).meta.config
    assert config.max_pool_connections == 24
    assert config.retries["total_max_attempts"] == 1


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ImportError, match=r"Run `pip install boto3`, or pass a client\."):
        runtime_client(connections=1)
