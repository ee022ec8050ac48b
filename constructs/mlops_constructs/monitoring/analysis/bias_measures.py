"""The measures of SageMaker Clarify, of one group against everybody else, with intervals.

Definitions and spellings are those of the developer guide, "Pre-training Bias Metrics" and
"Post-training Data and Model Bias Metrics", with the labels folded into positive and others; the
tests hold them to smclarify 0.5, the service's published code. The group is *d*, everybody else
*a*; a positive value means that *d* is at a disadvantage, but for DI, a ratio that is then below 1,
and for KL, JS, LP, TVD, KS and GE, which have no sign. With two kinds of labels LP, TVD and KS say
what the size of DPL says (times √2, for LP).

What is divided by nothing is no number here, and left out, where smclarify says 0 or infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats  # type: ignore[import-untyped,unused-ignore]  # only in containers

PRE_TRAINING = ("CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL")
#: Of labels, without a sign; what they say of a difference DPL says, too.
DISTANCES = ("KL", "JS", "LP", "TVD", "KS")

_DRAWS = 400
_SEED = 20240302


def measures(
    group: Any, truth: Any, said: Any, strata: list[str] | None, rate: float
) -> dict[str, dict[str, float]]:
    """Each measure with its value and the interval that holds it with probability 1 - rate.

    All but FT, which needs more than labels (`flip_test`).

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
    table = np.bincount(cell, minlength=8 * levels)
    generator = np.random.default_rng(_SEED)
    drawn = generator.multinomial(table.sum(), table / table.sum(), _DRAWS)
    # The data themselves come first, then what else they could have been.
    stack = np.concatenate([table[None], drawn]).reshape(-1, levels, 2, 2, 2).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        computed = _all(stack, truth is not None, said is not None, strata is not None)
    z = float(stats.norm.isf(rate / 2 / len(computed)))
    measured = {}
    for name, values in computed.items():
        value, others = float(values[0]), values[1:][np.isfinite(values[1:])]
        error = float(others.std()) if len(others) > 1 else float("nan")
        if np.isfinite(value):
            measured[name] = {
                "value": value,
                "lower": value - z * error,
                "upper": value + z * error,
            }
    return measured


def _all(stack: Any, truth: bool, said: bool, strata: bool) -> dict[str, Any]:
    """What the data allow. Tables are draw x stratum x group x truth x prediction."""
    cells = stack.sum(axis=1)
    sizes = cells.sum(axis=(2, 3))
    parts = {"CI": (sizes[:, 0] - sizes[:, 1]) / sizes.sum(axis=1)}
    if truth:
        parts.update(_of_labels(cells[:, :, 1].sum(axis=2) / sizes))
        if strata:
            parts["CDDL"] = _conditional(stack.sum(axis=4))
    if said:
        shares = cells[..., 1].sum(axis=2) / sizes
        parts["DPPL"] = shares[:, 0] - shares[:, 1]
        parts["DI"] = shares[:, 1] / shares[:, 0]
        if strata:
            parts["CDDPL"] = _conditional(stack.sum(axis=3))
    if truth and said:
        parts.update(_of_both(cells))
    return parts


def _of_labels(shares: Any) -> dict[str, Any]:
    """From the shares of positive labels, draw x group."""
    a, d = (np.stack([shares[:, at], 1 - shares[:, at]], axis=1) for at in (0, 1))
    middle = (a + d) / 2
    gaps = np.abs(a - d)

    def divergence(p: Any, q: Any) -> Any:
        return special.rel_entr(p, q).sum(axis=1)

    return {
        "DPL": shares[:, 0] - shares[:, 1],
        "KL": divergence(a, d),
        "JS": (divergence(a, middle) + divergence(d, middle)) / 2,
        "LP": np.sqrt((gaps**2).sum(axis=1)),
        "TVD": gaps.sum(axis=1) / 2,
        "KS": gaps.max(axis=1),
    }


def _of_both(cells: Any) -> dict[str, Any]:
    """From how labels and predictions go together: draw x group x truth x prediction."""
    tn, fp, fn, tp = (cells[:, :, truth, said] for truth in (0, 1) for said in (0, 1))
    differences: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "DCA": ((tp + fn) / (tp + fp), _a_less_d),
        "DCR": ((tn + fp) / (tn + fn), _d_less_a),
        "SD": (tn / (tn + fp), _d_less_a),
        "RD": (tp / (tp + fn), _a_less_d),
        "DAR": (tp / (tp + fp), _a_less_d),
        "DRR": (tn / (tn + fn), _d_less_a),
        "AD": ((tp + tn) / (tp + tn + fp + fn), _a_less_d),
        "TE": (fn / fp, _d_less_a),
    }
    parts = {name: side(values) for name, (values, side) in differences.items()}
    # Benefits: 2 for a false positive, 0 for a false negative, else 1; the entropy's order is 2.
    right, too_good = (tp + tn).sum(axis=1), fp.sum(axis=1)
    rows = cells.sum(axis=(1, 2, 3))
    mean = (right + 2 * too_good) / rows
    parts["GE"] = ((right + 4 * too_good) / rows / mean**2 - 1) / 2
    return parts


def _a_less_d(values: Any) -> Any:
    return values[:, 0] - values[:, 1]


def _d_less_a(values: Any) -> Any:
    return values[:, 1] - values[:, 0]


def _conditional(table: Any) -> Any:
    """Demographic disparity by stratum, weighted by size: draw x stratum x group x label."""
    sizes = table.sum(axis=(2, 3))
    refused, accepted = table[:, :, 1, 0], table[:, :, 1, 1]
    all_refused, all_accepted = table[..., 0].sum(axis=2), table[..., 1].sum(axis=2)
    disparity = refused / np.maximum(all_refused, 1) - accepted / np.maximum(all_accepted, 1)
    return (sizes * disparity).sum(axis=1) / sizes.sum(axis=1)
