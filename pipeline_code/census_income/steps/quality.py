"""Measures of a binary classifier, in the layout of SageMaker's model quality reports.

The layout is that of Model Monitor's ``statistics.json`` for binary classification, which the
model registry and Studio can show; ``log_loss``, ``calibration`` and ``groups`` are ours. Standard
deviations are not estimated and read "NaN", as in AWS's own examples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

# Points kept of a curve: enough for a picture, few enough for a property file.
CURVE_POINTS = 200
CALIBRATION_BINS = 10
_UNKNOWN = "NaN"
# On which side of what was measured here a later measure is worse.
_WORSE = {
    "Less": (
        "accuracy",
        "precision",
        "recall",
        "f1",
        "auc",
        "true_positive_rate",
        "true_negative_rate",
    ),
    "Greater": ("false_positive_rate", "false_negative_rate"),
}


def binary_metrics(truth: Booleans, probability: Floats, predicted: Booleans) -> dict[str, Any]:
    """All measures of one model on one set of rows that holds both labels."""
    counts = _counts(truth, predicted)
    false_positive, true_positive, _ = metrics.roc_curve(truth, probability)
    precision, recall, _ = metrics.precision_recall_curve(truth, probability)
    return {
        "confusion_matrix": {
            "0": {"0": counts["true_negatives"], "1": counts["false_positives"]},
            "1": {"0": counts["false_negatives"], "1": counts["true_positives"]},
        },
        "accuracy": _value(metrics.accuracy_score(truth, predicted)),
        "precision": _value(metrics.precision_score(truth, predicted, zero_division=0)),
        "recall": _value(metrics.recall_score(truth, predicted)),
        "f1": _value(metrics.f1_score(truth, predicted)),
        "auc": _value(metrics.roc_auc_score(truth, probability)),
        "log_loss": _value(metrics.log_loss(truth, probability)),
        "true_positive_rate": _value(np.mean(predicted[truth])),
        "true_negative_rate": _value(np.mean(~predicted[~truth])),
        "false_positive_rate": _value(np.mean(predicted[~truth])),
        "false_negative_rate": _value(np.mean(~predicted[truth])),
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": _thin(false_positive),
            "true_positive_rates": _thin(true_positive),
        },
        "precision_recall_curve": {"precisions": _thin(precision), "recalls": _thin(recall)},
    }


def constraints(measures: dict[str, Any]) -> dict[str, Any]:
    """``constraints.json`` of Model Monitor: no later measure should be worse than these."""
    return {
        "version": 0.0,
        "binary_classification_constraints": {
            name: {
                "threshold": measures[name]["value"],
                "comparison_operator": f"{side}ThanThreshold",
            }
            for side, names in _WORSE.items()
            for name in names
        },
    }


def calibration(truth: Booleans, probability: Floats) -> dict[str, Any]:
    """How well probabilities match frequencies, in bins of equal width."""
    at = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = []
    error = 0.0
    for number in range(CALIBRATION_BINS):
        inside = at == number
        count = int(inside.sum())
        predicted = float(probability[inside].mean()) if count else None
        observed = float(truth[inside].mean()) if count else None
        if predicted is not None and observed is not None:
            error += count / len(truth) * abs(predicted - observed)
        bins.append(
            {
                "from": number / CALIBRATION_BINS,
                "to": (number + 1) / CALIBRATION_BINS,
                "count": count,
                "mean_probability": predicted,
                "positive_fraction": observed,
            }
        )
    return {"expected_calibration_error": error, "bins": bins}


def by_group(
    groups: Sequence[str], truth: Booleans, probability: Floats, predicted: Booleans
) -> dict[str, Any]:
    """The main measures for each group; null where a group has no such rows."""
    names = np.asarray([name or "(missing)" for name in groups])
    return {
        str(name): _group(
            truth[names == name], probability[names == name], predicted[names == name]
        )
        for name in np.unique(names)
    }


def _group(truth: Booleans, probability: Floats, predicted: Booleans) -> dict[str, Any]:
    both = bool(truth.any() and not truth.all())
    return {
        "count": len(truth),
        **_counts(truth, predicted),
        "positive_fraction": float(truth.mean()),
        "selection_rate": float(predicted.mean()),
        "accuracy": float(np.mean(truth == predicted)),
        "auc": float(metrics.roc_auc_score(truth, probability)) if both else None,
        "f1": float(metrics.f1_score(truth, predicted)) if truth.any() else None,
        "log_loss": float(metrics.log_loss(truth, probability, labels=[False, True])),
        "true_positive_rate": float(np.mean(predicted[truth])) if truth.any() else None,
        "false_positive_rate": float(np.mean(predicted[~truth])) if not truth.all() else None,
    }


def _counts(truth: Booleans, predicted: Booleans) -> dict[str, int]:
    return {
        "true_positives": int(np.sum(truth & predicted)),
        "false_positives": int(np.sum(~truth & predicted)),
        "true_negatives": int(np.sum(~truth & ~predicted)),
        "false_negatives": int(np.sum(truth & ~predicted)),
    }


def _value(value: float | np.floating[Any]) -> dict[str, Any]:
    return {"value": float(value), "standard_deviation": _UNKNOWN}


def _thin(curve: Floats) -> list[float]:
    at = np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int))
    return [float(value) for value in curve[at]]
