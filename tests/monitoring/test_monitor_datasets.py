"""Model quality and bias of data sets that hold predictions, such as batch transforms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.worker import PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

_DATA_SETS = """
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from analysis.analyze import main

home = Path({home!r})
rows = ["id,sex,score,predicted,income"]
labels = []
for number in range(600):
    sex, true = ("Female", "Male")[number % 2], number % 3 == 0
    score = 0.9 if true and number % 10 else 0.1
    rows.append(f"{number},{sex},{score},{int(score > 0.5)},{int(true)}")
    labels.append(json.dumps({"groundTruthData": {"data": str(int(true)), "encoding": "CSV"},
        "eventMetadata": {"eventId": str(number)}}))
(home / "data").mkdir()
(home / "data" / "scored.csv").write_text("\\n".join(rows))
now = datetime.now(timezone.utc)
until = f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
hours = home / "truth" / f"{now:%Y}" / f"{now:%m}" / f"{now:%d}" / f"{now:%H}"
hours.mkdir(parents=True)
(hours / "l.jsonl").write_text("\\n".join(labels))
(home / "analysis_config.json").write_text(json.dumps({"label": "income",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": ["Female"]}]}))
told = {}
for case, extra, options in (
    ("column", {"label_attribute": "income"}, []),
    ("ids", {"event_id_attribute": "id"}, ["--ground-truth", str(home / "truth")]),
    ("absent", {"label_attribute": "wage"}, []),
):
    settings = home / "settings.json"
    settings.write_text(json.dumps({"monitors": ["ModelQuality", "ModelBias"],
        "inference_attribute": "predicted", "probability_attribute": "score", **extra}))
    code = main(["--monitor", "m", "--kind", "dataset", "--until", until,
        "--hours", "2", "--data", str(home / "data"), "--settings", str(settings),
        "--bias-config", str(home / "analysis_config.json"), "--output", str(home / "out"),
        *options])
    told[case] = [code, *(json.loads((home / "out" / name / "report.json").read_text())
        for name in ("model-quality", "bias"))]

# Labels that have just arrived: an object with those of some of the predictions of these hours.
csv = {"observedContentType": "text/csv", "encoding": "CSV"}
events = [json.dumps({"captureData": {"endpointInput": {**csv, "data": "1"},
    "endpointOutput": {**csv, "data": "0.9"}},
    "eventMetadata": {"eventId": str(number), "inferenceTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"}})
    for number in range(600)]
captured = home / "capture" / "All" / f"{now:%Y}" / f"{now:%m}" / f"{now:%d}" / f"{now:%H}"
captured.mkdir(parents=True)
(captured / "c.jsonl").write_text("\\n".join(events))
arrived = home / "arrived.jsonl"
arrived.write_text("\\n".join(labels[:90]))
settings.write_text(json.dumps({"monitors": ["ModelQuality"], "probability_attribute": "0",
    "capture_columns": ["x"]}))
code = main(["--monitor", "m", "--kind", "capture", "--until", f"{now:%Y-%m-%dT%H:%M:%SZ}",
    "--hours", "2", "--data", str(home / "capture"), "--ground-truth", str(home / "truth"),
    "--labels", str(arrived), "--settings", str(settings), "--output", str(home / "new")])
told["arrived"] = [code,
    json.loads((home / "new" / "model-quality" / "report.json").read_text())]
answer = told
"""


def test_data_sets_with_predictions_and_truth_side_by_side(worker: Worker, tmp_path: Path) -> None:
    told = worker.evaluate(_DATA_SETS.replace("{home!r}", repr(str(tmp_path))))
    for case in ("column", "ids"):
        code, quality, bias = told[case]
        assert (code, quality["records"], quality["coverage"]) == (0, 600, 1.0)
        # 200 are true; every tenth number of these is missed.
        assert quality["measures"]["recall"]["value"] == pytest.approx(180 / 200)
        assert quality["measures"]["precision"]["value"] == 1
        (female, male) = sorted(bias["groups"]["sex"], key=lambda each: each["group"])
        assert (female["records"], female["labelled"]) == (300, pytest.approx(1 / 3))
        assert bias["measures"]["sex RD"]["value"] == pytest.approx(
            male["predicted"] / male["labelled"] - female["predicted"] / female["labelled"]
        )
    # Of the 600 predictions those count whose labels have arrived; no other labels are read.
    code, arrived = told["arrived"]
    assert (code, arrived["records"], arrived["coverage"]) == (0, 90, 1.0)
    assert arrived["measures"]["recall"]["value"] == 1
    code, quality, _ = told["absent"]
    assert code == 1
    assert "label_attribute: got 'wage'; the data have id, sex" in quality["notes"][0]
