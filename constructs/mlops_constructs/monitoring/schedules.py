"""When monitors run, and how far back each run looks: always to the run before it.

The service's own schedules know hourly, daily and every so many hours (botocore, ScheduleConfig),
so both engines offer these.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_constructs.common.errors import Problems

#: EventBridge Scheduler starts this many minutes after the hour: data capture is delivered late.
DELAY_MINUTES = 15

_DIVIDES_A_DAY = (2, 3, 4, 6, 8, 12)


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


Schedule = Hourly | Daily | EveryHours


def hours_of(schedule: Schedule) -> int:
    """How many hours a run looks back."""
    match schedule:
        case Hourly():
            return 1
        case Daily():
            return 24
        case EveryHours():
            return schedule.hours


def scheduler_expression(schedule: Schedule) -> str:
    """The expression for EventBridge Scheduler (minutes, hours, day, month, weekday, year)."""
    return f"cron({DELAY_MINUTES} {_hours_field(schedule)} * * ? *)"


def native_expression(schedule: Schedule) -> str:
    """The expression for a MonitoringSchedule, which starts runs 0 to 20 minutes late itself."""
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
    elif not isinstance(schedule, Hourly):
        problems.add(
            "schedule",
            got=schedule,
            allowed="Hourly(), Daily(hour=…) or EveryHours(hours=…)",
            instead="Monitors cannot run at other times: the native engine takes no other.",
        )


def _hours_field(schedule: Schedule) -> str:
    match schedule:
        case Hourly():
            return "*"
        case Daily():
            return str(schedule.hour)
        case EveryHours():
            return f"{schedule.start_hour}/{schedule.hours}"
