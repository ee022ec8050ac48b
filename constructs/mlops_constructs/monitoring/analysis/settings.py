"""What a monitor is told: written by the construct next to the code, as ``settings.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SEVERITIES = ("critical", "warning")
MONITORS = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")


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
        monitors: What is monitored: DataQuality, ModelQuality, ModelBias, ModelExplainability.
        problem_type: What the model predicts, in the service's words.
        inference_attribute: The index or path of the prediction in an answer.
        probability_attribute: The index or path of the probability in an answer.
        probability_threshold: From where on a probability means yes.
        positive_label: The positive label of a binary model.
        bias_tolerance: By how much a bias measure may leave what is allowed.
        attribution_threshold: From where on downwards the nDCG of attributions is a violation.
        attribution_floor: The smallest change of a feature's share of the attribution that counts.
        attribution_rows: How many records are explained.
        model_program: The file with the model's inference code.
        label_attribute: The column with the truth, in data sets that hold it.
        event_id_attribute: The column with the id of a record, in data sets without the truth.
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
    attribution_threshold: float = 0.9
    attribution_floor: float = 0.05
    attribution_rows: int = 200
    model_program: str = "inference.py"
    label_attribute: str | None = None
    event_id_attribute: str | None = None
    label_delay_hours: int = 0
    feature_metrics: int = 100


def load(path: Path) -> Settings:
    """The settings in a file; the defaults when it does not exist.

    Raises:
        ValueError: If the file is no JSON object, or settings in it are of the wrong type.
        OSError: If it cannot be read.
    """
    if not path.is_file():
        return Settings()
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(  # noqa: TRY004  # what the file holds, not what a caller gave
            f"got a {type(values).__name__}; allowed: an object."
        )
    given: dict[str, Any] = {}
    wrong = []
    for field in fields(Settings):
        if field.name not in values:
            continue
        value = values[field.name]
        text = str(field.type)  # as it is written above
        kinds, said = _KINDS.get(text, (object, ""))
        fits = isinstance(value, kinds) and (text == "bool" or not isinstance(value, bool))
        if isinstance(value, list):
            fits = fits and all(isinstance(each, str) for each in value)
        if not fits:
            wrong.append(f"{field.name}: got {value!r}; allowed: {said}.")
        given[field.name] = tuple(value) if isinstance(value, list) else value
    unknown = set(given.get("monitors", ())) - set(MONITORS) if not wrong else None
    if unknown:
        wrong.append(f"monitors: got {sorted(unknown)}; allowed: {', '.join(MONITORS)}.")
    if wrong:
        raise ValueError(" ".join(wrong))
    return Settings(**given)


_KINDS: dict[str, tuple[Any, str]] = {
    "float": ((int, float), "a number"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
    "str": (str, "a text"),
    "str | None": ((str, type(None)), "a text or null"),
    "tuple[str, ...]": (list, "a list of texts"),
}
