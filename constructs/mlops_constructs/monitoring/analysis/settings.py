"""What a monitor is told: written by the construct next to the code, as ``settings.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SEVERITIES = ("critical", "warning")


@dataclass(frozen=True)
class Settings:
    """The settings of the monitors of a suite.

    Attributes:
        false_alarm_rate: The probability that a run on unchanged data reports anything.
        drift_floor: The smallest change that counts as drift, from 0 to 1: the largest gap
            between two distribution functions, or the share of rows that changed category.
        correlation_floor: The smallest change of a rank correlation that counts, from 0 to 2.
        completeness_floor: By how much the share of present values must fall, from 0 to 1.
        most_categories: Text columns with more distinct values are not compared by category.
        missing_values: Spellings of a missing value in text.
        columns: Names for CSV data without a header; empty when there is one.
        capture_columns: Names, in order, of what requests carry as CSV or as plain lists; by
            default the reference's columns without the ignored ones.
        ignore: Columns that are not looked at.
        monitors: What is monitored: DataQuality, ModelQuality, ModelBias.
        problem_type: What the model predicts, in the service's words.
        inference_attribute: The index or path of the prediction in an answer.
        probability_attribute: The index or path of the probability in an answer.
        probability_threshold: From where on a probability means yes.
        positive_label: The positive label of a binary model.
        bias_tolerance: By how much a bias measure may leave what is allowed.
        label_delay_hours: How long labels may take: so much later a prediction is looked at.
        feature_metrics: How many features get a metric of their own.
    """

    false_alarm_rate: float = 0.01
    drift_floor: float = 0.03
    correlation_floor: float = 0.1
    completeness_floor: float = 0.01
    most_categories: int = 1000
    missing_values: tuple[str, ...] = ("", "NA", "NaN", "nan", "null", "None")
    columns: tuple[str, ...] = ()
    capture_columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ("DataQuality",)
    problem_type: str = "BinaryClassification"
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float = 0.5
    positive_label: str = "1"
    bias_tolerance: float = 0.05
    label_delay_hours: int = 0
    feature_metrics: int = 100


def load(path: Path) -> Settings:
    """The settings in a file; the defaults when it does not exist."""
    if not path.is_file():
        return Settings()
    values = json.loads(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(Settings)}
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return Settings(**given)
