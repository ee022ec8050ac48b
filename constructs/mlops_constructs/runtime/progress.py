"""A bar that shows how far an ingestion is, on a terminal; elsewhere lines, ten seconds apart."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mlops_constructs.runtime.ingestion import IngestionReport

_CELLS = 24
_SECONDS_BETWEEN_LINES = 10.0


@dataclass
class ProgressBar:
    """For ``ingest(..., progress=ProgressBar())``.

    It looks like ``people  61 % ███████████████░░░░░░░░░ 610/1,000  2,450/s  0:16 left  2 failed``;
    without share and time left if the source does not know how many records it has.

    Attributes:
        stream: Where it is written; standard error by default.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _told: float = field(default=0.0, init=False, repr=False)

    def __call__(self, report: IngestionReport) -> None:
        """Show how far it is."""
        if self.stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            # The rest of a longer line before this one is cleared.
            line = _line(report)[:width].ljust(width)
            self.stream.write(f"\r{line}" + ("\n" if report.ended else ""))
        elif report.ended or report.seconds - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = report.seconds
            self.stream.write(f"{_line(report)}\n")
        self.stream.flush()


def _line(report: IngestionReport) -> str:
    settled = report.written + len(report.failures)
    rate = settled / report.seconds if report.seconds else 0.0
    parts = [report.feature_group_name]
    if report.total:
        share = min(1.0, report.done / report.total)
        full = int(share * _CELLS)
        bar = "█" * full + "░" * (_CELLS - full)
        parts.append(f"{share:4.0%} {bar} {report.done:,}/{report.total:,}".replace("%", " %"))
    else:
        parts.append(f"{report.done:,} records")
    parts.append(f"{rate:,.0f}/s")
    if report.ended:
        parts.append(f"{_clock(report.seconds)} in all")
    elif report.total and rate:
        parts.append(f"{_clock((report.total - report.done) / rate)} left")
    if report.failures:
        parts.append(f"{len(report.failures):,} failed")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
