"""Measure the trained model on the test split.

Writes ``evaluation.json``, the measures as a whole and by group, and ``constraints.json``, what a
monitor of the model's quality holds later measures against (the layout is that of Model Monitor:
a threshold and the side of it that is a violation; the thresholds are what was measured here).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import failures
import numpy as np
import quality
import scoring
from failures import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: evaluate(options), message_file=options.message_file)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate and write the report and the constraints.

    Raises:
        InputError: There is no model artifact or test data, or a facet is not in the data.
    """
    body = scoring.one_file(options.test_dir, "*.csv").read_text(encoding="utf-8")
    with scoring.loaded(scoring.one_file(options.model_dir, "model.tar.gz")) as artifact:
        table, probability, labels = artifact.score(body)
        data_version = artifact.model.encoding.data_version

    if absent := [name for name in (options.target, *options.facets) if name not in table]:
        raise InputError(
            f"The test data lacks {', '.join(absent)}; it has {', '.join(table)}. "
            "Facets have to be among the features."
        )
    truth = np.asarray([value == options.positive_label for value in table[options.target]])
    predicted = np.asarray([label == options.positive_label for label in labels])
    measures = quality.binary_metrics(truth, probability, predicted)
    report = {
        "version": 1,
        "dataset": {"item_count": len(truth), "data_version": data_version},
        "binary_classification_metrics": measures,
        "calibration": quality.calibration(truth, probability),
        "groups": {
            facet: quality.by_group(table[facet], truth, probability, predicted)
            for facet in options.facets
        },
    }
    options.evaluation_dir.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("evaluation.json", report),
        ("constraints.json", quality.constraints(measures)),
    ):
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        (options.evaluation_dir / name).write_text(text, encoding="utf-8")
    _print(report)


def _print(report: dict[str, Any]) -> None:
    whole = report["binary_classification_metrics"]
    scores = [
        f"{name} {whole[name]['value']:.4f}" for name in ("auc", "accuracy", "f1", "log_loss")
    ]
    print(f"{report['dataset']['item_count']} rows: {', '.join(scores)}")
    for facet, groups in report["groups"].items():
        for name, group in groups.items():
            auc = "none" if group["auc"] is None else f"{group['auc']:.4f}"
            print(f"  {facet} {name}: {group['count']} rows, auc {auc}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure a model on the test split.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--positive-label", required=True)
    parser.add_argument("--facets", type=_names, default=(), help="columns, separated by commas")
    for name in ("model", "test", "evaluation"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
