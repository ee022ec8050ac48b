"""The time that a run looks at: whole hours, half open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .errors import AnalysisError

_KEYWORD = "<aws.scheduler."


@dataclass(frozen=True)
class Window:
    """From ``start`` to just before ``end``, in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def hours(self) -> list[datetime]:
        """The beginnings of the hours in it."""
        count = int((self.end - self.start) / timedelta(hours=1))
        return [self.start + timedelta(hours=number) for number in range(count)]

    def earlier(self, hours: int) -> Window:
        """The same length of time, so many hours before."""
        return Window(self.start - timedelta(hours=hours), self.end - timedelta(hours=hours))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ} to {self.end:%Y-%m-%dT%H:%MZ}"


def window_before(moment: str, hours: int, *, whole: bool = True) -> Window:
    """The last ``hours`` whole hours before a moment.

    Args:
        moment: ISO-8601, or ``now``. The keyword of EventBridge Scheduler, should it arrive as it
            was written, counts as now: schedules start shortly after the hour.
        hours: 1 or more.
        whole: Whether the hour that the moment is in must be over; otherwise it is the last one.

    Raises:
        AnalysisError: If the moment is not a time.
    """
    end = (
        datetime.now(timezone.utc)
        if moment == "now" or moment.startswith(_KEYWORD)
        else parse_time(moment)
    )
    if end is None:
        raise AnalysisError(
            f"--until: got {moment!r}; allowed: 'now' or an ISO-8601 time such as "
            "2026-11-01T10:00:00Z."
        )
    end = end.replace(minute=0, second=0, microsecond=0) + timedelta(hours=0 if whole else 1)
    return Window(end - timedelta(hours=hours), end)


def parse_time(text: object) -> datetime | None:
    """A time in UTC; None when the text is not one."""
    if not isinstance(text, str):
        return None
    try:
        # Python 3.9 and 3.10 do not take the Z.
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)
