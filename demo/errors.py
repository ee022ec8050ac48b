"""How a demo ends that cannot go on."""

from __future__ import annotations

from pathlib import Path


class DemoError(Exception):
    """Something failed; the message says what, ``log`` where to read more."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
