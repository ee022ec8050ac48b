"""Data sets as a stream of batches: CSV, JSON Lines and Parquet, with bounded memory.

pyarrow reads; no table is ever whole in memory, and pandas is not needed. A batch is small enough
for the processor's cache, and the smaller the more columns there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers
import pyarrow.csv as pa_csv  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.json as pa_json  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.parquet as pq  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above

from .ahead import ahead, in_order
from .errors import AnalysisError
from .sources import File

#: Bytes of text that are parsed at once.
BLOCK = 4 << 20
_MOST_ROWS = 65_536
#: As much as pyarrow takes for the size of a block.
_MOST_BYTES = (1 << 31) - 1
_END_OF_LINE = ord(b"\n")
_CELLS = 5_000_000
#: Text as numbers of its distinct values: what is parsed or compared is each value once.
CODED = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Attributes:
        rows: How many.
        columns: Arrow arrays by column name.
    """

    rows: int
    columns: Mapping[str, Any]


def read_batches(files: Iterable[File], names: Sequence[str]) -> Iterator[Batch]:
    """All rows of files, read while what was read before is used.

    Args:
        files: The ending says the format, with ``.gz`` for compressed text.
        names: Names for CSV without a header; empty when there is one.

    Raises:
        AnalysisError: If a file cannot be read, with its name.
    """
    return ahead(_batches(files, names))


def _batches(files: Iterable[File], names: Sequence[str]) -> Iterator[Batch]:
    for file in files:
        if not file.path.stat().st_size:
            continue
        kind = file.name.removesuffix(".gz")
        try:
            if kind.endswith(".parquet"):
                yield from _read_parquet(file)
            elif kind.endswith((".jsonl", ".ndjson", ".json")):
                yield from _read_json(file)
            else:
                yield from _read_csv(file, names)
        except (pa.ArrowException, ValueError, OSError, EOFError) as error:
            raise AnalysisError(f"{file.name} cannot be read: {error}") from error


def of_table(table: Any) -> Iterator[Batch]:
    """The batches of a table that is in memory."""
    whole = table.unify_dictionaries().combine_chunks()
    for part in whole.to_batches(max_chunksize=rows_at_once(table.num_columns)):
        yield _of_record_batch(part)


