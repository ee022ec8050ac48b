"""What the demo prints: steps with durations, in colour on a terminal, plain in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
_CODES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "yellow": "33", "cyan": "36"}


def paint(text: str, colour: str) -> str:
    """The text in a colour, or as it is when nobody would see one."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if _COLOURED else text


def say(text: str = "") -> None:
    """One line, at once."""
    print(text, flush=True)


def detail(text: str) -> None:
    """A line below a step."""
    say(f"    {text}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """A step of the story: its title before, its duration after."""
    say(f"\n{paint('==>', 'cyan')} {paint(title, 'bold')}")
    start = time.monotonic()
    yield
    say(paint(f"    done in {seconds(time.monotonic() - start)}", "dim"))


def seconds(duration: float) -> str:
    """A duration for people: ``840 ms``, ``12.3 s``, ``2 min 5 s``."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    return f"{duration // 60:.0f} min {duration % 60:.0f} s"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table below a step; the first column flush left, the others flush right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        detail(paint(text, "dim") if number == 0 else text)
