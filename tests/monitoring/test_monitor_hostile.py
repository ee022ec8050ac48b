"""Hostile input: a violation or a clear error in the report, and the status in any case."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.worker import PYTHON, Worker

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)

HOUR = Path("capture/All/2025/03/04/09")


@dataclass
class Run:
    """A finished run of the data monitor."""

    code: int
    message: str
    report: dict[str, Any]

    @property
    def checks(self) -> set[tuple[str, str]]:
        return {
            (found["feature_name"], found["constraint_check_type"])
            for found in self.report["violations"]
        }


Analyse = Callable[..., Run]


def people(count: int, seed: int = 1) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {
            "age": rng.randint(18, 80),
            "pay": round(rng.lognormvariate(3, 1), 2),
            "job": rng.choice(["baker", "smith", "clerk"]),
        }
        for _ in range(count)
    ]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def analyse(tmp_path: Path, worker: Worker) -> Analyse:
    def run(
        data: str = "capture",
        *options: str,
        kind: str = "capture",
        settings: Any = None,
        reference: str = "",
    ) -> Run:
        (tmp_path / "reference.jsonl").write_text(reference or lines(people(2000)))
        text = settings if isinstance(settings, str) else json.dumps(settings or {})
        (tmp_path / "settings.json").write_text(text)
        (tmp_path / "capture").mkdir(exist_ok=True)
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        until = "2025-03-04T10:15:00Z" if kind == "capture" else later.isoformat()
        arguments = [
            "--monitor", "m", "--kind", kind, "--until", until, "--hours", "2",
            "--data", tmp_path / data, "--reference", tmp_path / "reference.jsonl",
            "--settings", tmp_path / "settings.json", "--output", tmp_path / "out",
            "--message", tmp_path / "message", *options,
        ]  # fmt: skip
        code = worker.run(list(map(str, arguments)))
        message = (tmp_path / "message").read_text()
        assert (tmp_path / "out" / "report.html").exists()
        for path in (tmp_path / "out").rglob("*.json"):
            json.loads(path.read_text(), parse_constant=pytest.fail)  # JSON knows no NaN
        (path,) = (tmp_path / "out").rglob("report.json")
        return Run(code, message, json.loads(path.read_text()))

    return run


def event(data: str, kind: str = "text/csv", encoding: str = "CSV") -> dict[str, Any]:
    part = {"observedContentType": kind, "encoding": encoding, "data": data, "mode": "INPUT"}
    return {
        "captureData": {"endpointInput": part},
        "eventMetadata": {"eventId": "1", "inferenceTime": "2025-03-04T09:30:00Z"},
    }


def values(row: dict[str, Any]) -> str:
    return ",".join(map(str, row.values()))


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def capture(tmp_path: Path, content: str | bytes, name: str = "a.jsonl") -> None:
    folder = tmp_path / HOUR
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def test_files_that_end_too_soon(tmp_path: Path, analyse: Analyse) -> None:
    whole = lines([event(values(row)) for row in people(400, 2)])
    capture(tmp_path, whole[:-40])
    capture(tmp_path, gzip.compress(whole.encode())[:-20], "b.jsonl.gz")
    capture(tmp_path, b"\x80\x81\xff\xfe\x00\n" * 3, "c.jsonl")
    capture(tmp_path, "", "d.jsonl")
    run = analyse()
    assert run.code == 0
    (found,) = run.report["violations"]
    assert found["constraint_check_type"] == "capture_format_check"
    assert "5 of" in found["description"]  # a cut line, a cut file, and three lines of no text
    assert "cannot be read to its end" in found["description"]
    assert run.report["records"] >= 399


def test_all_content_types_at_once(tmp_path: Path, analyse: Analyse) -> None:
    rows = people(300, 3)
    mixed = []
    for number, row in enumerate(rows):
        as_json, as_csv = json.dumps(row), values(row)
        mixed += [
            [
                event(as_csv),
                event(coded(as_csv), encoding="BASE64"),
                event(as_json, "application/json", "JSON"),
                event(coded(as_json), "application/json; charset=utf-8", "BASE64"),
                event(as_json + "\n", "application/jsonlines", "JSON"),
                event(json.dumps({"instances": [list(row.values())]}), "application/json", "JSON"),
            ][number % 6]
        ]
    bad = [
        event("not base64!", encoding="BASE64"),
        event(coded("{"), "application/json", "BASE64"),
        event(base64.b64encode(b"\xff\xfe\x00").decode(), encoding="BASE64"),
        event("<xml/>", "application/xml", "CSV"),
        event('"unclosed', "text/csv", "CSV"),
        event("[[1, 2], 3]", "application/json", "JSON"),
        event("[" * 100_000, "application/json", "JSON"),
        event("", "text/csv", "CSV"),
        {"captureData": {"endpointInput": None}, "eventMetadata": {}},
        {"captureData": {"endpointInput": {"data": 7}}, "eventMetadata": {"inferenceTime": 5}},
    ]
    capture(tmp_path, lines([*mixed, *bad]))
    run = analyse()
    assert run.code == 0
    assert run.checks == {("*", "capture_format_check")}
    assert run.report["records"] == 300
    assert " of 310 requests could not be read" in run.report["violations"][0]["description"]


HUGE = {"age": 1e308, "pay": -1e308, "job": "x" * 5000}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"pay": "inf"}, ("pay", "range_check"), id="infinity"),
        pytest.param({"pay": "-inf"}, ("pay", "range_check"), id="minus infinity"),
        pytest.param({"pay": "nan"}, ("pay", "completeness_check"), id="nan"),
        pytest.param({"pay": None}, ("pay", "completeness_check"), id="null"),
        pytest.param({"pay": "much"}, ("pay", "data_type_check"), id="text"),
        pytest.param({"pay": {"a": [1]}}, ("pay", "data_type_check"), id="nested"),
        pytest.param({"pay": True}, ("pay", "data_type_check"), id="boolean"),
        pytest.param({"job": 7}, ("job", "categorical_values_check"), id="number"),
        pytest.param({"job": ""}, ("job", "completeness_check"), id="empty"),
        pytest.param(HUGE, ("pay", "range_check"), id="huge"),
    ],
)
def test_odd_values(
    change: dict[str, Any],
    expected: tuple[str, str],
    tmp_path: Path,
    analyse: Analyse,
) -> None:
    rows = people(400, 4)
    for row in rows[::2]:
        row.update(change)
    (tmp_path / "data.jsonl").write_text(lines(rows))
    run = analyse("data.jsonl", kind="dataset")
    assert run.code == 0, run.message
    assert expected in run.checks


@pytest.mark.parametrize("rows", [1, 2])
def test_hardly_any_rows(rows: int, tmp_path: Path, analyse: Analyse) -> None:
    (tmp_path / "data.jsonl").write_text(lines(people(rows, 5)))
    run = analyse("data.jsonl", kind="dataset")
    assert (run.code, run.checks) == (0, set())
    run = analyse("data.jsonl", kind="dataset", reference=lines(people(rows, 6)))
    assert run.code == 0


def test_odd_references(tmp_path: Path, analyse: Analyse) -> None:
    (tmp_path / "data.jsonl").write_text(lines([{"a": 1.5, "b": "x", "c": None}] * 300))
    odd: list[dict[str, Any]] = [{"a": None, "b": None, "c": None}] * 300
    assert analyse("data.jsonl", kind="dataset", reference=lines(odd)).code == 0
    odd = [{"a": 1e400, "b": float("-inf"), "c": float("nan")}] * 300
    assert analyse("data.jsonl", kind="dataset", reference=lines(odd)).code == 0
    same = [{"a": 1.5, "b": "x", "c": None}] * 300
    run = analyse("data.jsonl", kind="dataset", reference=lines(same))
    assert (run.code, run.checks) == (0, set())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", b"PAR1 and then nothing", "a.parquet cannot be read"),
        ("a.csv", b"age,age\n1,2\n", "columns with the same name: age"),
        ("a.csv", b"age,pay,job\n1,2\n", "a.csv cannot be read"),
        ("a.jsonl", b'{"age": 1}\n{"age"', "line 2"),
        ("a.jsonl", b"[1]\n", "no record"),
        ("a.csv.gz", gzip.compress(b"age\n" + b"1\n" * 9999)[:-9], "a.csv.gz cannot be read"),
    ],
)
def test_data_sets_that_cannot_be_read(
    name: str, content: bytes, says: str, tmp_path: Path, analyse: Analyse
) -> None:
    (tmp_path / name).write_bytes(content)
    run = analyse(name, kind="dataset")
    assert run.code == 1
    assert run.message.startswith("Failed: ")
    assert says in run.message.replace("not a record", "no record")
    assert "Traceback" not in run.message


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("{", "settings.json cannot be read"),
        ("[]", "got a list; allowed: an object"),
        ({"false_alarm_rate": "often"}, "false_alarm_rate: got 'often'; allowed: a number"),
        (
            {"ignore": "income", "most_categories": 2.5},
            "most_categories: got 2.5; allowed: a whole",
        ),
        ({"monitors": ["DataQualty"]}, "monitors: got ['DataQualty']; allowed: DataQuality, Model"),
        ({"columns": [1]}, "columns: got [1]; allowed: a list of texts"),
    ],
)
def test_broken_settings(settings: Any, says: str, tmp_path: Path, analyse: Analyse) -> None:
    run = analyse(settings=settings)
    assert run.code == 1
    assert run.message.startswith("Failed: ")
    assert says in run.message


@pytest.mark.slow
def test_ten_thousand_columns(tmp_path: Path, analyse: Analyse) -> None:
    """Few rows: what takes long is what is done for each column."""
    names = [f"c{number}" for number in range(10_000)]
    rng = random.Random(7)
    text = ",".join(names) + "\n"
    for _ in range(12):
        text += ",".join(str(rng.randint(0, 9)) for _ in names) + "\n"
    (tmp_path / "data.csv").write_text(text)
    wide = tmp_path / "wide.csv"
    wide.write_text(text)
    start = time.monotonic()
    run = analyse("data.csv", "--reference", str(wide), kind="dataset")
    assert time.monotonic() - start < 60  # a few seconds on an idle machine
    assert (run.code, run.checks) == (0, set())
    assert len(run.report["drift"]) == 10_000


def test_labels_that_are_nowhere_or_nonsense(tmp_path: Path, analyse: Analyse) -> None:
    rows = people(50, 8)
    answered = []
    for number, row in enumerate(rows):
        one = event(values(row))
        one["captureData"]["endpointOutput"] = {
            "data": "0.7" if number % 5 else "nonsense", "encoding": "CSV",
            "observedContentType": "text/csv",
        }  # fmt: skip
        one["eventMetadata"]["eventId"] = str(number)
        answered.append(one)
    capture(tmp_path, lines(answered))
    truth = tmp_path / "truth/2025/03/04/09"
    truth.mkdir(parents=True)
    (truth / "a.jsonl").write_text('{"groundTruthData": 5}\nnull\n{"cut')
    (truth / "b.jsonl.gz").write_bytes(gzip.compress(b"x" * 9999)[:-9])
    settings = {
        "monitors": ["ModelQuality"],
        "probability_attribute": "0",
        "capture_columns": list(rows[0]),
    }
    run = analyse("capture", "--ground-truth", str(tmp_path / "truth"), settings=settings)
    assert run.code == 0, run.message
    assert {check for _, check in run.checks} == {
        "capture_format_check",
        "ground_truth_format_check",
        "missing_ground_truth_check",
    }
    assert run.report["coverage"] == 0


_PUBLISHED = """
import json
from analysis import analyze, publish, settings
sent = []
publish_send, analyze.publish.send = publish.send, lambda data, detail: sent.append(data) or []
page, read = analyze.page, analyze.read_batches
arguments = {arguments!r}
def broken(*_):
    raise MemoryError("no room")
