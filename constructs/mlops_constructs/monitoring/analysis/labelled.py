"""The monitors of what a model answered: its quality, and how it treats groups."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import bias, quality
from .checks import Violation, unreadable
from .errors import AnalysisError
from .predictions import Joined, join
from .settings import Settings
from .sources import open_source
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
    constraints = _document(options.quality_constraints, "constraints.json")
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
    config = _document(options.bias_config, "analysis_config.json")
    if not config:
        raise AnalysisError(f"{options.bias_config} holds no analysis_config.json.")
    facets = bias.facets_of(config)
    label = config.get("label")
    columns = tuple(str(name) for name in config.get("headers", ()) if name != label)
    joined, violations = _joined(options, settings, window, columns, report)
    constraints = _document(options.bias_constraints, "constraints.json")
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
        measured = bias.measures(
            group,
            np.array([quality.label(each.truth) in positive for each in rows]),
            np.array([_said(each, positive, settings) for each in rows]),
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
        violations += bias.check(
            name, measured, bias.baseline_of(constraints, name), settings.bias_tolerance
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
    looked = window.earlier(settings.label_delay_hours)
    report["window"] = str(looked)
    labels = open_source(options.ground_truth).by_hour(Window(looked.start, window.end))
    joined = join(
        open_source(options.data).by_hour(looked),
        labels,
        looked,
        settings.capture_columns or columns,
        settings,
    )
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


def _document(place: str, name: str) -> dict[str, Any]:
    """A JSON file in a place; empty when no place was given."""
    if not place:
        return {}
    for file in open_source(place).everything():
        if Path(file.name).name == name:
            try:
                document = json.loads(file.path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise AnalysisError(f"{file.name} is no JSON: {error}") from error
            if not isinstance(document, dict):
                raise AnalysisError(f"{file.name}: got a {type(document).__name__}, not an object.")
            return document
    raise AnalysisError(f"{place} holds no {name}.")


def _finish(report: dict[str, Any], violations: list[Violation], joined: Joined) -> None:
    report["violations"] = [asdict(found) for found in violations]
    if violations:
        report["status"] = "CompletedWithViolations"
    else:
        report["status"] = "Completed" if joined.predictions else "NoData"


def _write(output: Path, statistics: Any, constraints: Any, violations: list[Violation]) -> None:
    for name, content in (
        ("statistics.json", statistics),
        ("constraints.json", constraints),
        ("constraint_violations.json", {"violations": [asdict(each) for each in violations]}),
    ):
        text = json.dumps(content, indent=1, default=str)
        (output / name).write_text(text + "\n", encoding="utf-8")
