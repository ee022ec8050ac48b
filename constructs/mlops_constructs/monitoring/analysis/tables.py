"""Data sets: CSV, JSON Lines and Parquet files as one table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .errors import AnalysisError


def read_table(files: Iterable[tuple[str, bytes]], columns: Sequence[str]) -> Any:
    """One data frame of text and numbers; without rows when there are no files.

    Args:
        files: Names and contents; the ending says the format, with ``.gz`` for compressed CSV.
        columns: Names for CSV without a header.

    Raises:
        AnalysisError: If a file cannot be read.
    """
    parts = [_read(name, content, columns) for name, content in files if content]
    if not parts:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(parts, ignore_index=True)


def _read(name: str, content: bytes, columns: Sequence[str]) -> Any:
    kind = name.removesuffix(".gz")
    buffer = io.BytesIO(content)
    try:
        if kind.endswith(".parquet"):
            return pd.read_parquet(buffer)
        if kind.endswith((".jsonl", ".ndjson", ".json")):
            return pd.read_json(buffer, lines=True, dtype=False, convert_dates=False)
        return _read_csv(buffer, columns, compressed=name.endswith(".gz"))
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{name} cannot be read: {error}") from error


def _read_csv(buffer: io.BytesIO, columns: Sequence[str], *, compressed: bool) -> Any:
    table = pd.read_csv(
        buffer,
        header=None if columns else 0,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        compression="gzip" if compressed else None,
    )
    if columns:
        if len(table.columns) != len(columns):
            raise ValueError(f"{len(table.columns)} values in a line for {len(columns)} columns")
        table.columns = list(columns)
    return table
