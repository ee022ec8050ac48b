"""One run of a data-quality monitor: compare a window of data with the reference.

Writes ``statistics.json``, ``constraints.json`` and ``constraint_violations.json`` in the service's
layouts, ``report.json`` and ``report.html``. Exit status 0 whenever there is an answer, violations
included (the exit message then begins with ``CompletedWithViolations``, as with the service's own
monitors), 1 when there is none.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from . import checks, columns, publish
from .capture import read_capture
from .errors import AnalysisError
from .report import page
from .settings import SEVERITIES, Settings, load
from .sources import open_source
from .tables import read_table
from .window import Window, window_before


def main(arguments: list[str] | None = None) -> int:
    """Run the analysis with the arguments of the command line."""
    options = _parser().parse_args(arguments)
    report: dict[str, Any] = {
        "monitor": options.monitor,
        "status": "Failed",
        "window": options.until,
        "records": 0,
        "reference_records": 0,
        "violations": [],
        "drift": {},
        "tests": [],
        "notes": [],
    }
    settings = Settings()
    try:
        settings = load(options.settings)
        window = window_before(options.until, options.hours)
        report["window"] = str(window)
        _analyse(options, settings, window, report)
    except AnalysisError as error:
        report["notes"].append(str(error))
    except Exception as error:  # the status must reach CloudWatch in any case
        traceback.print_exc()
        report["notes"].append(f"{type(error).__name__}: {error}")
    if options.publish:
        report["notes"] += publish.send(
            publish.metric_data(
                options.monitor,
                failed=report["status"] == "Failed",
                records=report["records"],
                violations={
                    severity: sum(
                        1 for entry in report["violations"] if entry["severity"] == severity
                    )
                    for severity in SEVERITIES
                },
                drift=report["drift"],
                feature_metrics=settings.feature_metrics,
            ),
            publish.event_detail(options.monitor, report, options.report_uri),
        )
    _write(options.output, "report.json", report)
    (options.output / "report.html").write_text(page(report), encoding="utf-8")
    message = _message(report)
    print(message)  # the job's log
    if options.message:
        options.message.parent.mkdir(parents=True, exist_ok=True)
        options.message.write_text(message[:1024], encoding="utf-8")
    return 1 if report["status"] == "Failed" else 0


def _analyse(
    options: argparse.Namespace, settings: Settings, window: Window, report: dict[str, Any]
) -> None:
    reference_table = read_table(open_source(options.reference).everything(), settings.columns)
    if not len(reference_table):
        raise AnalysisError(f"The reference {options.reference} holds no rows.")
    reference = columns.columns_of(reference_table, settings)
    report["reference_records"] = len(reference_table)
    table, problems = _current(options, settings, window, reference)
    report["records"] = len(table)
    outcome = checks.check(reference, table, settings) if len(table) else checks.Outcome()
    outcome.violations[:0] = problems
    report["violations"] = [asdict(found) for found in outcome.violations]
    report["drift"] = dict(sorted(outcome.drift.items(), key=lambda item: (-item[1], item[0])))
    report["tests"] = outcome.tests
    _write(options.output, "statistics.json", columns.statistics(outcome.columns, len(table)))
    _write(options.output, "constraints.json", columns.constraints(reference, settings))
    _write(options.output, "constraint_violations.json", {"violations": report["violations"]})
    if outcome.violations:
        report["status"] = "CompletedWithViolations"
    else:
        report["status"] = "Completed" if len(table) else "NoData"


def _current(
    options: argparse.Namespace,
    settings: Settings,
    window: Window,
    reference: dict[str, columns.Column],
) -> tuple[Any, list[checks.Violation]]:
    source = open_source(options.data)
    if options.kind == "dataset":
        return read_table(source.by_change(window), settings.columns), []
    captured = read_capture(
        source.by_hour(window), window, settings.capture_columns or tuple(reference)
    )
    problems = []
    if captured.unreadable:
        problems = [checks.unreadable(captured.unreadable, captured.requests, captured.reasons)]
    return pd.DataFrame.from_records(captured.rows), problems


def _message(report: dict[str, Any]) -> str:
    status, found = report["status"], report["violations"]
    if status == "CompletedWithViolations":
        worst = found[0]
        return (
            f"CompletedWithViolations: {len(found)} in {report['window']}; first: "
            f"{worst['feature_name']}: {worst['description']}"
        )
    if status == "Failed":
        return "Failed: " + "; ".join(report["notes"])
    return f"{status}: {report['records']} records in {report['window']}"


def _write(folder: Path, name: str, content: Any) -> None:
    text = json.dumps(content, indent=1, sort_keys=False, default=str)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def _folder(text: str) -> Path:
    path = Path(text)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="analyze", description=__doc__)
    parser.add_argument("--monitor", required=True, help="the monitor's name, a metric dimension")
    parser.add_argument("--until", default="now", help="ISO-8601 time or 'now'; cut to the hour")
    parser.add_argument("--hours", type=int, default=1, help="how many hours before that")
    parser.add_argument("--kind", choices=("capture", "dataset"), required=True)
    parser.add_argument("--data", required=True, help="s3://bucket/prefix or a folder")
    parser.add_argument("--reference", required=True, help="s3://bucket/prefix or a folder")
    parser.add_argument("--output", type=_folder, required=True, help="folder for the results")
    parser.add_argument("--settings", type=Path, default=Path("settings.json"))
    parser.add_argument("--report-uri", default="", help="where the results will be in S3")
    parser.add_argument("--message", type=Path, help="file for the job's exit message")
    parser.add_argument("--publish", action="store_true", help="send metrics and an event")
    return parser


if __name__ == "__main__":
    sys.exit(main())
