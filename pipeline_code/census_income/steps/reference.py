"""The data baseline of a model: ``statistics.json`` and ``constraints.json`` of its training data.

The layouts are those of Model Monitor (SageMaker developer guide, "Schema for Statistics" and
"Schema for Constraints"), without the quantile sketches, which only the service's own library
reads.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from columns import Table

_BUCKETS = 10
# Texts that are listed; a column with more is free text, of which no list is promised.
_MOST_LISTED = 100


def baseline(table: Table, numeric: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Statistics and constraints.

    Args:
        table: The training data as callers of the endpoint would send it; missing values empty.
        numeric: Which columns hold numbers.
    """
    described, promised = [], []
    for name, values in table.items():
        known = [value for value in values if value]
        common = {"num_present": len(known), "num_missing": len(values) - len(known)}
        completeness = len(known) / len(values)
        if name in numeric:
            numbers = [float(value) for value in known]
            kind = "Integral" if all(number.is_integer() for number in numbers) else "Fractional"
            described.append(
                {
                    "name": name,
                    "inferred_type": kind,
                    "numerical_statistics": {"common": common, **_numerical(numbers)},
                }
            )
            promise: dict[str, Any] = {
                "num_constraints": {"is_non_negative": min(numbers, default=0.0) >= 0}
            }
        else:
            kind = "String"
            counts = Counter(known)
            described.append(
                {
                    "name": name,
                    "inferred_type": kind,
                    "string_statistics": {"common": common, **_texts(counts)},
                }
            )
            listed = len(counts) <= _MOST_LISTED
            promise = {"string_constraints": {"domains": sorted(counts)}} if listed else {}
        promised.append(
            {"name": name, "inferred_type": kind, "completeness": completeness, **promise}
        )
    rows = len(next(iter(table.values()), []))
    statistics = {"version": 0.0, "dataset": {"item_count": rows}, "features": described}
    constraints = {
        "version": 0.0,
        "features": promised,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": 0.03,
                "comparison_method": "Robust",
            },
        },
    }
    return statistics, constraints


def _texts(counts: Counter[str]) -> dict[str, Any]:
    top = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_MOST_LISTED]
    buckets = [{"value": value, "count": count} for value, count in top]
    return {
        "distinct_count": len(counts),
        "distribution": {"categorical": {"buckets": buckets}},
    }


def _numerical(numbers: Sequence[float]) -> dict[str, Any]:
    if not numbers:
        return {}
    low, high, whole = min(numbers), max(numbers), math.fsum(numbers)
    mean = whole / len(numbers)
    counts = Counter(numbers)
    width = (high - low) / _BUCKETS
    buckets = [0] * _BUCKETS
    for number, count in counts.items():
        buckets[min(int((number - low) / width), _BUCKETS - 1) if width else 0] += count
    return {
        "mean": mean,
        "sum": whole,
        "std_dev": math.sqrt(
            math.fsum((number - mean) ** 2 * count for number, count in counts.items())
            / len(numbers)
        ),
        "min": low,
        "max": high,
        "distribution": {
            "kll": {
                "buckets": [
                    {
                        "lower_bound": low + at * width,
                        "upper_bound": low + (at + 1) * width,
                        "count": count,
                    }
                    for at, count in enumerate(buckets)
                ]
            }
        },
    }
