"""Differences between groups of people, in labels and in predictions.

What is looked at is said by ``analysis_config.json`` in Clarify's layout (``label``,
``label_values_or_threshold``, ``facet`` with ``name_or_index`` and ``value_or_threshold``,
``group_variable``); the measures are those of the developer guide, "Pre-training Bias Metrics" and
"Post-training Data and Model Bias Metrics". The facet's group is *d*, everybody else *a*; a
positive value means that *d* is at a disadvantage, but for DI, a ratio that is then below 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .checks import Violation
from .errors import AnalysisError

_DRAWS = 400
_SEED = 20240302
#: What each measure is when the groups are treated alike.
ALIKE = {"DI": 1.0}


def facets_of(config: Mapping[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Names and values of the facets.

    Raises:
        AnalysisError: If the configuration names none.
    """
    given = config.get("facet")
    facets: list[Any] = given if isinstance(given, list) else [given]
    try:
        return [
            (str(each["name_or_index"]), tuple(each.get("value_or_threshold", ())))
            for each in facets
        ]
    except (KeyError, TypeError, AttributeError):
        raise AnalysisError(
            f"analysis_config.json: facet: got {given!r}; allowed: a list of "
            '{"name_or_index": "sex", "value_or_threshold": ["Female"]}.'
        ) from None


def in_group(values: list[Any], chosen: tuple[Any, ...]) -> Any:
    """Which values are of the facet's group: above one number, or among several values."""
    if len(chosen) == 1 and isinstance(chosen[0], (int, float)) and not isinstance(chosen[0], bool):
        numbers = np.array([_number(value) for value in values])
        distinct = np.unique(numbers[~np.isnan(numbers)])
        if len(distinct) > 2:
            return numbers > chosen[0]
        return numbers == chosen[0]
    names = {str(value).strip() for value in chosen}
    return np.array([str(value).strip() in names for value in values], dtype=bool)


def measures(
    group: Any, truth: Any, said: Any, strata: list[str] | None, rate: float
) -> dict[str, dict[str, float]]:
    """Each measure with its value and the interval that holds it with probability 1 - rate.

    Args:
        group: Which rows are of group d; both groups need members.
        truth: Which have the positive label; None while labels are not known.
        said: For which the positive label was predicted; None for data without predictions.
        strata: The values of the group variable, for the conditional measures.
        rate: Of all measures together (Bonferroni).
    """
    codes = np.unique(strata, return_inverse=True)[1].ravel() if strata is not None else None
    levels = 1 if codes is None else int(codes.max()) + 1
    cell = (np.zeros(len(group), int) if codes is None else codes) * 8 + group.astype(int) * 4
    cell = cell + (0 if truth is None else truth.astype(int) * 2)
    cell = cell + (0 if said is None else said.astype(int))
    table = np.bincount(cell, minlength=8 * levels).reshape(levels, 2, 2, 2)
    parts = _parts(truth is not None, said is not None, strata is not None)
    found = {name: compute(table) for name, compute in parts.items()}
    generator = np.random.default_rng(_SEED)
    rows = int(table.sum())
    drawn = generator.multinomial(rows, table.ravel() / rows, _DRAWS)
    z = float(stats.norm.isf(rate / 2 / max(1, len(parts))))
    measured = {}
    for name, compute in parts.items():
        values = np.array([compute(draw.reshape(table.shape)) for draw in drawn])
        values = values[np.isfinite(values)]
        error = float(values.std()) if len(values) > 1 else float("nan")
        value = found[name]
        if np.isfinite(value):
            measured[name] = {
                "value": value,
                "lower": value - z * error,
                "upper": value + z * error,
            }
    return measured


def check(
    facet: str,
    measured: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, float],
    tolerance: float,
) -> list[Violation]:
    """Measures whose whole interval is outside what is allowed.

    Allowed is what lies between no difference and the baseline's value, and ``tolerance`` around.
    """
    found = []
    for name, value in measured.items():
        low, high = allowed(name, baseline, tolerance)
        if value["upper"] < low or value["lower"] > high:
            beyond = max(low - value["value"], value["value"] - high)
            found.append(
                Violation(
                    facet,
                    f"bias_drift_check:{name}",
                    f"{name} is {value['value']:.3f} ({value['lower']:.3f} to "
                    f"{value['upper']:.3f}); allowed are {low:.3f} to {high:.3f}",
                    "critical" if beyond >= 0.1 else "warning",
                    beyond,
                )
            )
    return sorted(found, key=lambda each: (each.severity, -each.effect))


