"""Parts of the analysis that need no container: windows, S3 listings, what is published."""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mlops_constructs.monitoring.analysis import publish, settings
from mlops_constructs.monitoring.analysis.errors import AnalysisError
from mlops_constructs.monitoring.analysis.settings import Settings, load
from mlops_constructs.monitoring.analysis.sources import S3Source
from mlops_constructs.monitoring.analysis.window import Window, parse_time, window_before

UTC = datetime.UTC


def moment(hour: int, minute: int = 0) -> datetime.datetime:
    return datetime.datetime(2025, 3, 4, hour, minute, tzinfo=UTC)


def test_a_window_ends_with_the_last_whole_hour() -> None:
    window = window_before("2025-03-04T10:15:59Z", 2)
    assert window == Window(moment(8), moment(10))
    assert window.hours() == [moment(8), moment(9)]
    assert moment(8) in window
    assert moment(10) not in window


def test_times_of_other_zones() -> None:
    assert parse_time("2025-03-04T10:15:00+02:00") == moment(8, 15)
    assert parse_time("2025-03-04T10:15:00") == moment(10, 15)
    assert parse_time(5) is None
    with pytest.raises(AnalysisError, match="got 'soon'"):
        window_before("soon", 1)


class Paged:
    """An S3 client over a dictionary, that counts what is listed."""

    def __init__(self, objects: dict[str, datetime.datetime]) -> None:
        self.objects = objects
        self.prefixes: list[str] = []

    def get_paginator(self, name: str) -> Paged:
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str = "") -> list[dict[str, Any]]:  # noqa: N803 (boto3's names)
        assert Bucket == "bucket"
        self.prefixes.append(Prefix)
        found = {key: at for key, at in self.objects.items() if key.startswith(Prefix)}
        if Delimiter:
            folders = {Prefix + key[len(Prefix) :].split("/")[0] + "/" for key in found}
            return [{"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}]
        return [{"Contents": [{"Key": key, "LastModified": at} for key, at in found.items()]}, {}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (boto3's names)
        return {"Body": io.BytesIO(f"{Bucket}/{Key}".encode())}


def test_only_the_hours_of_the_window_are_listed() -> None:
    names = [
        f"capture/census/{variant}/2025/03/04/{hour:02}/x.jsonl"
        for variant in ("Blue", "Green")
        for hour in range(24)
    ]
    client = Paged(dict.fromkeys(names, moment(0)))
    source = S3Source(client, "bucket", "capture/census")
    found = [
        (file.name, file.path.read_bytes(), file.path)
        for file in source.by_hour(Window(moment(9), moment(11)))
    ]
    assert [name for name, _, _ in found] == [
        f"capture/census/{variant}/2025/03/04/{hour}/x.jsonl"
        for variant in ("Blue", "Green")
        for hour in ("09", "10")
    ]
    assert found[0][1] == b"bucket/capture/census/Blue/2025/03/04/09/x.jsonl"
    assert not any(path.exists() for _, _, path in found)  # fetched, looked at, gone
    # The folders of the variants, then two hours for each of them and for the prefix itself.
    assert len(client.prefixes) == 1 + 3 * 2


def test_objects_that_changed_in_the_window() -> None:
    client = Paged({"data/": moment(9), "data/a.csv": moment(9, 59), "data/b.csv": moment(10)})
    source = S3Source(client, "bucket", "data/")
    assert [f.name for f in source.by_change(Window(moment(9), moment(10)))] == ["data/a.csv"]
    assert len(list(source.everything())) == 2


def test_settings_of_a_newer_library_are_skipped(tmp_path: Any) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"columns": ["a"], "drift_floor": 0.5, "unknown": 1}))
    assert load(path) == Settings(columns=("a",), drift_floor=0.5)
    assert load(tmp_path / "none.json") == Settings()


def test_every_setting_has_a_type_that_is_checked() -> None:
    assert {str(field.type) for field in dataclasses.fields(Settings)} <= set(settings._KINDS)


def test_metrics_of_a_run() -> None:
    data = publish.metric_data(
        "census",
        failed=False,
        records=10,
        violations={"critical": 0, "warning": 2},
        drift={"age": 0.2, "sex": 0.1, "race": 0.0},
        feature_metrics=2,
    )
    seen = {
        (each["MetricName"], *(d["Value"] for d in each["Dimensions"])): each["Value"]
        for each in data
    }
    assert seen == {
        ("RunFailed", "census", "DataQuality"): 0,
        ("Records", "census", "DataQuality"): 10,
        ("Violations", "census", "DataQuality"): 2,
        ("Violations", "census", "DataQuality", "critical"): 0,
        ("Violations", "census", "DataQuality", "warning"): 2,
        ("Drift", "census", "DataQuality", "age"): 0.2,
        ("Drift", "census", "DataQuality", "sex"): 0.1,
    }
    (failed,) = publish.metric_data("census", failed=True)
    assert (failed["MetricName"], failed["Value"]) == ("RunFailed", 1)


def test_names_and_values_that_cloudwatch_does_not_take() -> None:
    data = publish.metric_data(
        "census",
        failed=False,
        drift={"größe": 0.3, " ": 0.2, "a\nb": 0.1, "x" * 2000: 0.05},
        feature_metrics=9,
        measures={"auc": float("nan"), "mse": float("inf"), "r2": -1e300, "f1": 0.5},
    )
    own = [each["Dimensions"][-1]["Value"] for each in data if len(each["Dimensions"]) > 2]
    assert own == ["gr\\xf6\\xdfe", "(blank)", "a?b", "x" * 255, "f1"]


def test_the_status_goes_before_what_depends_on_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    class Client:
        def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803 (boto3's names)
            assert Namespace == publish.NAMESPACE
            calls.append([each["MetricName"] for each in MetricData])
            if "Drift" in calls[-1]:
                raise ValueError("refused")

        def put_events(self, **_: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 0}

    monkeypatch.setattr(boto3, "client", lambda *_, **__: Client())
    drift = {f"c{number}": 0.1 for number in range(150)}
    data = publish.metric_data(
        "census", failed=False, records=1, drift=drift, feature_metrics=150, coverage=1.0
    )
    problems = publish.send(data, {})
    assert calls == [["RunFailed", "Records", "Violations", "Coverage"], ["Drift"] * 100,
                     ["Drift"] * 50]  # fmt: skip
    assert problems == ["metrics not published: ValueError: refused"] * 2


def test_what_is_sent_is_what_the_services_take(monkeypatch: pytest.MonkeyPatch) -> None:
    data = publish.metric_data("census", failed=False, records=1, violations={"critical": 1})
    report = {
        "status": "CompletedWithViolations",
        "window": "w",
        "violations": [
            {
                "feature_name": "age",
                "severity": "critical",
                "constraint_check_type": "range_check",
            },
            {
                "feature_name": "age",
                "severity": "critical",
                "constraint_check_type": "range_check",
            },
        ],
    }
    detail = publish.event_detail("census", report, "s3://reports/1")
    clients = {
        name: boto3.client(
            name,
            region_name="eu-west-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        for name in ("cloudwatch", "events")
    }
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    entry = {
        "Source": "mlops.model-monitor",
        "DetailType": "Model Monitor Run",
        "Detail": json.dumps(detail),
    }
    with Stubber(clients["cloudwatch"]) as metrics, Stubber(clients["events"]) as events:
        metrics.add_response(
            "put_metric_data", {}, {"Namespace": "MLOps/ModelMonitor", "MetricData": data}
        )
        events.add_response("put_events", {"FailedEntryCount": 0}, {"Entries": [entry]})
        assert publish.send(data, detail) == []
        metrics.add_client_error("put_metric_data", "AccessDenied", "no")
        events.add_response(
            "put_events",
            {"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "busy"}]},
            {"Entries": [entry]},
        )
        problems = publish.send(data, detail)
    assert detail["features"] == ["age"]
    assert detail["violations"] == 2
    assert "metrics not published" in problems[0]
    assert problems[1] == "event not taken: busy"
