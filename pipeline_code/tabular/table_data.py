"""Tables and the roles of their columns: read, checked, written.

``columns.json`` lies beside the scripts in the archive of each step, as the use case wrote it.
"""

import csv
import dataclasses
import gzip
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COLUMNS_FILE = "columns.json"

_CSV = (".csv", ".csv.gz")
_PARQUET = (".parquet",)
# Spreadsheets of half the world write semicolons.
_SEPARATORS = ",;\t|"
# botocore: ExitMessage and FailureReason hold 1,024 characters.
_MOST_CHARACTERS = 1024


class InputError(Exception):
    """Input that a step cannot work with; the message says what, where and what is allowed."""


@dataclasses.dataclass(frozen=True)
class Columns:
    """What each column is for.

    Attributes:
        problem: ``binary``, ``multiclass`` or ``regression``.
        target: The column to predict.
        labels: Its values; of a binary one the negative first. Empty for a regression.
        numeric: Features that are numbers.
        categorical: Features that are names.
        ignored: Columns that may come along but are no features.
        facets: Features by whose groups the model is measured.
        missing: Texts that mean "not known".
    """

    problem: str
    target: str
    labels: tuple[str, ...]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    ignored: tuple[str, ...]
    facets: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """The features as they stand in the data."""
        return (*self.numeric, *self.categorical)

    @staticmethod
    def load(folder: Path) -> "Columns":
        """Read ``columns.json``."""
        values: dict[str, Any] = json.loads((folder / COLUMNS_FILE).read_text(encoding="utf-8"))
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return Columns(**{**values, **lists})

    def typed(self, rows: Mapping[str, list[Any]]) -> pd.DataFrame:
        """The features of rows as numbers and texts, with nothing for what is not known.

        Args:
            rows: Values by column, at least the features; texts, numbers or None.

        Raises:
            InputError: A numeric column holds something else than a finite number.
        """
        found: dict[str, Any] = {name: self._numbers(name, rows[name]) for name in self.numeric}
        found |= {name: self._texts(rows[name]) for name in self.categorical}
        return pd.DataFrame(found)

    def is_missing(self, value: Any) -> bool:
        """Whether a value means "not known"."""
        if value is None or value is pd.NaT or value is pd.NA:
            return True
        if isinstance(value, float):
            return math.isnan(value)
        return isinstance(value, str) and (value.strip() == "" or value.strip() in self.missing)

    def _numbers(self, name: str, values: list[Any]) -> Any:
        numbers = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            if self.is_missing(value):
                continue
            try:
                numbers[row] = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):
                numbers[row] = math.nan
            if not math.isfinite(numbers[row]):
                raise InputError(f"row {row + 1}: '{name}' should be a number, not {value!r}.")
        return numbers

    def _texts(self, values: list[Any]) -> Any:
        texts = [None if self.is_missing(value) else as_text(value) for value in values]
        return pd.Series(texts, dtype=object)


def as_text(value: Any) -> str:
    """A category as a CSV file would hold it: 3.0 is 3."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_table(folder: Path) -> dict[str, list[Any]]:
    """Read all CSV and Parquet files below a folder as one table: values by column.

    Values of a CSV file are texts.

    Raises:
        InputError: There is no such file, one cannot be read, is empty, or has other columns.
    """
    files = sorted(path for path in folder.rglob("*") if path.name.endswith((*_CSV, *_PARQUET)))
    if not files:
        raise InputError(f"There is no .csv, .csv.gz or .parquet file in {folder}.")
    frames = [read_file(path) for path in files]
    first = frames[0]
    for path, frame in zip(files, frames, strict=True):
        if list(frame.columns) != list(first.columns):
            raise InputError(
                f"{path.name} has the columns {', '.join(map(str, frame.columns))}, "
                f"but {files[0].name} has {', '.join(map(str, first.columns))}."
            )
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else first
    if whole.empty:
        raise InputError(f"{', '.join(path.name for path in files)}: no rows.")
    return {str(name): whole[name].tolist() for name in whole.columns}


def read_file(path: Path) -> pd.DataFrame:
    """Read a CSV file with a header, or a Parquet file.

    A CSV file may be separated by commas, semicolons, tabs or bars; its values stay texts.

    Raises:
        InputError: It cannot be read, or its header and its rows do not fit.
    """
    try:
        if path.name.endswith(_PARQUET):
            return pd.read_parquet(path).rename(columns=str)
        header, separator = _header(path)
        frame = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
        )
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8: {error.reason} at byte {error.start}. Convert it, for "
            "example with: iconv -f latin1 -t utf-8"
        ) from error
    except (OSError, ValueError, EOFError, csv.Error) as error:  # pyarrow's are ValueErrors
        raise InputError(f"{path.name} cannot be read: {error}") from error
    _check_header(path, header, frame)
    frame.columns = header
    return frame


def _header(path: Path) -> tuple[list[str], str]:
    """The names of a CSV file's columns, and what stands between them."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
        first, second = (re.sub(r'"[^"]*"', "", stream.readline()) for _ in range(2))
        counts = {each: first.count(each) for each in _SEPARATORS}
        # The one that the first row has as often as the header, or else the most frequent one.
        separator = max(
            counts, key=lambda each: (0 < counts[each] == second.count(each), counts[each])
        )
        stream.seek(0)
        rows = csv.reader(stream, delimiter=separator, skipinitialspace=True)
        return [name.strip() for name in next(filter(None, rows), [])], separator


def _check_header(path: Path, header: list[str], frame: pd.DataFrame) -> None:
    # Pandas takes surplus values at the beginning of each row for names of the rows.
    if not isinstance(frame.index, pd.RangeIndex) or len(header) != len(frame.columns):
        raise InputError(
            f"{path.name}: the first row has more values than the header has names "
            f"({len(header)}: {', '.join(header)})."
        )
    if unnamed := [str(at) for at, name in enumerate(header, start=1) if not name]:
        raise InputError(
            f"{path.name}: no name in the header for column {', '.join(unnamed)} of {len(header)}. "
            "Name it, or leave it out; pandas leaves its index out with to_csv(index=False)."
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{path.name}: columns appear twice: {', '.join(map(repr, twice))}.")


def write_table(folder: Path, name: str, table: Mapping[str, Any]) -> None:
    """Write ``<name>.csv`` with a header; what is not known is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(dict(table)).to_csv(folder / f"{name}.csv", index=False)


def run(step: Callable[[], None], *, message_file: Path) -> None:
    """Run a step; leave the reason where SageMaker looks for it if the input is wrong."""
    try:
        step()
    except InputError as error:
        message_file.parent.mkdir(parents=True, exist_ok=True)
        message_file.write_text(str(error)[:_MOST_CHARACTERS], encoding="utf-8")
        sys.exit(f"error: {error}")
