"""The records of the SageMaker service, per account and region."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localcloud.emulator import Scope

Json = dict[str, Any]
Key = tuple[str, ...]


@dataclass(eq=False)
class Record:
    """One resource.

    Args:
        kind: The name of its kind.
        key: What identifies it in its account and region.
        arn: Its ARN, in lower case as the service writes it.
        data: What ``Describe…`` shows of it; times are seconds since the epoch.
        hidden: What the service remembers beyond that.
    """

    kind: str
    key: Key
    arn: str
    data: Json
    hidden: Json = field(default_factory=dict)


class Store:
    """All records and tags. Its lock makes check-then-store one step."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._records: dict[Scope, dict[str, dict[Key, Record]]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._counters: dict[str, int] = {}

    def add(self, scope: Scope, record: Record) -> None:
        """Keep a new record."""
        with self.lock:
            self._table(scope, record.kind)[record.key] = record

    def get(self, scope: Scope, kind: str, key: Key) -> Record | None:
        """The record with this key."""
        with self.lock:
            return self._table(scope, kind).get(key)

    def by_arn(self, scope: Scope, arn: str, kind: str | None = None) -> Record | None:
        """The record with this ARN, in whatever case it is given."""
        wanted = arn.lower()
        with self.lock:
            for record in self.records(scope, kind):
                if record.arn.lower() == wanted:
                    return record
        return None

    def records(self, scope: Scope, kind: str | None = None) -> list[Record]:
        """The records of a kind, or of all kinds, in the order of their creation."""
        with self.lock:
            tables = self._records.get(scope, {})
            chosen = [tables.get(kind, {})] if kind else list(tables.values())
            return [record for table in chosen for record in table.values()]

    def everything(self) -> Iterator[tuple[Scope, Record]]:
        """All records of all accounts and regions."""
        with self.lock:
            pairs = [(s, r) for s in self._records for r in self.records(s)]
        yield from pairs

    def of_kind(self, kind: str) -> list[tuple[Scope, Record]]:
        """The records of a kind of all accounts and regions."""
        with self.lock:
            return [
                (scope, r) for scope, t in self._records.items() for r in t.get(kind, {}).values()
            ]

    def remove(self, scope: Scope, record: Record) -> None:
        """Forget a record and its tags."""
        with self.lock:
            table = self._table(scope, record.kind)
            if table.get(record.key) is record:
                del table[record.key]
                self._tags.pop(record.arn, None)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a resource; changes to the answer are kept."""
        with self.lock:
            return self._tags.setdefault(arn, {})

    def next_number(self, name: str) -> int:
        """1, 2, 3, …: never one that ``name`` had before, not even after a deletion."""
        with self.lock:
            self._counters[name] = self._counters.get(name, 0) + 1
            return self._counters[name]

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self._records.clear()
            self._tags.clear()
            self._counters.clear()

    def save(self, path: Path) -> None:
        """Write everything to ``path``, whole or not at all."""
        with self.lock:
            content = {
                "records": [[asdict(scope), asdict(record)] for scope, record in self.everything()],
                "tags": self._tags,
                "counters": self._counters,
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".tmp")
            unfinished.write_text(json.dumps(content))
            unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Add what ``save`` wrote; nothing when there is no such file."""
        if not path.exists():
            return
        content = json.loads(path.read_text())
        with self.lock:
            for scope, record in content["records"]:
                self.add(Scope(**scope), Record(**{**record, "key": tuple(record["key"])}))
            self._tags.update(content["tags"])
            self._counters.update(content["counters"])

    def _table(self, scope: Scope, kind: str) -> dict[Key, Record]:
        return self._records.setdefault(scope, {}).setdefault(kind, {})
