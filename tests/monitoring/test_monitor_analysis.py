"""The open engine's analysis, run as in its container: by another interpreter, on real data."""

from __future__ import annotations

import ast
import base64
import csv
import gzip
import io
import json
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.worker import ENVIRONMENT, MONITORING, PYTHON, Worker
from tests.support import ROOT

CENSUS = ROOT / "pipeline_code" / "census_income" / "data" / "adult.csv.gz"
HOUR = "2025/03/04/09"

Row = dict[str, str]

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the stand-in for AWS's containers is not set up: make setup"
)


@pytest.fixture(scope="module")
def census() -> tuple[list[Row], list[Row]]:
    """A reference of 20,000 people and 2,000 others, drawn at random from the census."""
    with gzip.open(CENSUS, "rt", encoding="utf-8") as file:
        rows = [
            {name: value for name, value in row.items() if name not in ("fnlwgt", "split")}
            for row in csv.DictReader(file)
        ]
    random.Random(7).shuffle(rows)
    return rows[:20_000], rows[20_000:22_000]


@dataclass
class Run:
    """A finished run and its files."""

    code: int
    message: str
    output: Path

    def json(self, name: str) -> Any:
        return json.loads((self.output / name).read_text())

    @property
    def violations(self) -> set[tuple[str, str]]:
        return {
            (found["feature_name"], found["constraint_check_type"])
            for found in self.json("constraint_violations.json")["violations"]
        }


Analyse = Callable[..., Run]


