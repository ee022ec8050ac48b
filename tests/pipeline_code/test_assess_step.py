"""Bias and attributions, on numbers small enough to check by hand."""

import argparse
import json
from pathlib import Path
from typing import Any

import assess
import numpy as np
import pytest
from failures import InputError
from small_model import fitted, write_table

GROUP = np.array([True] * 4 + [False] * 6)
TRUTH = np.array([True, False, False, False] + [True] * 4 + [False] * 2)
SAID = np.array([False, False, False, True] + [True] * 3 + [False] * 3)


def test_measures_of_the_labels() -> None:
    found = assess.bias_measures(GROUP, TRUTH, None)
    assert found["CI"] == pytest.approx((6 - 4) / 10)
    assert found["DPL"] == pytest.approx(4 / 6 - 1 / 4)
    a, d = 4 / 6, 1 / 4
    divergence = a * np.log(a / d) + (1 - a) * np.log((1 - a) / (1 - d))
    assert found["KL"] == pytest.approx(divergence)
    assert found["TVD"] == found["KS"] == pytest.approx(a - d)
    assert found["LP"] == pytest.approx(np.hypot(a - d, a - d))


def test_measures_of_the_predictions() -> None:
    """Women: one missed, one wrongly accepted; men: three of four found, nobody else."""
    found = assess.bias_measures(GROUP, TRUTH, SAID)
    assert found == pytest.approx(
        {
            "DPPL": 3 / 6 - 1 / 4,
            "DI": (1 / 4) / (3 / 6),
            "DCA": 4 / 3 - 1 / 1,
            "DCR": 3 / 3 - 2 / 3,
            "SD": 2 / 3 - 2 / 2,
            "RD": 3 / 4 - 0,
            "DAR": 1 - 0,
            "DRR": 2 / 3 - 2 / 3,
            "AD": 5 / 6 - 2 / 4,
            "GE": ((7 + 4) / 10 / ((7 + 2) / 10) ** 2 - 1) / 2,
        }
    )  # no TE: no man was wrongly accepted


def test_what_the_data_do_not_define_is_left_out() -> None:
    nobody = np.zeros(10, bool)
    found = assess.bias_measures(GROUP, nobody, nobody)
    assert set(found) == {"DPPL", "DCR", "SD", "DRR", "AD", "GE"}


def _options(folder: Path, **changes: Any) -> argparse.Namespace:
    given = {
        "target": "pay",
        "positive_label": "high",
        "groups": {"sex": "F"},
        "bias_limits": {"AD": 1.0},
        "max_share": 1.0,
        **{f"{name}_dir": folder / name for name in ("model", "train", "test")},
        **{f"{name}_dir": folder / "out" / name for name in ("bias", "explainability", "checks")},
    }
    return argparse.Namespace(**(given | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("assess"))


def _checks(folder: Path, **changes: Any) -> Any:
    assess.assess(_options(folder, **changes))
    return json.loads((folder / "out" / "checks" / "checks.json").read_text())


def test_a_model_that_looks_at_one_feature_is_found_out(folder: Path) -> None:
    checks = _checks(folder, max_share=0.5)
    assert checks["violations"] == 1
    assert checks["top_feature"]["name"] == "age"
    assert "'age' makes" in checks["reason"]
    assert "allowed are 50%" in checks["reason"]


def test_measures_beyond_their_limits_are_told(folder: Path) -> None:
    checks = _checks(folder, bias_limits={"CI": 0.0, "DPPL": 0.0, "AD": 1.0})
    assert checks["violations"] >= 1
    assert "of sex=F is" in checks["reason"]
    assert _checks(folder)["violations"] == 0


def test_the_analyses_are_laid_out_as_clarify_lays_them_out(folder: Path) -> None:
    _checks(folder)
    bias = json.loads((folder / "out" / "bias" / "analysis.json").read_text())
    for stage, names in (("pre", {"CI", "DPL"}), ("post", {"DPPL", "AD"})):
        [women] = bias[f"{stage}_training_bias_metrics"]["facets"]["sex"]
        assert women["value_or_threshold"] == "F"
        assert names <= {each["name"] for each in women["metrics"]}
    config = json.loads((folder / "out" / "bias" / "analysis_config.json").read_text())
    assert config["facet"] == [{"name_or_index": "sex", "value_or_threshold": ["F"]}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bias_limits": {"XY": 1.0}}, "--bias-limits names XY; allowed: CI, DPL"),
        ({"groups": {"town": "X"}}, "--groups names 'town'; the data has"),
        ({"groups": {"sex": "X"}}, "0 of 400 rows have 'sex' = 'X'"),
    ],
)
def test_groups_and_limits_that_cannot_be_measured(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        assess.assess(_options(folder, **changes))


def test_what_cannot_be_scored_is_said(folder: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "test.csv", {"sex": ["F", "M"], "pay": ["high", "low"]})
    with pytest.raises(InputError, match=r"The model cannot score the data: .*age"):
        assess.assess(_options(folder, test_dir=tmp_path))
