"""The measures, on numbers small enough to check by hand."""

import argparse
import tarfile
from pathlib import Path

import evaluate
import numpy as np
import pytest
import quality
from failures import InputError

TRUTH = np.array([True, True, False, False, False])
PROBABILITY = np.array([0.9, 0.4, 0.6, 0.2, 0.1])
PREDICTED = PROBABILITY >= 0.5


def test_the_whole_is_measured() -> None:
    report = quality.binary_metrics(TRUTH, PROBABILITY, PREDICTED)

    assert report["confusion_matrix"] == {"0": {"0": 2, "1": 1}, "1": {"0": 1, "1": 1}}
    values = {name: each["value"] for name, each in report.items() if "value" in each}
    # Five of six pairs of a positive and a negative row are in the right order.
    assert values["auc"] == pytest.approx(5 / 6)
    assert values["accuracy"] == pytest.approx(3 / 5)
    assert values["precision"] == values["recall"] == values["f1"] == pytest.approx(1 / 2)
    assert values["true_positive_rate"] + values["false_negative_rate"] == pytest.approx(1)
    assert values["true_negative_rate"] == pytest.approx(2 / 3)
    curve = report["receiver_operating_characteristic_curve"]
    assert (curve["false_positive_rates"][0], curve["true_positive_rates"][-1]) == (0, 1)


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    truth = random.random(5000) < 0.5

    report = quality.binary_metrics(truth, random.random(5000), truth)

    curve = report["receiver_operating_characteristic_curve"]["false_positive_rates"]
    assert len(curve) <= quality.CURVE_POINTS
    assert (curve[0], curve[-1]) == (0, 1)


def test_groups_are_counted_and_may_hold_one_label() -> None:
    groups = quality.by_group(["a", "a", "a", "", "b"], TRUTH, PROBABILITY, PREDICTED)

    assert {name: group["count"] for name, group in groups.items()} == {
        "(missing)": 1,
        "a": 3,
        "b": 1,
    }
    assert groups["a"]["auc"] == pytest.approx(1 / 2)
    assert groups["b"]["auc"] is None
    assert groups["b"]["true_positive_rate"] is None
    assert groups["b"]["selection_rate"] == 0


def test_calibration_compares_probability_with_frequency() -> None:
    report = quality.calibration(np.array([True, False, True]), np.array([0.95, 0.25, 1.0]))

    assert [each["count"] for each in report["bins"]] == [0, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert report["expected_calibration_error"] == pytest.approx((0.25 + 2 * 0.025) / 3)


def _options(tmp_path: Path) -> argparse.Namespace:
    (tmp_path / "test.csv").write_text("a\n1\n")
    return argparse.Namespace(test_dir=tmp_path, model_dir=tmp_path)


def test_a_missing_or_broken_artifact_is_named(tmp_path: Path) -> None:
    options = _options(tmp_path)
    with pytest.raises(InputError, match=r"one model\.tar\.gz in .*; found: none"):
        evaluate.evaluate(options)

    artifact = tmp_path / "model.tar.gz"
    artifact.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"isn't a \.tar\.gz archive"):
        evaluate.evaluate(options)

    with tarfile.open(artifact, "w:gz") as archive:
        archive.add(tmp_path / "test.csv", "test.csv")
    with pytest.raises(InputError, match=r"holds no code/inference\.py"):
        evaluate.evaluate(options)
