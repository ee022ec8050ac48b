"""Train XGBoost in script mode, with checkpoints.

A job on a spot instance may be interrupted at any time. It then starts again in a new container
that holds the checkpoints and nothing else of the first, and goes on where the latest one was
written; the model is the same as without the interruption.

Reads the channels ``train``, ``validation`` and ``columns``. Writes into the model artifact the
booster, the encoding and, under ``code/``, the inference code, so that one artifact is all that an
endpoint needs; and the training history into the output data.
"""

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import boosting  # noqa: F401  # before XGBoost: see there
import encoding as encoding_module
import failures
import inference
import xgboost
from checkpoints import Checkpoints, History
from columns import Columns, Table, read_table
from encoding import Encoding
from failures import InputError

_PRINT_EVERY = 25
_CHECKPOINT_EVERY = 25


def main(argv: Sequence[str] | None = None) -> None:
    """Train on the channels that the SM_* variables name."""
    options = _parser().parse_args(argv)
    # The training toolkit keeps a failure file that is there already.
    failures.run(lambda: train(options), message_file=options.output_dir / "failure")


def train(options: argparse.Namespace) -> None:
    """Train, and write the model artifact.

    Raises:
        InputError: A channel holds no table, or a hyperparameter is out of range.
    """
    if not 0 < options.decision_threshold < 1:
        raise InputError(f"decision_threshold is {options.decision_threshold}; allowed: 0 to 1.")
    if options.num_round < 1 or options.early_stopping_rounds < 1:
        raise InputError("num_round and early_stopping_rounds should be 1 or more.")
    columns = Columns.load(options.columns)
    tables = {"train": read_table(options.train), "validation": read_table(options.validation)}
    encoding = _fit(tables["train"], columns, threshold=options.decision_threshold)
    data = {name: _matrix(table, columns, encoding) for name, table in tables.items()}

    history: History = {}
    booster = _boost(options, data, history)
    best = best_round(history)
    print(f"[{best}]\t" + "\t".join(_scores(history, best)) + "\t(best)")

    booster[: best + 1].save_model(options.model_dir / inference.MODEL_FILE)
    encoding.save(options.model_dir)
    code = options.model_dir / "code"
    code.mkdir(exist_ok=True)
    for module in (inference, encoding_module):
        source = Path(str(module.__file__))
        shutil.copyfile(source, code / source.name)
    summary = {"best_iteration": best, "history": history}
    (options.output_data_dir / "training.json").write_text(json.dumps(summary), encoding="utf-8")


def _boost(
    options: argparse.Namespace, data: dict[str, xgboost.DMatrix], history: History
) -> xgboost.Booster:
    parameters = {
        "objective": "binary:logistic",
        # Early stopping looks at the last metric.
        "eval_metric": ["logloss", "auc"],
        "tree_method": "hist",
        "max_depth": options.max_depth,
        "eta": options.eta,
        "min_child_weight": options.min_child_weight,
        "subsample": options.subsample,
        "colsample_bytree": options.colsample_bytree,
        "seed": options.seed,
        # Random numbers go by the round, so that a job that resumes draws what it would have drawn.
        "seed_per_iteration": True,
    }
    # The early stopping may differ: a checkpoint holds no decision of it.
    channels = (options.train, options.validation, options.columns)
    checkpoints = Checkpoints(options.checkpoint_dir, parameters, channels)
    matrices = list(data.values())
    try:
        before, found = checkpoints.latest() or (None, {})
        booster = xgboost.Booster(parameters, matrices, model_file=before)
        history.update(found)
        if before is not None:
            print(f"resuming after round {booster.num_boosted_rounds() - 1}")
        # SageMaker reads metrics from the log by regular expression.
        for at in range(booster.num_boosted_rounds(), options.num_round):
            if at and at - best_round(history) > options.early_stopping_rounds:
                break
            booster.update(data["train"], at)
            text = booster.eval_set([(matrix, name) for name, matrix in data.items()], at)
            for entry in text.split("\t")[1:]:
                name, _, value = entry.rpartition(":")
                history.setdefault(name, []).append(float(value))
            if at % _PRINT_EVERY == 0:
                print(f"[{at}]\t" + "\t".join(_scores(history, at)), flush=True)
            if (at + 1) % _CHECKPOINT_EVERY == 0:
                checkpoints.save(booster, history)
                # The state of the columns' random numbers is not in a checkpoint. Beginning anew
                # from the trees, interrupted or not, gives the same model in either case.
                booster = xgboost.Booster(parameters, matrices, model_file=booster)
    except xgboost.core.XGBoostError as error:
        # The first line names the parameter, the others are frames of C++.
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"XGBoost refuses the hyperparameters: {reason}") from error
    return booster


def best_round(history: History) -> int:
    """The first round with the best AUC on the validation split."""
    aucs = history["validation-auc"]
    return aucs.index(max(aucs))


def _fit(table: Table, columns: Columns, *, threshold: float) -> Encoding:
    """Fix the encoding from the training rows alone."""
    return Encoding(
        features=columns.features,
        categories={name: tuple(sorted(set(table[name]) - {""})) for name in columns.categorical},
        missing=columns.missing,
        inputs=columns.inputs,
        target=columns.target,
        labels=(columns.negative_label, columns.positive_label),
        threshold=threshold,
        data_version=columns.data_version,
    )


def _matrix(table: Table, columns: Columns, encoding: Encoding) -> xgboost.DMatrix:
    return xgboost.DMatrix(
        encoding.matrix(table),
        label=[float(value == columns.positive_label) for value in table[columns.target]],
        feature_names=list(encoding.features),
        feature_types=encoding.feature_types,
        enable_categorical=True,
    )


def _scores(history: History, at: int) -> list[str]:
    return [f"{name}:{values[at]:.5f}" for name, values in history.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train XGBoost on a table with a binary label.")
    parser.add_argument("--max_depth", type=int, required=True)
    parser.add_argument("--eta", type=float, required=True)
    parser.add_argument("--num_round", type=int, required=True)
    parser.add_argument("--early_stopping_rounds", type=int, required=True)
    parser.add_argument("--min_child_weight", type=float, required=True)
    parser.add_argument("--subsample", type=float, required=True)
    parser.add_argument("--colsample_bytree", type=float, required=True)
    parser.add_argument("--decision_threshold", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--checkpoint_dir", type=Path, help="none are written without it")
    for name, variable in (
        ("train", "SM_CHANNEL_TRAIN"),
        ("validation", "SM_CHANNEL_VALIDATION"),
        ("columns", "SM_CHANNEL_COLUMNS"),
        ("model-dir", "SM_MODEL_DIR"),
        ("output-dir", "SM_OUTPUT_DIR"),
        ("output-data-dir", "SM_OUTPUT_DATA_DIR"),
    ):
        default = os.environ.get(variable)
        parser.add_argument(f"--{name}", type=Path, default=default, required=default is None)
    return parser


if __name__ == "__main__":
    main()
