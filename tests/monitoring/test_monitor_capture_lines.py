"""Captured lines are read quickly only where that gives what reading each as JSON gives."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.worker import PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

_LINES = """
import json, random
import pyarrow as pa
from analysis.capture_lines import read_lines

def line(number, *, pretty=False, **part):
    given = {"observedContentType": "text/csv", "mode": "INPUT", "data": f"{number},é,x",
             "encoding": "CSV", **part}
    event = {"captureData": {"endpointInput": given, "endpointOutput": {
        "observedContentType": "text/csv", "mode": "OUTPUT", "data": f"0.{number}",
        "encoding": "CSV"}},
        "eventMetadata": {"eventId": f"id-{number * 17}", "inferenceId": "data",
                          "inferenceTime": f"2025-03-04T09:{number % 60:02}:00Z"},
        "eventVersion": "0"}
    separators = None if pretty else (",", ":")
    return json.dumps(event, ensure_ascii=False, separators=separators) + "\\n"

def read(text):
    lines = read_lines(pa.py_buffer(text.encode() if isinstance(text, str) else text))
    if lines is None:
        return None
    return [[data, moment, lines.encoding, lines.content_type] for data, moment in
            zip(lines.data.to_pylist(), lines.moments.to_pylist())]

def parsed(text):
    found = []
    for each in text.splitlines():
        event = json.loads(each)
        part = event["captureData"]["endpointInput"]
        found.append([part["data"], event["eventMetadata"]["inferenceTime"], part["encoding"],
                      part.get("observedContentType") or ""])
    return found
"""


def test_lines_that_are_alike(worker: Worker) -> None:
    found = worker.evaluate(
        _LINES
        + """
texts = ["".join(line(n, pretty=pretty) for n in range(9, 120, 9)) for pretty in (False, True)]
texts.append(line(7, observedContentType=None))
texts.append(line(1, data="") + line(2))
answer = [(read(text), parsed(text)) for text in texts]
"""
    )
    for ours, theirs in found:
        assert ours == theirs


@pytest.mark.parametrize(
    "text",
    [
        '"".join(line(n) for n in range(3))[:-1]',
        'line(1) + line(2, encoding="BASE64")',
        'line(1) + line(2, observedContentType=None)',
        'line(1) + "\\n" + line(2)',
        'line(1) + line(2, pretty=True)',
        'line(1, data="a\\"b") + line(2)',
        'line(1, data="a\\nb") + line(2)',
        'line(1, data=None) + line(2, data=None)',
        'line(1, encoding=None)',
        'line(1).encode() + line(2, data="$").encode().replace(b"$", b"\\xff")',
        'line(1).replace("{", "[")',
        # As many quotes in all: one more in the second line and one less in the third.
        """line(1) + line(2).replace('2,', '2,"') + line(3).replace('"CSV"}}', '"CSV}}')""",
        "line(1) + line(2).replace('CSV', 'CSX') + line(3)",
        """line(1) + line(2).replace('CSV"}}', 'CSV"}} ') + line(3)""",
        '"{}\\n"',
        '"\\n"',
        '""',
    ],
)  # fmt: skip
def test_lines_that_are_not_alike(text: str, worker: Worker) -> None:
    assert worker.evaluate(f"{_LINES}\nanswer = read({text})") is None


def test_what_is_read_is_what_json_holds(worker: Worker) -> None:
    """Random damage: either it is seen, or the lines hold what was read."""
    wrong, damaged, read = worker.evaluate(
        _LINES
        + """
generator = random.Random(5)
whole = "".join(line(n) for n in range(4))
wrong, read_well, rounds = [], 0, 1200
for _ in range(rounds):
    text = whole
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(text))
        width = generator.choice((0, 1, 1, 2, 9))
        put = generator.choice(('"', '\\\\', ',', ':', '{', '}', 'x', '0', ' ', '\\t', 'é', '\\n',
                                '"data":"y",', text[at - 9:at], ''))
        text = text[:at] + put + text[at + width:]
    ours = read(text)
    if ours is None:
        continue
    read_well += 1
    try:
        theirs = parsed(text)
    except Exception as error:
        theirs = repr(error)
    if ours != theirs:
        wrong.append([text, ours, theirs])
answer = [wrong[:1], rounds, read_well]
"""
    )
    assert wrong == []
    assert 30 < read < damaged


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_blocks_are_whole_lines(size: int, tmp_path: Path, worker: Worker) -> None:
    texts = ["a\n" * 700, "b" * 1200 + "\n" + "c\n" * 500, "\nd" * 1200, "e" * 5000, "f\n\n", ""]
    texts.append("g\n" + "h" * 150_000)
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(text.encode()))
    found = worker.evaluate(
        f"""
from pathlib import Path
from analysis import batches
from analysis.sources import File
block, batches.BLOCK = batches.BLOCK, {size}
try:
    answer = {{
        path.name: [(number, text.to_pybytes().decode())
                    for number, text in batches.blocks_of(File(path.name, path))]
        for path in Path({str(tmp_path)!r}).iterdir()
    }}
finally:
    batches.BLOCK = block
"""
    )
    for number, text in enumerate(texts):
        assert found[f"{number}.txt"] == found[f"{number}.gz"]
        blocks = found[f"{number}.txt"]
        assert "".join(part for _, part in blocks) == (text if text.strip() else "")
        assert all(part.endswith("\n") for _, part in blocks[:-1])
        for at, (first, _) in enumerate(blocks):
            assert first == 1 + sum(part.count("\n") for _, part in blocks[:at])


def test_many_blocks_at_once_come_in_their_order(tmp_path: Path, worker: Worker) -> None:
    """Quick blocks, blocks that are parsed, and broken ones, in more threads than there are."""

    def event(number: int) -> dict[str, Any]:
        moment = datetime.datetime(2025, 3, 4, 9, number % 60, tzinfo=datetime.UTC).isoformat()
        part = {"observedContentType": "text/csv", "data": f"{number},x", "encoding": "CSV"}
        if number % 97 == 3:
            part["data"] = f'{number},"x"'
        return {"captureData": {"endpointInput": part}, "eventMetadata": {"inferenceTime": moment}}

    lines = [json.dumps(event(number), separators=(",", ":")) for number in range(600)]
    lines[250], lines[430] = "{", '{"captureData": 1}'
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    found = worker.evaluate(
        f"""
from pathlib import Path
import pyarrow as pa
from analysis import ahead, batches, capture
from analysis.sources import File
from analysis.window import window_before
block, batches.BLOCK = batches.BLOCK, 2000
cpu_count, ahead.pa.cpu_count = pa.cpu_count, lambda: 4
try:
    captured = capture.Captured()
    path = Path({str(tmp_path)!r}, "a.jsonl")
    read = capture.capture_batches(
        [File("a.jsonl", path)], window_before("2025-03-04T10:00:00Z", 1), ("n", "t"), captured,
        numbers=("n",),
    )
    numbers = [int(float(n)) for batch in read for n in batch.columns["n"].to_pylist()]
finally:
    batches.BLOCK, pa.cpu_count = block, cpu_count
answer = [numbers, captured.requests, captured.unreadable, captured.reasons]
"""
    )
    assert found[0] == [number for number in range(600) if number not in {250, 430}]
    assert found[1:3] == [600, 2]
    assert [reason.split(": ")[0] for reason in found[3]] == ["a.jsonl:251", "a.jsonl:431"]
