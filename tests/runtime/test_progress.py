"""The bar: what it says on a terminal, and in a log."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mlops_constructs.runtime import Failure, IngestionReport, ProgressBar, ingest
from mlops_constructs.runtime.records import length
from tests.runtime.fakes import FakeStore, ServiceError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(**changes: Any) -> IngestionReport:
    given: dict[str, Any] = {"total": 1000, "written": 608, "done": 610, "seconds": 10.0}
    return IngestionReport("people", **given | changes)


def test_on_a_terminal_it_rewrites_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    bar = ProgressBar(stream=stream)
    failed = {n: Failure(n, "no") for n in range(2)}
    bar(report(failures=failed))
    bar(report(failures=failed, done=1000, written=998, ended=True))
    _, first, last = stream.getvalue().split("\r")
    bars = "█" * 14 + "░" * 10
    assert first.rstrip() == f"people   61 % {bars} 610/1,000  61/s  0:06 left  2 failed"
    assert "100 % ████████████████████████ 1,000/1,000  100/s  0:10 in all  2 failed" in last
    assert len(first) == len(last) - 1 == 99


def test_in_a_log_it_writes_few_lines() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream=stream)
    for second in range(25):
        bar(report(total=None, done=second, seconds=float(second)))
    bar(report(total=None, seconds=4000.0, ended=True))
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["10 records", "20 records", "610 records"]
    assert lines[-1].endswith("1:06:40 in all")


def test_a_source_tells_its_length_if_it_can() -> None:
    record = {"id": "a"}
    frame = type("Frame", (), {"itertuples": None, "__len__": lambda self: 4})()
    table = type("Table", (), {"num_rows": 5})()
    assert [length(each) for each in (record, [record] * 3, frame, table)] == [1, 3, 4, 5]
    assert length(iter([record])) is None
    assert length([frame]) is None


def test_a_run_tells_how_far_it_is() -> None:
    seen: list[tuple[int, bool]] = []

    def refuse(number: int, identifier: str) -> None:
        if identifier == "7":
            raise ServiceError("ValidationError")

    done = ingest(
        "people",
        [{"id": str(n)} for n in range(50)],
        client=FakeStore(refuse),
        progress=lambda found: seen.append((found.done, found.ended)),
    )
    assert (done.total, done.done, done.ended) == (50, 50, True)
    assert seen[-1] == (50, True)
    assert list(done.failures) == [7]
