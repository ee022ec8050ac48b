"""Requests that an endpoint captured: SageMaker's JSON Lines, one request a line.

The layout is that of the developer guide, "Data capture": ``captureData.endpointInput`` and
``endpointOutput`` with ``data``, ``encoding`` (CSV, JSON or BASE64) and ``observedContentType``,
and ``eventMetadata`` with ``inferenceTime``, ``eventId`` and perhaps ``inferenceId``. A payload may
hold several records.

A few megabytes are read at a time, and several of them at once. Lines that are alike are cut, what
else is well-formed is parsed by pyarrow, and a block in which anything is odd is read again, line
by line, so that one broken request costs only itself.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers
import pyarrow.compute as pc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.csv as pa_csv  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.json as pa_json  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above

from .ahead import ahead, in_order
from .batches import CODED, Batch, blocks_of, of_rows, of_tables, parse_json
from .capture_lines import read_lines
from .sources import File
from .window import Window, parse_time

#: Keys under which serving stacks put their list of records.
_LISTS = ("instances", "inputs", "data", "records")
_ENVELOPES = {*_LISTS, "columns", "features"}
_FEW = 5

_TEXT = pa.string()
_PART = pa.struct([("data", _TEXT), ("encoding", _TEXT), ("observedContentType", _TEXT)])
_EVENT = pa_json.ParseOptions(
    explicit_schema=pa.schema(
        [
            ("captureData", pa.struct([("endpointInput", _PART)])),
            ("eventMetadata", pa.struct([("inferenceTime", _TEXT)])),
        ]
    ),
    unexpected_field_behavior="ignore",
)


@dataclass
class Captured:
    """What was seen on the way.

    Attributes:
        requests: How many requests were in the window.
        unreadable: How many of them were no records, or no capture at all.
        reasons: Why, for the first few.
    """

    requests: int = 0
    unreadable: int = 0
    reasons: list[str] = field(default_factory=list)

    def note(self, where: str, why: str) -> None:
        """Count an unreadable request."""
        self.unreadable += 1
        if len(self.reasons) < _FEW:
            self.reasons.append(f"{where}: {why[:200]}")


@dataclass(frozen=True)
class _Layout:
    """Values that come without names, as `capture_batches` says."""

    columns: Sequence[str]
    numbers: frozenset[str]
    missing: Sequence[str]


@dataclass(frozen=True)
class _Block:
    """Some whole lines of a file, the number of the first; or why the file cannot be read on."""

    file: str
    number: int
    text: Any
    fault: str = ""


def capture_batches(
    files: Iterable[File],
    window: Window,
    columns: Sequence[str],
    captured: Captured,
    *,
    numbers: Iterable[str] = (),
    missing: Sequence[str] = (),
) -> Iterator[Batch]:
    """The records of the requests that were answered within the window.

    Args:
        files: Captured files.
        window: Requests outside are skipped.
        columns: Names of values that come without names.
        captured: Counts requests and what was wrong with them.
        numbers: Columns that should be numbers; only a matter of speed.
        missing: How a missing number is spelled.
    """
    layout = _Layout(columns, frozenset(numbers), missing)
    return of_tables(_tables(files, window, layout, captured))


def _tables(
    files: Iterable[File], window: Window, layout: _Layout, captured: Captured
) -> Iterator[Any]:
    """Arrow tables, and batches of what was read line by line."""

    def parsed(block: _Block) -> tuple[_Block, Any]:
        return block, None if block.fault else _fast(block.text, window, layout)

    for block, found in in_order(parsed, ahead(_blocks(files))):
        if block.fault:
            captured.requests += 1
            captured.note(block.file, f"cannot be read to its end: {block.fault}")
        elif found is None:
            rows: list[dict[str, Any]] = []
            for at, event in events_of(block.text):
                where = f"{block.file}:{block.number + at}"
                rows += _read_event(captured, where, event, window, layout.columns)
            if rows:
                yield of_rows(rows)
        else:
            tables, requests = found
            captured.requests += requests
            yield from tables


def events_of(block: Any) -> Iterator[tuple[int, Any]]:
    """The lines of a block that hold something, as JSON or None, with their place in it."""
    for at, line in enumerate(block.to_pybytes().splitlines()):
        if line.strip():
            try:
                yield at, json.loads(line)
            except (ValueError, RecursionError):
                yield at, None


def records_of(part: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The records in one side of a request.

    Raises:
        ValueError, KeyError, TypeError, csv.Error: If it holds none.
    """
    return [_named(record, columns) for record in _records(part["data"], part, columns)]


def _blocks(files: Iterable[File]) -> Iterator[_Block]:
    for file in files:
        try:
            for number, text in blocks_of(file):
                yield _Block(file.name, number, text)
        except (OSError, EOFError) as error:  # such as a compressed file that ends too soon  # noqa: PERF203  # each is judged alone
            yield _Block(file.name, 0, None, str(error))


def _fast(text: Any, window: Window, layout: _Layout) -> tuple[list[Any], int] | None:
    """The tables of a block in which nothing is odd, and how many requests it holds."""
    try:
        return _parsed(text, window, layout)
    except (pa.ArrowException, ValueError, TypeError, IndexError):
        return None


def _parsed(text: Any, window: Window, layout: _Layout) -> tuple[list[Any], int]:
    lines = read_lines(text)
    if lines is None:
        data, moments, shapes = _parts(text)
    else:
        data, moments = lines.data, lines.moments
        shape = f"{lines.encoding} {lines.content_type.lower()}"
        shapes = pa.repeat(shape, len(data))
    inside = _inside(moments, window)
    if not inside.all():
        keep = pa.array(inside)
        data, shapes = data.filter(keep), shapes.filter(keep)
    found = shapes.unique().to_pylist()
    tables = [
        _table(data if len(found) == 1 else data.filter(pc.equal(shapes, shape)), shape, layout)
        for shape in found
    ]
    return tables, len(data)


