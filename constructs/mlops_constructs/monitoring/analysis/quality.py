"""How good predictions are: the service's metrics of model quality, with their uncertainty.

Names and constraints are those of the developer guide, "Model quality metrics and Amazon CloudWatch
monitoring": ``constraints.json`` says for each metric a threshold and on which side of it a value
is a violation. It is one only when the whole confidence interval is on that side, so that few
labels are no alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .checks import Violation
from .errors import AnalysisError
from .predictions import Prediction

BINARY, MULTICLASS, REGRESSION = (
    "BinaryClassification",
    "MulticlassClassification",
    "Regression",
)
SECTIONS = {
    BINARY: "binary_classification_constraints",
    MULTICLASS: "multiclass_classification_constraints",
    REGRESSION: "regression_constraints",
}
#: What a value may be of its threshold, as the service calls the check that found it so.
SIDES = ("LessThanThreshold", "GreaterThanThreshold")
#: Of which less is better.
_ERRORS = ("false_negative_rate", "false_positive_rate", "mae", "mse", "rmse")
_DRAWS = 400
_SEED = 20240301
#: Resampling more predictions than this changes no digit that matters.
_MOST = 20_000

Measures = dict[str, float]


def measure(
    kind: str, known: list[Prediction], *, positive: str, threshold: float, rate: float
) -> dict[str, dict[str, float]]:
    """Each metric with its value and the interval that holds it with probability 1 - rate.

    Args:
        kind: What the model predicts.
        known: Predictions whose truth is known; one or more.
        positive: The positive label of a binary model.
        threshold: From where on a probability means yes.
        rate: Of all metrics together (Bonferroni).
    """
    values, scores, compute = _prepared(kind, known, positive, threshold)
    found = compute(values, np.ones(len(values)))
    if scores is not None:
        found["auc"] = _auc(values[:, 0] > 0, scores)
    generator = np.random.default_rng(_SEED)
    draws: dict[str, list[float]] = {name: [] for name in found}
    chosen = values
    shrink = 1.0
    if len(values) > _MOST:
        chosen = values[generator.choice(len(values), _MOST, replace=False)]
        shrink = float(np.sqrt(_MOST / len(values)))
    for _ in range(_DRAWS):
        weights = generator.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)))
        for name, value in compute(chosen, weights.astype(float)).items():
            draws[name].append(value)
    z = float(stats.norm.isf(rate / 2 / len(found)))
    measured = {}
    for name, value in found.items():
        if name == "auc" and scores is not None:
            error = _auc_error(value, values[:, 0] > 0)
        else:
            error = float(np.nanstd(draws[name])) * shrink
        measured[name] = {"value": value, "lower": value - z * error, "upper": value + z * error}
    return measured


def limits(
    kind: str, constraints: Mapping[str, Any]
) -> dict[str, tuple[float | None, float | None]]:
    """The smallest and the largest allowed value of each metric that `check` looks at."""
    return {
        name: (float(entry["threshold"]), None)
        if entry["comparison_operator"] == "LessThanThreshold"
        else (None, float(entry["threshold"]))
        for name, entry in constraints[SECTIONS[kind]].items()
    }


def suggested(kind: str, measured: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Constraints that hold what was measured, as the service suggests them of a baseline.

    `check` looks at intervals, so that values as good as these are no violation.
    """
    return {
        "version": 0.0,
        SECTIONS[kind]: {
            name: {
                "threshold": each["value"],
                "comparison_operator": "GreaterThanThreshold"
                if name in _ERRORS
                else "LessThanThreshold",
            }
            for name, each in measured.items()
        },
    }


def check(
    kind: str, measured: Mapping[str, Mapping[str, float]], constraints: Mapping[str, Any]
) -> list[Violation]:
    """Violations of ``constraints.json``.

    Raises:
        AnalysisError: If the file is for another kind of model or not in the layout.
    """
    section = constraints.get(SECTIONS[kind])
    if not isinstance(section, Mapping):
        raise AnalysisError(f"constraints.json has no {SECTIONS[kind]!r}.")
    found = []
    for name, entry in section.items():
        try:
            limit, side = float(entry["threshold"]), str(entry["comparison_operator"])
        except (KeyError, TypeError, ValueError) as error:
            raise AnalysisError(
                f"constraints.json: {name}: got {entry!r}; allowed: threshold, a number, and "
                "comparison_operator, LessThanThreshold or GreaterThanThreshold."
            ) from error
        if name not in measured:
            continue
        value = measured[name]
        low = side == "LessThanThreshold"
        if (low and value["upper"] < limit) or (not low and value["lower"] > limit):
            found.append(
                Violation(
                    name,
                    side,
                    f"{name} is {value['value']:.4g} ({value['lower']:.4g} to "
                    f"{value['upper']:.4g}), {'below' if low else 'above'} {limit:g}",
                    "critical",
                    abs(value["value"] - limit),
                )
            )
    return sorted(found, key=lambda each: (-each.effect, each.feature_name))


