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
    values = np.array([numbers.value_at(int(place)) for place in places])
    finite = np.isfinite(values)
    values, counts = values[finite], counts[finite]
    heights, edges = np.histogram(values, bins=_BUCKETS, weights=counts)
    return {
        "mean": numbers.mean,
        "sum": numbers.total,
        "std_dev": numbers.deviation,
        "min": numbers.low if np.isfinite(numbers.low) else float(values.min()),
        "max": numbers.high if np.isfinite(numbers.high) else float(values.max()),
        "distribution": {
            "kll": {
                "buckets": [
                    {"lower_bound": float(low), "upper_bound": float(high), "count": int(n)}
                    for low, high, n in zip(edges[:-1], edges[1:], heights)
                ]
            }
        },
    }