def allowed(name: str, baseline: Mapping[str, float], tolerance: float) -> tuple[float, float]:
    """Between which values a measure may lie."""
    alike = ALIKE.get(name, 0.0)
    ends = alike, baseline.get(name, alike)
    return min(ends) - tolerance, max(ends) + tolerance


def baseline_of(constraints: Mapping[str, Any], facet: str) -> dict[str, float]:
    """The measures of a facet in Clarify's ``analysis.json``, as ``constraints.json`` holds it."""
    values: dict[str, float] = {}
    for section in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        try:
            entries = constraints.get(section, {}).get("facets", {}).get(facet, [])
            for metric in entries[0]["metrics"] if entries else []:
                if metric.get("value") is not None:
                    values[str(metric["name"])] = float(metric["value"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # noqa: PERF203  # each is judged alone
            raise AnalysisError(f"constraints.json: {section}: {facet}: {error!r}") from error
    return values


Compute = Callable[[Any], float]


def _parts(truth: bool, said: bool, strata: bool) -> dict[str, Compute]:
    """The measures that the data allow. Tables are stratum x group x truth x prediction."""
    parts: dict[str, Compute] = {"CI": lambda t: _difference(_size(t, 0), _size(t, 1))}
    if truth:
        parts["DPL"] = lambda t: _share(t, 0, 0) - _share(t, 1, 0)
        parts["KL"] = lambda t: _divergence(_share(t, 0, 0), _share(t, 1, 0))
        parts["JS"] = lambda t: _shannon(_share(t, 0, 0), _share(t, 1, 0))
        if strata:
            parts["CDDL"] = lambda t: _conditional(t.sum(axis=3))
    if said:
        parts["DPPL"] = lambda t: _share(t, 0, 1) - _share(t, 1, 1)
        parts["DI"] = lambda t: _over(_share(t, 1, 1), _share(t, 0, 1))
        if strata:
            parts["CDDPL"] = lambda t: _conditional(t.sum(axis=2))
    if truth and said:
        parts["AD"] = lambda t: _accuracy(t, 0) - _accuracy(t, 1)
        parts["RD"] = lambda t: _recall(t, 0) - _recall(t, 1)
        parts["DAR"] = lambda t: _precision(t, 0) - _precision(t, 1)
    return parts


def _size(table: Any, group: int) -> float:
    return float(table[:, group].sum())


def _share(table: Any, group: int, axis: int) -> float:
    """The positive share of truth (axis 0) or prediction (1)."""
    own = table[:, group].sum(axis=0)
    positive = own[1].sum() if axis == 0 else own[:, 1].sum()
    return _over(float(positive), float(own.sum()))


def _accuracy(table: Any, group: int) -> float:
    own = table[:, group].sum(axis=0)
    return _over(float(own[0, 0] + own[1, 1]), float(own.sum()))


def _recall(table: Any, group: int) -> float:
    own = table[:, group].sum(axis=0)
    return _over(float(own[1, 1]), float(own[1].sum()))


def _precision(table: Any, group: int) -> float:
    own = table[:, group].sum(axis=0)
    return _over(float(own[1, 1]), float(own[:, 1].sum()))


def _conditional(table: Any) -> float:
    """Demographic disparity of each stratum, weighted by its size: stratum x group x label."""
    sizes = table.sum(axis=(1, 2))
    refused, accepted = table[:, 1, 0], table[:, 1, 1]
    all_refused, all_accepted = table[:, :, 0].sum(axis=1), table[:, :, 1].sum(axis=1)
    disparity = refused / np.where(all_refused > 0, all_refused, 1) - accepted / np.where(
        all_accepted > 0, all_accepted, 1
    )
    return _over(float((sizes * disparity).sum()), float(sizes.sum()))


def _divergence(first: float, second: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(stats.entropy([first, 1 - first], [second, 1 - second]))


def _shannon(first: float, second: float) -> float:
    middle = (first + second) / 2
    return (_divergence(first, middle) + _divergence(second, middle)) / 2


def _difference(first: float, second: float) -> float:
    return _over(first - second, first + second)


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
