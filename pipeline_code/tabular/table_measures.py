"""Measures of a model, in the layout of SageMaker's model quality reports.

The layout is that of Model Monitor's ``statistics.json``: a group of measures per kind of problem,
each with a value and a standard deviation, which is not estimated and reads "NaN" as in AWS's own
examples. The model registry and Studio can show it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

GROUPS = {
    "binary": "binary_classification_metrics",
    "multiclass": "multiclass_classification_metrics",
    "regression": "regression_metrics",
}
_UNKNOWN = "NaN"


def measures(problem: str, truth: Any, predictions: Sequence[Any], labels: Sequence[str]) -> Any:
    """All measures of one model on one set of rows.

    Args:
        problem: ``binary``, ``multiclass`` or ``regression``.
        truth: The labels, or the numbers.
        predictions: As `serve_table` gives them.
        labels: The labels in their order.
    """
    if problem == "regression":
        found = _regression(np.asarray(truth, float), np.asarray([p["value"] for p in predictions]))
    else:
        found = _classification(problem, np.asarray(truth), predictions, list(labels))
    return {name: {"value": value, "standard_deviation": _UNKNOWN} for name, value in found.items()}


def naive(problem: str, truth: Any) -> dict[str, float]:
    """What a model without features would reach: the most frequent label, or the mean."""
    values = np.asarray(truth)
    if problem == "regression":
        numbers = values.astype(float)
        middle = np.full(len(numbers), numbers.mean())
        return {"rmse": float(metrics.root_mean_squared_error(numbers, middle)), "r2": 0.0}
    _, counts = np.unique(values, return_counts=True)
    return {
        "accuracy": float(counts.max() / counts.sum()),
        "balanced_accuracy": 1.0 / len(counts),
    }


def _regression(truth: Any, value: Any) -> dict[str, float]:
    return {
        "rmse": float(metrics.root_mean_squared_error(truth, value)),
        "mae": float(metrics.mean_absolute_error(truth, value)),
        "median_absolute_error": float(metrics.median_absolute_error(truth, value)),
        # With fewer than two rows it has no meaning.
        "r2": float(metrics.r2_score(truth, value)) if len(truth) > 1 else 0.0,
    }


def _classification(
    problem: str, truth: Any, predictions: Sequence[Any], labels: list[str]
) -> dict[str, float]:
    predicted = np.asarray([each["label"] for each in predictions])
    found = {
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
        "balanced_accuracy": _balanced(truth, predicted),
    }
    if problem == "multiclass":
        chances = np.asarray([each["probabilities"] for each in predictions])
        average = {"labels": labels, "average": "macro", "zero_division": 0}
        return found | {
            "f1_macro": float(metrics.f1_score(truth, predicted, **average)),
            "log_loss": _log_loss(truth, chances, labels),
        }
    positive = truth == labels[1]
    chance = np.asarray([each["probability"] for each in predictions])
    chosen = predicted == labels[1]
    return found | {
        "precision": float(metrics.precision_score(positive, chosen, zero_division=0)),
        "recall": float(metrics.recall_score(positive, chosen, zero_division=0)),
        "f1": float(metrics.f1_score(positive, chosen, zero_division=0)),
        "log_loss": _log_loss(truth, np.column_stack([1 - chance, chance]), labels),
        **(
            {"auc": float(metrics.roc_auc_score(positive, chance))}
            if positive.any() and not positive.all()
            else {}
        ),
    }


def _balanced(truth: Any, predicted: Any) -> float:
    """The mean recall of the labels that occur."""
    return float(
        np.mean([np.mean(predicted[truth == label] == label) for label in np.unique(truth)])
    )


def _log_loss(truth: Any, chances: Any, labels: list[str]) -> float:
    """The mean negative logarithm of the probability that the true label was given."""
    position = {label: at for at, label in enumerate(labels)}
    given = chances[np.arange(len(truth)), [position[label] for label in truth]]
    return float(-np.mean(np.log(np.clip(given, 1e-15, 1.0))))
