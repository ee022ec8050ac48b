"""CloudWatch alarms: evaluated by all of their settings, again and again.

ministack evaluates an alarm when somebody puts data through the API, over all dimensions, and
refuses metric math. Here every alarm is evaluated all the time, as in CloudWatch ("Using Amazon
CloudWatch alarms", "Configuring how CloudWatch alarms treat missing data").

The metrics that SageMaker itself writes are of scaled time, as all waits of the
service are here: a period of 60 s takes 60 s times the time scale. What users put by PutMetricData
is of real time.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud import emulator
from localcloud.emulator import Scope
from localcloud.sagemaker.metrics import INSTANCE_NAMESPACE, NAMESPACE
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json
from localcloud.services.metric_math import ExpressionError, Series, evaluate

logger = logging.getLogger("localcloud.alarms")

SERVICE_NAMESPACES = frozenset({NAMESPACE, INSTANCE_NAMESPACE})
_MANUAL_SECONDS = 1.0
"""How long a state that was set by SetAlarmState lasts at least, and then until there are data. The
next evaluation ends it in AWS, which may take a minute; here that might be too short to be seen."""
_NEW = "Unchecked: Initial alarm creation"
"""The reason of the state of an alarm that was never evaluated."""
_LOOKS = 6
"""How often an alarm is evaluated in one of its periods: each ends with every look."""
_MOST_SECONDS = 1.0
_LEAST_SECONDS = 0.05
"""The shortest period here, however fast time passes: a shorter one would see no request."""
_SPARE_PERIODS = 2
"""Periods before the evaluated ones whose data stand in for what is missing."""

Scale = Callable[[str, Json], None]


@dataclass
class _Seen:
    state: str
    due: float = 0.0
    manual: bool = False
    held_until: float = 0.0
    fired: float = 0.0


class Alarms:
    """Evaluates the metric alarms of an instance.

    Args:
        cloud: Its clock says how fast the service's time passes.
        scale: Carries out a scaling policy that an alarm names as its action.
    """

    def __init__(self, cloud: SageMaker, scale: Scale) -> None:
        self._clock = cloud.clock
        self._scale = scale
        self._seen: dict[tuple[Scope, str], _Seen] = {}
        self._lock = threading.RLock()
        emulator.extend_cloudwatch(self.evaluate, scale)

    def tick(self) -> None:
        """Evaluate the alarms of all scopes, each several times in one of its periods."""
        now = time.time()
        for scope, alarms in emulator.alarms().items():
            with emulator.within(scope):
                for alarm in alarms:
                    seen = self._seen.get((scope, alarm["AlarmName"]))
                    if seen is None or now >= seen.due:
                        self.evaluate(alarm)

    def evaluate(self, alarm: Json) -> None:
        """Evaluate an alarm of the current scope; change its state where that differs."""
        try:
            with self._lock:
                self._evaluate(alarm)
        except ExpressionError as error:
            alarm["StateReason"] = f"The alarm cannot be evaluated: {error}"
        except Exception:
            logger.exception("alarm %s", alarm.get("AlarmName"))

    def _evaluate(self, alarm: Json) -> None:
        now = time.time()
        period = self.period(alarm)
        if not period:
            return
        key = (emulator.current_scope(), alarm["AlarmName"])
        seen = self._seen.setdefault(key, _Seen(alarm["StateValue"]))
        if alarm["StateReason"].startswith(_NEW):
            seen.state = alarm["StateValue"]
        elif alarm["StateValue"] != seen.state:
            seen.state, seen.manual = alarm["StateValue"], True
            seen.held_until = now + max(_MANUAL_SECONDS, min(period, 60.0))
        seen.due = now + min(_MOST_SECONDS, period / _LOOKS)
        if now < seen.held_until:
            return
        datapoints = self._datapoints(alarm, period, now)
        if seen.manual and all(value is None for value in datapoints):
            return
        seen.manual = False
        state = _state(alarm, datapoints)
        if state is not None and state != alarm["StateValue"]:
            shown = ", ".join("-" if v is None else f"{v:g}" for v in datapoints)
            reason = (
                f"Threshold Crossed: datapoints [{shown}],"
                f" {alarm['ComparisonOperator']} {alarm.get('Threshold')}: {state}."
            )
            seen.state, seen.fired = state, now
            emulator.change_alarm(alarm, state, reason)
        elif state == "ALARM" and now - seen.fired >= period:
            # An action that scales is repeated in each period in which the alarm stays.
            seen.fired = now
            for action in alarm.get("AlarmActions") or ():
                if ":scalingPolicy:" in action and alarm.get("ActionsEnabled", True):
                    self._scale(action, alarm)

    def period(self, alarm: Json) -> float:
        """The seconds of one period of an alarm here; 0 for one that cannot be evaluated."""
        metrics = _metrics(alarm)
        if not metrics:
            return 0.0
        scaled = all(metric["Namespace"] in SERVICE_NAMESPACES for _, metric, _, _ in metrics)
        longest = max(period for _, _, _, period in metrics)
        return max(_LEAST_SECONDS, longest * self._clock.scale) if scaled else longest

    def latest(self, alarm: Json) -> float | None:
        """The value of an alarm's metric in the period that ends now."""
        return self._datapoints(alarm, self.period(alarm), time.time(), count=1)[-1]

    def _datapoints(
        self, alarm: Json, period: float, now: float, *, count: int | None = None
    ) -> Series:
        periods = count or int(alarm.get("EvaluationPeriods") or 1) + _SPARE_PERIODS
        ends = [now - period * number for number in range(periods, -1, -1)]
        series: dict[str, Series] = {}
        for identifier, metric, statistic, _ in _metrics(alarm):
            dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or ()}
            series[identifier] = emulator.metric_values(
                metric["Namespace"], metric["MetricName"], dimensions, statistic, ends
            )
        if not alarm.get("Metrics"):
            return series["m"]
        expressions = {q["Id"]: q["Expression"] for q in alarm["Metrics"] if q.get("Expression")}
        while expressions:
            ready = [i for i, text in expressions.items() if not _uses(text, expressions, i)]
            if not ready:
                raise ExpressionError("The expressions use one another.")
            for identifier in ready:
                text = expressions.pop(identifier)
                series[identifier] = evaluate(text, series, period=period)
        return series[_returned(alarm["Metrics"])]


