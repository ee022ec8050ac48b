"""Train XGBoost in script mode.

Reads the channels ``train``, ``validation`` and ``baseline`` (of which only the header: the columns
of a request). Writes into the model artifact the booster, the encoder and, under ``code/``, the
inference code, so that one artifact is all that an endpoint needs; and the training history into
the output data.
"""

import argparse
import csv
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import serve_table
import table_data
import xgboost
from table_data import Columns, InputError, read_table
from table_encoder import Encoder

_CODE = (
    "serve_table.py",
    "table_data.py",
    "table_encoder.py",
    "derive.py",
    table_data.COLUMNS_FILE,
)
_OBJECTIVES: dict[str, dict[str, Any]] = {
    # Early stopping looks at the last metric.
    "binary": {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"]},
    "multiclass": {"objective": "multi:softprob", "eval_metric": ["merror", "mlogloss"]},
    "regression": {"objective": "reg:squarederror", "eval_metric": ["mae", "rmse"]},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Train on the channels that the SM_* variables name."""
    options = _parser().parse_args(argv)
    columns = Columns.load(Path(__file__).parent)
    # The training toolkit keeps a failure file that is there already.
    table_data.run(lambda: train(options, columns), message_file=options.output_dir / "failure")


def train(options: argparse.Namespace, columns: Columns) -> None:
    """Train, and write the model artifact.

    Raises:
        InputError: A channel holds no table, or XGBoost refuses a hyperparameter.
    """
    rows = {name: read_table(getattr(options, name)) for name in ("train", "validation")}
    typed = {name: columns.typed(table) for name, table in rows.items()}
    encoder = Encoder.fit(typed["train"], _inputs(options.baseline))
    data = {name: encoder.matrix(typed[name], label=_labels(rows[name], columns)) for name in rows}
    history: dict[str, Any] = {}
    booster = _boost(options, columns, data, history)
    best = booster.best_iteration
    scores = [
        f"{part}-{metric}:{values[best]:.5f}"
        for part, metrics in history.items()
        for metric, values in metrics.items()
    ]
    print(f"[{best}]\t" + "\t".join(scores) + "\t(best)")
    booster[: best + 1].save_model(options.model_dir / serve_table.MODEL_FILE)
    encoder.save(options.model_dir)
    code = options.model_dir / "code"
    code.mkdir(exist_ok=True)
    for name in _CODE:
        shutil.copyfile(Path(__file__).with_name(name), code / name)
    gains = booster.get_score(importance_type="total_gain")
    summary = {"best_iteration": best, "history": history, "gain": gains}
    (options.output_data_dir / "training.json").write_text(json.dumps(summary), encoding="utf-8")


def _boost(
    options: argparse.Namespace,
    columns: Columns,
    data: dict[str, xgboost.DMatrix],
    history: dict[str, Any],
) -> xgboost.Booster:
    parameters = {
        **_OBJECTIVES[columns.problem],
        **({"num_class": len(columns.labels)} if columns.problem == "multiclass" else {}),
        "tree_method": "hist",
        "max_depth": options.max_depth,
        "eta": options.eta,
        "min_child_weight": options.min_child_weight,
        "subsample": options.subsample,
        "colsample_bytree": options.colsample_bytree,
        "seed": options.seed,
    }
    try:
        return xgboost.train(
            parameters,
            data["train"],
            num_boost_round=options.num_round,
            evals=[(matrix, name) for name, matrix in data.items()],
            early_stopping_rounds=options.early_stopping_rounds,
            evals_result=history,
            # SageMaker reads metrics from the log by regular expression.
            verbose_eval=25,
        )
    except xgboost.core.XGBoostError as error:
        # The first line names the parameter, the others are frames of C++.
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"XGBoost refuses the hyperparameters: {reason}") from error


def _labels(table: dict[str, list[Any]], columns: Columns) -> list[float]:
    values = table[columns.target]
    if columns.problem == "regression":
        return [float(value) for value in values]
    positions = {label: float(at) for at, label in enumerate(columns.labels)}
    return [positions[value] for value in values]


def _inputs(folder: Path) -> tuple[str, ...]:
    """The columns of a request, as the data has them."""
    with (folder / "baseline.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(next(csv.reader(stream)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train XGBoost on a table.")
    for name in ("max_depth", "num_round", "early_stopping_rounds", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("eta", "min_child_weight", "subsample", "colsample_bytree"):
        parser.add_argument(f"--{name}", type=float, required=True)
    for name, variable in (
        ("train", "SM_CHANNEL_TRAIN"),
        ("validation", "SM_CHANNEL_VALIDATION"),
        ("baseline", "SM_CHANNEL_BASELINE"),
        ("model-dir", "SM_MODEL_DIR"),
        ("output-dir", "SM_OUTPUT_DIR"),
        ("output-data-dir", "SM_OUTPUT_DATA_DIR"),
    ):
        default = os.environ.get(variable)
        parser.add_argument(f"--{name}", type=Path, default=default, required=default is None)
    return parser


if __name__ == "__main__":
    main()
