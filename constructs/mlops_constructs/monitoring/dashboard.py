"""The widgets of a model's monitors, for a dashboard of its own or for a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack, aws_cloudwatch as cloudwatch

from mlops_constructs.monitoring.definition import METRIC_TYPES
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
)
from mlops_constructs.monitoring.native_engine import KINDS, metric_namespace

if TYPE_CHECKING:
    from mlops_constructs.monitoring.suite import ModelMonitorSuite

_HEIGHT = 6
_LABELS = {
    DataQuality: "data quality",
    ModelQuality: "model quality",
    BiasDrift: "bias",
    AttributionDrift: "attributions",
}


def widgets_of(suite: ModelMonitorSuite, *, width: int) -> list[cloudwatch.IWidget]:
    """The widgets of a suite, by its engine and monitors."""
    if suite.open_monitor is None:
        return [_native(suite, width=width), _alarms(suite, width=width)]
    name = suite.monitor_name
    made: list[cloudwatch.IWidget] = [
        _graph(
            f"{name}: violations a run",
            *(
                suite.metric_violations(monitor=kind).with_(label=_LABELS[kind])
                for kind in suite.monitors
            ),
            width=width,
        ),
        _graph(
            f"{name}: records a run, runs without an answer",
            suite.metric_records(monitor=suite.monitors[0]).with_(label="records"),
            right=[
                suite.metric_run_failed(monitor=kind).with_(label=f"{_LABELS[kind]} failed")
                for kind in suite.monitors
            ],
            width=width,
        ),
    ]
    searched = {
        DataQuality: ("drift by feature", "Feature", "Drift"),
        ModelQuality: ("quality", "Measure", "Measure"),
        BiasDrift: ("bias", "Measure", "Measure"),
        AttributionDrift: ("attributions", "Measure", "Measure"),
    }
    for kind in suite.monitors:
        title, dimension, metric = searched[kind]
        made.append(
            _graph(
                f"{name}: {title}",
                # A search: which features and measures there are, the data say.
                _search(
                    suite,
                    f"{{{suite.metric(metric).namespace},Monitor,MonitorType,{dimension}}} "
                    f'MetricName="{metric}" Monitor="{name}" MonitorType="{METRIC_TYPES[kind]}"',
                ),
                width=width,
            )
        )
    if ModelQuality in suite.monitors:
        made.append(
            _graph(
                f"{name}: predictions whose truth is known",
                suite.metric_coverage().with_(label="share"),
                width=width,
            )
        )
    made.append(_alarms(suite, width=width))
    return made


def _alarms(suite: ModelMonitorSuite, *, width: int) -> cloudwatch.IWidget:
    alarms = [
        suite.model_alarm,
        *suite.violation_alarms.values(),
        *suite.model_alarms.values(),
        *suite.native_alarms.values(),
        suite.run_alarm,
        *([suite.empty_alarm] if suite.empty_alarm is not None else []),
    ]
    return cloudwatch.AlarmStatusWidget(
        title=f"{suite.monitor_name}: alarms", alarms=alarms, width=width, height=_HEIGHT
    )


def _native(suite: ModelMonitorSuite, *, width: int) -> cloudwatch.IWidget:
    """All that the service publishes of the suite's schedules."""
    dimensions = "MonitoringSchedule"
    if isinstance(suite.target, EndpointCapture):
        dimensions = "Endpoint,MonitoringSchedule"
    return cloudwatch.GraphWidget(
        title=f"{suite.monitor_name}: Model Monitor",
        left=[
            _search(
                suite,
                f"{{{metric_namespace(suite.target, KINDS[kind])},{dimensions}}} "
                f'MonitoringSchedule="{made.schedule_name}"',
            )
            for kind, made in suite.native_monitors.items()
        ],
        width=width,
        height=_HEIGHT,
    )


def _search(suite: ModelMonitorSuite, query: str) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{query}', 'Maximum')",
        label="",
        using_metrics={},
        search_region=Stack.of(suite).region,
    )


def _graph(
    title: str,
    *metrics: cloudwatch.IMetric,
    right: list[cloudwatch.IMetric] | None = None,
    width: int,
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title, left=list(metrics), right=right or [], width=width, height=_HEIGHT
    )
