"""The scripts of pipeline_code/tabular on small tables; the whole pipeline: tests/new."""

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import serve_table
import split_table
import table_measures
import train_table
from sklearn import metrics
from table_data import Columns, InputError, as_text, read_table
from table_encoder import Encoder

TABULAR = Path(table_measures.__file__).parent
ROWS = 200


def _columns(problem: str = "binary", **more: Any) -> Columns:
    labels = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}[problem]
    given: dict[str, Any] = {
        "problem": problem,
        "target": "y",
        "labels": labels,
        "numeric": ("x",),
        "categorical": ("town",),
        "ignored": ("id",),
        "facets": ("town",),
        "missing": ("?",),
    }
    return Columns(**{**given, **more})


def _table(problem: str = "binary") -> dict[str, list[Any]]:
    chance = np.random.default_rng(3)
    x = chance.normal(size=ROWS)
    noise = x + chance.normal(scale=0.3, size=ROWS)
    target: list[Any] = {
        "binary": np.where(noise > 0, "yes", "no").tolist(),
        "multiclass": np.array(["a", "b", "c"])[np.digitize(noise, [-0.5, 0.5])].tolist(),
        "regression": [f"{value:.4f}" for value in 10 * noise],
    }[problem]
    return {
        "id": [f"r{row}" for row in range(ROWS)],
        "x": [f"{value:.4f}" if row % 11 else "?" for row, value in enumerate(x)],
        "town": ["North", "South", ""] * (ROWS // 3) + ["North"] * (ROWS % 3),
        "y": target,
    }


def _options(folder: Path, **more: Any) -> argparse.Namespace:
    given = {
        **{f"{n}_dir": folder / n for n in ("data", "train", "validation", "test", "baseline")},
        "validation_fraction": 0.15,
        "test_fraction": 0.25,
        "seed": 1,
    }
    return argparse.Namespace(**{**given, **more})


def _split(folder: Path, columns: Columns, table: dict[str, list[Any]], **more: Any) -> Any:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(folder / "data" / "t.csv", index=False)
    options = _options(folder, **more)
    split_table.split(options, columns)
    return {
        name: pd.read_csv(folder / name / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("train", "validation", "test", "baseline")
    }


def test_split_keeps_the_proportions_of_the_labels(tmp_path: Path) -> None:
    table = _table()
    parts = _split(tmp_path, _columns(), table)
    assert {name: len(part) for name, part in parts.items() if name != "baseline"} == {
        "train": 120,
        "validation": 30,
        "test": 50,
    }
    share = table["y"].count("yes") / ROWS
    for name in ("train", "validation", "test"):
        assert (parts[name]["y"] == "yes").mean() == pytest.approx(share, abs=0.02)
    assert list(parts["train"].columns) == ["x", "town", "y"]
    # Reference data is what a caller would send: all columns but the target, values as they are.
    assert list(parts["baseline"].columns) == ["id", "x", "town"]
    assert "?" in set(parts["baseline"]["x"])
    assert "?" not in set(parts["train"]["x"])


def test_the_same_seed_gives_the_same_split(tmp_path: Path) -> None:
    first, again, other = (
        _split(tmp_path / name, _columns(), _table(), seed=seed)["test"]
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    table = _table("regression")
    table["y"][:20] = ["?"] * 20
    parts = _split(tmp_path, _columns("regression"), table)
    assert sum(len(parts[name]) for name in ("train", "validation", "test")) == ROWS - 20


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        ({"x": None}, {}, "Columns missing from the data: x. It has id, town, y"),
        ({"new": ["1"] * ROWS}, {}, "Columns without a role: new"),
        ({"x": ["a"] * ROWS}, {}, "row 1: 'x' should be a number, not 'a'"),
        ({"y": ["no", "yes", "maybe", "no"] * 50}, {}, "'y' holds 'maybe'; columns.json knows"),
        ({"y": ["no"] * (ROWS - 2) + ["yes"] * 2}, {}, "Only 2 rows have the label 'yes'"),
        ({}, {"test_fraction": 0.9}, "less than 1 together"),
    ],
)
def test_split_refuses(tmp_path: Path, change: Any, more: Any, said: str) -> None:
    table = {**_table(), **change}
    table = {name: values for name, values in table.items() if values is not None}
    with pytest.raises(InputError, match=said):
        _split(tmp_path, _columns(), table, **more)


def test_csv_and_parquet_give_the_same_categories(tmp_path: Path) -> None:
    nullable = pd.array([1, None, 3], dtype="Int64")
    frame = pd.DataFrame({"n": [1.0, 2.0, None], "b": [True, False, True], "m": nullable})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path)
    typed = _columns(numeric=("m",), categorical=("n", "b")).typed(table)
    assert typed["m"].tolist() == pytest.approx([1.0, math.nan, 3.0], nan_ok=True)
    assert typed["n"].tolist() == ["1", "2", None]
    assert typed["b"].tolist() == ["true", "false", "true"]
    assert as_text(" 3 ") == "3"


