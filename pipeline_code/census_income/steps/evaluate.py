"""Measure the trained model on the test split.

The artifact is loaded through the inference code that it carries: what is measured is what an
endpoint would serve, encoding and decision threshold included.
"""

import argparse
import importlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import failures
import numpy as np
import quality
from failures import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: evaluate(options), message_file=options.message_file)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate and write ``evaluation.json``.

    Raises:
        InputError: There is no model artifact or test data, or a facet is not in the data.
    """
    body = _one_file(options.test_dir, "*.csv").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        _unpack(_one_file(options.model_dir, "model.tar.gz"), Path(folder))
        sys.path.insert(0, str(Path(folder) / "code"))
        inference: Any = importlib.import_module("inference")
        model = inference.model_fn(folder)
        request = inference.input_fn(body, "text/csv")
        predictions = inference.predict_fn(request, model)

    header, *rows = request.rows
    table = {
        name: list(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)
    }
    if absent := [name for name in (options.target, *options.facets) if name not in table]:
        raise InputError(
            f"The test data lacks {', '.join(absent)}; it has {', '.join(header)}. "
            "Facets have to be among the features."
        )
    truth = np.asarray([value == options.positive_label for value in table[options.target]])
    probability = np.asarray([each.probability for each in predictions])
    predicted = np.asarray([each.label == options.positive_label for each in predictions])
    report = {
        "version": 1,
        "dataset": {"item_count": len(rows), "data_version": model.encoding.data_version},
        "binary_classification_metrics": quality.binary_metrics(truth, probability, predicted),
        "calibration": quality.calibration(truth, probability),
        "groups": {
            facet: quality.by_group(table[facet], truth, probability, predicted)
            for facet in options.facets
        },
    }
    options.evaluation_dir.mkdir(parents=True, exist_ok=True)
    target = options.evaluation_dir / "evaluation.json"
    target.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _print(report)


def _one_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"There should be one {pattern} in {folder}; found: {names}.")
    return found[0]


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as artifact:
            # Older Pythons have no filters; the attribute then means nothing, and the artifact is
            # our own.
            artifact.extraction_filter = getattr(tarfile, "data_filter", None)
            artifact.extractall(folder)  # noqa: S202  # see above
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{archive.name} isn't a .tar.gz archive: {error}") from error
    if not (folder / "code" / "inference.py").is_file():
        raise InputError(f"{archive.name} holds no code/inference.py.")


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
