"""From raw values to the matrix that the model sees: the same code in training and in serving.

Numbers stay numbers, categories become their position in a list that training fixes. A missing
value, and a category that training has not seen, becomes NaN, for which XGBoost learns a way in
every tree. The encoding is saved beside the model.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ENCODING_FILE = "encoding.json"


class EncodingError(ValueError):
    """A value that is not of its column's kind."""


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How rows become numbers.

    Attributes:
        features: Names of the features, in the order of the matrix.
        categories: The known values of each categorical feature; all other features are numeric.
        missing: Texts that mean "not known", besides None and the empty text.
        inputs: The columns of a row without names, in order; those that are no features are
            allowed and not used.
        target: The column that is predicted.
        labels: Its negative and its positive value.
        threshold: From which probability on the positive label is given.
        data_version: Which state of the data it was made from.
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    inputs: tuple[str, ...]
    target: str
    labels: tuple[str, str]
    threshold: float
    data_version: str

    @property
    def feature_types(self) -> list[str]:
        """XGBoost's types of the features: "c" for categories, "float" for numbers."""
        return ["c" if name in self.categories else "float" for name in self.features]

    def matrix(self, table: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.float32]:
        """Encode a table that has at least the features.

        Args:
            table: Values by column.

        Raises:
            EncodingError: A numeric column holds something else than a finite number.
        """
        return np.column_stack(
            [
                self._codes(name, table[name])
                if name in self.categories
                else self._numbers(name, table[name])
                for name in self.features
            ]
        ).astype(np.float32)

    def _is_missing(self, value: object) -> bool:
        return value is None or value == "" or value in self.missing

    def _codes(self, name: str, values: Sequence[Any]) -> list[float]:
        positions = {value: float(at) for at, value in enumerate(self.categories[name])}
        codes = []
        for row, value in enumerate(values, start=1):
            # A number is how JSON may give a category that CSV gives as text.
            if not (value is None or isinstance(value, str | int | float)):
                raise EncodingError(f"row {row}: '{name}' should be a text, not {value!r}.")
            known = not self._is_missing(value)
            codes.append(positions.get(str(value).strip(), math.nan) if known else math.nan)
        return codes

    def _numbers(self, name: str, values: Sequence[Any]) -> list[float]:
        numbers = []
        for row, value in enumerate(values, start=1):
            if self._is_missing(value):
                numbers.append(math.nan)
                continue
            try:
                # float() takes True for 1.
                number = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if not math.isfinite(number):
                raise EncodingError(f"row {row}: '{name}' should be a number, not {value!r}.")
            numbers.append(number)
        return numbers

    def save(self, folder: Path) -> None:
        """Write ``encoding.json``."""
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / ENCODING_FILE).write_text(text, encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Encoding":
        """Read ``encoding.json``."""
        values = json.loads((folder / ENCODING_FILE).read_text(encoding="utf-8"))
        return Encoding(
            features=tuple(values["features"]),
            categories={name: tuple(known) for name, known in values["categories"].items()},
            missing=tuple(values["missing"]),
            inputs=tuple(values["inputs"]),
            target=values["target"],
            labels=(values["labels"][0], values["labels"][1]),
            threshold=values["threshold"],
            data_version=values["data_version"],
        )
