"""How often a schedule expression fires in an average month."""

from __future__ import annotations

import re
from calendar import monthrange
from typing import Final

_MINUTES_PER_MONTH: Final = 365 * 24 * 60 / 12
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS: Final = {"minute": 1, "hour": 60, "day": 24 * 60}
_MONTHS: Final = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# A year that is no leap year and starts on a Sunday.
_YEAR: Final = 2023


def runs_per_month(expression: object) -> float | None:
    """Runs in an average month; None if the expression is not known or not understood.

    The forms are those of EventBridge and EventBridge Scheduler: ``rate(value unit)`` and
    ``cron(minutes hours day-of-month month day-of-week year)``. ``at(…)`` runs once: 0 a month.
    """
    if not isinstance(expression, str):
        return None
    text = expression.strip()
    if text.startswith("at("):
        return 0.0
    rate = _RATE.fullmatch(text)
    if rate:
        value = int(rate[1])
        return _MINUTES_PER_MONTH / (value * _UNITS[rate[2]]) if value else None
    fields = text.removeprefix("cron(").removesuffix(")").split()
    if not text.startswith("cron(") or len(fields) not in (5, 6):
        return None
    try:
        minutes = len(_values(fields[0], 0, 59))
        hours = len(_values(fields[1], 0, 23))
        return minutes * hours * _days_per_year(fields[2], fields[3], fields[4]) / 12
    except ValueError:
        return None


def _days_per_year(day_of_month: str, month: str, day_of_week: str) -> int:
    months = _values(month, 1, 12, _MONTHS)
    return sum(_days_in(number, day_of_month, day_of_week) for number in months)


def _days_in(month: int, day_of_month: str, day_of_week: str) -> int:
    first, length = monthrange(_YEAR, month)
    if day_of_month != "?" and day_of_month[-1:] in "LW":
        return 1
    if "#" in day_of_week:
        # The fifth such day exists in four or five months of a year.
        return 1
    if day_of_week.endswith("L") and day_of_week != "L":
        return 1
    days = range(1, length + 1)
    if day_of_week in ("?", "*"):
        return len([day for day in days if day in _values(day_of_month, 1, 31)])
    wanted = _values("SAT" if day_of_week == "L" else day_of_week, 1, 7, _DAYS)
    # monthrange counts from Monday, the expression from Sunday, which is 1.
    return len([day for day in days if (first + day) % 7 + 1 in wanted])


def _values(field: str, least: int, most: int, names: tuple[str, ...] = ()) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            start, end = least, most
        else:
            low, _, high = span.partition("-")
            start = _number(low, least, names)
            end = _number(high, least, names) if high else (most if step else start)
        every = int(step) if step else 1
        if not least <= start <= end <= most or every < 1:
            raise ValueError(field)
        found.update(range(start, end + 1, every))
    return found


def _number(text: str, least: int, names: tuple[str, ...]) -> int:
    return names.index(text.upper()) + least if text.upper() in names else int(text)
