"""From rows to the matrix that the model sees: the same code in training and in serving.

Numbers stay numbers, categories become their position in a list that training fixes. A missing
value, and a category that training has not seen, becomes NaN, for which XGBoost learns a way in
every tree.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import derive
import numpy as np
import pandas as pd
import xgboost

ENCODER_FILE = "encoder.json"


@dataclasses.dataclass(frozen=True)
class Encoder:
    """How rows become numbers.

    Attributes:
        names: The features in the order of the matrix, derived ones included.
        categories: The known values of each categorical feature; the others are numbers.
        inputs: The columns of an unlabelled row in the order of the data.
    """

    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The names of the matrix's columns; XGBoost refuses brackets and less-than signs."""
        plain = [re.sub(r"[\[\]<]", "_", name) for name in self.names]
        return [name if plain.count(name) == 1 else f"{name}_{at}" for at, name in enumerate(plain)]

    @staticmethod
    def fit(rows: pd.DataFrame, inputs: tuple[str, ...]) -> "Encoder":
        """Fix the encoding from the training rows alone."""
        derived = derive.features(rows)
        categories = {
            str(name): tuple(sorted(map(str, derived[name].dropna().unique())))
            for name in derived.columns
            if not pd.api.types.is_numeric_dtype(derived[name])
        }
        return Encoder(tuple(map(str, derived.columns)), categories, inputs)

    def matrix(self, rows: pd.DataFrame, label: Any = None) -> xgboost.DMatrix:
        """Encode rows that have the features of ``columns.json``."""
        derived = derive.features(rows)
        encoded = [
            self._codes(name, derived[name])
            if name in self.categories
            else derived[name].to_numpy(dtype=np.float32)
            for name in self.names
        ]
        return xgboost.DMatrix(
            np.column_stack(encoded).astype(np.float32),
            label=label,
            feature_names=self.column_names,
            feature_types=["c" if name in self.categories else "float" for name in self.names],
            enable_categorical=True,
        )

    def _codes(self, name: str, values: Any) -> Any:
        positions = {value: float(at) for at, value in enumerate(self.categories[name])}
        return np.asarray(
            [np.nan if pd.isna(value) else positions.get(str(value), np.nan) for value in values]
        )

    def save(self, folder: Path) -> None:
        """Write ``encoder.json``."""
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / ENCODER_FILE).write_text(text, encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Encoder":
        """Read ``encoder.json``."""
        values = json.loads((folder / ENCODER_FILE).read_text(encoding="utf-8"))
        return Encoder(
            tuple(values["names"]),
            {name: tuple(known) for name, known in values["categories"].items()},
            tuple(values["inputs"]),
        )
