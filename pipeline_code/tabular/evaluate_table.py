"""Measure the trained model on the test split.

The artifact is loaded through the inference code that it carries: what is measured is what an
endpoint would serve.
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

import numpy as np
import table_data
import table_measures
from table_data import Columns, InputError, read_table


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    columns = Columns.load(Path(__file__).parent)
    table_data.run(lambda: evaluate(options, columns), message_file=options.message_file)


def evaluate(options: argparse.Namespace, columns: Columns) -> None:
    """Evaluate and write ``evaluation.json``.

    Raises:
        InputError: There is no model artifact or no test data.
    """
    rows = read_table(options.test_dir)
    truth = np.asarray(rows[columns.target])
    with tempfile.TemporaryDirectory() as folder:
        _unpack(options.model_dir, Path(folder))
        sys.path.insert(0, str(Path(folder) / "code"))
        serving: Any = importlib.import_module("serve_table")
        model = serving.model_fn(folder)
        request = [
            dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)
        ]
        body = json.dumps([{n: row[n] for n in columns.features} for row in request])
        predictions = serving.predict_fn(serving.input_fn(body, serving.JSON), model)
    measured = table_measures.measures(columns.problem, truth, predictions, columns.labels)
    groups = {
        facet: _by_group(facet, rows, truth, predictions, columns) for facet in columns.facets
    }
    report = {
        "version": 1,
        "dataset": {"item_count": len(truth), "data_version": options.data_version},
        table_measures.GROUPS[columns.problem]: measured,
        "naive": table_measures.naive(columns.problem, truth),
        "groups": groups,
    }
    options.evaluation_dir.mkdir(parents=True, exist_ok=True)
    target = options.evaluation_dir / "evaluation.json"
    target.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    shown = ", ".join(f"{name} {each['value']:.4f}" for name, each in measured.items())
    print(f"{len(truth)} rows: {shown}")


def _by_group(
    facet: str, rows: dict[str, list[Any]], truth: Any, predictions: list[Any], columns: Columns
) -> dict[str, Any]:
    values = np.asarray([value or "(missing)" for value in rows[facet]])
    found = {}
    for value in np.unique(values):
        inside = np.flatnonzero(values == value)
        found[str(value)] = {
            "count": len(inside),
            **table_measures.measures(
                columns.problem,
                truth[inside],
                [predictions[row] for row in inside],
                columns.labels,
            ),
        }
    return found


def _unpack(source: Path, folder: Path) -> None:
    archive = source / "model.tar.gz"
    try:
        with tarfile.open(archive) as artifact:
            # Older Pythons have no filters; the attribute then means nothing, and the artifact is
            # our own.
            artifact.extraction_filter = getattr(tarfile, "data_filter", None)
            artifact.extractall(folder)  # noqa: S202  # see above
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{archive.name} isn't a readable .tar.gz archive: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure a model on the test split.")
    for name in ("model", "test", "evaluation"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--data-version", required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
