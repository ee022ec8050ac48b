"""When a call is made again, and how long after: back-off with jitter, and a limit of the rate."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

# Spellings that services use for "too much" and "not now"; Feature Store's runtime declares
# ServiceUnavailable and InternalFailure (botocore), and throttles with ThrottlingException.
_AGAIN = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What would be answered to every other record too.
_HOPELESS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccessForbidden",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)
# botocore's own errors, by name: it is not imported here.
_CONNECTION = frozenset({"ConnectionError", "HTTPClientError", "OSError"})
_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}
)


class Outlook(Enum):
    """What an error says about making the call again."""

    AGAIN = auto()  #: it may pass later
    NEVER = auto()  #: this request is refused
    HOPELESS = auto()  #: every request is refused


def outlook(error: Exception) -> Outlook:
    """Read an error of a boto3 client."""
    code, status = code_of(error), _status(error)
    names = {each.__name__ for each in type(error).__mro__}
    if code in _HOPELESS or names & _CREDENTIALS:
        return Outlook.HOPELESS
    if may_pass(code) or status == 429 or status >= 500 or names & _CONNECTION:
        return Outlook.AGAIN
    return Outlook.NEVER


def outlook_of_code(code: str) -> Outlook:
    """Read the code that an answer gives to one of several records."""
    if code in _HOPELESS:
        return Outlook.HOPELESS
    return Outlook.AGAIN if may_pass(code) else Outlook.NEVER


def may_pass(code: str) -> bool:
    """Whether a service's code means "too much" or "not now"."""
    return code in _AGAIN


def code_of(error: Exception) -> str:
    """The service's code of an error, or the name of its class."""
    return str(_response(error).get("Error", {}).get("Code") or type(error).__name__)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how patiently.

    The pause before attempt n is drawn evenly from 0 to ``first_pause * 2**(n - 1)`` seconds, at
    most ``longest_pause``: many workers that were throttled together come back one by one.

    Attributes:
        attempts: Calls for one request, the first included.
        first_pause: Seconds.
        longest_pause: Seconds.
    """

    attempts: int = 10
    first_pause: float = 0.1
    longest_pause: float = 20.0

    def pause(self, retry: int) -> float:
        """How long to wait before the given retry, 1 for the first."""
        longest = min(self.longest_pause, self.first_pause * 2 ** (retry - 1))
        return random.uniform(0, longest)  # noqa: S311  # spreads load, protects nothing


class RateLimit:
    """Lets callers of several threads through at an even rate."""

    def __init__(
        self,
        per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, count: int = 1) -> None:
        """Return when the next ``count`` may go."""
        if not self._gap:
            return
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._gap * count
        if turn > now:
            self._sleep(turn - now)


def _response(error: Exception) -> Mapping[str, Any]:
    found = getattr(error, "response", None)
    return found if isinstance(found, Mapping) else {}


def _status(error: Exception) -> int:
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
