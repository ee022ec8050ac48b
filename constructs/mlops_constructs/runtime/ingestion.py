"""Batch ingestion: every record of a source is written, or it is in the report with the reason.

- **Parallel**, with so many calls under way at a time; memory does not grow with the source.
- **In batches** of 25 by BatchWriteRecord, where botocore knows it and the caller may call it; else
  by PutRecord, as well as what a batch was refused for.
- **Patient**: throttled and failed calls are made again with back-off and jitter; a limit of the
  rate keeps other users of the group alive.
- **Resumable**: with a checkpoint file, a run that crashed goes on where all records before are
  settled. What was under way is written again: writing the same record changes nothing
  online and adds a duplicate to the history, of which training sets take one. Records that failed
  are in the file too, and are tried again.
- **No order** among records: the online store keeps the latest event time, whatever comes first
  (botocore, PutRecord). Two records of one entity need different event times.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.files import write_atomically
from mlops_constructs.runtime.clients import runtime_client
from mlops_constructs.runtime.records import length, rows
from mlops_constructs.runtime.retries import RateLimit, Retries
from mlops_constructs.runtime.writes import Failure, HopelessError, Settled, Work, Writes

_VERSION = 1
_STORES = frozenset({"OnlineStore", "OfflineStore"})  # botocore, TargetStore
_SECONDS_BETWEEN_CHECKPOINTS = 1.0
# Calls under way or waiting, for each worker: one that is repeated must not stop the others.
_WINDOW = 16


@dataclass
class IngestionReport:
    """What became of the records of a source.

    Attributes:
        feature_group_name: The group.
        written: Records that the service accepted in this run.
        skipped: Records that an earlier run had settled, by its checkpoint.
        retries: Calls that were made again.
        failures: Records that are not written, by position; those of earlier runs included.
        total: How many records the source has, if it knows.
        done: How many leading records of the source are settled: written, or among the failures.
        seconds: How long the run took.
        ended: Whether the run is over.
    """

    feature_group_name: str
    written: int = 0
    skipped: int = 0
    retries: int = 0
    failures: dict[int, Failure] = field(default_factory=dict)
    total: int | None = None
    done: int = 0
    seconds: float = 0.0
    ended: bool = False

    def __str__(self) -> str:
        lines = [
            f"{self.feature_group_name}: {self.written} written, {self.skipped} skipped, "
            f"{len(self.failures)} failed, {self.retries} retries, {self.seconds:.1f} s"
        ]
        reasons = Counter(failure.reason for failure in self.failures.values())
        lines += [f"  {count} x {reason}" for reason, count in reasons.most_common(10)]
        return "\n".join(lines)


class IngestionError(Exception):
    """Raised when going on makes no sense; what was done is in the checkpoint.

    Attributes:
        report: What became of the records until then.
    """

    def __init__(self, message: str, report: IngestionReport) -> None:
        super().__init__(f"{message}\n{report}")
        self.report = report


def ingest(
    feature_group_name: str,
    records: Any,
    *,
    client: Any = None,
    workers: int = 8,
    records_per_second: float | None = None,
    retries: Retries | None = None,
    target_stores: Sequence[str] = (),
    checkpoint: str | Path | None = None,
    most_failures: int = 1000,
    progress: Callable[[IngestionReport], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> IngestionReport:
    """Write every record of a source to a feature group.

    Args:
        feature_group_name: Name or ARN.
        records: Mappings of feature to value, a pandas data frame, a pyarrow table, batch, reader
            or dataset, or an iterable of these: see `records.rows` and `records.encode`. To
            resume, it must give the same records in the same order again.
        client: A client of ``sagemaker-featurestore-runtime``; made when left out.
        workers: Calls under way at a time.
        records_per_second: The most records per second, retries included; no limit by default.
        retries: How often and how patiently calls are repeated.
        target_stores: ``OnlineStore``, ``OfflineStore``; all that the group has by default.
        checkpoint: A file in which to keep what is settled. Delete it to begin anew.
        most_failures: With more failures than this, the run stops.
        progress: Called about once a second and at the end, such as a `ProgressBar`.
        sleep: How to wait before a retry; for tests.

    Returns:
        What was written, and what failed and why. Look at ``failures``.

    Raises:
        IngestionError: If every call is refused (credentials, permissions, no such group), or
            too many records fail.
        ValidationError: If the arguments or the checkpoint make no sense.
        Exception: Whatever the source raises; what was read before is settled first.
    """
    problems = Problems("ingest")
    for what, value in (("workers", workers), ("most_failures", most_failures + 1)):
        problems.check(
            value >= 1,
            what,
            got=value,
            allowed="1 or more",
            instead="Leave it out for the default.",
        )
    problems.check(
        records_per_second is None or records_per_second > 0,
        "records_per_second",
        got=records_per_second,
        allowed="more than 0, or None for no limit",
        instead="Leave it out for no limit.",
    )
    # A text is a sequence, too: of its letters.
    problems.check(
        not isinstance(target_stores, str) and set(target_stores) <= _STORES,
        "target_stores",
        got=target_stores,
        allowed=f"a list of {', '.join(sorted(_STORES))}",
        instead="Write ['OnlineStore'], or leave it out for all stores of the group.",
    )
    problems.check(
        checkpoint is None or Path(checkpoint).parent.is_dir(),
        "checkpoint",
        got=str(checkpoint),
        allowed="a file in a folder that is there",
        instead="Make the folder, or name another file.",
    )
    problems.raise_if_any()
    run = _Run(
        report=IngestionReport(feature_group_name, total=length(records)),
        writes=Writes(
            feature_group_name,
            client=runtime_client(workers) if client is None else client,
            target_stores=list(target_stores),
            retries=retries or Retries(),
            rate=RateLimit(records_per_second, sleep=sleep),
            sleep=sleep,
        ),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        most_failures=most_failures,
        progress=progress,
    )
    return run.carry_out(records, workers)


@dataclass
class _Run:
    """One run over a source."""

    report: IngestionReport
    writes: Writes
    checkpoint: Path | None
    most_failures: int
    progress: Callable[[IngestionReport], None] | None
    #: What is under way, in the order of the source: the last position of each call.
    waiting: deque[tuple[int, Future[Settled]]] = field(default_factory=deque)
    started: float = field(default_factory=time.monotonic)

    def carry_out(self, records: Any, workers: int) -> IngestionReport:
        self._resume()
        saved = self.started
        report = self.report
        try:
            with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
                batch: Work = []
                try:
                    for each in self._work(records):
                        batch.append(each)
                        if len(batch) >= self.writes.batch:
                            if len(self.waiting) >= workers * _WINDOW:
                                self._settle_first()
                            batch = self._submit(pool, batch)
                        if time.monotonic() - saved >= _SECONDS_BETWEEN_CHECKPOINTS:
                            saved = time.monotonic()
                            self._save()
                    batch = self._submit(pool, batch)
                    while self.waiting:
                        self._settle_first()
                except BaseException as error:
                    self.writes.stopped = isinstance(error, HopelessError | KeyboardInterrupt)
                    # As far as possible: the first that cannot be settled ends this.
                    with contextlib.suppress(Exception):
                        if not self.writes.stopped:
                            self._submit(pool, batch)
                        while self.waiting:
                            self._settle_first()
                    self.writes.stopped = True
                    for _, future in self.waiting:
                        future.cancel()
                    raise
                finally:
                    report.ended = True
                    self._save()
        except HopelessError as error:
            raise IngestionError(str(error), report) from error.__cause__
        return report

    def _work(self, records: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """What has not been settled yet, and what failed before."""
        position = -1
        again = set(self.report.failures)
        for position, record in enumerate(rows(records)):
            if position >= self.report.skipped or position in again:
                yield position, record
        if position + 1 < self.report.skipped:
            self._refuse(
                f"{self.report.skipped} records settled, but the source has {position + 1}"
            )

    def _submit(self, pool: ThreadPoolExecutor, batch: Work) -> Work:
        """Have a batch written; what is left of it is nothing."""
        if batch:
            self.waiting.append((batch[-1][0], pool.submit(self.writes, batch)))
        return []

    def _settle_first(self) -> None:
        """Note what became of the first call that waits.

        It is taken from the queue only then: whatever goes wrong, ``done`` does not pass it.
        """
        last, future = self.waiting[0]
        settled = future.result()
        self.waiting.popleft()
        report = self.report
        report.retries += settled.retries
        report.written += len(settled.written)
        report.done = max(report.done, last + 1)
        for position in settled.written:
            report.failures.pop(position, None)
        report.failures.update({failure.position: failure for failure in settled.failures})
        if settled.failures and len(report.failures) > self.most_failures:
            raise HopelessError(f"more than {self.most_failures} records failed")

    def _resume(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        try:
            found = json.loads(self.checkpoint.read_text(encoding="utf-8"))
            failures = [Failure(position, reason) for position, reason in found["Failures"]]
            whose = (found["Version"], found["FeatureGroupName"])
            self.report.done = self.report.skipped = int(found["Done"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._refuse(f"{type(error).__name__}: {error}")
        if whose != (_VERSION, self.report.feature_group_name):
            self._refuse(f"version {whose[0]} of the group {whose[1]}")
        self.report.failures = {failure.position: failure for failure in failures}

    def _save(self) -> None:
        self.report.seconds = time.monotonic() - self.started
        if self.checkpoint is not None:
            state = {
                "Version": _VERSION,
                "FeatureGroupName": self.report.feature_group_name,
                "Done": self.report.done,
                "Failures": [
                    [each.position, each.reason] for each in self.report.failures.values()
                ],
            }
            write_atomically(self.checkpoint, json.dumps(state))
        if self.progress is not None:
            self.progress(self.report)

    def _refuse(self, got: str) -> None:
        problems = Problems("ingest")
        problems.add(
            f"checkpoint {self.checkpoint}",
            got=got,
            allowed=f"the checkpoint of a run of {self.report.feature_group_name} on this source",
            instead="Pass the source of that run, name another file, or delete it to begin anew.",
        )
        problems.raise_if_any()