@pytest.fixture(scope="module")
def reference(
    census: tuple[list[Row], list[Row]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "people.csv").write_text(as_csv(census[0]))
    return folder


@pytest.fixture
def analyse(tmp_path: Path, reference: Path, worker: Worker) -> Analyse:
    def run(
        data: Path,
        *options: str,
        kind: str = "capture",
        until: str = "2025-03-04T10:15:00Z",
        against: Path = reference,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> Run:
        path, message, output = tmp_path / "settings.json", tmp_path / "message", tmp_path / "out"
        path.write_text(json.dumps({"ignore": ["income"], **settings}))
        arguments = [
            "--monitor", "census",
            "--until", until,
            "--kind", kind,
            "--data", str(data),
            "--reference", str(against),
            "--output", str(output),
            "--settings", str(path),
            "--message", str(message),
            *options,
        ]  # fmt: skip
        if environment is None:
            return Run(worker.run(arguments), message.read_text(), output)
        done = subprocess.run(
            [PYTHON, "-m", "analysis.analyze", *arguments],
            cwd=MONITORING,
            env=ENVIRONMENT | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert message.exists(), done.stderr
        return Run(done.returncode, message.read_text(), output)

    return run


def as_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def payload(number: int, row: Row) -> dict[str, str]:
    """CSV, base64 or JSON by turns, as the service writes them."""
    values = {name: value for name, value in row.items() if name != "income"}
    line = ",".join(values.values())
    if number % 3 == 0:
        return {"observedContentType": "text/csv", "encoding": "CSV", "data": line}
    if number % 3 == 1:
        coded = base64.b64encode(line.encode()).decode()
        return {"observedContentType": "text/csv", "encoding": "BASE64", "data": coded}
    text = json.dumps({"instances": [{"features": values}]})
    return {"observedContentType": "application/json", "encoding": "JSON", "data": text}


def event(part: dict[str, str], time: str = "2025-03-04T09:30:00Z") -> str:
    return json.dumps(
        {
            "captureData": {"endpointInput": {"mode": "INPUT", **part}},
            "eventMetadata": {"eventId": "1", "inferenceTime": time},
            "eventVersion": "0",
        }
    )


def captured(folder: Path, lines: list[str], hour: str = HOUR) -> Path:
    target = folder / "capture" / "AllTraffic" / hour
    target.mkdir(parents=True, exist_ok=True)
    (target / "00-a.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "capture"


def requests(rows: list[Row]) -> list[str]:
    return [event(payload(number, row)) for number, row in enumerate(rows)]


def test_clean_traffic_is_no_violation(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    run = analyse(captured(tmp_path, requests(census[1])))
    assert (run.code, run.violations) == (0, set())
    assert run.message == "Completed: 2000 records in 2025-03-04T09:00Z to 2025-03-04T10:00Z"
    report = run.json("report.json")
    assert report["reference_records"] == 20_000
    assert set(report["drift"]) == set(census[1][0]) - {"income"}


def test_every_kind_of_shift_is_seen(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    rows = [dict(row) for row in census[1]]
    for number, row in enumerate(rows):
        row["age"] = str(int(row["age"]) + 6)
        if number < 40:
            row["hours_per_week"] += "000"
        if number < 20:
            row["workclass"] = "Gig"
        if number < 300:
            row["education"] = ""
        if number < 5:
            row["capital_gain"] = "much"
        row["sex"] = "Male"
    run = analyse(captured(tmp_path, requests(rows)))
    assert run.code == 0
    assert run.message.startswith("CompletedWithViolations: 7 in ")
    assert run.violations == {
        ("age", "baseline_drift_check"),
        ("hours_per_week", "range_check"),
        ("hours_per_week", "baseline_drift_check"),
        ("workclass", "categorical_values_check"),
        ("education", "completeness_check"),
        ("capital_gain", "data_type_check"),
        ("sex", "baseline_drift_check"),
    }
    severities = {
        found["feature_name"]: found["severity"]
        for found in run.json("report.json")["violations"]
        if found["feature_name"] != "hours_per_week"
    }
    assert severities["sex"] == severities["education"] == "critical"
    assert severities["age"] == severities["capital_gain"] == "warning"


def test_missing_and_extra_columns(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    rows = [
        {"shoe_size": "43"} | {k: v for k, v in row.items() if k not in ("age", "income")}
        for row in census[1][:50]
    ]
    lines = [
        event(
            {"observedContentType": "application/json", "encoding": "JSON", "data": json.dumps(r)}
        )
        for r in rows
    ]
    run = analyse(captured(tmp_path, lines))
    assert run.violations == {("age", "missing_column_check"), ("shoe_size", "extra_column_check")}


def test_only_the_window_is_read(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    captured(tmp_path, requests(census[1][:30]), hour="2025/03/04/08")
    data = captured(
        tmp_path,
        [
            *requests(census[1][:20]),
            # Written late, into the folder of the next hour.
            event(payload(0, census[1][0]), time="2025-03-04T08:59:59Z"),
            event(payload(0, census[1][0]), time="2025-03-04T10:00:00Z"),
        ],
    )
    assert analyse(data).json("report.json")["records"] == 20
    assert analyse(data, "--hours", "2").json("report.json")["records"] == 51


@pytest.mark.parametrize("until", ["2025-03-04T13:15:00Z", "now", "<aws.scheduler.scheduled-time>"])
def test_an_empty_window_is_no_violation(
    until: str, census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    run = analyse(captured(tmp_path, requests(census[1][:3])), until=until)
    assert run.code == 0
    assert run.message.startswith("NoData: 0 records in ")
    assert run.violations == set()
    assert run.json("statistics.json")["dataset"]["item_count"] == 0


def test_hostile_captures(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    good = requests(census[1][:4])
    image = {"observedContentType": "image/png", "encoding": "BASE64", "data": "iVBORw0KGgo="}
    bad = [
        good[0][:80],
        "[]",
        "null",
        event(image),
        event({"observedContentType": "text/csv", "encoding": "CSV", "data": "1,2,3"}),
        event({"observedContentType": "application/json", "encoding": "JSON", "data": "{"}),
        event({"observedContentType": "application/json", "encoding": "JSON", "data": "7"}),
    ]
    run = analyse(captured(tmp_path, good + bad))
    assert run.code == 0
    (found,) = run.json("constraint_violations.json")["violations"]
    assert found["constraint_check_type"] == "capture_format_check"
    assert found["description"].startswith("7 of 11 requests could not be read: ")
    assert "3 values for 13 columns" in found["description"]
    assert found["severity"] == "critical"


def test_several_records_and_shapes_in_one_payload(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    rows = [{k: v for k, v in row.items() if k != "income"} for row in census[1][:2]]
    lists = [list(row.values()) for row in rows]
    csv_text = "\n".join(",".join(values) for values in lists)
    shapes: list[tuple[str, str, str]] = [
        ("text/csv", "CSV", csv_text),
        ("text/csv", "CSV", ",".join(rows[0]) + "\n" + csv_text),
        ("application/json", "JSON", json.dumps(rows)),
        ("application/json", "JSON", json.dumps({"instances": lists})),
        ("application/json", "JSON", json.dumps({"columns": list(rows[0]), "data": lists})),
        ("application/jsonlines", "BASE64", base64.b64encode(
            "\n".join(json.dumps(row) for row in rows).encode()).decode()),
    ]  # fmt: skip
    lines = [
        event({"observedContentType": kind, "encoding": coding, "data": data})
        for kind, coding, data in shapes
    ]
    run = analyse(captured(tmp_path, lines))
    # Everything can be read; that the same two people come six times is not the reader's affair.
    assert {check for _, check in run.violations} <= {"baseline_drift_check"}
    assert run.json("report.json")["records"] == 12


def test_nan_and_infinity(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    rows = [dict(row) for row in census[1][:300]]
    for row in rows[:100]:
        row["age"] = "inf"
    for row in rows[100:200]:
        row["hours_per_week"] = "NaN"
    run = analyse(captured(tmp_path, requests(rows)))
    assert run.code == 0
    assert {
        ("age", "range_check"),
        ("age", "baseline_drift_check"),
        ("hours_per_week", "completeness_check"),
    } <= run.violations


def test_one_row(census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse) -> None:
    run = analyse(captured(tmp_path, requests(census[1][:1])))
    assert (run.code, run.violations) == (0, set())


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
def test_data_sets(
    kind: str, census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    """The files that changed within the window; here both, whatever the window's end."""
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / f"people.{kind}"
    rows = census[1][:500]
    if kind == "parquet":
        code = "import pandas, sys; pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[2])"
        source = tmp_path / "people.csv"
        source.write_text(as_csv(rows))
        subprocess.run([PYTHON, "-c", code, source, path], check=True)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(as_csv(rows).encode()))
    else:
        path.write_text(as_csv(rows))
    import datetime

    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    run = analyse(folder, "--hours", "2", kind="dataset", until=later.isoformat())
    assert (run.code, run.violations) == (0, set())
    assert run.json("report.json")["records"] == 500
    assert analyse(folder, kind="dataset", until="2020-01-01T00:00:00Z").message.startswith(
        "NoData"
    )


def test_csv_without_a_header(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    lines = as_csv(census[0][:3000]).splitlines()
    (folder / "train.csv").write_text("\n".join(lines[1:]))
    run = analyse(
        captured(tmp_path, requests(census[1][:500])), against=folder, columns=lines[0].split(",")
    )
    assert (run.code, run.violations) == (0, set())


def test_the_services_layouts(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    run = analyse(captured(tmp_path, requests(census[1][:500])))
    statistics = run.json("statistics.json")
    assert statistics["dataset"] == {"item_count": 500}
    features = {each["name"]: each for each in statistics["features"]}
    ages = [int(row["age"]) for row in census[1][:500]]
    numbers = features["age"]["numerical_statistics"]
    assert features["age"]["inferred_type"] == "Integral"
    assert numbers["common"] == {"num_present": 500, "num_missing": 0}
    assert numbers["mean"] == pytest.approx(sum(ages) / 500)
    assert (numbers["min"], numbers["max"]) == (min(ages), max(ages))
    assert sum(b["count"] for b in numbers["distribution"]["kll"]["buckets"]) == 500
    texts = features["sex"]["string_statistics"]
    assert texts["distinct_count"] == 2
    assert sum(b["count"] for b in texts["distribution"]["categorical"]["buckets"]) == 500
    constraints = {each["name"]: each for each in run.json("constraints.json")["features"]}
    assert constraints["age"]["num_constraints"] == {"is_non_negative": True}
    assert constraints["sex"]["string_constraints"] == {"domains": ["Female", "Male"]}
    assert constraints["sex"]["completeness"] == 1.0


def test_the_page_loads_nothing_and_shows_no_markup_of_the_data(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    rows = [row | {"workclass": "<script>alert(1)</script>"} for row in census[1][:200]]
    run = analyse(captured(tmp_path, requests(rows)))
    page = (run.output / "report.html").read_text()
    assert "violation" in page
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert len(page) < 100_000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"until": "yesterday"}, "--until: got 'yesterday'; allowed: 'now' or an ISO-8601 time"),
        ({"against": Path("nowhere")}, "nowhere does not exist"),
    ],
)
def test_a_run_without_an_answer_says_why(
    options: dict[str, Any],
    says: str,
    census: tuple[list[Row], list[Row]],
    tmp_path: Path,
    analyse: Analyse,
) -> None:
    run = analyse(captured(tmp_path, requests(census[1][:3])), **options)
    assert run.code == 1
    assert run.message.startswith("Failed: ")
    assert says in run.message
    assert says.split(";", maxsplit=1)[0] in unescape((run.output / "report.html").read_text())


def test_a_reference_that_is_no_table(tmp_path: Path, analyse: Analyse) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "people.parquet").write_text("not parquet")
    run = analyse(captured(tmp_path, ["{}"]), against=folder)
    assert run.code == 1
    assert "people.parquet cannot be read" in run.message


def test_publishing_that_fails_is_reported_and_not_fatal(
    census: tuple[list[Row], list[Row]], tmp_path: Path, analyse: Analyse
) -> None:
    unreachable = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }
    data = captured(tmp_path, requests(census[1][:20]))
    run = analyse(data, "--publish", environment=unreachable)
    assert run.code == 0
    notes = run.json("report.json")["notes"]
    assert [note.split(":")[0] for note in notes] == ["metrics not published", "event not sent"]


@pytest.mark.parametrize(
    "path", sorted((MONITORING / "analysis").glob("*.py")), ids=lambda p: p.name
)
def test_the_older_container_can_read_it(path: Path) -> None:
    """AWS's scikit-learn 1.2-1 container has Python 3.9."""
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    first = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    if path.name != "__init__.py":
        assert first
        assert first[0].module == "__future__"
