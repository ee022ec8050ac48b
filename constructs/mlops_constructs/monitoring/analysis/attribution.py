"""What predictions rest on: Shapley values of the window's records against those of the reference.

The drift measure is SageMaker Clarify's (developer guide, "Monitor Feature Attribution Drift"): the
normalised discounted cumulative gain of the features in the order of their attribution now, with
their attribution before as the gain. 1 is the same order; below 0.90 is a violation. That measure
hardly moves when the leading features keep their order, so each feature's share of the attribution
is compared as well. Both are violations only if chance makes them no oftener than the run's error
rate, half of it for each: permutations of the records say how often (Westfall and Young 1993,
Resampling-Based Multiple Testing, the largest of all shares), which holds for any distribution.

Where the values come from, the first that is there:

1. ``explain_fn(data, model)`` of the model's own inference code: names and a table of exact values,
   such as those of XGBoost's TreeSHAP (``pred_contribs``).
2. Permutation sampling over the model's predictions (Štrumbelj and Kononenko 2014, Explaining
   prediction models and individual predictions with feature contributions), each permutation
   walked there and back. It works with any model; AWS's containers hold no SHAP library.

Both sets of records are explained by the model that is served, with the same draws, so that noise
and model are the same on both sides. Where the values are exact, nDCG is that against a baseline in
Clarify's layout, if there is one; shares are compared with the reference's in any case, because a
baseline does not say how much they differ from record to record.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as below
from scipy import stats  # type: ignore[import-untyped,unused-ignore]  # only in the containers

from .batches import Batch, read_batches
from .capture import Captured, capture_batches
from .checks import Violation
from .documents import document, write_json
from .errors import AnalysisError
from .model_code import ModelCode, open_model
from .settings import Settings
from .sources import data_files, open_source
from .window import Window

#: Walks there and back per record.
_WALKS = 4
#: More predictions than this for one set of records would take minutes: fewer records do.
_MOST_PREDICTIONS = 200_000
_LEAST_ROWS = 20
_MOST_KEPT = 1000
_DRAWS = 400
_PERMUTATIONS = 2000
_SEED = 20240304
_LABEL = "label0"
#: So far below the threshold, or twice as far moved, is critical.
_CRITICAL = 0.1
_ENDS = ("value", "lower", "upper")

Record = Mapping[str, Any]
Predict = Callable[[Sequence[Record]], Any]


@dataclass(frozen=True)
class Shift:
    """How attributions moved.

    Attributes:
        before: Mean absolute attribution by feature, of the reference.
        now: The same of the window.
        ndcg: Clarify's measure, with its interval.
        rank_correlation: Kendall's tau of the two orders; NaN for a single feature.
        p_value: How often chance makes an nDCG as low; of a known baseline, 0 or 1.
        p_shares: How often chance moves any share as much as that of each feature; empty for a
            known baseline alone, of which single records are not known.
        reference: Mean absolute attribution of the reference, where ``before`` is a baseline's.
    """

    before: dict[str, float]
    now: dict[str, float]
    ndcg: dict[str, float]
    rank_correlation: float
    p_value: float
    p_shares: dict[str, float]
    reference: dict[str, float] | None = None

    def share(self, name: str) -> tuple[float, float]:
        """A feature's part of all attribution, in the reference and now."""
        before, now = self.reference or self.before, self.now
        whole, current = (sum(side.values()) or 1.0 for side in (before, now))
        return before[name] / whole, now[name] / current

    def features(self) -> list[dict[str, Any]]:
        """Each feature with its attribution and rank on both sides, the largest now first."""
        ranks = {side: _ranks(values) for side, values in (("b", self.before), ("n", self.now))}
        return [
            {
                "feature": name,
                "before": self.before[name],
                "now": self.now[name],
                "rank_before": ranks["b"][name],
                "rank_now": ranks["n"][name],
            }
            for name in sorted(self.now, key=lambda each: -self.now[each])
        ]


