"""Writes records to a feature group, a batch at a time, as often as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_constructs.runtime.records import Encoded, encode
from mlops_constructs.runtime.retries import (
    Outlook,
    RateLimit,
    Retries,
    code_of,
    outlook,
    outlook_of_code,
)

#: The most entries of one BatchWriteRecord (botocore, BatchWriteRecordEntries).
MOST_ENTRIES = 25

#: Records of a source with their positions in it.
Work = list[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Failure:
    """A record that was not written.

    Attributes:
        position: Its place in the source, from 0.
        reason: The service's code and message, or what is wrong with the record.
        record: The record as the source gave it; None if it failed in an earlier run.
    """

    position: int
    reason: str
    record: Mapping[str, Any] | None = None


class HopelessError(Exception):
    """Raised when no other record would fare better."""


@dataclass
class Settled:
    """What became of a batch.

    Attributes:
        written: The positions of the records that the service has accepted.
        failures: The other records.
        retries: Calls that were made again.
    """

    written: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    retries: int = 0


@dataclass(frozen=True)
class _Item:
    position: int
    record: Mapping[str, Any]
    encoded: Encoded

    def failure(self, reason: str) -> Failure:
        return Failure(self.position, reason, self.record)


class Writes:
    """Called by several threads.

    Args:
        group: Name or ARN of the feature group.
        client: A client of ``sagemaker-featurestore-runtime``.
        target_stores: The stores to write to; all of the group if empty.
        retries: How often and how patiently.
        rate: Of records.
        sleep: How to wait before a retry.
    """

    def __init__(
        self,
        group: str,
        *,
        client: Any,
        target_stores: list[str],
        retries: Retries,
        rate: RateLimit,
        sleep: Callable[[float], None],
    ) -> None:
        self._request: dict[str, Any] = {"FeatureGroupName": group}
        if target_stores:
            self._request["TargetStores"] = target_stores
        self._client, self._retries, self._rate, self._sleep = client, retries, rate, sleep
        # Older versions of botocore have no BatchWriteRecord.
        self._in_batches = hasattr(client, "batch_write_record")
        self.batch = MOST_ENTRIES if self._in_batches else 1
        self.stopped = False

    def __call__(self, work: Work) -> Settled:
        """Write the records.

        Raises:
            HopelessError: If the service refuses any record, or `stopped` is set.
        """
        settled, items = Settled(), list[_Item]()
        for position, record in work:
            try:
                items.append(_Item(position, record, encode(record)))
            except ValueError as error:
                settled.failures.append(Failure(position, str(error), record))
        alone = items
        if self._in_batches and len(items) > 1:
            alone = self._write_together(items, settled)
        for item in alone:
            self._write_alone(item, settled)
        return settled

    def _write_alone(self, item: _Item, settled: Settled) -> None:
        attempt = 0
        while True:
            attempt += 1
            self._wait_for_turn(1)
            try:
                self._client.put_record(**self._request, Record=item.encoded)
            except Exception as error:
                chance, reason = outlook(error), f"{code_of(error)}: {error}"
                if chance is Outlook.HOPELESS:
                    raise HopelessError(reason) from error
                if chance is Outlook.NEVER or attempt >= self._retries.attempts:
                    settled.failures.append(item.failure(reason))
                    return
            else:
                settled.written.append(item.position)
                return
            settled.retries += 1
            self._sleep(self._retries.pause(attempt))

    def _write_together(self, items: list[_Item], settled: Settled) -> list[_Item]:
        """Returns what must be written one by one.

        That is everything after the refusal of a whole call: one record may be its reason, or the
        caller may call PutRecord only.
        """
        attempt = 0
        while True:
            attempt += 1
            self._wait_for_turn(len(items))
            entries = [{**self._request, "Record": item.encoded} for item in items]
            try:
                answer = self._client.batch_write_record(Entries=entries)
            except Exception as error:
                if outlook(error) is not Outlook.AGAIN:
                    if outlook(error) is Outlook.HOPELESS:
                        self._in_batches = False
                    return items
                left, reason = items, f"{code_of(error)}: {error}"
            else:
                answered = self._sort(items, answer, settled)
                if answered is None:
                    return items
                left, reason = answered
            if not left or attempt >= self._retries.attempts:
                settled.failures += [item.failure(reason) for item in left]
                return []
            items = left
            settled.retries += 1
            self._sleep(self._retries.pause(attempt))

    def _sort(
        self, items: list[_Item], answer: Mapping[str, Any], settled: Settled
    ) -> tuple[list[_Item], str] | None:
        """Which items are left, and why; None if it cannot be told of which the answer speaks."""
        errors: Sequence[Mapping[str, Any]] = answer.get("Errors") or ()
        unprocessed: Sequence[Mapping[str, Any]] = answer.get("UnprocessedEntries") or ()
        if not errors and not unprocessed:
            settled.written += [item.position for item in items]
            return [], ""
        rest, left, failures = list(items), list[_Item](), list[Failure]()
        reason = "UnprocessedEntries"
        for error in errors:
            item = _taken(rest, error["Entry"])
            if item is None:
                return None
            code, told = error["ErrorCode"], f"{error['ErrorCode']}: {error['ErrorMessage']}"
            chance = outlook_of_code(code)
            if chance is Outlook.HOPELESS:
                raise HopelessError(told)
            if chance is Outlook.AGAIN:
                left.append(item)
                reason = told
            else:
                failures.append(item.failure(told))
        for entry in unprocessed:
            item = _taken(rest, entry)
            if item is None:
                return None
            left.append(item)
        settled.written += [item.position for item in rest]
        settled.failures += failures
        return left, reason

    def _wait_for_turn(self, records: int) -> None:
        if self.stopped:
            raise HopelessError("stopped")
        self._rate.wait(records)


def _taken(items: list[_Item], entry: Mapping[str, Any]) -> _Item | None:
    """Take the item of an entry of an answer out of the list; the service gives no positions."""
    for number, item in enumerate(items):
        if item.encoded == entry.get("Record"):
            return items.pop(number)
    return None
