"""Two models on the same rows."""

import argparse
import json
from pathlib import Path
from typing import Any

import compare
import numpy as np
import pytest
from failures import InputError
from sklearn import metrics
from small_model import fitted, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare")
    fitted(root / "new")
    fitted(root / "old", num_round=1, max_depth=1)
    return root


def _compare(folder: Path, out: Path, **changes: Any) -> Any:
    given = {
        "target": "pay",
        "positive_label": "high",
        "champion": "arn:version/1",
        "challenger_dir": folder / "new" / "model",
        "champion_dir": folder / "old" / "model",
        "test_dir": folder / "new" / "test",
        "comparison_dir": out,
    }
    compare.compare(argparse.Namespace(**(given | changes)))
    return json.loads((out / "comparison.json").read_text())


def test_the_better_model_is_better_with_an_interval(folder: Path, tmp_path: Path) -> None:
    report = _compare(folder, tmp_path)
    challenger, champion = report["challenger"]["auc"], report["champion"]["auc"]
    assert report["difference"] == pytest.approx(challenger - champion)
    assert report["difference"] != 0
    low, high = report["interval_95"]
    assert low < report["difference"] < high
    assert report["champion"]["version"] == "arn:version/1"


def test_without_a_champion_there_is_no_difference(folder: Path, tmp_path: Path) -> None:
    report = _compare(folder, tmp_path, champion="none", champion_dir=tmp_path / "nothing")
    assert (report["difference"], report["champion"]["auc"]) == (0, None)


def test_a_champion_that_cannot_read_the_data_is_named_with_a_way_out(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"(?s)arn:version/1, cannot be compared.*Champion=none"):
        _compare(folder, tmp_path, champion_dir=tmp_path)


def test_one_label_cannot_be_ranked(folder: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", {"age": ["1", "2"], "sex": ["F", "M"], "pay": ["low"] * 2})
    with pytest.raises(InputError, match="All 2 rows"):
        _compare(folder, tmp_path, test_dir=tmp_path)


def test_aucs_are_those_of_scikit_learn_and_the_error_fits_resampling() -> None:
    random = np.random.default_rng(1)
    truth = random.random(2000) < 0.3
    first = truth + random.normal(0, 1.2, 2000)
    # Ties, and correlation with the first.
    second = np.round(first * 0.5 + truth + random.normal(0, 1.0, 2000), 1)
    aucs, deviation = compare.auc_difference(truth, first, second)
    assert aucs[0] == pytest.approx(metrics.roc_auc_score(truth, first))
    assert aucs[1] == pytest.approx(metrics.roc_auc_score(truth, second))
    differences = []
    for _ in range(60):
        at = random.integers(0, 2000, 2000)
        again, _ = compare.auc_difference(truth[at], first[at], second[at])
        differences.append(again[0] - again[1])
    assert deviation == pytest.approx(np.std(differences), rel=0.3)
