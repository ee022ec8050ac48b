"""A model on a table of a few hundred rows, trained by the training script itself."""

import argparse
import random
import tarfile
from pathlib import Path
from typing import Any

import train
from columns import Columns, Table, write_table

__all__ = ["fitted", "options", "table", "write_table"]


def table(rows: int, seed: int) -> Table:
    """Who is older earns more; noise decides in the middle."""
    draw = random.Random(seed)
    ages = [draw.randint(20, 60) for _ in range(rows)]
    return {
        "age": [str(age) for age in ages],
        "sex": [draw.choice("FM") for _ in range(rows)],
        "pay": ["high" if age + draw.gauss(0, 8) > 40 else "low" for age in ages],
    }


def options(folder: Path, **changes: Any) -> argparse.Namespace:
    """What the training script is started with; the channels are written."""
    for name, (rows, seed) in {"train": (400, 1), "validation": (200, 2)}.items():
        write_table(folder / name / "data.csv", table(rows, seed))
    columns = Columns(
        target="pay",
        positive_label="high",
        negative_label="low",
        numeric=("age",),
        categorical=("sex",),
        ignored=(),
        missing=(),
        inputs=("age", "sex"),
        data_version="1",
    )
    (folder / "columns").mkdir(exist_ok=True)
    columns.save(folder / "columns")
    given = {
        "max_depth": 3,
        "eta": 0.1,
        "num_round": 80,
        "early_stopping_rounds": 80,
        "min_child_weight": 1.0,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "decision_threshold": 0.5,
        "seed": 3,
        "checkpoint_dir": None,
        "train": folder / "train",
        "validation": folder / "validation",
        "columns": folder / "columns",
        "model_dir": folder / "trained",
        "output_dir": folder / "output",
        "output_data_dir": folder / "output",
    } | changes
    for name in ("model_dir", "output_data_dir"):
        given[name].mkdir(exist_ok=True, parents=True)
    return argparse.Namespace(**given)


def fitted(folder: Path, **changes: Any) -> Path:
    """A folder with ``model/model.tar.gz``, ``train`` and ``test``."""
    given = options(folder, **changes)
    train.train(given)
    (folder / "model").mkdir()
    with tarfile.open(folder / "model" / "model.tar.gz", "w:gz") as archive:
        archive.add(given.model_dir, ".")
    write_table(folder / "test" / "test.csv", table(200, 3))
    return folder