def test_columns_may_be_called_as_they_are() -> None:
    rows = pd.DataFrame({"a [1]": [1.0], "a (1]": [2.0], "a (1_": [3.0], "x < y": [4.0]})
    encoder = Encoder.fit(rows, ())
    assert encoder.names == tuple(rows)
    # XGBoost takes neither brackets nor less-than signs, and each name once.
    assert encoder.matrix(rows).feature_names == ["a _1_", "a (1__1", "a (1__2", "x _ y"]


class Trained(NamedTuple):
    model: serve_table.Model
    folder: Path


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, columns = tmp_path_factory.mktemp(request.param), _columns(request.param)
    _split(folder, columns, _table(request.param))
    for name in ("model", "output"):
        (folder / name).mkdir()
    # The scripts find columns.json beside them, as in the archive.
    code = folder / "code"
    shutil.copytree(TABULAR, code)
    (code / "columns.json").write_text(json.dumps(columns.__dict__))
    options = argparse.Namespace(
        **{name: folder / name for name in ("train", "validation", "baseline")},
        model_dir=folder / "model",
        output_data_dir=folder / "output",
        max_depth=3,
        eta=0.3,
        num_round=20,
        early_stopping_rounds=5,
        min_child_weight=1.0,
        subsample=1.0,
        colsample_bytree=1.0,
        seed=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_table, "__file__", str(code / "train_table.py"))
        train_table.train(options, columns)
    return Trained(serve_table.model_fn(str(folder / "model")), folder)


def _ask(model: serve_table.Model, body: str, kind: str = serve_table.JSON) -> list[dict[str, Any]]:
    return serve_table.predict_fn(serve_table.input_fn(body, kind), model)


def test_the_model_has_learnt(trained: Trained) -> None:
    problem = trained.model.columns.problem
    test = pd.read_csv(trained.folder / "test" / "test.csv", dtype=str, keep_default_na=False)
    rows = test.drop(columns="y").to_dict("records")
    found = table_measures.measures(
        problem, test["y"], _ask(trained.model, json.dumps(rows)), trained.model.columns.labels
    )
    measure, least = {
        "binary": ("auc", 0.85),
        "multiclass": ("balanced_accuracy", 0.6),
        "regression": ("r2", 0.6),
    }[problem]
    assert found[measure]["value"] > least
    naive = table_measures.naive(problem, test["y"])
    assert found[measure]["value"] > naive.get(measure, 0.5)


def test_one_row_in_every_form_gives_one_answer(trained: Trained) -> None:
    row = {"id": "r", "x": 0.4, "town": "North"}
    (expected,) = _ask(trained.model, json.dumps(row))
    for body, kind in (
        (json.dumps({"instances": [row]}), "application/json; charset=utf-8"),
        (json.dumps(["r", 0.4, "North"]), serve_table.JSON),
        ("r,0.4,North\n", serve_table.CSV),
        ("town,x,id\nNorth,0.4,r\n", serve_table.CSV),
    ):
        assert _ask(trained.model, body, kind) == [expected]
    answer = json.loads(serve_table.output_fn([expected], "*/*"))
    assert answer == {"predictions": [expected]}
    line = serve_table.output_fn([expected], "text/csv").strip().split(",")
    probabilities = expected.get("probabilities", [0])
    assert len(line) == len(expected) - 1 + len(probabilities)


def test_what_is_not_known_is_answered(trained: Trained) -> None:
    assert len(_ask(trained.model, json.dumps([{"x": None, "town": "Nowhere"}]))) == 1
    assert len(_ask(trained.model, "r,?,\n", serve_table.CSV)) == 1


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("{", serve_table.JSON, "not valid application/json"),
        ("[]", serve_table.JSON, "holds no rows"),
        ('{"x": 1}', serve_table.JSON, "row 1 lacks town"),
        ('{"x": 1, "town": "a", "z": 1}', serve_table.JSON, "unknown columns: z"),
        ('{"x": "low", "town": "a"}', serve_table.JSON, "'x' should be a number, not 'low'"),
        ("1,2\n", serve_table.CSV, "row 1: 2 values; expected 3: id, x, town"),
        ("a", "text/html", "is not supported"),
    ],
)
def test_requests_that_cannot_be_answered(
    trained: Trained, body: str, kind: str, said: str
) -> None:
    with pytest.raises(serve_table.RequestError, match=said):
        _ask(trained.model, body, kind)


def test_measures_are_those_of_scikit_learn() -> None:
    truth = np.asarray(["no", "yes", "yes", "no", "yes"])
    chance = np.asarray([0.2, 0.7, 0.4, 0.6, 0.9])
    predictions = [{"probability": p, "label": "yes" if p >= 0.5 else "no"} for p in chance]
    found = table_measures.measures("binary", truth, predictions, ("no", "yes"))
    assert found["auc"]["value"] == metrics.roc_auc_score(truth == "yes", chance)
    assert found["log_loss"]["value"] == pytest.approx(metrics.log_loss(truth == "yes", chance))
    labels = np.asarray([each["label"] for each in predictions])
    expected = metrics.balanced_accuracy_score(truth, labels)
    assert found["balanced_accuracy"]["value"] == expected
    # A group with one label has no AUC, and is measured nevertheless.
    assert "auc" not in table_measures.measures("binary", truth[:1], predictions[:1], ("no", "yes"))
