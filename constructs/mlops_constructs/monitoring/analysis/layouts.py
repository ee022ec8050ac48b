"""The service's ``statistics.json`` and ``constraints.json``.

The layouts are those of the SageMaker developer guide, "Schema for Statistics" and "Schema for
Constraints", without the quantile sketches, which only the service's own library reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .settings import Settings
from .sketch import Column, Numbers

_BUCKETS = 10
_MOST_LISTED = 100


def statistics(columns: Mapping[str, Column], rows: int) -> dict[str, Any]:
    """``statistics.json``."""
    return {
        "version": 0.0,
        "dataset": {"item_count": rows},
        "features": [_feature_statistics(column) for column in columns.values()],
    }


def constraints(columns: Mapping[str, Column], settings: Settings) -> dict[str, Any]:
    """``constraints.json``: what the reference promises."""
    features = []
    for column in columns.values():
        feature: dict[str, Any] = {
            "name": column.name,
            "inferred_type": column.kind,
            "completeness": column.completeness,
        }
        if column.kind == "String":
            if not column.free:
                feature["string_constraints"] = {"domains": sorted(column.texts)}
        elif column.numbers is not None:
            feature["num_constraints"] = {"is_non_negative": bool(column.numbers.low >= 0)}
        features.append(feature)
    return {
        "version": 0.0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": settings.drift_floor,
                "comparison_method": "Simple",
            },
        },
    }


def _feature_statistics(column: Column) -> dict[str, Any]:
    common = {"num_present": column.present, "num_missing": column.missing}
    feature: dict[str, Any] = {"name": column.name, "inferred_type": column.kind}
    if column.kind == "String":
        counts = {**column.texts, **column.unknown_names}
        top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_LISTED]
        feature["string_statistics"] = {
            "common": common,
            "distinct_count": len(counts),
            "distribution": {
                "categorical": {"buckets": [{"value": name, "count": n} for name, n in top]}
            },
        }
        return feature
    numerical: dict[str, Any] = {"common": common}
    if column.numbers is not None and column.numbers.finite:
        numerical.update(_numerical(column.numbers))
    feature["numerical_statistics"] = numerical
    return feature


def _numerical(numbers: Numbers) -> dict[str, Any]:
    places, counts = numbers.histogram()
    values = numbers.values_at(places)
    finite = np.isfinite(values)
    values, counts = values[finite], counts[finite]
    if not len(values):  # beside infinity, what float32 does not hold is counted as infinite too
        return {"mean": numbers.mean, "sum": numbers.total, "std_dev": numbers.deviation}
    edges, heights = _buckets(values, counts)
    return {
        "mean": numbers.mean,
        "sum": numbers.total,
        "std_dev": numbers.deviation,
        "min": numbers.low if np.isfinite(numbers.low) else float(values[0]),
        "max": numbers.high if np.isfinite(numbers.high) else float(values[-1]),
        "distribution": {
            "kll": {
                "buckets": [
                    {"lower_bound": low, "upper_bound": high, "count": int(n)}
                    for low, high, n in zip(edges[:-1], edges[1:], heights)
                ]
            }
        },
    }


def _buckets(values: Any, counts: Any) -> tuple[list[float], list[float]]:
    """Edges and heights of equal buckets from the first to the last of ascending values.

    Halves, because the range of doubles is beyond what one double holds.
    """
    low, high = values[0] / 2, values[-1] / 2
    if not high > low:
        low, high = low - 0.25, high + 0.25
    places = ((values / 2 - low) / (high - low) * _BUCKETS).astype(np.intp)
    heights = np.bincount(np.clip(places, 0, _BUCKETS - 1), weights=counts, minlength=_BUCKETS)
    edges = low + (high - low) * (np.arange(_BUCKETS + 1) / _BUCKETS)
    return (2 * edges).tolist(), heights.tolist()
