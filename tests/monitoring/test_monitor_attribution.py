"""Attributions and edited constraints, run as in the container: one process for everything."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.monitoring.worker import ENVIRONMENT, MONITORING, PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

_SCRIPT = r"""
import json, sys, tarfile, tempfile
from pathlib import Path
import numpy as np
from analysis import attribution, tolerances
from analysis.analyze import main
from analysis.errors import AnalysisError
from analysis.checks import Violation
from analysis.model_code import open_model
from analysis.settings import Settings

out = {}
rng = np.random.default_rng(3)
# A linear model's Shapley values are known: weight * (value - mean of the background).
names, weights = ["a", "b", "c", "d"], np.array([3.0, -2.0, 1.0, 0.0])
rows = lambda table: [dict(zip(names, each)) for each in table.tolist()]
table = rng.normal(size=(60, 4))
predict = lambda records: np.array([[r[n] for n in names] for r in records]) @ weights
got = attribution.shapley(predict, rows(table), rows(np.zeros((1, 4))), names)
out["linear"] = float(np.abs(got - table * weights).max())
# With an interaction they still add up to the prediction (efficiency) and split it evenly.
product = lambda records: np.array([r["a"] * r["b"] for r in records])
got = attribution.shapley(product, rows(table), rows(np.zeros((1, 4))), names)
out["sums"] = float(np.abs(got.sum(axis=1) - table[:, 0] * table[:, 1]).max())
out["even"] = float(np.abs(got[:, 0] - got[:, 1]).max())
out["worked"] = attribution.ndcg(np.array([4.0, 2.0, 1.0]), np.array([1.0, 2.0, 4.0]))
clean = [rng.exponential(size=(200, 8)) * np.arange(1, 9) for _ in range(2)]
out["clean"] = attribution.compare(list("abcdefgh"), *clean, 0.05).ndcg
CODE = '''
import json
def model_fn(folder): return json.load(open(folder + "/weights.json"))
def input_fn(body, kind): return json.loads(body)["instances"]
def predict_fn(rows, weights):
    return [sum(w * (float(r[n]) if r[n] is not None else 0) for n, w in weights.items())
            for r in rows]
def output_fn(scores, accept): return json.dumps({"predictions": [{"p": s} for s in scores]})
'''
EXPLAIN = CODE + '''
def explain_fn(rows, weights):
    return list(weights), [[w * (float(r[n]) - 1) for n, w in weights.items()] for r in rows]
'''

def artifact(folder, code):
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text(code)
    (folder / "weights.json").write_text(json.dumps({"a": 5, "b": 1, "c": 0.2}))
    with tarfile.open(folder.with_suffix(".tar.gz"), "w:gz") as archive:
        archive.add(folder, ".")
    return str(folder.with_suffix(".tar.gz"))

def csv(path, scales, text=""):
    path.mkdir()
    table = rng.normal(size=(300, 3)) * scales + 1
    lines = ["a,b,c"] + [",".join(f"{v:.4f}" for v in row) for row in table]
    (path / "rows.csv").write_text("\n".join(lines) + text)
    return str(path)

with tempfile.TemporaryDirectory() as name:
    home = Path(name)
    model, exact = artifact(home / "sampled", CODE), artifact(home / "exact", EXPLAIN)
    reference, same = csv(home / "r", [1, 1, 1]), csv(home / "s", [1, 1, 1])
    moved = csv(home / "m", [0.01, 9, 9])  # what mattered most hardly varies any more
    settings = home / "settings.json"
    settings.write_text(json.dumps(
        {"monitors": ["ModelExplainability"], "probability_attribute": "p"}
    ))
    shap = {"explanations": {"kernel_shap": {"label0": {"global_shap_values":
        {"a": 1.0, "b": 2.0, "c": 3.0}}}}}
    baseline = home / "baseline"
    baseline.mkdir()
    (baseline / "constraints.json").write_text(json.dumps(shap))

    def run(data, artifact, *more):
        code = main(["--monitor", "m", "--kind", "dataset", "--until", "2999-01-01T00:00:00Z",
            "--hours", "9999999", "--data", data, "--reference", reference, "--model", artifact,
            "--settings", str(settings), "--output", str(home / "out"), *more])
        folder = home / "out" / "explainability"
        report = json.loads((folder / "report.json").read_text())
        files = json.loads((folder / "constraint_violations.json").read_text()) if code == 0 else {}
        return {"code": code, "report": report, "files": files,
            "page": (home / "out" / "report.html").read_text()}

    out["same"], out["moved"] = run(same, model), run(moved, model)
    out["exact"] = run(same, exact)
    out["against"] = run(same, exact, "--attribution-baseline", str(baseline))
    out["shares"] = run(moved, exact, "--attribution-baseline", str(baseline))
    out["nothing"] = run(same, "")
    broken = artifact(home / "broken", "def model_fn(folder): pass")
    out["broken"] = run(same, broken)
    with tarfile.open(home / "evil.tar.gz", "w:gz") as archive:
        archive.add(settings, "../outside")
    out["evil"] = run(same, str(home / "evil.tar.gz"))

    # Edited constraints of data quality.
    def quality(document, data=moved):
        place = home / "constraints.json"
        place.write_text(json.dumps(document))
        other = home / "quality.json"
        other.write_text(json.dumps({"monitors": ["DataQuality"]}))
        code = main(["--monitor", "m", "--kind", "dataset", "--until", "2999-01-01T00:00:00Z",
            "--hours", "9999999", "--data", data, "--reference", reference,
            "--data-constraints", str(place), "--settings", str(other),
            "--output", str(home / "q")])
        report = json.loads((home / "q" / "report.json").read_text())
        return [code, sorted({f"{v['feature_name']}:{v['constraint_check_type']}"
            for v in report["violations"]}), report["notes"], report["drift"]]

    out["as_made"] = quality(json.loads((home / "q" / "constraints.json").read_text())
        if (home / "q").exists() else {})
    made = json.loads((home / "q" / "constraints.json").read_text())
    out["roundtrip"] = quality(made)
    tolerant = {"features": [{"name": "a", "monitoring_config_overrides": {
        "distribution_constraints": {"comparison_threshold": 0.9}}},
        {"name": "b", "monitoringConfigOverrides": {"evaluate_constraints": "Disabled"}},
        {"name": "c", "num_constraints": {"is_non_negative": True}}]}
    out["tolerant"] = quality(tolerant)
    out["off"] = quality({"monitoring_config": {"evaluate_constraints": "Disabled"}})
    out["wrong"] = quality({"monitoring_config": {"distribution_constraints":
        {"comparison_threshold": "much"}}})