def ndcg(before: Any, now: Any) -> float:
    """Clarify's score of the order ``now`` with the gains ``before``, 0 to 1.

    scikit-learn's ``ndcg_score`` averages over ties, which random draws hardly ever make.
    """
    discounts = 1 / np.log2(np.arange(2, len(before) + 2))
    best = float((np.sort(before)[::-1] * discounts).sum())
    got = float((before[np.argsort(-now, kind="stable")] * discounts).sum())
    return got / best if best > 0 else 1.0


def shapley(
    predict: Predict,
    records: Sequence[Record],
    background: Sequence[Record],
    names: Sequence[str],
    *,
    walks: int = _WALKS,
) -> Any:
    """Estimated Shapley values, a row per record and a column per name.

    The values of a record sum to its prediction less the mean one of the background rows that were
    drawn for it.

    Args:
        predict: Scores of records, one number each.
        records: What is explained.
        background: What a feature's value is replaced by when it is left out.
        names: The features.
        walks: Permutations per record, each walked forwards and backwards.
    """
    generator = np.random.default_rng(_SEED)
    orders, rows = [], []
    for record in records:
        for _ in range(walks):
            order = generator.permutation(len(names))
            start = background[int(generator.integers(len(background)))]
            for walk in (order, order[::-1]):
                row = dict(record)
                row.update({name: start.get(name) for name in names})
                rows.append(dict(row))
                for at in walk:
                    row[names[at]] = record.get(names[at])
                    rows.append(dict(row))
                orders.append(walk)
    scores = np.asarray(predict(rows), dtype=float).reshape(len(orders), len(names) + 1)
    gains = np.diff(scores, axis=1)
    values = np.zeros((len(orders), len(names)))
    values[np.arange(len(orders))[:, None], np.array(orders)] = gains
    return values.reshape(len(records), 2 * walks, len(names)).mean(axis=1)


def compare(
    names: Sequence[str], before: Any, now: Any, rate: float, *, threshold: float = 0.9
) -> Shift:
    """The shift between two tables of attributions, or a row of known means and a table.

    Args:
        names: The columns.
        before: Attributions of the reference, a row per record; one row is taken as it is.
        now: Those of the window.
        rate: The interval of nDCG holds its value with probability 1 - rate.
        threshold: Below which nDCG of a known baseline counts.
    """
    tables = np.abs(before), np.abs(now)
    means = [table.mean(axis=0) for table in tables]
    generator = np.random.default_rng(_SEED)
    draws = []
    for _ in range(_DRAWS):
        drawn = [
            table[generator.integers(len(table), size=len(table))].mean(axis=0) for table in tables
        ]
        draws.append(ndcg(drawn[0], drawn[1]))
    low, high = np.quantile(draws, [rate / 2, 1 - rate / 2])
    value = ndcg(*means)
    tau = float("nan")
    if len(names) > 1:
        tau = float(stats.kendalltau(means[0], means[1])[0])
    # Resampling lowers nDCG, whose upper end is 1: the value itself may lie above all draws.
    interval = {"value": value, "lower": float(low), "upper": max(float(high), value)}
    p_value, p_shares = float(interval["upper"] >= threshold), {}
    if len(tables[0]) > 1:
        p_value, moved = _by_chance(np.concatenate(tables), len(tables[0]), value, means)
        p_shares = dict(zip(names, moved))
    return Shift(
        before=dict(zip(names, means[0].tolist())),
        now=dict(zip(names, means[1].tolist())),
        ndcg=interval,
        rank_correlation=tau,
        p_value=p_value,
        p_shares=p_shares,
    )


def _by_chance(
    pooled: Any, first: int, value: float, means: Sequence[Any]
) -> tuple[float, list[float]]:
    """How often records in any order give such an nDCG, and such changes of shares."""
    generator = np.random.default_rng(_SEED)
    seen = np.abs(_share_of(means[0]) - _share_of(means[1]))
    lower, larger = 1, np.ones(len(seen))
    for _ in range(_PERMUTATIONS):
        order = generator.permutation(len(pooled))
        sides = pooled[order[:first]].mean(axis=0), pooled[order[first:]].mean(axis=0)
        lower += ndcg(sides[0], sides[1]) <= value
        larger += np.abs(_share_of(sides[0]) - _share_of(sides[1])).max() >= seen
    return lower / (_PERMUTATIONS + 1), (larger / (_PERMUTATIONS + 1)).tolist()


