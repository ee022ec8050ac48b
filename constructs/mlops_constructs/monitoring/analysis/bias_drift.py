"""The monitor of how a model treats groups of people."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import bias, pictures
from .bias_measures import PRE_TRAINING, measures
from .checks import Violation
from .documents import document
from .errors import AnalysisError
from .flip_test import flip_test, table_of
from .labelled import finish, joined_of, write
from .predictions import Prediction
from .settings import Settings
from .window import Window

#: Groups of fewer people say nothing about how they are treated.
_LEAST_GROUP = 10
#: The flip test's part of the error rate: one measure of about twenty.
_FLIP_SHARE = 0.05


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
    label = bias.column_of(config, config.get("label"))
    columns = tuple(str(name) for name in config.get("headers", ()) if name != label)
    joined, violations = joined_of(options, settings, window, columns, report)
    constraints = document(options.bias_constraints, "constraints.json")
    analysed: dict[str, dict[str, Any]] = {"pre": {}, "post": {}}
    people = _People.of(config, joined.known, settings)
    groups = list(people.groups(facets, report, violations))
    for facet, group in groups:
        measured = people.measure(facet, group, settings.false_alarm_rate / len(groups), report)
        for stage, listed in analysed.items():
            listed.setdefault(facet.name, []).append(
                {
                    "value_or_threshold": group.value,
                    "metrics": [
                        {"name": name, "value": each["value"]}
                        for name, each in measured.items()
                        if (name in PRE_TRAINING) == (stage == "pre")
                    ],
                }
            )
        baseline = bias.baseline_of(constraints, facet, group)
        violations += bias.check(group, measured, baseline, settings.bias_tolerance)
        report["measures"].update({f"{group.key} {name}": each for name, each in measured.items()})
        report["allowed"].update(
            {
                f"{group.key} {name}": bias.allowed(name, baseline, settings.bias_tolerance)
                for name in bias.checked(measured, baseline)
            }
        )
    violations.sort(key=lambda each: (each.severity, -each.effect))
    statistics = {
        "version": "1.0",
        **{
            f"{stage}_training_bias_metrics": {"label": label, "facets": listed}
            for stage, listed in analysed.items()
        },
    }
    # Without constraints this run's measures are written as such, to be edited or kept.
    known = {group.key: (facet.name, group.value) for facet, group in groups}
    write(
        output,
        statistics,
        constraints or (statistics if groups else {}),
        [_as_clarify_writes_it(each, known) for each in violations],
    )
    finish(report, violations, joined)


def _as_clarify_writes_it(found: Violation, known: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """An entry of ``constraint_violations.json`` (developer guide, "Bias Drift Violations")."""
    check, _, metric = found.constraint_check_type.partition(":")
    if not metric:
        return asdict(found)
    facet, value = known[found.feature_name]
    return {
        "facet": facet,
        "facet_value": value,
        "metric_name": metric,
        "constraint_check_type": check,
        "description": found.description,
        "severity": found.severity,
        "effect": found.effect,
    }


@dataclass(frozen=True)
class _People:
    """Those whose truth is known.

    Attributes:
        rows: What they were, and what was answered.
        truth: Who has the positive label.
        said: For whom it was predicted.
        strata: Their values of the group variable; None without one.
        features: The columns that the flip test looks at, the facet's own included.
    """

    rows: Sequence[Prediction]
    truth: Any
    said: Any
    strata: list[str] | None
    features: tuple[str, ...]

    @classmethod
    def of(
        cls, config: Mapping[str, Any], rows: Sequence[Prediction], settings: Settings
    ) -> _People:
        """Fold labels and predictions into positive and others, as the configuration says."""
        numeric = settings.problem_type == "Regression" or any(_fraction(each) for each in rows)
        truth = bias.positives(config, [each.truth for each in rows], numeric=numeric)
        said = bias.positives(config, [each.answer for each in rows], numeric=numeric)
        likely = [each.answer is None and each.probability is not None for each in rows]
        if any(likely):
            chances = [-1.0 if each.probability is None else each.probability for each in rows]
            said = np.where(likely, np.array(chances) >= settings.probability_threshold, said)
        stratum = config.get("group_variable")
        strata = None
        if stratum is not None:
            name = bias.column_of(config, stratum)
            strata = [str(each.record.get(name)) for each in rows]
        names = config.get("headers") or dict.fromkeys(
            name for each in rows for name in each.record
        )
        others = {
            bias.column_of(config, config.get("label")),
            settings.label_attribute,
            settings.inference_attribute,
            settings.probability_attribute,
            settings.event_id_attribute,
            *settings.ignore,
        }
        return cls(rows, truth, said, strata, tuple(str(n) for n in names if n not in others))

    def groups(
        self, facets: Sequence[bias.Facet], report: dict[str, Any], violations: list[Violation]
    ) -> Iterator[tuple[bias.Facet, bias.Group]]:
        """The groups that are large enough; why others are left out goes into the report."""
        for facet in facets if self.rows else ():
            values = [each.record.get(facet.name) for each in self.rows]
            if all(value is None for value in values):
                violations.append(
                    Violation(
                        facet.name, "missing_column_check", "The facet is missing", "critical", 1.0
                    )
                )
                continue
            try:
                groups = facet.groups(values)
            except AnalysisError as error:
                report["notes"].append(f"{error}.")
                continue
            compared = [each for each in groups if self._compared(each, report)]
            if compared:
                shown = pictures.groups(facet.shown(values), self.truth, self.said)
                report.setdefault("groups", {})[facet.name] = shown
            yield from ((facet, each) for each in compared)

    def _compared(self, group: bias.Group, report: dict[str, Any]) -> bool:
        sizes = int(group.members.sum()), int((~group.members).sum())
        if min(sizes) >= _LEAST_GROUP:
            return True
        report["notes"].append(
            f"{group.key}: {sizes[0]} in the group and {sizes[1]} outside of it; compared from "
            f"{_LEAST_GROUP} on."
        )
        return False

    def measure(
        self, facet: bias.Facet, group: bias.Group, rate: float, report: dict[str, Any]
    ) -> dict[str, dict[str, float]]:
        """All measures of one group; why there is no flip test goes into the report."""
        measured = measures(
            group.members, self.truth, self.said, self.strata, rate * (1 - _FLIP_SHARE)
        )
        try:
            names = [name for name in self.features if name != facet.name]
            features = table_of([each.record for each in self.rows], names)
            measured["FT"] = flip_test(features, group.members, self.said, rate * _FLIP_SHARE)
        except AnalysisError as error:
            note = f"No flip test (FT): {error}."
            if note not in report["notes"]:  # once for all groups
                report["notes"].append(note)
        return measured


def _fraction(each: Prediction) -> bool:
    """Whether the truth is a number that no class is called by, such as 0.7."""
    try:
        return float(each.truth or 0) % 1 != 0
    except ValueError:
        return False