def _prepared(
    kind: str, known: list[Prediction], positive: str, threshold: float
) -> tuple[Any, Any, Callable[[Any, Any], Measures]]:
    if kind == REGRESSION:
        return np.array([[_real(e.truth), _real(e.answer)] for e in known]), None, _regression
    if kind == MULTICLASS:
        labels = {
            text: code
            for code, text in enumerate(
                sorted({label(each) for e in known for each in (e.truth, e.answer)})
            )
        }
        codes = np.array([[labels[label(e.truth)], labels[label(e.answer)]] for e in known])
        return codes, None, lambda values, weights: _multiclass(values, weights, len(labels))
    truth = [label(e.truth) == positive for e in known]
    scores = None
    if all(e.probability is not None for e in known):
        scores = np.array([e.probability for e in known])
    said = [
        label(e.answer) == positive
        if e.answer is not None or e.probability is None
        else e.probability >= threshold
        for e in known
    ]
    return np.column_stack([truth, said]).astype(int), scores, _binary


def label(value: Any) -> str:
    """A label as text, whether it came as 1, 1.0, "1" or true."""
    text = str(value).strip()
    if isinstance(value, bool):
        return str(int(value))
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if np.isfinite(number) and number == int(number) else text


def _real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise AnalysisError(f"got {value!r} where a number was predicted or true.") from None


def _binary(values: Any, weights: Any) -> Measures:
    truth, said = values[:, 0] > 0, values[:, 1] > 0
    tp, fn = weights[truth & said].sum(), weights[truth & ~said].sum()
    fp, tn = weights[~truth & said].sum(), weights[~truth & ~said].sum()
    recall, precision = _ratio(tp, tp + fn), _ratio(tp, tp + fp)
    return {
        "accuracy": _ratio(tp + tn, tp + tn + fp + fn),
        "precision": precision,
        "recall": recall,
        "true_positive_rate": recall,
        "true_negative_rate": _ratio(tn, tn + fp),
        "false_positive_rate": _ratio(fp, tn + fp),
        "false_negative_rate": _ratio(fn, tp + fn),
        **{name: _f(precision, recall, beta) for name, beta in _BETAS},
    }


_BETAS = (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0))


def _multiclass(values: Any, weights: Any, labels: int) -> Measures:
    table = np.bincount(
        values[:, 0] * labels + values[:, 1], weights=weights, minlength=labels * labels
    ).reshape(labels, labels)
    right, true, said = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    recall = right / np.where(true > 0, true, 1)
    precision = right / np.where(said > 0, said, 1)
    shares = true / true.sum()
    return {
        "accuracy": float(right.sum() / true.sum()),
        "weighted_recall": float((shares * recall).sum()),
        "weighted_precision": float((shares * precision).sum()),
        **{
            f"weighted_{name}": float(
                sum(s * _f(p, r, beta) for s, p, r in zip(shares, precision, recall))
            )
            for name, beta in _BETAS
        },
    }


def _regression(values: Any, weights: Any) -> Measures:
    errors = values[:, 1] - values[:, 0]
    total = weights.sum()
    mse = float((weights * errors**2).sum() / total)
    mean = (weights * values[:, 0]).sum() / total
    spread = float((weights * (values[:, 0] - mean) ** 2).sum() / total)
    return {
        "mae": float((weights * np.abs(errors)).sum() / total),
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "r2": 1 - mse / spread if spread else 0.0,
    }


def _f(precision: float, recall: float, beta: float) -> float:
    return _ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _auc(truth: Any, scores: Any) -> float:
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return 0.5
    ranks = stats.rankdata(scores)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _auc_error(auc: float, truth: Any) -> float:
    """Hanley and McNeil (1982), The meaning and use of the area under a ROC curve."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return 1.0
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positive - 1) * (first - auc**2) + (negative - 1) * (second - auc**2)
    )
    return float(np.sqrt(max(0.0, variance) / (positive * negative)))