answer = json.loads(json.dumps(out, default=float))
"""


_PROOF = r"""
import json
import numpy as np
from analysis import attribution
from sklearn.metrics import ndcg_score

rng = np.random.default_rng(4)
pairs = [(rng.random(8), rng.random(8)) for _ in range(50)]
out = {"ndcg": max(abs(attribution.ndcg(b, n) - ndcg_score([b], [n])) for b, n in pairs)}
attribution._PERMUTATIONS, attribution._DRAWS = 199, 10
low = [[], []]
for _ in range(400):
    pair = [rng.exponential(size=(60, 5)) for _ in range(2)]
    shift = attribution.compare(list("abcde"), *pair, 0.05)
    low[0].append(shift.p_value <= 0.1)
    low[1].append(min(shift.p_shares.values()) <= 0.1)
out["false"] = [float(np.mean(each)) for each in low]
print(json.dumps(out))
"""


def _told(script: str) -> Any:
    done = subprocess.run(
        [PYTHON, "-c", script],
        cwd=MONITORING,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def told(worker: Worker) -> Any:
    return worker.evaluate(_SCRIPT)


def test_shapley_values_of_models_whose_values_are_known(told: Any) -> None:
    assert told["linear"] < 1e-9
    assert told["sums"] < 1e-9
    assert told["even"] < 1e-9


def test_ndcg_is_that_of_the_definition(told: Any) -> None:
    # (1/log2(2) + 2/log2(3) + 4/log2(4)) / (4/log2(2) + 2/log2(3) + 1/log2(4))
    assert told["worked"] == pytest.approx((1 + 1.2618595 + 2) / (4 + 1.2618595 + 0.5))
    assert told["clean"]["lower"] > 0.9


@pytest.mark.slow
def test_ndcg_is_that_of_scikit_learn_and_chance_is_no_drift() -> None:
    proof = _told(_PROOF)
    assert proof["ndcg"] < 1e-12
    # A rate of 0.1 in 400 runs on unchanged data, and three standard errors.
    assert all(share <= 0.145 for share in proof["false"])


def test_attributions_that_stay_and_that_move(told: Any) -> None:
    same, moved = told["same"], told["moved"]
    assert (same["report"]["status"], same["report"]["violations"]) == ("Completed", [])
    assert [each["feature"] for each in same["report"]["attributions"]] == ["a", "b", "c"]
    found = next(
        each
        for each in moved["files"]["violations"]
        if each["constraint_check_type"] == "feature_attribution_drift_check"
    )
    assert "feature_attribution_share_check" in {
        each["constraint_check_type"] for each in moved["report"]["violations"]
    }
    assert found["label"] == "label0"
    assert found["metric_name"] == "shap"
    assert "a from 1 to 3" in found["description"] or "a from 1 to 2" in found["description"]
    assert "What predictions rest on" in moved["page"]


def test_exact_values_and_a_baseline_of_the_training(told: Any) -> None:
    assert "explain_fn" in told["exact"]["report"]["notes"][0]
    assert told["exact"]["report"]["status"] == "Completed"
    # The baseline says the opposite order.
    (row, *_) = told["against"]["report"]["attributions"]
    assert (row["feature"], row["rank_before"], row["rank_now"]) == ("a", 3, 1)
    assert told["against"]["report"]["status"] == "CompletedWithViolations"
    # Of 6.2 parts of the reference's attributions 5 are the first feature's.
    (share,) = (
        each["description"]
        for each in told["shares"]["report"]["violations"]
        if (each["feature_name"], each["constraint_check_type"])
        == ("a", "feature_attribution_share_check")
    )
    assert re.match(r"Its share of the attribution was (79|8[012])\.\d% and is [01]\.", share)


@pytest.mark.parametrize(
    ("case", "says"),
    [("nothing", "No model is known"), ("broken", "has no input_fn"), ("evil", "lies outside")],
)
def test_models_that_cannot_be_loaded(told: Any, case: str, says: str) -> None:
    assert told[case]["code"] == 1
    assert says in told[case]["report"]["notes"][0]
    assert says in told[case]["page"]


def test_edited_constraints_are_tolerances(told: Any) -> None:
    code, found, _, drift = told["as_made"]
    assert (code, set(drift)) == (0, {"a", "b", "c"})
    assert {f"{name}:baseline_drift_check" for name in "abc"} <= set(found)
    assert told["roundtrip"][1] == found  # what the run itself wrote changes nothing
    tolerant = set(told["tolerant"][1])
    assert "a:baseline_drift_check" not in tolerant
    assert not any(each.startswith("b:") for each in tolerant)
    assert {"c:baseline_drift_check", "c:non_negative_check"} <= tolerant
    assert told["off"][1] == []
    assert told["wrong"][0] == 1
    assert "comparison_threshold: got 'much'; allowed: a number of 0 to 1" in told["wrong"][2][0]
