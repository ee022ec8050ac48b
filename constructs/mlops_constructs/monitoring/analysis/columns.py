"""What a column holds, and the service's ``statistics.json`` and ``constraints.json`` of a table.

The layouts are those of the SageMaker developer guide, "Schema for Statistics" and "Schema for
Constraints", without the quantile sketches, which only the service's own library reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .settings import Settings

_BUCKETS = 10
_MOST_LISTED = 100


@dataclass(frozen=True)
class Column:
    """The values of one column.

    Attributes:
        name: Its name.
        kind: ``Integral``, ``Fractional`` or ``String``.
        numbers: Its values as numbers, the missing and the unreadable ones left out; for String
            empty.
        texts: Its values as text, the missing ones left out; for numbers empty.
        present: How many values there are.
        missing: How many are missing.
        wrong: How many present values are not of the kind.
    """

    name: str
    kind: str
    numbers: Any
    texts: Any
    present: int
    missing: int
    wrong: int

    @property
    def completeness(self) -> float:
        """The share of present values; 1 when there are no rows."""
        total = self.present + self.missing
        return self.present / total if total else 1.0


def columns_of(table: Any, settings: Settings) -> dict[str, Column]:
    """The columns of a reference, with the kinds that its values have."""
    return {
        str(name): read_column(str(name), table[name], None, settings)
        for name in table.columns
        if str(name) not in settings.ignore
    }


def read_column(name: str, values: Any, kind: str | None, settings: Settings) -> Column:
    """One column, of the kind that the reference has or, without one, of the kind it fits."""
    values = _without_missing(values, settings)
    present = values.dropna()
    numbers = pd.to_numeric(present, errors="coerce").to_numpy(dtype=float)
    readable = numbers[~np.isnan(numbers)]
    if kind is None:
        kind = "String"
        if len(present) and len(readable) == len(present):
            finite = readable[np.isfinite(readable)]
            kind = "Integral" if np.all(finite == np.round(finite)) else "Fractional"
    is_text = kind == "String"
    return Column(
        name=name,
        kind=kind,
        numbers=np.empty(0) if is_text else readable,
        texts=_as_text(present) if is_text else np.empty(0, dtype=object),
        present=len(present),
        missing=len(values) - len(present),
        wrong=0 if is_text else len(present) - len(readable),
    )


def statistics(columns: dict[str, Column], rows: int) -> dict[str, Any]:
    """``statistics.json``."""
    return {
        "version": 0.0,
        "dataset": {"item_count": rows},
        "features": [_feature_statistics(column) for column in columns.values()],
    }


def constraints(columns: dict[str, Column], settings: Settings) -> dict[str, Any]:
    """``constraints.json``: what the reference promises."""
    features = []
    for column in columns.values():
        feature: dict[str, Any] = {
            "name": column.name,
            "inferred_type": column.kind,
            "completeness": column.completeness,
        }
        if column.kind == "String":
            domain = categories(column)
            if len(domain) <= settings.most_categories:
                feature["string_constraints"] = {"domains": sorted(domain)}
        elif len(column.numbers):
            feature["num_constraints"] = {"is_non_negative": bool(column.numbers.min() >= 0)}
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


def categories(column: Column) -> dict[str, int]:
    """How often each text occurs."""
    names, counts = np.unique(column.texts.astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist()))


def _feature_statistics(column: Column) -> dict[str, Any]:
    common = {"num_present": column.present, "num_missing": column.missing}
    feature: dict[str, Any] = {"name": column.name, "inferred_type": column.kind}
    if column.kind == "String":
        counts = categories(column)
        top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_LISTED]
        feature["string_statistics"] = {
            "common": common,
            "distinct_count": len(counts),
            "distribution": {
                "categorical": {"buckets": [{"value": name, "count": n} for name, n in top]}
            },
        }
        return feature
    values = column.numbers[np.isfinite(column.numbers)]
    numerical: dict[str, Any] = {"common": common}
    if len(values):
        heights, edges = np.histogram(values, bins=_BUCKETS)
        numerical.update(
            mean=float(values.mean()),
            sum=float(values.sum()),
            std_dev=float(values.std()),
            min=float(values.min()),
            max=float(values.max()),
            distribution={
                "kll": {
                    "buckets": [
                        {"lower_bound": float(low), "upper_bound": float(high), "count": int(n)}
                        for low, high, n in zip(edges[:-1], edges[1:], heights)
                    ]
                }
            },
        )
    feature["numerical_statistics"] = numerical
    return feature


def _without_missing(values: Any, settings: Settings) -> Any:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values
    objects = values.astype(object)
    stripped = objects.map(lambda value: value.strip() if isinstance(value, str) else value)
    return stripped.mask(stripped.isin(list(settings.missing_values)))


def _as_text(values: Any) -> Any:
    return np.array([str(value) for value in values], dtype=object)