def _uses(text: str, expressions: dict[str, str], itself: str) -> bool:
    others = (other for other in expressions if other != itself)
    return any(re.search(rf"\b{re.escape(other)}\b", text) for other in others)


def _returned(queries: list[Json]) -> str:
    """The query whose result the alarm watches: the one with ``ReturnData``, by default all."""
    wanted = [q["Id"] for q in queries if str(q.get("ReturnData", True)).lower() == "true"]
    if len(wanted) != 1:
        raise ExpressionError("Exactly one of the Metrics must have ReturnData.")
    return str(wanted[0])


def _metrics(alarm: Json) -> list[tuple[str, Json, str, float]]:
    """Identifier, metric, statistic and period of all that an alarm reads."""
    if alarm.get("Metrics"):
        found = []
        for query in alarm["Metrics"]:
            stat: Any = query.get("MetricStat")
            if stat:
                period = float(stat.get("Period") or 60)
                found.append((str(query["Id"]), stat["Metric"], str(stat["Stat"]), period))
        return found
    if not alarm.get("MetricName") or not alarm.get("Namespace"):
        return []
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    return [("m", alarm, str(statistic), float(alarm.get("Period") or 60))]


def _state(alarm: Json, datapoints: Series) -> str | None:
    """The state that these data mean; None to stay as it is.

    Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data" and
    "Avoiding premature transitions to alarm state": few data mean an alarm only if all of them
    breach and the oldest is as old as ``DatapointsToAlarm``. Fewer and younger ones that breach
    are not in its tables: here they change nothing.
    """
    periods = int(alarm.get("EvaluationPeriods") or 1)
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    # Older data stand in for what is missing among the newest.
    real = [value for value in datapoints if value is not None][-periods:]
    breaching = sum(_breaches(alarm, value) for value in real)
    missing = periods - len(real)
    treatment = alarm.get("TreatMissingData") or "missing"
    if treatment == "breaching":
        breaching += missing
    if not missing or breaching >= needed or treatment in ("breaching", "notBreaching"):
        return "ALARM" if breaching >= needed else "OK"
    if not real:
        return "INSUFFICIENT_DATA" if treatment == "missing" else None
    if breaching < len(real):
        return "OK"
    oldest = next(age for age, value in enumerate(datapoints) if value is not None)
    is_old = len(datapoints) - oldest >= needed
    return "ALARM" if is_old and treatment == "missing" else None


def _breaches(alarm: Json, value: float) -> bool:
    threshold = float(alarm.get("Threshold") or 0.0)
    return {
        "GreaterThanOrEqualToThreshold": value >= threshold,
        "GreaterThanThreshold": value > threshold,
        "LessThanThreshold": value < threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
    }.get(str(alarm.get("ComparisonOperator")), False)
