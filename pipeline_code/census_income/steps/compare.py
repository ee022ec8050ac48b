"""Is the new model better than the one in production?

Both are scored on the same test rows. The difference of their AUCs comes with its standard error
(DeLong, DeLong and Clarke-Pearson 1988, for correlated curves), so that a reader of
``comparison.json`` sees whether it is more than chance. Where there is no model in production yet,
the new one is compared with itself: no difference.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import failures
import numpy as np
import numpy.typing as npt
import scoring
from failures import InputError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

#: What stands for the version of the model in production when there is none.
NO_MODEL = "none"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: compare(options), message_file=options.message_file)


def compare(options: argparse.Namespace) -> None:
    """Compare and write ``comparison.json``.

    Raises:
        InputError: A model cannot score the test data, or the test data has one label only.
    """
    body = scoring.one_file(options.test_dir, "*.csv").read_text(encoding="utf-8")
    first = options.champion == NO_MODEL
    challenger, truth = _score(options.challenger_dir, body, options)
    if first:
        champion = challenger
    else:
        try:
            champion, _ = _score(options.champion_dir, body, options)
        except InputError as error:
            raise InputError(
                f"The model in production, {options.champion}, cannot be compared: {error} "
                "Start the pipeline with Champion=none to do without the comparison."
            ) from error
    if truth.all() or not truth.any():
        raise InputError(f"All {len(truth)} rows of the test data have the same label.")
    aucs, deviation = auc_difference(truth, challenger, champion)
    difference = aucs[0] - aucs[1]
    report = {
        "version": 1,
        "champion": {"version": options.champion, "auc": None if first else aucs[1]},
        "challenger": {"auc": aucs[0]},
        "difference": difference,
        "standard_error": deviation,
        "interval_95": [difference - 1.96 * deviation, difference + 1.96 * deviation],
    }
    options.comparison_dir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    (options.comparison_dir / "comparison.json").write_text(text, encoding="utf-8")
    said = "there is no model in production" if first else f"in production {aucs[1]:.4f}"
    print(f"new AUC {aucs[0]:.4f}, {said}, difference {difference:+.4f} ± {1.96 * deviation:.4f}")


def auc_difference(
    truth: Booleans, first: Floats, second: Floats
) -> tuple[tuple[float, float], float]:
    """Two AUCs on the same rows, and the standard error of their difference."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    above, below = [], []
    for scores in (first, second):
        whole, among, other = _ranks(scores), _ranks(scores[truth]), _ranks(scores[~truth])
        # Of each positive row the share of negative rows below it, and the other way round.
        above.append((whole[truth] - among) / negative)
        below.append(1 - (whole[~truth] - other) / positive)
    variance = sum(
        float(np.var(parts[0] - parts[1], ddof=1)) / len(parts[0])
        for parts in (above, below)
        if len(parts[0]) > 1
    )
    return (float(above[0].mean()), float(above[1].mean())), math.sqrt(variance)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the middle of theirs."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[at], dtype=np.float64)


def _score(folder: Path, body: str, options: argparse.Namespace) -> tuple[Floats, Booleans]:
    with scoring.loaded(scoring.one_file(folder, "model.tar.gz")) as artifact:
        table, probability, _ = artifact.score(body)
    if options.target not in table:
        raise InputError(f"The test data lacks '{options.target}'; it has {', '.join(table)}.")
    truth = np.asarray([value == options.positive_label for value in table[options.target]])
    return probability, truth


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare a model with the one in production.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--positive-label", required=True)
    parser.add_argument("--champion", required=True, help="its version, or none")
    for name in ("challenger", "champion", "test", "comparison"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
