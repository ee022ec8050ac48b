"""Model quality and bias in the open engine: against scikit-learn, by hand, and as whole runs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.worker import PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

_COMPARE = """
import numpy as np
from sklearn import metrics
from analysis import bias_measures, quality
from analysis.predictions import Prediction

rng = np.random.default_rng(1)
truth = rng.integers(0, 2, 500)
score = np.clip(0.3 * truth + 0.6 * rng.random(500), 0, 1)
said = (score >= 0.5).astype(int)
known = [Prediction({}, None, float(s), str(t)) for s, t in zip(score, truth)]
ours = quality.measure("BinaryClassification", known, positive="1", threshold=0.5, rate=0.05)
theirs = {
    "accuracy": metrics.accuracy_score(truth, said),
    "precision": metrics.precision_score(truth, said),
    "recall": metrics.recall_score(truth, said),
    "f1": metrics.f1_score(truth, said),
    "f2": metrics.fbeta_score(truth, said, beta=2),
    "auc": metrics.roc_auc_score(truth, score),
}
pairs = [[ours[name]["value"], float(value)] for name, value in theirs.items()]
several = rng.integers(0, 3, (2, 400))
known = [Prediction({}, str(p), None, str(t)) for t, p in several.T]
ours = quality.measure("MulticlassClassification", known, positive="", threshold=0, rate=0.05)
pairs += [
    [ours["weighted_f1"]["value"], float(metrics.f1_score(*several, average="weighted"))],
    [ours["weighted_recall"]["value"], float(metrics.recall_score(*several, average="weighted"))],
]
real = rng.normal(size=(2, 300))
known = [Prediction({}, float(p), None, str(t)) for t, p in real.T]
ours = quality.measure("Regression", known, positive="", threshold=0, rate=0.05)
pairs += [
    [ours["mae"]["value"], float(metrics.mean_absolute_error(*real))],
    [ours["r2"]["value"], float(metrics.r2_score(*real))],
]
# 40 people in d, 60 in a; positive labels 10 and 30, predictions 8 and 36; 4 and 24 are right.
group = np.array([True] * 40 + [False] * 60)
truth = np.array([True] * 10 + [False] * 30 + [True] * 30 + [False] * 30)
said = np.array(
    [True] * 4 + [False] * 6 + [True] * 4 + [False] * 26
    + [True] * 24 + [False] * 6 + [True] * 12 + [False] * 18
)
found = bias_measures.measures(group, truth, said, ["one"] * 100, 0.05)
answer = [pairs, {name: each["value"] for name, each in found.items()}]
"""


def test_the_measures_are_those_of_scikit_learn_and_of_the_definitions(worker: Worker) -> None:
    pairs, found = worker.evaluate(_COMPARE)
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs)
    assert found["CI"] == pytest.approx((60 - 40) / 100)
    assert found["DPL"] == pytest.approx(30 / 60 - 10 / 40)
    assert found["DPPL"] == pytest.approx(36 / 60 - 8 / 40)
    assert found["DI"] == pytest.approx((8 / 40) / (36 / 60))
    assert found["AD"] == pytest.approx((24 + 18) / 60 - (4 + 26) / 40)
    assert found["RD"] == pytest.approx(24 / 30 - 4 / 10)
    assert found["CDDL"] == pytest.approx(30 / 60 - 10 / 40)  # refused less accepted share of d


def _run(
    worker: Worker, tmp_path: Path, *, biased: float = 0.0, wrong: float = 0.1, ids: str = ""
) -> Any:
    """An hour of 1,200 predictions, and the labels that came in the hour after."""
    rng = random.Random(3)
    answers, labels = [], []
    for number in range(1200):
        sex = rng.choice(["Female", "Male"])
        truth = rng.random() < 0.4
        said = truth ^ (rng.random() < wrong)
        if sex == "Female" and rng.random() < biased:
            said = False
        csv = {"observedContentType": "text/csv", "encoding": "CSV"}
        answers.append(
            {
                "captureData": {
                    "endpointInput": {**csv, "data": f"{rng.randint(20, 60)},{sex}"},
                    "endpointOutput": {**csv, "data": str(0.8 if said else 0.2)},
                },
                "eventMetadata": {
                    "eventId": str(number),
                    "inferenceTime": "2025-03-04T09:30:00Z",
                },
            }
        )
        if number % 4:
            labels.append(
                {
                    "groundTruthData": {"data": str(int(truth)), "encoding": "CSV"},
                    "eventMetadata": {"eventId": ids + str(number)},
                }
            )
    for folder, lines in (("capture/All/2025/03/04/09", answers), ("truth/2025/03/04/10", labels)):
        (tmp_path / folder).mkdir(parents=True)
        text = "\n".join(json.dumps(line) for line in lines)
        (tmp_path / folder / "a.jsonl").write_text(text + "\n{truncated\n" * (folder[0] == "t"))
    section = {"recall": {"threshold": 0.7, "comparison_operator": "LessThanThreshold"}}
    documents = {
        "constraints.json": {"binary_classification_constraints": section},
        "analysis_config.json": {
            "headers": ["age", "sex"],
            "label": "income",
            "label_values_or_threshold": [1],
            "facet": [{"name_or_index": "sex", "value_or_threshold": ["Female"]}],
        },
        "settings.json": {
            "monitors": ["ModelQuality", "ModelBias"],
            "probability_attribute": "0",
            "capture_columns": ["age", "sex"],
            "label_delay_hours": 1,
        },
    }
    for name, content in documents.items():
        (tmp_path / name).write_text(json.dumps(content))
    arguments = [
        "--monitor", "census", "--kind", "capture", "--until", "2025-03-04T11:15:00Z",
        "--data", tmp_path / "capture", "--ground-truth", tmp_path / "truth",
        "--quality-constraints", tmp_path / "constraints.json",
        "--bias-config", tmp_path / "analysis_config.json",
        "--settings", tmp_path / "settings.json", "--output", tmp_path / "out",
    ]  # fmt: skip
    assert worker.run(list(map(str, arguments))) == 0
    return [
        json.loads((tmp_path / "out" / kind / "report.json").read_text())
        for kind in ("model-quality", "bias")
    ]


def test_late_labels_and_a_good_fair_model(worker: Worker, tmp_path: Path) -> None:
    quality, bias = _run(worker, tmp_path)
    assert quality["records"] == 1200
    assert quality["coverage"] == pytest.approx(0.75)
    assert quality["measures"]["accuracy"]["value"] == pytest.approx(0.9, abs=0.03)
    # The line that was cut off, and nothing else.
    (found,) = quality["violations"]
    assert found["constraint_check_type"] == "ground_truth_format_check"
    assert [each["constraint_check_type"] for each in bias["violations"]] == [
        "ground_truth_format_check"
    ]


def test_a_group_treated_differently(worker: Worker, tmp_path: Path) -> None:
    quality, bias = _run(worker, tmp_path, biased=0.8)
    seen = {each["constraint_check_type"] for each in bias["violations"]}
    assert {"bias_drift_check:DPPL", "bias_drift_check:RD", "bias_drift_check:DI"} <= seen
    assert "bias_drift_check:DPL" not in seen  # the labels are as they were
    assert ("recall", "LessThanThreshold") in {
        (each["feature_name"], each["constraint_check_type"]) for each in quality["violations"]
    }


def test_the_files_are_in_the_services_layout(worker: Worker, tmp_path: Path) -> None:
    _run(worker, tmp_path, wrong=0.5)
    files = json.loads((tmp_path / "out/model-quality/constraint_violations.json").read_text())
    found = [each for each in files["violations"] if "metric_name" in each]
    assert [(each["metric_name"], each["constraint_check_type"]) for each in found] == [
        ("recall", "LessThanThreshold")
    ]
    suggested = worker.evaluate(
        """
from analysis import quality
measured = {"recall": {"value": 0.8, "lower": 0.7, "upper": 0.9}, "false_positive_rate":
    {"value": 0.1, "lower": 0.05, "upper": 0.15}}
answer = quality.suggested("BinaryClassification", measured)
worse = {name: {end: 1 - number for end, number in each.items()} for name, each in measured.items()}
answer["found"] = [
    len(quality.check("BinaryClassification", each, answer)) for each in (measured, worse)
]
"""
    )
    assert suggested["binary_classification_constraints"]["recall"] == {
        "threshold": 0.8,
        "comparison_operator": "LessThanThreshold",
    }
    assert suggested["found"] == [0, 2]


def test_labels_with_other_ids(worker: Worker, tmp_path: Path) -> None:
    quality, _ = _run(worker, tmp_path, ids="x")
    assert quality["coverage"] == 0
    assert "missing_ground_truth_check" in {
        each["constraint_check_type"] for each in quality["violations"]
    }
