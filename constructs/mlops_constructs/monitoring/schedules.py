"""When monitors run, and how far back each run looks: always to the run before it.

The service's own schedules know hourly, daily, every so many hours and once (botocore,
ScheduleConfig), so both engines offer these; the open engine also answers labels that arrive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from mlops_constructs.common.errors import Problems

#: EventBridge Scheduler starts this many minutes after the hour: data capture is delivered late.
DELAY_MINUTES = 15

_DIVIDES_A_DAY = (2, 3, 4, 6, 8, 12)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Hourly:
    """Every hour, over the hour before."""


@dataclass(frozen=True, kw_only=True)
class Daily:
    """Once a day, over the 24 hours before.

    Attributes:
        hour: At what hour, UTC, 0 to 23.
    """

    hour: int = 0


@dataclass(frozen=True, kw_only=True)
class EveryHours:
    """Several times a day, over the hours since the last time.

    Attributes:
        hours: 2, 3, 4, 6, 8 or 12: what divides a day, so that no hour is missed at its end.
        start_hour: The first hour of the day, UTC, below ``hours``.
    """

    hours: int
    start_hour: int = 0


@dataclass(frozen=True, kw_only=True)
class Once:
    """One run.

    Attributes:
        at: When, UTC, such as ``2027-03-04T10:00:00``; needed by the open engine. The native
            engine runs as soon as the schedule is made, and takes no time.
        hours: How many hours before that it looks at, 1 to 24.
    """

    at: str | None = None
    hours: int = 24


@dataclass(frozen=True, kw_only=True)
class OnGroundTruth:
    """A run for each object of ground truth that arrives. Open engine only.

    A run reads the object that arrived, and no other labels, and looks for the predictions that
    they belong to in the hours before. Deliver one object a batch: runs take turns. The bucket
    must send its events to EventBridge.

    Attributes:
        within_hours: How old a prediction may be when its label arrives, 1 to 168.
    """

    within_hours: int = 24


Schedule = Hourly | Daily | EveryHours | Once | OnGroundTruth


def hours_of(schedule: Schedule) -> int:
    """How many hours a run looks back."""
    match schedule:
        case Hourly():
            return 1
        case Daily():
            return 24
        case EveryHours() | Once():
            return schedule.hours
        case OnGroundTruth():
            return schedule.within_hours


def hours_between(schedule: Schedule) -> int:
    """How many hours pass from run to run, at least; what alarms count as one run."""
    return 1 if isinstance(schedule, Once | OnGroundTruth) else hours_of(schedule)


def scheduler_expression(schedule: Schedule) -> str:
    """The expression for EventBridge Scheduler (minutes, hours, day, month, weekday, year)."""
    if isinstance(schedule, Once):
        return f"at({schedule.at})"
    return f"cron({DELAY_MINUTES} {_hours_field(schedule)} * * ? *)"


def native_expression(schedule: Schedule) -> str:
    """The expression for a MonitoringSchedule, which starts runs 0 to 20 minutes late itself."""
    if isinstance(schedule, Once):
        return "NOW"
    return f"cron(0 {_hours_field(schedule)} ? * * *)"


def check_schedule(problems: Problems, schedule: Schedule) -> None:
    """Note what is not a time of day."""
    if isinstance(schedule, Daily):
        problems.check(
            schedule.hour in range(24),
            "schedule.hour",
            got=schedule.hour,
            allowed="0 to 23",
            instead="Write the hour in UTC, such as Daily(hour=3).",
        )
    elif isinstance(schedule, EveryHours):
        problems.check(
            schedule.hours in _DIVIDES_A_DAY,
            "schedule.hours",
            got=schedule.hours,
            allowed=", ".join(map(str, _DIVIDES_A_DAY)),
            instead="Take one of these, or Hourly() or Daily().",
        )
        problems.check(
            0 <= schedule.start_hour < max(1, schedule.hours),
            "schedule.start_hour",
            got=schedule.start_hour,
            allowed=f"0 to {schedule.hours - 1}",
            instead="Start below the interval: the first run of a day must not leave a gap.",
        )
    elif isinstance(schedule, Once):
        _check_once(problems, schedule)
    elif isinstance(schedule, OnGroundTruth):
        problems.check(
            1 <= schedule.within_hours <= 168,
            "schedule.within_hours",
            got=schedule.within_hours,
            allowed="1 to 168, a week",
            instead="Write how old a prediction may be when its label arrives.",
        )
    elif not isinstance(schedule, Hourly):
        problems.add(
            "schedule",
            got=schedule,
            allowed="Hourly(), Daily(hour=…), EveryHours(hours=…), Once(at=…) or OnGroundTruth()",
            instead="Monitors run at no other times.",
        )


def _check_once(problems: Problems, schedule: Once) -> None:
    problems.check(
        1 <= schedule.hours <= 24,
        "schedule.hours",
        got=schedule.hours,
        allowed="1 to 24: the service analyses a day at most",
        instead="Write 24 for the day before.",
    )
    if schedule.at is not None:
        try:
            good = _MOMENT.fullmatch(schedule.at) is not None
            datetime.fromisoformat(schedule.at)
        except ValueError:
            good = False
        problems.check(
            good,
            "schedule.at",
            got=schedule.at,
            allowed="a time in UTC such as 2027-03-04T10:00:00",
            instead="Write year-month-dayThour:minute:second, without a zone.",
        )


def _hours_field(schedule: Schedule) -> str:
    match schedule:
        case Hourly() | Once() | OnGroundTruth():
            return "*"
        case Daily():
            return str(schedule.hour)
        case EveryHours():
            return f"{schedule.start_hour}/{schedule.hours}"