def of_tables(parts: Iterable[Any]) -> Iterator[Batch]:
    """The batches of small tables and of batches in between, in their order.

    Neighbours with the same columns go together: what is done once a batch is done less often.
    """
    waiting: list[Any] = []
    rows = 0
    for part in parts:
        if waiting and (isinstance(part, Batch) or part.schema != waiting[0].schema):
            yield from of_table(pa.concat_tables(waiting))
            waiting, rows = [], 0
        if isinstance(part, Batch):
            yield part
            continue
        waiting.append(part)
        rows += part.num_rows
        if rows > rows_at_once(part.num_columns) // 2:
            yield from of_table(pa.concat_tables(waiting))
            waiting, rows = [], 0
    if waiting:
        yield from of_table(pa.concat_tables(waiting))


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Batch:
    """A batch of records, which may lack columns of one another."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Batch(len(rows), {name: _array([row.get(name) for row in rows]) for name in names})


def rows_at_once(columns: int) -> int:
    """How many rows of so many columns fit a batch."""
    return max(16, min(_MOST_ROWS, _CELLS // max(1, columns)))


def blocks_of(file: File) -> Iterator[tuple[int, Any]]:
    """Whole lines of a text file, a few megabytes at a time, with the number of the first one.

    They are arrow buffers: memory that was used before, which the system need not clear again.
    """
    number, rest = 1, np.empty(0, np.uint8)
    ends = np.empty(BLOCK, bool)
    with pa.input_stream(str(file.path), compression="gzip" if _is_gzip(file) else None) as stream:
        while True:
            block = pa.allocate_buffer(len(rest) + BLOCK)
            text = np.frombuffer(block, np.uint8)
            text[: len(rest)] = rest
            read = stream.readinto(text[len(rest) :])
            if not read:
                break
            new, text = text[len(rest) :][:read], text[: len(rest) + read]
            lines = int(np.count_nonzero(np.equal(new, _END_OF_LINE, out=ends[:read])))
            end = _after_last_line(text) if lines else 0
            rest = text[end:].copy()
            if lines:
                yield number, block.slice(0, end)
                number += lines
    if rest.tobytes().strip():
        yield number, pa.py_buffer(rest)


def _after_last_line(text: Any) -> int:
    """Where the last whole line ends, which there is; hardly ever is that far from the end."""
    size = 1 << 16
    while True:
        at = int(text[-size:].tobytes().rfind(b"\n"))
        if at >= 0:
            return max(0, len(text) - size) + at + 1
        size *= 16


def parse_json(block: Any, options: Any = None) -> Any:
    """A table of whole lines of JSON, in this thread alone.

    Raises:
        pyarrow.ArrowException: If they are no such table.
    """
    whole = pa_json.ReadOptions(use_threads=False, block_size=min(block.size, _MOST_BYTES))
    return pa_json.read_json(pa.BufferReader(block), whole, options)


def _is_gzip(file: File) -> bool:
    with file.path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _of_record_batch(part: Any) -> Batch:
    names = part.schema.names
    repeated = (
        sorted({name for name in names if names.count(name) > 1})
        if (len(set(names)) < len(names))
        else []
    )
    if repeated:
        raise ValueError(f"columns with the same name: {', '.join(repeated[:5])}")
    return Batch(part.num_rows, dict(zip(names, part.columns)))


def _read_parquet(file: File) -> Iterator[Batch]:
    with file.path.open("rb") as stream:
        schema = pq.ParquetFile(stream).schema_arrow
        texts = [
            field.name
            for field in schema
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        stream.seek(0)
        whole = pq.ParquetFile(stream, read_dictionary=texts, pre_buffer=False, buffer_size=1 << 20)
        size = rows_at_once(len(schema))
        for part in whole.iter_batches(batch_size=size, use_threads=len(schema) > 1):
            yield _of_record_batch(part)


def _read_csv(file: File, names: Sequence[str]) -> Iterator[Batch]:
    with pa.input_stream(str(file.path), compression="gzip" if _is_gzip(file) else None) as stream:
        header = list(names) or _header(file)
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(
                block_size=BLOCK, column_names=header, skip_rows=0 if names else 1
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, CODED), strings_can_be_null=False
            ),
        )
        for part in reader:
            yield from of_table(pa.Table.from_batches([part]))


def _header(file: File) -> list[str]:
    with pa.input_stream(str(file.path), compression="gzip" if _is_gzip(file) else None) as stream:
        reader = pa_csv.open_csv(stream, parse_options=pa_csv.ParseOptions(newlines_in_values=True))
        return [name.strip() for name in reader.schema.names]


def _read_json(file: File) -> Iterator[Batch]:
    yield from of_tables(
        of_rows(_json_rows(number, block)) if table is None else table
        for number, block, table in in_order(_json_table, blocks_of(file))
    )


def _json_table(numbered: tuple[int, Any]) -> tuple[int, Any, Any]:
    number, block = numbered
    try:
        return number, block, parse_json(block)
    except pa.ArrowException:  # a line that is wrong, or lines that differ in type
        return number, block, None


def _json_rows(number: int, block: Any) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for at, line in enumerate(block.to_pybytes().splitlines(), start=number):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {at}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {at} is a {type(row).__name__}, not a record")
            rows.append(row)
    return rows


def _array(values: list[Any]) -> Any:
    if all(value is None or type(value) in (int, float) for value in values):
        return pa.array(
            [None if value is None else float(value) for value in values], type=pa.float64()
        )
    return pa.array([_as_text(value) for value in values], type=pa.string())


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
