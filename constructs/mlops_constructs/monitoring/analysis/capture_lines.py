"""Captured lines that differ in a few texts only, read without parsing each of them.

What one endpoint captured mostly has one layout: line after line the same keys in the same order,
with other texts for data, id and time. The first line is parsed as JSON with marks for these texts;
a line that is equal to it outside of them, and whose texts hold nothing that JSON would escape, is
the same JSON with other texts. Whatever is not just so is left to a parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers
import pyarrow.compute as pc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above

#: The texts that differ from line to line, by their keys.
_VARYING = ("data", "eventId", "inferenceId", "inferenceTime")
_END_OF_LINE, _QUOTE, _BACKSLASH = b'\n"\\'
#: Smaller ones are control characters.
_BLANK = 0x20
#: What an arrow array of texts can hold.
_MOST_BYTES = (1 << 31) - 1


@dataclass(frozen=True)
class Lines:
    """The requests in some lines.

    Attributes:
        data: Their payloads, an arrow array.
        moments: When they were answered.
        encoding: The encoding of all payloads.
        content_type: Their content type; empty when none was captured.
    """

    data: Any
    moments: Any
    encoding: str
    content_type: str


@dataclass(frozen=True)
class _Layout:
    """A line with gaps: what stands between them, and between which of its quotes they are."""

    texts: list[str]
    opening: list[int]
    quotes: int
    data: int
    moment: int
    encoding: str
    content_type: str


def read_lines(block: Any) -> Lines | None:
    """The requests in an arrow buffer of whole lines; None when the lines are not alike."""
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text == _END_OF_LINE)
    if (
        not len(ends)
        or len(text) > _MOST_BYTES
        or np.count_nonzero(text < _BLANK) != len(ends)
        or (text == _BACKSLASH).any()
        or not _is_utf8(block)
    ):
        return None
    layout = _layout_of(text[: ends[0]].tobytes().decode())
    if layout is None:
        return None
    parts = _parts(block, text, ends, layout)
    if parts is None:
        return None
    step = 2 * len(layout.opening) + 1

    def of_all_lines(place: int) -> Any:
        return parts.take(pa.array(np.arange(place, len(parts), step)))

    for place, same in enumerate(layout.texts):
        if not pc.all(pc.equal(of_all_lines(2 * place), same)).as_py():
            return None
    return Lines(
        of_all_lines(2 * layout.data + 1),
        of_all_lines(2 * layout.moment + 1),
        layout.encoding,
        layout.content_type,
    )


def _is_utf8(block: Any) -> bool:
    ends = pa.py_buffer(np.array([0, block.size], np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, ends, block]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _parts(block: Any, text: Any, ends: Any, layout: _Layout) -> Any:
    """All lines in parts, what is the same and what varies in turns; None if they cannot be."""
    found = np.flatnonzero(text == _QUOTE)
    if len(found) != len(ends) * layout.quotes:
        return None
    quotes = found.reshape(len(ends), layout.quotes)
    starts = np.concatenate([[0], ends[:-1] + 1])
    # Arrow trusts offsets: they must ascend, also when one line has a quote of another.
    if (quotes[:, 0] < starts).any() or (quotes[:, -1] > ends).any():
        return None
    offsets = np.empty((len(ends), 2 * len(layout.opening) + 1), np.int32)
    offsets[:, 0] = starts
    for place, opening in enumerate(layout.opening):
        offsets[:, 2 * place + 1] = quotes[:, opening] + 1
        offsets[:, 2 * place + 2] = quotes[:, opening + 1]
    flat = np.append(offsets.ravel(), np.int32(len(text)))
    return pa.Array.from_buffers(pa.string(), offsets.size, [None, pa.py_buffer(flat), block])


def _layout_of(line: str) -> _Layout | None:
    pieces = line.split('"')
    opening = list(_varying(pieces))
    # What the line itself cannot hold, for it has neither backslashes nor control characters.
    marks = {f"\0{number}": number for number in range(len(opening))}
    for number, at in enumerate(opening):
        pieces[at + 1] = f"\\u0000{number}"
    try:
        event = json.loads('"'.join(pieces))
        part = event["captureData"]["endpointInput"]
        data, moment = marks[part["data"]], marks[event["eventMetadata"]["inferenceTime"]]
        encoding, content_type = part["encoding"], part.get("observedContentType") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(encoding, str) or not isinstance(content_type, str):
        return None
    ends = [0, *(at + 2 for at in opening)]
    texts = ['"'.join(pieces[start : at + 1]) for start, at in zip(ends, [*opening, len(pieces)])]
    texts = ['"' * (place > 0) + each + '"' for place, each in enumerate(texts)]
    texts[-1] = texts[-1][:-1] + "\n"
    return _Layout(texts, opening, len(pieces) - 1, data, moment, encoding, content_type)


def _varying(pieces: list[str]) -> Iterator[int]:
    """Which quotes of a line open a text that varies; every other piece is between quotes."""
    for at in range(1, len(pieces) - 2, 2):
        if pieces[at] in _VARYING and pieces[at + 1].strip() == ":":
            yield at + 1
