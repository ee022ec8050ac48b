"""Is the model fair enough, and does it look at sensible things?

**Bias**: for each facet's group, the pre-training measures on the training data and the
post-training measures on the test data, as the SageMaker developer guide defines them
("Pre-training Bias Metrics", "Post-training Data and Model Bias Metrics"): all but the conditional
ones, which need a group variable, and the flip test, which needs data without texts. The group
named is *d*, everybody else *a*; a positive value means that *d* is at a disadvantage, but for
KL, JS, LP, TVD, KS and GE, which have no sign.

**Explainability**: each feature's share of the model's output, by SHAP values, which XGBoost
computes exactly for its own trees: no library besides XGBoost's is needed, nor the internet.

Files: ``analysis_config.json`` and ``analysis.json`` in each of the folders ``bias`` and
``explainability``, in the layouts of Clarify, which monitors and Studio read; and ``checks.json``,
how many limits are exceeded and which. Limits hold for the absolute values of measures, and for
the largest share of one feature: when one feature decides nearly alone, it is often the answer in
disguise.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boosting  # noqa: F401  # before XGBoost: see there
import failures
import numpy as np
import numpy.typing as npt
import scoring
import xgboost
from columns import read_table
from failures import InputError

Booleans = npt.NDArray[np.bool_]

_DESCRIPTIONS = {
    "CI": "Class Imbalance",
    "DPL": "Difference in Positive Proportions in Labels",
    "KL": "Kullback-Leibler Divergence",
    "JS": "Jensen-Shannon Divergence",
    "LP": "Lp-norm",
    "TVD": "Total Variation Distance",
    "KS": "Kolmogorov-Smirnov",
    "DPPL": "Difference in Positive Proportions in Predicted Labels",
    "DI": "Disparate Impact",
    "DCA": "Difference in Conditional Acceptance",
    "DCR": "Difference in Conditional Rejection",
    "SD": "Specificity Difference",
    "RD": "Recall Difference",
    "DAR": "Difference in Acceptance Rates",
    "DRR": "Difference in Rejection Rates",
    "AD": "Accuracy Difference",
    "TE": "Treatment Equality",
    "GE": "Generalized Entropy",
}
# DI is a ratio: 1 says that groups are treated alike, not 0.
_LIMITED = tuple(name for name in _DESCRIPTIONS if name != "DI")
# Rows whose SHAP values are averaged; the mean of more changes no digit that matters.
_EXPLAINED = 1000
# Groups of fewer people say nothing about how they are treated.
_LEAST_GROUP = 30


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: assess(options), message_file=options.message_file)


def assess(options: argparse.Namespace) -> None:
    """Measure, and write the analyses and the verdict.

    Raises:
        InputError: A group is not in the data, or a limit is of no measure.
    """
    if unknown := sorted(options.bias_limits.keys() - set(_LIMITED)):
        raise InputError(
            f"--bias-limits names {', '.join(unknown)}; allowed: {', '.join(_LIMITED)}."
        )
    train = read_table(options.train_dir)
    body = scoring.one_file(options.test_dir, "*.csv").read_text(encoding="utf-8")
    with scoring.loaded(scoring.one_file(options.model_dir, "model.tar.gz")) as artifact:
        table, _, labels = artifact.score(body)
        shares, expected = _attributions(artifact, table)
    said = np.asarray([label == options.positive_label for label in labels])
    facets: dict[str, dict[str, Any]] = {"pre": {}, "post": {}}
    violations: list[str] = []
    for facet, value in options.groups.items():
        for stage, data, predicted in (("pre", train, None), ("post", table, said)):
            group = _group(data, facet, value)
            measured = bias_measures(group, _truth(data, options), predicted)
            facets[stage][facet] = [_entry(value, measured)]
            violations += _beyond(facet, value, measured, options.bias_limits)
    top = max(shares, key=lambda name: shares[name])
    if shares[top] > options.max_share:
        violations.append(
            f"'{top}' makes {shares[top]:.0%} of the model's output; allowed are "
            f"{options.max_share:.0%}"
        )
    _write(options, facets, shares, expected)
    checks = {
        "version": 1,
        "violations": len(violations),
        "reason": "; ".join(violations) or "none",
        "top_feature": {"name": top, "share": shares[top]},
    }
    _save(options.checks_dir / "checks.json", checks)
    print(f"{len(violations)} limits exceeded: {checks['reason']}")


def bias_measures(group: Booleans, truth: Booleans, said: Booleans | None) -> dict[str, float]:
    """The measures of one group against the others.

    Args:
        group: Who belongs to it.
        truth: Whose label is positive.
        said: For whom the positive label was predicted; None for the pre-training measures.

    Returns:
        Measures by name; one that the data do not define (a group without positive labels has no
        recall) is left out.
    """
    rest = ~group
    if said is None:
        share_a, share_d = float(truth[rest].mean()), float(truth[group].mean())
        middle, gap = (share_a + share_d) / 2, abs(share_a - share_d)
        found = {
            "CI": float(rest.sum() - group.sum()) / len(group),
            "DPL": share_a - share_d,
            "KL": _divergence(share_a, share_d),
            "JS": (_divergence(share_a, middle) + _divergence(share_d, middle)) / 2,
            # With two kinds of labels these say the same.
            "LP": math.sqrt(2) * gap,
            "TVD": gap,
            "KS": gap,
        }
    else:
        said_a, said_d = float(said[rest].mean()), float(said[group].mean())
        a, d = (_Answers.of(truth[each], said[each]) for each in (rest, group))
        found = {
            "DPPL": said_a - said_d,
            "DI": _over(said_d, said_a),
            "DCA": _over(a.tp + a.fn, a.tp + a.fp) - _over(d.tp + d.fn, d.tp + d.fp),
            "DCR": _over(d.tn + d.fp, d.tn + d.fn) - _over(a.tn + a.fp, a.tn + a.fn),
            "SD": _over(d.tn, d.tn + d.fp) - _over(a.tn, a.tn + a.fp),
            "RD": _over(a.tp, a.tp + a.fn) - _over(d.tp, d.tp + d.fn),
            "DAR": _over(a.tp, a.tp + a.fp) - _over(d.tp, d.tp + d.fp),
            "DRR": _over(d.tn, d.tn + d.fn) - _over(a.tn, a.tn + a.fn),
            "AD": _over(a.tp + a.tn, int(rest.sum())) - _over(d.tp + d.tn, int(group.sum())),
            "TE": _over(d.fn, d.fp) - _over(a.fn, a.fp),
            "GE": _entropy(truth, said),
        }
    return {name: value for name, value in found.items() if math.isfinite(value)}


class _Answers(NamedTuple):
    """How many answers of a group are right and wrong, by what was said."""

    tn: int
    fp: int
    fn: int
    tp: int

    @classmethod
    def of(cls, truth: Booleans, said: Booleans) -> "_Answers":
        return cls(*np.bincount(2 * truth + said, minlength=4).tolist())


def _entropy(truth: Booleans, said: Booleans) -> float:
    """Generalized entropy of order 2 of what the answers are worth to people: 0, 1 or 2."""
    worth = said.astype(float) - truth + 1
    mean = float(worth.mean())
    return (float((worth**2).mean()) / mean**2 - 1) / 2 if mean else math.nan


def _attributions(
    artifact: scoring.Artifact, table: Mapping[str, Sequence[str]]
) -> tuple[dict[str, float], float]:
    """Each feature's share of the mean absolute SHAP values, and the expected output."""
    booster, encoding = artifact.model
    some = {name: table[name][:_EXPLAINED] for name in encoding.features}
    matrix = xgboost.DMatrix(
        encoding.matrix(some),
        feature_names=list(encoding.features),
        feature_types=encoding.feature_types,
        enable_categorical=True,
    )
    contributions = booster.predict(matrix, pred_contribs=True)
    mean = np.abs(contributions[:, :-1]).mean(axis=0)
    whole = float(mean.sum()) or 1.0
    shares = {
        name: float(value) / whole for name, value in zip(encoding.features, mean, strict=True)
    }
    return shares, float(contributions[0, -1])


