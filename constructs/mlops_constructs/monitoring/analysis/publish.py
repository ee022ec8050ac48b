"""Tell CloudWatch and EventBridge how a run ended.

Metrics, namespace ``MLOps/ModelMonitor``, dimensions ``Monitor`` and ``MonitorType``:

| metric | more dimensions | meaning |
|---|---|---|
| ``Violations`` | | how many there were |
| ``Violations`` | ``Severity`` | of one severity: critical or warning |
| ``Records`` | | how many records were analysed |
| ``RunFailed`` | | 1 when the run gave no answer, else 0 |
| ``Drift`` | ``Feature`` | change of the feature's distribution, from 0 to 1 |
| ``Measure`` | ``Measure`` | a metric of model quality or bias, such as ``auc`` or ``sex DPPL`` |
| ``Coverage`` | | share of predictions whose truth is known, from 0 to 1 |

``MonitorType`` is ``DataQuality``, ``ModelQuality`` or ``ModelBias``.

The event has the source ``mlops.model-monitor`` and the detail-type ``Model Monitor Run``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAMESPACE = "MLOps/ModelMonitor"
EVENT_SOURCE = "mlops.model-monitor"
EVENT_TYPE = "Model Monitor Run"

#: PutMetricData takes 1,000 values; a small body keeps a retry cheap.
_BATCH = 100
_MOST_FEATURES_IN_EVENT = 50


def metric_data(
    monitor: str,
    *,
    failed: bool,
    records: int = 0,
    violations: Mapping[str, int] | None = None,
    drift: Mapping[str, float] | None = None,
    feature_metrics: int = 0,
    monitor_type: str = "DataQuality",
    measures: Mapping[str, float] | None = None,
    coverage: float | None = None,
) -> list[dict[str, Any]]:
    """The values of one run; only ``RunFailed`` when it failed.

    Args:
        monitor: The monitor's name.
        failed: Whether the run gave no answer.
        records: How many records were analysed.
        violations: Their number by severity, zeros included.
        drift: Drift by feature.
        feature_metrics: For how many features, the largest drift first.
        monitor_type: Of which monitor of the suite.
        measures: Metrics of model quality or bias.
        coverage: The share of predictions whose truth is known.
    """
    own = {"Monitor": monitor, "MonitorType": monitor_type}
    data = [_value("RunFailed", float(failed), own)]
    if failed:
        return data
    counts = dict(violations or {})
    data.append(_value("Records", float(records), own))
    data.append(_value("Violations", float(sum(counts.values())), own))
    data += [
        _value("Violations", float(count), {**own, "Severity": severity})
        for severity, count in counts.items()
    ]
    largest = sorted((drift or {}).items(), key=lambda item: (-item[1], item[0]))
    data += [
        _value("Drift", effect, {**own, "Feature": feature[:255]})
        for feature, effect in largest[:feature_metrics]
    ]
    data += [
        _value("Measure", value, {**own, "Measure": name[:255]})
        for name, value in (measures or {}).items()
    ]
    if coverage is not None:
        data.append(_value("Coverage", coverage, own))
    return data


def event_detail(monitor: str, report: Mapping[str, Any], report_uri: str) -> dict[str, Any]:
    """What the event says; small enough for EventBridge (256 KB)."""
    found = report.get("violations", [])
    return {
        "monitor": monitor,
        "monitorType": report.get("monitor_type", "DataQuality"),
        "status": report["status"],
        "window": report["window"],
        "records": report.get("records", 0),
        "violations": len(found),
        "features": sorted({entry["feature_name"] for entry in found})[:_MOST_FEATURES_IN_EVENT],
        "report": report_uri,
    }


def send(data: list[dict[str, Any]], detail: Mapping[str, Any]) -> list[str]:
    """Send both; what could not be sent, in words. Nothing is raised: the report is the answer."""
    problems: list[str] = []
    try:
        import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types
        from botocore.config import (  # type: ignore[import-untyped,unused-ignore]  # as above
            Config,
        )

        # A VPC without the endpoint swallows packets: give up soon, the job costs by the second.
        config = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3})
        metrics = boto3.client("cloudwatch", config=config)
        events = boto3.client("events", config=config)
    except Exception as error:  # whatever is wrong must not lose the report
        return [f"no AWS client: {type(error).__name__}: {error}"]
    try:
        for start in range(0, len(data), _BATCH):
            metrics.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _BATCH])
    except Exception as error:  # as above
        problems.append(f"metrics not published: {type(error).__name__}: {error}")
    try:
        answer = events.put_events(
            Entries=[
                {"Source": EVENT_SOURCE, "DetailType": EVENT_TYPE, "Detail": json.dumps(detail)}
            ]
        )
        if answer.get("FailedEntryCount"):
            problems.append(f"event not taken: {answer['Entries'][0].get('ErrorMessage')}")
    except Exception as error:  # as above
        problems.append(f"event not sent: {type(error).__name__}: {error}")
    return problems


def _value(name: str, value: float, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Value": value,
        "Unit": "Count" if name in ("Violations", "Records", "RunFailed") else "None",
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
    }