def _parts(text: Any) -> tuple[Any, Any, Any]:
    """Payloads, moments, and what kind of payloads they are, of lines that are parsed."""
    table = parse_json(text, _EVENT).combine_chunks()
    part = table["captureData"].combine_chunks().field("endpointInput")
    moments = table["eventMetadata"].combine_chunks().field("inferenceTime")
    data, encoding, kind = (_whole(part.field(index)) for index in range(3))
    if data.null_count or encoding.null_count or moments.null_count or part.null_count:
        raise ValueError("fields are missing")
    kind = pc.utf8_lower(kind.fill_null(""))
    return data, _whole(moments), pc.binary_join_element_wise(encoding, kind, " ")


def _whole(array: Any) -> Any:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _inside(moments: Any, window: Window) -> Any:
    """Which are in the window; there are only as many different ones as seconds."""
    coded = moments.dictionary_encode()
    parsed = [parse_time(text) for text in coded.dictionary.to_pylist()]
    inside = np.array([moment is None or moment in window for moment in parsed], dtype=bool)
    return inside[coded.indices.to_numpy(zero_copy_only=False)] if parsed else inside


def _table(texts: Any, shape: str, layout: _Layout) -> Any:
    encoding, _, kind = shape.partition(" ")
    if encoding == "BASE64":
        texts = pa.array(
            [base64.b64decode(text, validate=True) for text in texts.to_pylist()], pa.binary()
        ).cast(_TEXT)
    if "jsonlines" in kind or "x-ndjson" in kind:
        raise ValueError("several records a payload")
    if encoding == "JSON" or "json" in kind:
        return _json_payloads(texts)
    if encoding == "CSV" or "csv" in kind:
        return _csv_payloads(texts, layout)
    raise ValueError("no table")


def _joined(texts: Any) -> Any:
    one = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return pc.binary_join(one, "\n")[0].as_buffer()


def _csv_payloads(texts: Any, layout: _Layout) -> Any:
    columns = list(layout.columns)
    if not columns or len(set(columns)) < len(columns):
        raise ValueError("no names")
    if pc.any(pc.starts_with(texts, ",".join(columns))).as_py():
        raise ValueError("a header")
    text = _joined(texts)
    try:
        return _csv(text, columns, layout.numbers, layout.missing)
    except pa.ArrowInvalid:  # one that is no number; if it is another matter, it is again
        return _csv(text, columns, frozenset(), layout.missing)


def _csv(text: Any, columns: list[str], numbers: frozenset[str], missing: Sequence[str]) -> Any:
    types = {name: pa.float64() if name in numbers else CODED for name in columns}
    return pa_csv.read_csv(
        pa.BufferReader(text),
        read_options=pa_csv.ReadOptions(
            column_names=columns, use_threads=False, block_size=text.size + 1
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, null_values=list(missing), strings_can_be_null=False
        ),
    )


def _json_payloads(texts: Any) -> Any:
    if pc.any(pc.match_substring(texts, "\n")).as_py():
        raise ValueError("payloads of several lines")
    table = parse_json(_joined(texts))
    if table.num_rows != len(texts) or _ENVELOPES & set(table.column_names):
        raise ValueError("not one flat record a payload")
    return table


def _read_event(
    captured: Captured, where: str, event: Any, window: Window, columns: Sequence[str]
) -> list[dict[str, Any]]:
    try:
        part = event["captureData"]["endpointInput"]
        moment = parse_time(event["eventMetadata"]["inferenceTime"])
    except (KeyError, TypeError):
        captured.requests += 1
        captured.note(where, "not a line of SageMaker's data capture")
        return []
    if moment is not None and moment not in window:
        return []
    captured.requests += 1
    try:
        return records_of(part, columns)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        captured.note(where, f"{type(error).__name__}: {error}")
    return []


def _records(data: str, part: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    content_type = str(part.get("observedContentType", "")).lower()
    if part.get("encoding") == "BASE64":
        data = base64.b64decode(data, validate=True).decode("utf-8")
    if "jsonlines" in content_type or "x-ndjson" in content_type:
        return [_flat(json.loads(line)) for line in data.splitlines() if line.strip()]
    if part.get("encoding") == "JSON" or "json" in content_type:
        return _json_records(json.loads(data))
    if part.get("encoding") == "CSV" or "csv" in content_type:
        rows = [row for row in csv.reader(io.StringIO(data), strict=True) if row]
        if rows and [cell.strip() for cell in rows[0]] == list(columns):
            rows = rows[1:]
        return rows
    raise ValueError(f"content type {content_type or 'unknown'} holds no table")


def _json_records(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
            return [_zip(value["columns"], row) for row in value["data"]]
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return _json_records(value[key])
        return [_flat(value)]
    if isinstance(value, list):
        if value and not isinstance(value[0], (list, dict)):
            return [value]
        return [_flat(record) for record in value]
    raise ValueError(f"a payload of type {type(value).__name__} is no record")


def _flat(record: Any) -> Any:
    """A record without the envelope ``{"features": …}``."""
    if isinstance(record, dict) and list(record) == ["features"]:
        return record["features"]
    return record


def _named(record: Any, columns: Sequence[str]) -> dict[str, Any]:
    if isinstance(record, dict):
        return {str(name): value for name, value in record.items()}
    return _zip(columns, record)


def _zip(columns: Sequence[str], values: Any) -> dict[str, Any]:
    if not isinstance(values, list):
        raise TypeError(f"a {type(values).__name__} is no record")
    if len(values) != len(columns):
        raise ValueError(f"{len(values)} values for {len(columns)} columns")
    return dict(zip(columns, values))