try:
    setattr(analyze, {breaks!r}, broken)
    code = analyze.main(arguments)
finally:
    publish.send, analyze.page, analyze.read_batches = publish_send, page, read
answer = [code, [[each["MetricName"], each["Value"], each["Dimensions"]] for each in sent[0]]]
"""


@pytest.mark.parametrize(
    ("settings", "breaks", "failed"),
    [("{", "nothing", 1), ("{}", "read_batches", 1), ("{}", "page", 0), ("{}", "nothing", 0)],
)
def test_the_status_reaches_cloudwatch_whatever_breaks(
    settings: str, breaks: str, failed: int, tmp_path: Path, worker: Worker
) -> None:
    (tmp_path / "data.jsonl").write_text(lines(people(20)))
    (tmp_path / "settings.json").write_text(settings)
    arguments = [
        "--monitor", "m", "--kind", "dataset", "--until", "2020-01-01T00:00:00Z",
        "--data", tmp_path / "data.jsonl", "--reference", tmp_path / "data.jsonl",
        "--settings", tmp_path / "settings.json", "--output", tmp_path / "out", "--publish",
    ]  # fmt: skip
    code, sent = worker.evaluate(
        _PUBLISHED.format(arguments=list(map(str, arguments)), breaks=breaks)
    )
    assert code == failed
    name, value, dimensions = sent[0]
    assert (name, value) == ("RunFailed", failed)
    assert [each["Value"] for each in dimensions] == ["m", "DataQuality"]
    assert (tmp_path / "out" / "report.html").exists()
