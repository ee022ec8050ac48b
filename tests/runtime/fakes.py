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
