"""The page of a run, and what it draws from: in this interpreter, they are plain Python."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from mlops_constructs.monitoring.analysis import history
from mlops_constructs.monitoring.analysis.errors import AnalysisError
from mlops_constructs.monitoring.analysis.report import page
from mlops_constructs.monitoring.analysis.served import read_package
from mlops_constructs.monitoring.analysis.turns import wait_for_turn

HOSTILE = '<script>alert(1)</script>\' onload="x" &amp; \u202e'


def report(kind: str = "DataQuality", **given: Any) -> dict[str, Any]:
    """The report of a run, as `analyze` makes it."""
    return {
        "monitor": "census-dev",
        "monitor_type": kind,
        "status": "CompletedWithViolations" if given.get("violations") else "Completed",
        "window": "2026-01-02T03:00Z to 2026-01-02T04:00Z",
        "until": "2026-01-02T04:00Z",
        "model": "3",
        "records": 1200,
        "reference_records": 30_000,
        "violations": [],
        "drift": {},
        "tests": [],
        "measures": {},
        "allowed": {},
        "coverage": None,
        "notes": [],
    } | given


def violation(feature: str = "age", **given: Any) -> dict[str, Any]:
    return {
        "feature_name": feature,
        "constraint_check_type": "baseline_drift_check",
        "description": "The distribution moved",
        "severity": "warning",
        "effect": 0.1,
        "p_value": 1e-9,
    } | given


def measure(value: float) -> dict[str, float]:
    return {"value": value, "lower": value - 0.1, "upper": value + 0.1}


def full(name: str = "age", features: int = 3) -> list[dict[str, Any]]:
    """All four monitors with everything that a page can show."""
    labels = [name] + [f"{name} {number}" for number in range(features - 1)]
    drawn = [
        {
            "feature": label,
            "violates": at == 0,
            "drift": 0.2,
            "missing": [0.0, 0.1],
            "kind": kind,
            "labels": [name, "b", "c"],
            "before": [0.5, 0.3, 0.2],
            "now": [0.1, 0.3, 0.6],
            "says": name,
        }
        for at, label in enumerate(labels)
        for kind in ("numbers", "categories")
    ]
    tests = [
        {
            "feature": label,
            "check": "range_check",
            "effect": 0.1,
            "adjusted_p_value": 0.2,
            "says": name,
        }
        for label in labels
    ]
    return [
        report(
            violations=[violation(label, description=name) for label in labels],
            distributions=drawn[:48],
            tests=tests,
            drift=dict.fromkeys(labels, 0.2),
            notes=[name],
        ),
        report(
            "ModelQuality",
            coverage=0.9,
            measures={"auc": measure(0.8), "recall": measure(0.6)},
            allowed={"auc": (0.75, None)},
        ),
        report(
            "ModelBias",
            coverage=0.9,
            measures={f"{name} DPPL": measure(0.3)},
            allowed={f"{name} DPPL": (-0.05, 0.2)},
            violations=[
                violation(name, constraint_check_type="bias_drift_check:DPPL", severity="critical")
            ],
            groups={
                name: [
                    {
                        "group": name,
                        "records": 10,
                        "predicted": 0.2,
                        "labelled": 0.3,
                        "right": 0.8,
                    }
                ]
            },
        ),
        report(
            "ModelExplainability",
            measures={"ndcg": measure(0.95)},
            allowed={"ndcg": (0.9, None)},
            attributions=[
                {
                    "feature": label,
                    "before": 0.1,
                    "now": 0.2,
                    "rank_before": at + 1,
                    "rank_now": at + 2,
                }
                for at, label in enumerate(labels)
            ],
        ),
    ]


def runs(reports: list[dict[str, Any]], count: int = 3) -> list[dict[str, Any]]:
    hours = (f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00Z" for hour in range(count))
    return history.with_run(
        [], [history.entry_of({**each, "until": until}) for until in hours for each in reports]
    )


class Tags(HTMLParser):
    """What a page holds: tags, attributes and the text that a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_comes_first_and_everything_is_there() -> None:
    reports = full()
    html = page(reports, runs(reports))
    text = Tags(html).text
    order = [
        "4 violations in data quality and bias.",
        "Violations",
        "Features that drifted",
        "Quality over time",
        "Bias by group",
        "What predictions rest on",
        "Data volume",
        "Notes",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "model version 3" in text
    assert "age: predicted yes, by group" in text
    assert "at least 0.75" in text


def test_names_and_values_are_text_and_never_markup() -> None:
    plain, hostile = (Tags(page(full(name), runs(full(name)))) for name in ("age", HOSTILE))
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert "script" not in hostile.tags
    assert HOSTILE.replace("&amp;", "&")[:20] in hostile.text


def test_nothing_is_loaded_from_anywhere() -> None:
    html = page(full(), runs(full()))
    assert not re.findall(r"https?:|src=|@import|url\(", html)
    assert "default-src 'none'" in html
    assert not {"script", "img", "link", "iframe"} & Tags(html).tags


def test_a_page_stays_small_however_wide_the_data() -> None:
    reports = full("x" * 5_000, features=2_000)
    html = page(reports, runs(reports, 600))
    assert len(html.encode()) < 1_000_000
    assert "The first 100 of 2001 violations." in html


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"status": "Failed", "notes": ["AccessDenied"]}, "1 of 1 monitors gave no answer."),
        ({"status": "NoData", "records": 0}, "No data in this window; nothing was compared."),
        ({}, "No violation: everything looks like the reference."),
    ],
)
def test_every_way_a_run_may_end(given: dict[str, Any], says: str) -> None:
    text = Tags(page([report(**given)])).text
    assert says in text
    assert all(note in text for note in given.get("notes", []))