def _share_of(means: Any) -> Any:
    return means / (means.sum() or 1.0)


def attribution_drift(
    options: argparse.Namespace,
    output: Path,
    settings: Settings,
    window: Window,
    report: dict[str, Any],
) -> None:
    """Fill in the report of a run, and write the service's files."""
    places = data_files(open_source(options.reference)) if options.reference else ()
    reference = _rows(read_batches(places, settings.columns))
    if not reference.seen:
        raise AnalysisError(f"The reference {options.reference or '(none)'} holds no rows.")
    names = [name for name in reference.names if name not in settings.ignore]
    captured = Captured()
    source = open_source(options.data)
    current = _rows(
        read_batches(source.by_change(window), settings.columns)
        if options.kind == "dataset"
        else capture_batches(
            source.by_hour(window), window, settings.capture_columns or names, captured
        )
    )
    report["records"], report["reference_records"] = current.seen, reference.seen
    baseline = document(options.attribution_baseline, "constraints.json")
    files: dict[str, Any] = {"violations": []}
    if current.seen < _LEAST_ROWS:
        report["status"] = "Completed" if current.seen else "NoData"
        if current.seen:
            report["notes"].append(
                f"{current.seen} records; attributions are compared from {_LEAST_ROWS} on."
            )
    else:
        with open_model(options.model, settings) as model:
            shift = _explain(model, reference, current, names, baseline, settings, report)
        report["attributions"] = shift.features()
        report["measures"] = {
            "ndcg": shift.ndcg,
            **(
                {"rank_correlation": dict.fromkeys(_ENDS, shift.rank_correlation)}
                if np.isfinite(shift.rank_correlation)
                else {}
            ),
        }
        found = _check(shift, settings)
        report["violations"] = [asdict(each) for each in found]
        report["allowed"] = {"ndcg": (settings.attribution_threshold, None)}
        report["status"] = "CompletedWithViolations" if found else "Completed"
        values = {"global_shap_values": shift.now}
        explained = {"version": "1.0", "explanations": {"kernel_shap": {_LABEL: values}}}
        write_json(output / "statistics.json", explained)
        files["violations"] = [
            {
                "label": _LABEL,
                "metric_name": "shap",
                "constraint_check_type": each.constraint_check_type,
                "description": each.description,
            }
            for each in found
        ]
        values = {"global_shap_values": shift.before}
        baseline = {"version": "1.0", "explanations": {"kernel_shap": {_LABEL: values}}}
    write_json(output / "constraints.json", baseline)
    write_json(output / "constraint_violations.json", {"version": "1.0", **files})


