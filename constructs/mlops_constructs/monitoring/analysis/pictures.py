"""What the report draws: distributions of both sides in the same bins, and groups of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .profiles import Profile
from .sketch import Column

_MOST_FEATURES = 24
_MOST_BINS = 20
_MOST_CATEGORIES = 10
_MOST_GROUPS = 8
_TAIL = 0.005
_LONGEST_NAME = 60


def distributions(
    reference: Profile,
    current: Profile,
    violations: Sequence[Mapping[str, Any]],
    drift: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Both sides of the features that violate something, and then of those that moved most."""
    found = [str(each["feature_name"]) for each in violations]
    names = dict.fromkeys([*found, *drift])
    drawn: list[dict[str, Any]] = []
    for name in names:
        old, new = reference.columns.get(name), current.columns.get(name)
        if old is None or new is None or len(drawn) >= _MOST_FEATURES:
            continue
        picture = _numeric(old, new) if old.numbers is not None else _categories(old, new)
        if picture is None:
            continue
        drawn.append(
            {
                "feature": name,
                "violates": name in found,
                "drift": drift.get(name),
                "missing": [1 - old.completeness, 1 - new.completeness],
                **picture,
            }
        )
    return drawn


def groups(values: Sequence[Any], truth: Any, said: Any) -> list[dict[str, Any]]:
    """How the groups of one facet fare, the largest first.

    Args:
        values: The facet's value of each row.
        truth: Which rows have the positive label.
        said: For which it was predicted.
    """
    names = np.array([str(value).strip()[:_LONGEST_NAME] for value in values])
    distinct, counts = np.unique(names, return_counts=True)
    shown = []
    for at in np.argsort(-counts, kind="stable")[:_MOST_GROUPS]:
        inside = names == distinct[at]
        shown.append(
            {
                "group": str(distinct[at]),
                "records": int(counts[at]),
                "predicted": float(said[inside].mean()),
                "labelled": float(truth[inside].mean()),
                "right": float((said[inside] == truth[inside]).mean()),
            }
        )
    return shown


def _numeric(old: Column, new: Column) -> dict[str, Any] | None:
    before, now = old.numbers, new.numbers
    if before is None or now is None or not before.finite or not now.finite:
        return None
    sides = [_points(each) for each in (before, now)]
    exact = np.unique(np.concatenate([values for values, _ in sides]))
    # The tails get a bin of their own: one value a thousand times too large flattens all others.
    low = min(each.quantile(_TAIL) for each in (before, now))
    high = max(before.quantile(1 - _TAIL), _within(now, before))
    if len(exact) <= _MOST_BINS:
        edges = np.concatenate([[-np.inf], (exact[1:] + exact[:-1]) / 2, [np.inf]])
        labels = [_number(value) for value in exact]
    else:
        if not high > low:
            low, high = float(exact[0]), float(exact[-1])
        inner = np.linspace(low, high, _MOST_BINS - 1)
        edges = np.concatenate([[-np.inf], inner, [np.inf]])
        middle = [f"{_number(a)} to {_number(b)}" for a, b in zip(inner[:-1], inner[1:])]
        labels = [f"below {_number(low)}", *middle, f"above {_number(high)}"]
    shares = []
    for values, counts in sides:
        heights, _ = np.histogram(values, bins=edges, weights=counts)
        shares.append(heights / counts.sum())
    used = (shares[0] + shares[1]) > 0
    first, last = int(np.argmax(used)), len(used) - int(np.argmax(used[::-1]))
    return {
        "kind": "numbers",
        "labels": labels[first:last],
        "before": _rounded(shares[0][first:last]),
        "now": _rounded(shares[1][first:last]),
        "says": f"mean {_number(before.mean)} → {_number(now.mean)}, "
        f"median {_number(before.quantile(0.5))} → {_number(now.quantile(0.5))}",
    }


def _within(now: Any, before: Any) -> float:
    """Up to where the current values are drawn: not beyond ten times the reference's spread."""
    top = before.quantile(1 - _TAIL)
    spread = max(top - before.quantile(_TAIL), 1e-12)
    return float(min(now.quantile(1 - _TAIL), top + 2 * spread))


def _points(numbers: Any) -> tuple[Any, Any]:
    places, counts = numbers.histogram()
    values = numbers.values_at(places)
    finite = np.isfinite(values)
    return values[finite], counts[finite]


def _categories(old: Column, new: Column) -> dict[str, Any] | None:
    if old.free or not old.present or not new.present:
        return None
    before = {name: count / old.present for name, count in old.texts.items()}
    now = {name: count / new.present for name, count in new.texts.items()}
    unknown = {name: count / new.present for name, count in new.unknown_names.items()}
    now.update(unknown)
    order = sorted(
        {**before, **now},
        key=lambda name: (
            # What moved most must be seen, and so must what is new.
            name not in unknown,
            -max(before.get(name, 0.0), now.get(name, 0.0)),
            name,
        ),
    )
    shown, rest = order[:_MOST_CATEGORIES], order[_MOST_CATEGORIES:]
    labels = [("new: " if name in unknown else "") + name[:_LONGEST_NAME] for name in shown]
    sides = [[side.get(name, 0.0) for name in shown] for side in (before, now)]
    if rest:
        labels.append(f"{len(rest)} others")
        for shares, side in zip(sides, (before, now)):
            shares.append(sum(side.get(name, 0.0) for name in rest))
    return {
        "kind": "categories",
        "labels": labels,
        "before": _rounded(sides[0]),
        "now": _rounded(sides[1]),
        "says": f"{len(old.texts)} categories"
        + (f", {len(new.unknown_names)} new" if new.unknown_names else ""),
    }


def _rounded(shares: Any) -> list[float]:
    return [round(float(share), 5) for share in shares]


def _number(value: float) -> str:
    if value and (abs(value) >= 100_000 or abs(value) < 0.001):
        return f"{value:.2g}"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
