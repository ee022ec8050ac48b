"""The monitor of a model's quality, and what it shares with that of bias: answers with truth."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import quality
from .checks import Violation, unreadable
from .documents import document, write_json
from .predictions import Joined, join, join_table
from .settings import Settings
from .sources import File, open_source
from .window import Window


def model_quality(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    """Fill in the report of a model-quality run, and write the service's files."""
    joined, violations = joined_of(options, settings, window, (), report)
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
    if not constraints and measured:
        constraints = quality.suggested(settings.problem_type, measured)
    write(
        output,
        statistics,
        constraints,
        [
            # The service's layout of these (developer guide, "Model quality metrics").
            {"metric_name": each.feature_name, **asdict(each)}
            if each.constraint_check_type in quality.SIDES
            else asdict(each)
            for each in violations
        ],
    )
    finish(report, violations, joined)


def joined_of(
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


def finish(report: dict[str, Any], violations: list[Violation], joined: Joined) -> None:
    """Say in the report how the run ended."""
    report["violations"] = [asdict(found) for found in violations]
    if violations:
        report["status"] = "CompletedWithViolations"
    else:
        report["status"] = "Completed" if joined.predictions else "NoData"


def write(
    output: Path, statistics: Any, constraints: Any, violations: list[dict[str, Any]]
) -> None:
    """Write the files of the service's layout."""
    write_json(output / "statistics.json", statistics)
    write_json(output / "constraints.json", constraints)
    write_json(output / "constraint_violations.json", {"version": "1.0", "violations": violations})