def _truth(table: Mapping[str, Sequence[str]], options: argparse.Namespace) -> Booleans:
    return np.asarray([value == options.positive_label for value in table[options.target]])


def _group(table: Mapping[str, Sequence[str]], facet: str, value: str) -> Booleans:
    if facet not in table:
        raise InputError(f"--groups names '{facet}'; the data has {', '.join(table)}.")
    group = np.asarray([each == value for each in table[facet]])
    if min(int(group.sum()), int((~group).sum())) < _LEAST_GROUP:
        raise InputError(
            f"{int(group.sum())} of {len(group)} rows have '{facet}' = '{value}'; both sides "
            f"should have {_LEAST_GROUP} rows or more to be compared."
        )
    return group


def _beyond(
    facet: str, value: str, measured: Mapping[str, float], limits: Mapping[str, float]
) -> list[str]:
    return [
        f"{name} of {facet}={value} is {measured[name]:.3f}; allowed are {-limit:g} to {limit:g}"
        for name, limit in limits.items()
        if name in measured and abs(measured[name]) > limit
    ]


def _entry(value: str, measured: Mapping[str, float]) -> dict[str, Any]:
    return {
        "value_or_threshold": value,
        "metrics": [
            {"name": name, "description": _DESCRIPTIONS[name], "value": number}
            for name, number in measured.items()
        ],
    }


