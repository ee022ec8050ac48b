"""A feature store that keeps records in memory, and misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class ServiceError(Exception):
    """Looks like botocore's ClientError."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(f"{code} from the service")
        self.response = {
            "Error": {"Code": code},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }


class FakeStore:
    """PutRecord and BatchGetRecord.

    Attributes:
        stored: Records by identifier.
        puts: Calls of PutRecord, failed ones included.
        most_at_once: The most calls that were under way together.
    """

    def __init__(self, misbehave: Callable[[int, str], None] | None = None) -> None:
        self.stored: dict[str, dict[str, str]] = {}
        self.puts = 0
        self.most_at_once = 0
        self.requests: list[dict[str, Any]] = []
        self._misbehave = misbehave
        self._at_once = 0
        self._lock = threading.Lock()

    def put_record(self, **request: Any) -> dict[str, Any]:
        values = {each["FeatureName"]: each["ValueAsString"] for each in request["Record"]}
        with self._lock:
            self.puts += 1
            number = self.puts
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.requests.append(request)
        try:
            if self._misbehave is not None:
                self._misbehave(number, values["id"])
            with self._lock:
                self.stored[values["id"]] = values
        finally:
            with self._lock:
                self._at_once -= 1
        return {}


class BatchStore(FakeStore):
    """BatchWriteRecord too.

    Attributes:
        batches: The sizes of the calls of BatchWriteRecord.
    """

    def __init__(
        self,
        misbehave: Callable[[int, str], None] | None = None,
        answer: Callable[[int, list[dict[str, Any]]], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(misbehave)
        self.batches: list[int] = []
        self._answer = answer

    def batch_write_record(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        with self._lock:
            self.batches.append(len(entries))
            number = len(self.batches)
        answer: dict[str, Any] = {"Errors": [], "UnprocessedEntries": []}
        if self._answer is not None:
            answer |= self._answer(number, entries)
        refused = [*answer["UnprocessedEntries"], *(each["Entry"] for each in answer["Errors"])]
        for entry in entries:
            if entry not in refused:
                values = {each["FeatureName"]: each["ValueAsString"] for each in entry["Record"]}
                with self._lock:
                    self.stored[values["id"]] = values
        return answer
