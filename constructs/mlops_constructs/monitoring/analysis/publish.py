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

``MonitorType`` is ``DataQuality``, ``ModelQuality``, ``ModelBias`` or ``ModelExplainability``.

The event has the source ``mlops.model-monitor``, the detail-type ``Model Monitor Run``, and in its
detail ``monitor``, ``monitorType``, ``status``, ``window`` and its end ``until``, ``records``,
``violations``, of them ``critical`` and ``warning``, the ``features`` and the kinds of ``checks``
that violate something (lists), the same features as one text (``drifted``), the ``model`` version
that was served, and where the ``report`` is.
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
#: A parameter of a pipeline holds 1,024 characters.
_LONGEST_TEXT = 1024
#: One value that CloudWatch does not take, such as NaN, makes it refuse the whole call.
_LARGEST = 2.0**360
_LONGEST = 255
#: What tells how the run ended goes before, and apart from, what depends on names in the data.
_OF_DATA = ("Feature", "Measure")


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
        _value("Drift", effect, {**own, "Feature": feature})
        for feature, effect in largest[:feature_metrics]
    ]
    data += [
        _value("Measure", value, {**own, "Measure": name})
        for name, value in (measures or {}).items()
    ]
    if coverage is not None:
        data.append(_value("Coverage", coverage, own))
    return [each for each in data if abs(each["Value"]) <= _LARGEST]  # and no NaN


def event_detail(monitor: str, report: Mapping[str, Any], report_uri: str) -> dict[str, Any]:
    """What the event says; small enough for EventBridge (256 KB)."""
    found = report.get("violations", [])
    features = sorted({entry["feature_name"][:_LONGEST] for entry in found})
    features = features[:_MOST_FEATURES_IN_EVENT]
    return {
        "monitor": monitor,
        "monitorType": report.get("monitor_type", "DataQuality"),
        "status": report["status"],
        "window": report["window"],
        "until": report.get("until") or "",
        "records": report.get("records", 0),
        "violations": len(found),
        "critical": sum(1 for entry in found if entry["severity"] == "critical"),
        "warning": sum(1 for entry in found if entry["severity"] == "warning"),
        "features": features,
        "drifted": ",".join(features)[:_LONGEST_TEXT],
        "checks": sorted({entry["constraint_check_type"] for entry in found}),
        "model": report.get("model") or "",
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
    for part in _parts(data):
        try:
            metrics.put_metric_data(Namespace=NAMESPACE, MetricData=part)
        except Exception as error:  # as above  # noqa: PERF203  # the other parts may well arrive
            problems.append(f"metrics not published: {type(error).__name__}: {error}")
            if part[0]["MetricName"] == "RunFailed":
                break  # the rest would only wait as long, and mean nothing without it
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


def _parts(data: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    names = [{dimension["Name"] for dimension in each["Dimensions"]} for each in data]
    status = [each for each, own in zip(data, names) if own.isdisjoint(_OF_DATA)]
    others = [each for each, own in zip(data, names) if not own.isdisjoint(_OF_DATA)]
    return [status, *(others[at : at + _BATCH] for at in range(0, len(others), _BATCH))]


def _value(name: str, value: float, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Value": value,
        "Unit": "Count" if name in ("Violations", "Records", "RunFailed") else "None",
        "Dimensions": [
            {"Name": key, "Value": _dimension(text)} for key, text in dimensions.items()
        ],
    }


def _dimension(text: str) -> str:
    """A name as CloudWatch takes it: printable ASCII, and not blank (API reference, Dimension)."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    plain = "".join(each if each.isprintable() else "?" for each in plain)[:_LONGEST]
    return plain if plain.strip() else "(blank)"
