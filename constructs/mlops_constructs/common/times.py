"""Moments that schedules name: their expressions and time zones.

Formats: Application Auto Scaling (botocore, ``PutScheduledAction``) and Amazon EventBridge
Scheduler user guide, "Schedule types", which ask for the same six fields.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token

_CRON = re.compile(r"cron\(\S+ \S+ (\S+) \S+ (\S+) \S+\)")
_RATE = re.compile(r"rate\([1-9]\d* (minute|hour|day)s?\)")
_AT = re.compile(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")


def check_schedule(problems: Problems, what: str, schedule: object) -> None:
    """Note an expression that no scheduler would take."""
    if is_token(schedule):
        return
    text = schedule if isinstance(schedule, str) else ""
    cron = _CRON.fullmatch(text)
    problems.check(
        cron.groups().count("?") == 1
        if cron
        else bool(_RATE.fullmatch(text) or _AT.fullmatch(text)),
        what,
        got=schedule,
        allowed="cron(minute hour day-of-month month day-of-week year), one of the two days being "
        "'?'; rate(5 minutes); at(2030-01-31T07:00:00)",
        instead="Write 'cron(0 7 ? * MON-FRI *)'.",
    )


def check_time_zone(problems: Problems, what: str, name: str) -> None:
    """Note a time zone that nobody knows; nothing where the system has no zones at all."""
    if is_token(name) or _is_zone(name) or not _is_zone("Etc/UTC"):
        return
    problems.add(
        what,
        got=name,
        allowed="a time zone of the IANA database",
        instead="Write 'Europe/Berlin'.",
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