def test_a_window_that_is_looked_at_again_counts_once(tmp_path: Path) -> None:
    kept = runs(full(), 3)
    again = history.with_run(kept, [history.entry_of(full()[0] | {"until": kept[0]["until"]})])
    assert len(again) == len(kept) == 12
    history.save(str(tmp_path), again)
    assert history.load(str(tmp_path)) == again
    (tmp_path / "history.json").write_text("{truncated")
    assert history.load(str(tmp_path)) == []
    assert len(runs(full(), 600)) == 500 * 4


def test_what_a_package_brings() -> None:
    def uri(name: str) -> dict[str, Any]:
        return {"S3Uri": f"s3://b/{name}"}

    served = read_package(
        {
            "ModelPackageArn": "arn:x/census/4",
            "ModelPackageVersion": 4,
            "DriftCheckBaselines": {
                "ModelDataQuality": {"Constraints": uri("data/constraints.json")},
                "Bias": {
                    "ConfigFile": uri("bias/analysis_config.json"),
                    "PreTrainingConstraints": uri("bias/pre.json"),
                },
            },
            "ModelMetrics": {
                "ModelDataQuality": {
                    "Constraints": uri("older/constraints.json"),
                    "Statistics": uri("data/statistics.json"),
                },
                "ModelQuality": {"Constraints": uri("quality/constraints.json")},
            },
            "InferenceSpecification": {
                "Containers": [
                    {
                        "ModelDataUrl": "s3://b/model.tar.gz",
                        "Environment": {"SAGEMAKER_PROGRAM": "serve.py"},
                    }
                ]
            },
        }
    )
    assert (served.version, served.program) == ("4", "serve.py")
    assert served.places == {
        "reference": "s3://b/data",
        "data_constraints": "s3://b/data/constraints.json",
        "quality_constraints": "s3://b/quality/constraints.json",
        "bias_config": "s3://b/bias/analysis_config.json",
        "bias_constraints": "s3://b/bias/pre.json",
        "model": "s3://b/model.tar.gz",
    }
    assert read_package({"ModelPackageArn": "arn"}).places == {}
    told = {"CustomerMetadataProperties": {"training-data": "s3://b/train"}}
    assert read_package({"ModelPackageArn": "arn", **told}).places == {"reference": "s3://b/train"}


class Executions:
    """SageMaker's list, which shows an execution late and ends another after a while."""

    def __init__(self, *answers: list[tuple[int, str]]) -> None:
        self.answers = list(answers)

    def list_pipeline_executions(self, **_: Any) -> dict[str, Any]:
        running = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {
            "PipelineExecutionSummaries": [
                {
                    "PipelineExecutionArn": f"arn:pipeline/p/execution/{name}",
                    "PipelineExecutionStatus": "Executing",
                    "StartTime": datetime.fromtimestamp(at, UTC),
                }
                for at, name in running
            ]
        }


def test_runs_take_turns() -> None:
    slept: list[float] = []
    both = [(1, "first"), (2, "second")]
    client = Executions([(1, "first")], both, both, [(2, "second")])
    assert wait_for_turn("p", "second", client=client, sleep=slept.append) == sum(slept)
    assert len(slept) == 3  # once unseen, twice behind the other
    assert wait_for_turn("p", "first", client=Executions(both), sleep=slept.append) == 0
    # Started in the same second: exactly one of them goes first.
    tie = [(1, "a"), (1, "b")]
    assert wait_for_turn("p", "a", client=Executions(tie), sleep=slept.append) == 0
    with pytest.raises(AnalysisError, match="cannot be said"):
        wait_for_turn("p", "ghost", client=Executions(both), sleep=slept.append)


def test_the_history_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client(
        "s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setattr(history, "_client", lambda: client)
    place = {"Bucket": "b", "Prefix": "m/history/"}
    with Stubber(client) as s3:
        # Not asked for by its key: a role that may list one prefix would be told AccessDenied.
        s3.add_response("list_objects_v2", {"KeyCount": 0}, place)
        assert history.load("s3://b/m/history") == []
        key = {"Bucket": "b", "Key": "m/history/history.json"}
        s3.add_response("put_object", {}, {**key, "Body": ANY})
        history.save("s3://b/m/history", runs(full()))
        s3.add_response("list_objects_v2", {"KeyCount": 1}, place)
        s3.add_response("get_object", {"Body": io.BytesIO(b'[{"until": "x"}, 3]')}, key)
        assert history.load("s3://b/m/history") == [{"until": "x"}]