def _write(
    options: argparse.Namespace,
    facets: Mapping[str, Any],
    shares: Mapping[str, float],
    expected: float,
) -> None:
    config = {
        "dataset_type": "text/csv",
        "label": options.target,
        "label_values_or_threshold": [options.positive_label],
        "facet": [
            {"name_or_index": facet, "value_or_threshold": [value]}
            for facet, value in options.groups.items()
        ],
    }
    common = {"label": options.target, "label_value_or_threshold": options.positive_label}
    bias = {
        "version": "1.0",
        "pre_training_bias_metrics": {**common, "facets": facets["pre"]},
        "post_training_bias_metrics": {**common, "facets": facets["post"]},
    }
    explanations = {
        "version": "1.0",
        "explanations": {
            # Clarify's name for SHAP values, whoever computes them.
            "kernel_shap": {
                "label0": {
                    "global_shap_values": dict(sorted(shares.items(), key=lambda each: -each[1])),
                    "expected_value": expected,
                }
            }
        },
    }
    for folder, analysis in (
        (options.bias_dir, bias),
        (options.explainability_dir, explanations),
    ):
        _save(folder / "analysis_config.json", config)
        _save(folder / "analysis.json", analysis)


def _save(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _over(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _divergence(first: float, second: float) -> float:
    """Kullback-Leibler divergence of two shares; infinite where the second leaves nothing."""
    pairs = ((first, second), (1 - first, 1 - second))
    if any(p and not q for p, q in pairs):
        return math.inf
    return sum(p * math.log(p / q) for p, q in pairs if p)


def _pairs(text: str) -> dict[str, str]:
    return dict(each.strip().split("=", 1) for each in text.split(",") if "=" in each)


def _limits(text: str) -> dict[str, float]:
    return {name: float(limit) for name, limit in _pairs(text).items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Check a model's bias and what it looks at.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--positive-label", required=True)
    parser.add_argument("--groups", type=_pairs, required=True, help="column=value, …")
    parser.add_argument("--bias-limits", type=_limits, required=True, help="measure=limit, …")
    parser.add_argument("--max-share", type=float, required=True, help="of one feature")
    for name in ("model", "train", "test", "bias", "explainability", "checks"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