def baseline_of(constraints: Mapping[str, Any]) -> dict[str, float]:
    """The global values in Clarify's ``analysis.json``, by feature; empty without a baseline.

    Raises:
        AnalysisError: If the file holds something else, or several labels.
    """
    if not constraints:
        return {}
    try:
        labels = constraints["explanations"]["kernel_shap"]
        (values,) = (each["global_shap_values"] for each in labels.values())
        return {str(name): abs(float(value)) for name, value in values.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnalysisError(
            "constraints.json of the attributions: allowed: explanations.kernel_shap with one "
            f"label and its global_shap_values; got {error!r}."
        ) from error


def _explain(  # noqa: PLR0917  # one caller, whose locals these are
    model: ModelCode,
    reference: _Rows,
    current: _Rows,
    names: list[str],
    baseline: Mapping[str, Any],
    settings: Settings,
    report: dict[str, Any],
) -> Shift:
    old, new = (each.records(settings) for each in (reference, current))
    # Only exact values are of the same kind as those that the training's own code wrote down.
    known = baseline_of(baseline) if model.explains else {}
    names = [name for name in names if not known or name in known]
    if not names:
        raise AnalysisError("The baseline of the attributions and the data share no feature.")
    rows = min(
        settings.attribution_rows,
        max(_LEAST_ROWS, _MOST_PREDICTIONS // (2 * _WALKS * (len(names) + 1))),
    )
    background, explained = _spread(old, rows), _spread(new, rows)

    def values(records: Sequence[Record]) -> Any:
        exact = model.explain(records, names)
        return exact if exact is not None else shapley(model.predict, records, background, names)

    before, now = values(background), values(explained)
    report["notes"].append(
        f"Attributions of {len(explained)} of {len(new)} records by "
        f"{'explain_fn of the model' if model.explains else 'permutation sampling'}."
    )
    rate, threshold = settings.false_alarm_rate, settings.attribution_threshold
    shift = compare(names, before, now, rate, threshold=threshold)
    if known:
        row = np.array([[known[name] for name in names]])
        against = compare(names, row, now, rate, threshold=threshold)
        shift = replace(against, reference=shift.before, p_shares=shift.p_shares)
    return shift


def _check(shift: Shift, settings: Settings) -> list[Violation]:
    rate, threshold = settings.false_alarm_rate / 2, settings.attribution_threshold
    ranks = {each["feature"]: (each["rank_before"], each["rank_now"]) for each in shift.features()}
    found = []
    score = shift.ndcg
    if score["value"] < threshold and shift.p_value <= rate:
        most = sorted(ranks, key=lambda name: -abs(ranks[name][0] - ranks[name][1]))
        moved = ", ".join(
            f"{name} from {ranks[name][0]} to {ranks[name][1]}"
            for name in most[:3]
            if ranks[name][0] != ranks[name][1]
        )
        found.append(
            Violation(
                "*",
                "feature_attribution_drift_check",
                f"Feature attribution drift {score['value']:.3f} ({score['lower']:.3f} to "
                f"{score['upper']:.3f}) exceeds threshold {threshold:g}; ranks moved: {moved}",
                "critical" if score["value"] < threshold - _CRITICAL else "warning",
                1 - score["value"],
                shift.p_value,
            )
        )
    for name, p_value in shift.p_shares.items():
        before, now = shift.share(name)
        change = abs(now - before)
        if p_value <= rate and change >= settings.attribution_floor:
            found.append(
                Violation(
                    name,
                    "feature_attribution_share_check",
                    f"Its share of the attribution was {before:.1%} and is {now:.1%}, its rank "
                    f"was {ranks[name][0]} and is {ranks[name][1]}",
                    "critical" if change >= 2 * _CRITICAL else "warning",
                    change,
                    p_value,
                )
            )
    return sorted(found, key=lambda each: (each.severity, -each.effect, each.feature_name))


@dataclass
class _Rows:
    """Every so many-th row of what is read, at most twice `_MOST_KEPT`.

    Attributes:
        names: The columns of the first batch.
        kept: Rows as they were read.
        seen: How many rows went by.
    """

    names: list[str] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    seen: int = 0
    step: int = 1

    def add(self, batch: Batch) -> None:
        """Keep some rows of a batch."""
        self.names = self.names or list(batch.columns)
        places = pa.array(np.arange(-self.seen % self.step, batch.rows, self.step), pa.int64())
        columns = {name: array.take(places).to_pylist() for name, array in batch.columns.items()}
        self.kept += [dict(zip(columns, row)) for row in zip(*columns.values())]
        self.seen += batch.rows
        while len(self.kept) > 2 * _MOST_KEPT:
            self.kept = self.kept[::2]
            self.step *= 2

    def records(self, settings: Settings) -> list[dict[str, Any]]:
        """Rows as a caller would send them: numbers as numbers, and what is missing as None."""
        columns = {
            name: _values([row.get(name) for row in self.kept], settings.missing_values)
            for name in self.names
            if name not in settings.ignore
        }
        return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _rows(batches: Iterable[Batch]) -> _Rows:
    rows = _Rows()
    for batch in batches:
        rows.add(batch)
    return rows


def _values(values: list[Any], missing: Sequence[str]) -> list[Any]:
    known = [None if value is None or str(value).strip() in missing else value for value in values]
    try:
        return [None if value is None else float(value) for value in known]
    except (TypeError, ValueError):
        return known


def _spread(records: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many of them, evenly."""
    places = np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int)
    return [records[place] for place in np.unique(places)]


def _ranks(values: Mapping[str, float]) -> dict[str, int]:
    order = sorted(values, key=lambda name: -values[name])
    return {name: place for place, name in enumerate(order, start=1)}
