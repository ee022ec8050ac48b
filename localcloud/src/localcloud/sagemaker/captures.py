"""What endpoints captured and what is not yet in S3."""

from __future__ import annotations

import threading

from localcloud.emulator import Scope


class Captures:
    """Lines by the folder they belong to; the service, too, writes many at once."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Scope, str], list[str]] = {}
        self._lock = threading.Lock()

    def add(self, scope: Scope, folder: str, line: str) -> bool:
        """Keep a line; say whether it is the first since the last ``take``."""
        with self._lock:
            first = not self._lines
            self._lines.setdefault((scope, folder), []).append(line)
        return first

    def take(self) -> dict[tuple[Scope, str], list[str]]:
        """All lines, by where they belong."""
        with self._lock:
            lines, self._lines = self._lines, {}
        return lines
