"""Where callback steps wait until somebody answers with their token.

Source: SageMaker developer guide, "Callback step"; botocore, SendPipelineExecutionStepSuccess and
SendPipelineExecutionStepFailure.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from localcloud.compute.ports import ServiceError

_TOKEN_LENGTH = 10
"""botocore, CallbackToken."""

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Answer:
    """What was sent for a token: outputs, or why it failed."""

    outputs: Mapping[str, str]
    failure: str | None = None


class Waiting:
    """One step that waits.

    Attributes:
        token: What whoever answers has to name.
        execution_arn: The step's execution.
    """

    def __init__(self, token: str, execution_arn: str) -> None:
        self.token = token
        self.execution_arn = execution_arn
        self._answer: Answer | None = None
        self._answered = threading.Event()

    def answer(self, stop: threading.Event, seconds: float) -> Answer | None:
        """Wait for the answer; None when it was stopped or no answer came in time."""
        deadline = time.monotonic() + seconds
        while not self._answered.wait(_POLL_SECONDS):
            if stop.is_set() or time.monotonic() > deadline:
                return None
        return self._answer

    def give(self, answer: Answer) -> None:
        """Answer."""
        self._answer = answer
        self._answered.set()


class Callbacks:
    """All steps that wait, by token."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self, execution_arn: str) -> Iterator[Waiting]:
        """Make a token, which is known until the block ends."""
        token = "".join(
            secrets.choice(string.ascii_letters + string.digits) for _ in range(_TOKEN_LENGTH)
        )
        waiting = Waiting(token, execution_arn)
        with self._lock:
            self._waiting[token] = waiting
        try:
            yield waiting
        finally:
            with self._lock:
                self._waiting.pop(token, None)

    def answer(self, token: str, answer: Answer) -> str:
        """Answer the step that waits with a token; the ARN of its execution.

        Raises:
            ServiceError: ``ResourceNotFound`` when no step waits with it, or an answer has come.
        """
        with self._lock:
            waiting = self._waiting.pop(token, None)
        if waiting is None:
            raise ServiceError(
                "ResourceNotFound", f"No step waits with the callback token {token!r}."
            )
        waiting.give(answer)
        return waiting.execution_arn
