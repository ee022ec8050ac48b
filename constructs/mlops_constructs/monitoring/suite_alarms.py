"""The alarms of a suite: of violations, of runs without an answer, and one of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import Duration, aws_cloudwatch as cloudwatch

from mlops_constructs.monitoring.alarms import (
    Severity,
    ViolationAlarm,
    failed_executions,
    make_alarm,
)
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    ModelQuality,
    Monitor,
)
from mlops_constructs.monitoring.native_alarms import (
    alarm_of_events,
    run_pattern,
    settings_of,
    with_violations,
    without_answer,
)
from mlops_constructs.monitoring.native_engine import KINDS

if TYPE_CHECKING:
    from mlops_constructs.monitoring.suite import ModelMonitorSuite

_CALLED = {
    DataQuality: "data quality",
    ModelQuality: "model quality",
    BiasDrift: "bias",
    AttributionDrift: "attributions",
}


@dataclass(frozen=True)
class SuiteAlarms:
    """What was made.

    Attributes:
        run: Fires when a run gave no answer.
        violations: Of data quality, by severity; the open engine's.
        models: Of the other monitors; the open engine's.
        natives: Of any severity, by monitor; the native engine's.
        empty: Fires when a run found no data; None unless asked for.
    """

    run: cloudwatch.Alarm
    violations: dict[Severity, cloudwatch.Alarm] = field(default_factory=dict)
    models: dict[tuple[type[Monitor], Severity], cloudwatch.Alarm] = field(default_factory=dict)
    natives: dict[type[Monitor], cloudwatch.Alarm] = field(default_factory=dict)
    empty: cloudwatch.Alarm | None = None

    def sum_up(self, suite: ModelMonitorSuite) -> cloudwatch.CompositeAlarm:
        """An alarm that is on while any of these is, and tells nobody."""
        alarms = [
            *self.violations.values(),
            *self.models.values(),
            *self.natives.values(),
            self.run,
            *([self.empty] if self.empty is not None else []),
        ]
        return cloudwatch.CompositeAlarm(
            suite,
            "ModelAlarm",
            # CDK would put a hash of its own into the name.
            composite_alarm_name=f"{suite.monitor_name}-model",
            alarm_description=f"{suite.monitor_name}: something is wrong with model or data",
            alarm_rule=cloudwatch.AlarmRule.any_of(*alarms),
            actions_enabled=False,
        )


def open_alarms(
    suite: ModelMonitorSuite,
    pipeline_name: str,
    wanted: Mapping[Severity, ViolationAlarm],
    period: Duration,
    *,
    when_empty: bool,
) -> SuiteAlarms:
    """Alarms on the open engine's metrics.

    Args:
        suite: Whose they are.
        pipeline_name: What runs the analysis.
        wanted: Which alarms of violations, by severity.
        period: What counts as one run.
        when_empty: Whether a run that found no data alarms.
    """
    violations: dict[Severity, cloudwatch.Alarm] = {}
    models: dict[tuple[type[Monitor], Severity], cloudwatch.Alarm] = {}
    for kind in suite.monitors:
        for severity, settings in wanted.items():
            alarm = make_alarm(
                suite,
                f"{severity.capitalize()}ViolationsAlarm"
                if kind is DataQuality
                else f"{severity.capitalize()}{kind.__name__}Alarm",
                description=f"{suite.monitor_name}: {severity} violations of {_CALLED[kind]}. "
                f"Reports: {suite.reports.uri}",
                metric=suite.metric_violations(severity, monitor=kind, period=period),
                threshold=settings.at_least,
                runs=settings.runs,
                of_last=settings.of_last,
                topic=suite.topic,
            )
            if kind is DataQuality:
                violations[severity] = alarm
            else:
                models[kind, severity] = alarm
    run = make_alarm(
        suite,
        "RunAlarm",
        description=f"{suite.monitor_name}: a run of {pipeline_name} gave no answer",
        metric=failed_executions(pipeline_name, period),
        threshold=1,
        topic=suite.topic,
    )
    empty = None
    if when_empty:
        empty = make_alarm(
            suite,
            "EmptyAlarm",
            description=f"{suite.monitor_name}: a run found no data",
            metric=suite.metric_records(monitor=suite.monitors[0], period=period),
            threshold=1,
            below=True,
            topic=suite.topic,
        )
    return SuiteAlarms(run=run, violations=violations, models=models, empty=empty)


def native_alarms(
    suite: ModelMonitorSuite, wanted: Mapping[Severity, ViolationAlarm], period: Duration
) -> SuiteAlarms:
    """Alarms on the events of the native engine's runs; arguments as of `open_alarms`."""
    settings, natives = settings_of(wanted), {}
    if settings is not None:
        natives = {
            kind: alarm_of_events(
                suite,
                f"{KINDS[kind].monitoring_type}Alarm",
                pattern=run_pattern(suite.schedule_arns([kind]), with_violations()),
                description=f"{suite.monitor_name}: violations of {_CALLED[kind]}. "
                f"Reports: {suite.reports.uri}",
                period=period,
                runs=settings.runs,
                of_last=settings.of_last,
                topic=suite.topic,
            )
            for kind in suite.monitors
        }
    run = alarm_of_events(
        suite,
        "RunAlarm",
        pattern=run_pattern(suite.schedule_arns(suite.monitors), without_answer()),
        description=f"{suite.monitor_name}: a run gave no answer",
        period=period,
        topic=suite.topic,
    )
    return SuiteAlarms(run=run, natives=natives)
