"""What the person at the terminal sees: a table that lives, or a line per event."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from localcloud.run.progress import ENDED, Progress, State, StepView

_TAIL = 20
_REFRESH_PER_SECOND = 8
_ROWS_KEPT_FREE = 6

_LOOKS: Mapping[State, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("…", "cyan"),
    "succeeded": ("✓", "green"),
    "cached": ("✓", "green"),
    "reused": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "stopped": ("■", "yellow"),
    "skipped": ("-", "dim"),
}


class Screen(Protocol):
    """Shows a run while it goes on."""

    def say(self, text: str) -> None:
        """Show a sentence."""
        ...

    def show(self, progress: Progress, changed: Sequence[StepView]) -> None:
        """Show where the run stands."""
        ...

    def close(self) -> None:
        """Leave the terminal as it is to be read afterwards."""
        ...


def screen() -> Screen:
    """A table on a terminal, lines elsewhere."""
    console = Console(highlight=False, soft_wrap=True)
    return LiveTable(console) if console.is_terminal and not console.is_dumb_terminal else Lines()


class Lines:
    """A line per event, for logs and pipes."""

    def say(self, text: str) -> None:
        """See `Screen`."""
        _tell(text)

    def show(self, progress: Progress, changed: Sequence[StepView]) -> None:
        """See `Screen`."""
        del progress
        for view in changed:
            seconds = "" if view.ended is None or view.seconds is None else _time(view.seconds)
            reason = (view.reason or "").partition("\n")[0]
            parts = [view.name, view.state, seconds, *_listed(view.measures), reason]
            said = "  ".join(part for part in parts if part)
            _tell(f"{time.strftime('%H:%M:%S')}  {said}")

    def close(self) -> None:
        """See `Screen`."""


class LiveTable:
    """A table of all steps that is drawn anew while they run.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=_REFRESH_PER_SECOND)
        self._spinner = Spinner("dots", style="cyan")
        self._progress: Progress | None = None
        self._live.start()

    def close(self) -> None:
        """See `Screen`."""
        if self._progress is not None:
            # What stays on the screen is the whole table.
            self._live.update(self._table(self._progress.steps.values()))
        self._live.stop()

    def say(self, text: str) -> None:
        """See `Screen`."""
        self._console.print(escape(text))

    def show(self, progress: Progress, changed: Sequence[StepView]) -> None:
        """See `Screen`."""
        del changed
        self._progress = progress
        rows = max(5, self._console.height - _ROWS_KEPT_FREE)
        shown, hidden = _most_telling(list(progress.steps.values()), rows)
        below: list[RenderableType] = [Text(f"  {_counts(hidden)}", style="dim")] if hidden else []
        self._live.update(Group(self._table(shown), *below))

    def _table(self, views: Iterable[StepView]) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for view in views:
            mark, style = _LOOKS[view.state]
            running = view.state == "running"
            seconds = None if view.state in ("cached", "reused") else view.seconds
            tried = f"attempt {view.attempts}" if view.attempts > 1 else ""
            told = ", ".join(part for part in (tried, *_listed(view.measures)) if part)
            reason = (view.reason or "").splitlines()
            table.add_row(
                self._spinner if running else Text(mark, style=style),
                Text("  " * view.depth + view.name, style="" if view.started else "dim"),
                view.type,
                Text(view.state, style=style),
                "" if seconds is None else _time(seconds),
                Text(reason[0], style="red") if reason else Text(told),
            )
        return table


def _tell(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough; the run goes on without one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def failures(progress: Progress) -> list[str]:
    """What is to be read of the steps that failed: the end of the log, and where the log is."""
    lines = []
    for view in progress.steps.values():
        if view.state != "failed":
            continue
        lines.append(f"\n{view.name} failed: {view.reason}")
        if view.log:
            end = Path(view.log).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
            lines.append("The end of its log:")
            lines += [f"    {line}" for line in end]
            lines.append(f"The whole log: {view.log}")
    return lines


def _most_telling(views: list[StepView], rows: int) -> tuple[list[StepView], list[StepView]]:
    """The steps that fit: what runs and what failed, then what ended last, then what is next."""
    if len(views) <= rows:
        return views, []

    def weight(view: StepView) -> tuple[int, float]:
        if view.state in ("running", "failed", "stopped"):
            return 0, 0.0
        if view.state in ENDED:
            return 1, -(view.ended or 0.0)
        return 2, 0.0

    # Sorting is stable: of those that wait, the next come first.
    chosen = {view.name for view in sorted(views, key=weight)[:rows]}
    shown = [view for view in views if view.name in chosen]
    return shown, [view for view in views if view.name not in chosen]


def _counts(views: Sequence[StepView]) -> str:
    counted: dict[str, int] = {}
    for view in views:
        counted[view.state] = counted.get(view.state, 0) + 1
    return "and " + ", ".join(f"{count} {state}" for state, count in counted.items())


def _listed(measures: Mapping[str, str]) -> list[str]:
    return [f"{name} {value}" for name, value in measures.items()]


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
