"""What was put into offline stores and is not yet in S3."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.emulator import Scope
from localcloud.sagemaker.store import Record


@dataclass(frozen=True)
class Row:
    """A record on its way to the offline store.

    Args:
        values: By feature, as text; those of a deletion are identifier and event time only.
        moment: The event time, in seconds since the epoch.
        received: When the service got the record, in seconds since the epoch.
        deleted: Whether this marks a deletion.
    """

    values: dict[str, Any]
    moment: float
    received: float
    deleted: bool = False


class OfflineBuffer:
    """Rows by the group they belong to."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Scope, str], tuple[Record, list[Row]]] = {}
        self._lock = threading.Lock()
        # Two writers at once could name the later of two records of one moment first.
        self.writing = threading.Lock()

    def add(self, scope: Scope, group: Record, rows: Sequence[Row]) -> tuple[bool, int]:
        """Keep rows; say whether nothing of any group waited before, and how many of this do."""
        with self._lock:
            first = not self._rows
            waiting = self._rows.setdefault((scope, group.arn), (group, []))[1]
            waiting.extend(rows)
            return first, len(waiting)

    def take(self) -> list[tuple[Scope, Record, list[Row]]]:
        """Everything, by group."""
        with self._lock:
            taken, self._rows = self._rows, {}
        return [(scope, group, rows) for (scope, _), (group, rows) in taken.items()]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()
