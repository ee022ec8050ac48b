"""What is wrong with a template that cannot be checked at all, and the bounds of a readable one."""

from __future__ import annotations

from typing import Final

MAX_BYTES: Final = 8 * 1024 * 1024
"""CloudFormation takes templates up to 1 MB; spaces and comments of a local copy come on top."""
MAX_DEPTH: Final = 100
"""Levels of nesting. Real templates stay below 30."""
MAX_NODES: Final = 1_000_000
"""Values after aliases are expanded."""


class TemplateError(Exception):
    """A file that is not a readable CloudFormation template.

    Args:
        message: what is wrong with it.
        file: the file, when the template came from one.
        line: the line (from 1), when there is one to point at.
    """

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        line = f" (line {self.line})" if self.line and not self.file else ""
        return f"{place}: {self.message}" if place else f"{self.message}{line}"
