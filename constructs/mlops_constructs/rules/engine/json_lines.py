"""Finds the lines of places in JSON text, which the standard parser does not keep."""

from __future__ import annotations

import re
from typing import Any, Final

Path = tuple[str | int, ...]

_PIECE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|[\[\]{},\n]')


def json_lines(text: str, wanted: set[Path]) -> dict[Path, int]:
    """The line (from 1) of each place that is in the text, which must be valid JSON."""
    scanner = _Scanner(wanted)
    line = 1
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece == "\n":
            line += 1
        elif piece in ("{", "["):
            scanner.open(is_list=piece == "[", line=line)
        elif piece in ("}", "]"):
            scanner.close(line)
        elif piece == ",":
            scanner.next(line)
        else:
            scanner.text(match.group(1), line)
    return scanner.found


class _Scanner:
    """Follows the wanted places while the text goes by; below anything else it only counts."""

    def __init__(self, wanted: set[Path]) -> None:
        self.found = dict.fromkeys(wanted, 1)
        self._tree: dict[str | int, Any] = {}
        for path in wanted:
            branch = self._tree
            for key in path:
                branch = branch.setdefault(key, {})
        # Of each open collection: its part of the tree (None: nothing wanted below), its path,
        # and the index of the current item (None: a mapping).
        self._stack: list[tuple[dict[str | int, Any] | None, Path, int | None]] = []
        self._branch: dict[str | int, Any] | None = self._tree
        self._path: Path = ()
        self._key_next = False
        self._item_starts = False

    def open(self, *, is_list: bool, line: int) -> None:
        self._mark_item(line)
        self._stack.append((self._branch, self._path, 0 if is_list else None))
        self._key_next = not is_list
        if is_list:
            self._enter(self._branch, self._path, 0)
            self._item_starts = True

    def close(self, line: int) -> None:
        self._mark_item(line)
        self._stack.pop()
        self._key_next = False

    def next(self, line: int) -> None:
        self._mark_item(line)
        branch, path, index = self._stack[-1]
        self._key_next = index is None
        if index is not None:
            self._stack[-1] = (branch, path, index + 1)
            self._enter(branch, path, index + 1)
            self._item_starts = True

    def text(self, text: str, line: int) -> None:
        self._mark_item(line)
        if self._key_next:
            branch, path, _ = self._stack[-1]
            self._enter(branch, path, text)
            self._mark(line)
            self._key_next = False

    def _enter(self, branch: dict[str | int, Any] | None, path: Path, key: str | int) -> None:
        inside = branch is not None and key in branch
        self._branch = branch[key] if branch is not None and inside else None
        self._path = (*path, key) if inside else ()

    def _mark(self, line: int) -> None:
        if self._branch is not None and self._path in self.found:
            self.found[self._path] = line

    def _mark_item(self, line: int) -> None:
        if self._item_starts:
            self._item_starts = False
            self._mark(line)
