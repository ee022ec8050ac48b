"""One run of a suite: compare a window of data with the reference, and predictions with the truth.

Each monitor writes ``statistics.json``, ``constraints.json`` and ``constraint_violations.json`` in
the layouts of the service and ``report.json``; the run writes one ``report.html``. Exit status 0
whenever there is an answer, violations included (the exit message then begins with
``CompletedWithViolations``, as with the service's own monitors), 1 when there is none.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from . import checks, history, layouts, publish, tolerances
from .batches import Batch, read_batches
from .capture import Captured, capture_batches
from .documents import document, write_json
from .errors import AnalysisError
from .pictures import distributions
from .profiles import Profile, profile
from .report import page
from .served import NothingServedError, find_served
from .settings import SEVERITIES, Settings, load
from .sources import data_files, open_source
from .turns import wait_for_turn
from .window import Window, window_before


def main(arguments: list[str] | None = None) -> int:
    """Run the analysis with the arguments of the command line."""
    options = _parser().parse_args(arguments)
    settings, fault = Settings(), ""
    try:
        settings = load(options.settings)
    except Exception as error:  # whatever is in it, the status must reach CloudWatch
        fault = f"{options.settings} cannot be read: {error}"
        settings = replace(settings, monitors=_monitors_by_options(options))
    run = _prepare(options, settings, fault)
    reports = [_run(options, run, kind) for kind in run.settings.monitors]
    _tell(options, reports)
    return 1 if any(report["status"] == "Failed" for report in reports) else 0


def _monitors_by_options(options: argparse.Namespace) -> tuple[str, ...]:
    """Which monitors a run without settings probably has: all that wait for it hear of its end."""
    found = {
        "DataQuality": options.reference,
        "ModelQuality": options.ground_truth
        and (options.quality_constraints or not options.bias_config),
        "ModelBias": options.bias_config,
        "ModelExplainability": options.attribution_baseline or options.model,
    }
    return tuple(kind for kind, given in found.items() if given) or ("DataQuality",)


@dataclass
class _Prepared:
    """What all monitors of a run share: the window or why there is none, and what is served."""

    settings: Settings
    window: Window | None = None
    fault: str = ""
    nothing: str = ""
    model: str | None = None
    notes: list[str] = field(default_factory=list)


def _prepare(options: argparse.Namespace, settings: Settings, fault: str) -> _Prepared:
    run = _Prepared(settings, fault=fault)
    try:
        run.window = window_before(options.until, options.hours, whole=not options.labels)
        if options.execution and not fault:
            waited = wait_for_turn(options.pipeline, options.execution)
            if waited:
                run.notes.append(f"Waited {waited:.0f} s for the run before.")
        if options.model_package_group and not fault:
            _use_served(options, run)
    except NothingServedError as error:
        run.nothing = str(error)
    except AnalysisError as error:
        run.fault = run.fault or str(error)
    except Exception as error:  # the status must reach CloudWatch in any case
        traceback.print_exc()
        run.fault = run.fault or f"{type(error).__name__}: {error}"
    return run


def _use_served(options: argparse.Namespace, run: _Prepared) -> None:
    """Take baselines and model from the package that is served; what it lacks stays as given."""
    served = find_served(options.endpoint, options.model_package_group)
    run.model = served.version or served.package
    for name, place in served.places.items():
        if name == "reference" and not any(True for _ in data_files(open_source(place))):
            continue
        setattr(options, name, place)
    if served.program:
        run.settings = replace(run.settings, model_program=served.program)


def _tell(options: argparse.Namespace, reports: list[dict[str, Any]]) -> None:
    """The report's page, the history, and the job's exit message."""
    runs: list[dict[str, Any]] = []
    try:
        runs = history.with_run(
            history.load(options.history), [history.entry_of(report) for report in reports]
        )
        if options.history:
            history.save(options.history, runs)
    except Exception as error:  # the curves must not cost the report
        reports[0]["notes"].append(f"no history: {type(error).__name__}: {error}")
    (options.output / "report.html").write_text(_page(reports, runs), encoding="utf-8")
    messages = [_message(report) for report in reports]
    print("\n".join(messages))  # the job's log
    # What is worst comes first: who waits for violations looks at the beginning.
    order = sorted(range(len(reports)), key=lambda at: _BADNESS.index(reports[at]["status"]))
    if options.message:
        options.message.parent.mkdir(parents=True, exist_ok=True)
        text = "; ".join(messages[at] for at in order)
        options.message.write_text(text[:1024], encoding="utf-8")


def _page(reports: list[dict[str, Any]], runs: list[dict[str, Any]]) -> str:
    try:
        return page(reports, runs)
    except Exception as error:  # the page must not cost the answer
        traceback.print_exc()
        reports[0]["notes"].append(f"no page: {type(error).__name__}: {error}")
        return "<!doctype html><title>No report</title><p>See report.json and the job's log."


def _run(options: argparse.Namespace, run: _Prepared, kind: str) -> dict[str, Any]:
    settings = run.settings
    report: dict[str, Any] = {
        "monitor": options.monitor,
        "monitor_type": kind,
        "status": "Failed",
        "window": options.until if run.window is None else str(run.window),
        "until": options.until if run.window is None else f"{run.window.end:%Y-%m-%dT%H:%MZ}",
        "model": run.model,
        "records": 0,
        "reference_records": 0,
        "violations": [],
        "drift": {},
        "tests": [],
        "measures": {},
        "allowed": {},
        "coverage": None,
        "notes": [*([run.fault] if run.fault else []), *run.notes],
    }
    folder, analyse = _ANALYSES[kind]
    output = _folder(str(options.output / folder))
    try:
        if run.nothing:
            report["status"] = "NoData"
            report["notes"].append(run.nothing)
        elif not run.fault and run.window is not None:
            analyse(options, output, settings, run.window, report)
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
    write_json(output / "report.json", report)
    return report


def _data_quality(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    if not options.reference:
        raise AnalysisError(
            "There is no reference: the model package that is served names none, and DataQuality "
            "was given none."
        )
    constraints = document(options.data_constraints, "constraints.json")
    files = data_files(open_source(options.reference))
    reference = profile(read_batches(files, settings.columns), settings)
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
    outcome.violations = tolerances.apply(outcome.violations, current, constraints)
    report["violations"] = [asdict(found) for found in outcome.violations]
    report["drift"] = dict(sorted(outcome.drift.items(), key=lambda item: (-item[1], item[0])))
    report["tests"] = outcome.tests
    report["distributions"] = distributions(
        reference, current, report["violations"], report["drift"]
    )
    write_json(output / "statistics.json", layouts.statistics(current.columns, current.rows))
    write_json(
        output / "constraints.json",
        constraints or layouts.constraints(reference.columns, settings),
    )
    write_json(output / "constraint_violations.json", {"violations": report["violations"]})
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
    numbers = [name for name, column in reference.columns.items() if column.kind != "String"]
    return capture_batches(
        source.by_hour(window),
        window,
        names,
        captured,
        numbers=numbers,
        missing=settings.missing_values,
    )


def _model_quality(*given: Any) -> None:
    # Here and below: loading scipy.stats takes longer than most runs of the data monitor.
    from . import labelled

    labelled.model_quality(*given)


def _model_bias(*given: Any) -> None:
    from . import bias_drift

    bias_drift.model_bias(*given)


def _attribution_drift(*given: Any) -> None:
    from . import attribution

    attribution.attribution_drift(*given)


_ANALYSES: dict[str, tuple[str, Callable[..., None]]] = {
    "DataQuality": ("", _data_quality),
    "ModelQuality": ("model-quality", _model_quality),
    "ModelBias": ("bias", _model_bias),
    "ModelExplainability": ("explainability", _attribution_drift),
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
    parser.add_argument("--data-constraints", default="", help="with constraints.json")
    parser.add_argument("--ground-truth", default="", help="where labels are, by hour")
    parser.add_argument(
        "--labels",
        default="",
        type=lambda text: "" if text == "-" else text,
        help="the key of labels that have just arrived; - for none",
    )
    parser.add_argument("--quality-constraints", default="", help="with constraints.json")
    parser.add_argument("--bias-config", default="", help="with analysis_config.json")
    parser.add_argument("--bias-constraints", default="", help="with constraints.json")
    parser.add_argument("--attribution-baseline", default="", help="with constraints.json")
    parser.add_argument("--model", default="", help="model.tar.gz, or a folder")
    parser.add_argument("--endpoint", default="", help="the endpoint that is monitored")
    parser.add_argument("--model-package-group", default="", help="its packages bring baselines")
    parser.add_argument("--pipeline", default="", help="the pipeline that this is a run of")
    parser.add_argument("--execution", default="", help="the id of the run")
    parser.add_argument("--history", default="", help="folder for what runs measured")
    parser.add_argument("--output", type=_folder, required=True, help="folder for the results")
    parser.add_argument("--settings", type=Path, default=Path("settings.json"))
    parser.add_argument("--report-uri", default="", help="where the results will be in S3")
    parser.add_argument("--message", type=Path, help="file for the job's exit message")
    parser.add_argument("--publish", action="store_true", help="send metrics and an event")
    return parser


if __name__ == "__main__":
    sys.exit(main())
