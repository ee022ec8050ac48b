"""Sample files: the schema of a Parquet file, and what the texts of a CSV file have in common."""

from __future__ import annotations

import csv
import importlib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.feature_store.types import FeatureType

NO_VALUES = "no value to infer a type from"


class UnsupportedError(Exception):
    """A column that cannot be a feature; the message is the reason."""


def read_parquet_schema(problems: Problems, path: Path) -> Any:
    """The `pyarrow.Schema` of a Parquet file; reports what hinders that."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        problems.add(
            "path",
            got=str(path),
            allowed="a .csv file, as pyarrow is not installed",
            instead="Run `pip install pyarrow` to read Parquet files, or save the sample as CSV.",
        )
    else:
        try:
            return parquet.read_schema(path)
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            problems.add(
                "path",
                got=f"{path}: {error}",
                allowed="a Parquet file",
                instead="Write the file anew.",
            )
    problems.raise_if_any()
    return None


class TextColumn:
    """What the texts of a CSV column have in common, in constant memory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._any = False
        self._whole = self._number = self._boolean = True
        self._note = ""

    def see(self, text: str) -> None:
        """Take one value into account."""
        self._any = True
        if self._number and not re.fullmatch(
            r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII
        ):
            self._number = self._whole = False
        if self._number and re.fullmatch(r"[+-]?0\d.*", text):
            self._number = self._whole = False
            self._note = f"leading zeros, such as {text!r}, would be lost in a number"
        if self._whole and not re.fullmatch(r"[+-]?\d+", text):
            self._whole = False
        if self._whole and not -(2**63) <= int(text[:40]) < 2**63:
            self._number = self._whole = False
            self._note = "longer than 64 bits"
        self._boolean = self._boolean and text.lower() in ("true", "false")

    def finding(self) -> tuple[FeatureType, str]:
        """The type that fits every value, and why if that is not plain."""
        if not self._any:
            raise UnsupportedError(NO_VALUES)
        if self._number:
            return (FeatureType.INTEGRAL if self._whole else FeatureType.FRACTIONAL), ""
        return FeatureType.STRING, "booleans in words" if self._boolean else self._note


def read_csv(problems: Problems, path: Path, missing: Collection[str]) -> list[TextColumn]:
    """The columns of a CSV file, read to its end; reports what hinders that."""
    columns: list[TextColumn] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            columns = [TextColumn(name) for name in next(rows, [])]
            for row in rows:
                if not row:
                    continue
                if len(row) != len(columns):
                    problems.add(
                        f"line {rows.line_num}",
                        got=f"{len(row)} values",
                        allowed=f"{len(columns)}, as many as names in the first line",
                        instead="Quote values that hold commas, and complete the line.",
                    )
                    break
                for column, text in zip(columns, row, strict=True):
                    if text not in missing:
                        column.see(text)
    except (csv.Error, UnicodeDecodeError) as error:
        problems.add(
            "path",
            got=f"{path}: {error}",
            allowed="a CSV file in UTF-8",
            instead="Save it as UTF-8, with commas between values and names in the first line.",
        )
        problems.raise_if_any()
    problems.check(
        bool(columns),
        "path",
        got=str(path),
        allowed="a file with names in the first line",
        instead="Add a header.",
    )
    problems.check(
        len(columns) != 1 or not re.search(r"[;\t|]", columns[0].name),
        "path",
        got=f"{path}: one column, {columns[0].name if columns else ''!r}",
        allowed="commas between values",
        instead="Save it with commas; semicolons, tabs and bars are parts of values here.",
    )
    problems.raise_if_any()
    return columns
