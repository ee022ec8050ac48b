"""One run of a suite: compare a window of data with the reference, and predictions with the truth.

Each monitor writes ``statistics.json``, ``constraints.json`` and ``constraint_violations.json`` in
the layouts of the service, ``report.json`` and ``report.html``. Exit status 0 whenever there is an
answer, violations included (the exit message then begins with ``CompletedWithViolations``, as with
the service's own monitors), 1 when there is none.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import checks, labelled, layouts, publish
from .batches import Batch, read_batches
from .capture import Captured, capture_batches
from .errors import AnalysisError
from .profiles import Profile, profile
from .report import page
from .settings import SEVERITIES, Settings, load
from .sources import open_source
from .window import Window, window_before


def main(arguments: list[str] | None = None) -> int:
    """Run the analysis with the arguments of the command line."""
    options = _parser().parse_args(arguments)
    settings, fault = Settings(), ""
    try:
        settings = load(options.settings)
    except (OSError, ValueError, TypeError) as error:
        fault = f"{options.settings} cannot be read: {error}"
    messages, reports = [], []
    for kind in settings.monitors:
        report = _run(options, settings, kind, fault)
        reports.append(report)
        messages.append(_message(report))
        print(messages[-1])  # the job's log
    # What is worst comes first: who waits for violations looks at the beginning.
    order = sorted(range(len(reports)), key=lambda at: _BADNESS.index(reports[at]["status"]))
    if options.message:
        options.message.parent.mkdir(parents=True, exist_ok=True)
        text = "; ".join(messages[at] for at in order)
        options.message.write_text(text[:1024], encoding="utf-8")
    return 1 if any(report["status"] == "Failed" for report in reports) else 0


def _run(options: argparse.Namespace, settings: Settings, kind: str, fault: str) -> dict[str, Any]:
    report: dict[str, Any] = {
        "monitor": options.monitor,
        "monitor_type": kind,
        "status": "Failed",
        "window": options.until,
        "records": 0,
        "reference_records": 0,
        "violations": [],
        "drift": {},
        "tests": [],
        "measures": {},
        "coverage": None,
        "notes": [fault] if fault else [],
    }
    folder, analyse = _ANALYSES[kind]
    output = _folder(str(options.output / folder))
    try:
        if not fault:
            window = window_before(options.until, options.hours)
            report["window"] = str(window)
            analyse(options, output, settings, window, report)
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
                monitor_type=kind,
                measures={name: each["value"] for name, each in report["measures"].items()},
                coverage=report["coverage"],
            ),
            publish.event_detail(options.monitor, report, options.report_uri),
        )
    _write(output, "report.json", report)
    (output / "report.html").write_text(page(report), encoding="utf-8")
    return report


def _data_quality(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    source = open_source(options.reference).everything()
    reference = profile(read_batches(source, settings.columns), settings)
    if not reference.rows:
        raise AnalysisError(f"The reference {options.reference} holds no rows.")
    report["reference_records"] = reference.rows
    captured = Captured()
    batches = _current(options, settings, window, reference, captured)
    current = profile(batches, settings, known=reference)
    report["records"] = current.rows
    outcome = checks.check(reference, current, settings) if current.rows else checks.Outcome()
    if captured.unreadable:
        outcome.violations.insert(
            0, checks.unreadable(captured.unreadable, captured.requests, captured.reasons)
        )
    report["violations"] = [asdict(found) for found in outcome.violations]
    report["drift"] = dict(sorted(outcome.drift.items(), key=lambda item: (-item[1], item[0])))
    report["tests"] = outcome.tests
    _write(output, "statistics.json", layouts.statistics(current.columns, current.rows))
    _write(output, "constraints.json", layouts.constraints(reference.columns, settings))
    _write(output, "constraint_violations.json", {"violations": report["violations"]})
    if outcome.violations:
        report["status"] = "CompletedWithViolations"
    else:
        report["status"] = "Completed" if current.rows else "NoData"


def _current(
    options: argparse.Namespace,
    settings: Settings,
    window: Window,
    reference: Profile,
    captured: Captured,
) -> Iterator[Batch]:
    source = open_source(options.data)
    if options.kind == "dataset":
        return read_batches(source.by_change(window), settings.columns)
    names = settings.capture_columns or tuple(reference.columns)
    return capture_batches(source.by_hour(window), window, names, captured)


_ANALYSES = {
    "DataQuality": ("", _data_quality),
    "ModelQuality": ("model-quality", labelled.model_quality),
    "ModelBias": ("bias", labelled.model_bias),
}
_BADNESS = ("Failed", "CompletedWithViolations", "NoData", "Completed")


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
    parser.add_argument("--reference", default="", help="s3://bucket/prefix or a folder")
    parser.add_argument("--ground-truth", default="", help="where labels are, by hour")
    parser.add_argument("--quality-constraints", default="", help="with constraints.json")
    parser.add_argument("--bias-config", default="", help="with analysis_config.json")
    parser.add_argument("--bias-constraints", default="", help="with constraints.json")
    parser.add_argument("--output", type=_folder, required=True, help="folder for the results")
    parser.add_argument("--settings", type=Path, default=Path("settings.json"))
    parser.add_argument("--report-uri", default="", help="where the results will be in S3")
    parser.add_argument("--message", type=Path, help="file for the job's exit message")
    parser.add_argument("--publish", action="store_true", help="send metrics and an event")
    return parser


if __name__ == "__main__":
    sys.exit(main())
