"""The monitors of what a model answered: its quality, and how it treats groups."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import bias, quality
from .checks import Violation, unreadable
from .documents import document, write_json
from .errors import AnalysisError
from .pictures import groups
from .predictions import Joined, join, join_table
from .settings import Settings
from .sources import File, open_source
from .window import Window

#: Groups of fewer people say nothing about how they are treated.
_LEAST_GROUP = 10


def model_quality(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    """Fill in the report of a model-quality run, and write the service's files."""
    joined, violations = _joined(options, settings, window, (), report)
    constraints = document(options.quality_constraints, "constraints.json")
    measured = {}
    if joined.known:
        measured = quality.measure(
            settings.problem_type,
            joined.known,
            positive=settings.positive_label,
            threshold=settings.probability_threshold,
            rate=settings.false_alarm_rate,
        )
        if constraints:
            violations += quality.check(settings.problem_type, measured, constraints)
            report["allowed"] = quality.limits(settings.problem_type, constraints)
    report["measures"] = measured
    statistics = {
        "version": 0.0,
        "dataset": {"item_count": len(joined.known)},
        quality.SECTIONS[settings.problem_type].replace("constraints", "metrics"): {
            name: {"value": each["value"], "standard_deviation": None}
            for name, each in measured.items()
        },
    }
    _write(output, statistics, constraints, violations)
    _finish(report, violations, joined)


def model_bias(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    """Fill in the report of a bias run, and write the service's files."""
    config = document(options.bias_config, "analysis_config.json")
    if not config:
        raise AnalysisError(f"{options.bias_config} holds no analysis_config.json.")
    facets = bias.facets_of(config)
    label = config.get("label")
    columns = tuple(str(name) for name in config.get("headers", ()) if name != label)
    joined, violations = _joined(options, settings, window, columns, report)
    constraints = document(options.bias_constraints, "constraints.json")
    positive = {quality.label(each) for each in config.get("label_values_or_threshold", [1])}
    rows = joined.known
    analysed: dict[str, Any] = {}
    for name, chosen in facets if rows else ():
        values = [each.record.get(name) for each in rows]
        if all(value is None for value in values):
            violations.append(
                Violation(name, "missing_column_check", "The facet is missing", "critical", 1.0)
            )
            continue
        group = bias.in_group(values, chosen)
        sizes = int(group.sum()), int((~group).sum())
        if min(sizes) < _LEAST_GROUP:
            report["notes"].append(
                f"{name}: {sizes[0]} in the group and {sizes[1]} outside of it; compared from "
                f"{_LEAST_GROUP} on."
            )
            continue
        stratum = config.get("group_variable")
        truth = np.array([quality.label(each.truth) in positive for each in rows])
        said = np.array([_said(each, positive, settings) for each in rows])
        report.setdefault("groups", {})[name] = groups(values, truth, said)
        measured = bias.measures(
            group,
            truth,
            said,
            None if stratum is None else [str(each.record.get(stratum)) for each in rows],
            settings.false_alarm_rate / len(facets),
        )
        analysed[name] = [
            {
                "value_or_threshold": ", ".join(map(str, chosen)),
                "metrics": [{"name": key, "value": m["value"]} for key, m in measured.items()],
            }
        ]
        report["measures"].update({f"{name} {key}": each for key, each in measured.items()})
        baseline = bias.baseline_of(constraints, name)
        violations += bias.check(name, measured, baseline, settings.bias_tolerance)
        report["allowed"].update(
            {
                f"{name} {key}": bias.allowed(key, baseline, settings.bias_tolerance)
                for key in measured
            }
        )
    statistics = {
        "version": "1.0",
        "post_training_bias_metrics": {"label": label, "facets": analysed},
    }
    _write(output, statistics, constraints, violations)
    _finish(report, violations, joined)


def _said(each: Any, positive: set[str], settings: Settings) -> bool:
    if each.answer is None and each.probability is not None:
        return bool(each.probability >= settings.probability_threshold)
    return quality.label(each.answer) in positive


def _joined(
    options: argparse.Namespace,
    settings: Settings,
    window: Window,
    columns: tuple[str, ...],
    report: dict[str, Any],
) -> tuple[Joined, list[Violation]]:
    """Predictions old enough to have labels, and what is wrong with either."""
    looked = window if options.labels else window.earlier(settings.label_delay_hours)
    report["window"] = str(looked)
    labels = _labels(options, Window(looked.start, window.end))
    data = open_source(options.data)
    if options.kind == "dataset":
        joined = join_table(data.by_change(looked), labels, settings)
    else:
        names = settings.capture_columns or columns
        joined = join(data.by_hour(looked), labels, looked, names, settings)
    if options.labels:  # what else was predicted has its turn when its own labels arrive
        joined.predictions = joined.known
    report["records"], report["coverage"] = len(joined.predictions), joined.coverage
    violations = []
    captured = joined.captured
    if captured.unreadable:
        violations.append(unreadable(captured.unreadable, captured.requests, captured.reasons))
    if joined.bad_labels:
        violations.append(
            Violation(
                "*",
                "ground_truth_format_check",
                f"{joined.bad_labels} lines of ground truth are not in the service's layout",
                "warning",
                joined.bad_labels / (joined.bad_labels + joined.labels),
            )
        )
    if joined.predictions and not joined.known:
        violations.append(
            Violation(
                "*",
                "missing_ground_truth_check",
                f"None of {len(joined.predictions)} predictions has a label; {joined.labels} "
                "labels were there, with other ids",
                "warning",
                1.0,
            )
        )
    return joined, violations


def _labels(options: argparse.Namespace, window: Window) -> Iterable[File]:
    """The files with labels: those of the window's hours, or the one that has just arrived."""
    if options.labels:
        place = str(options.labels)
        if options.ground_truth.startswith("s3://"):
            place = "/".join([*options.ground_truth.split("/")[:3], place])
        return open_source(place).everything()
    if not options.ground_truth:
        return ()
    return open_source(options.ground_truth).by_hour(window)


def _finish(report: dict[str, Any], violations: list[Violation], joined: Joined) -> None:
    report["violations"] = [asdict(found) for found in violations]
    if violations:
        report["status"] = "CompletedWithViolations"
    else:
        report["status"] = "Completed" if joined.predictions else "NoData"


def _write(output: Path, statistics: Any, constraints: Any, violations: list[Violation]) -> None:
    write_json(output / "statistics.json", statistics)
    write_json(output / "constraints.json", constraints)
    found = [asdict(each) for each in violations]
    write_json(output / "constraint_violations.json", {"violations": found})
