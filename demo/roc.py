"""The ROC curve of an evaluation, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


def draw_roc(
    path: Path, *, curve: tuple[Sequence[float], Sequence[float]], auc: float, title: str
) -> None:
    """Write a PNG of true-positive rate over false-positive rate.

    Args:
        path: Where to write it.
        curve: False-positive rates and true-positive rates, of equal length.
        auc: The area under the curve, for the legend.
        title: What was evaluated.
    """
    figure = Figure(figsize=(5.2, 5), dpi=120, layout="tight")
    axes = figure.add_subplot()
    axes.plot(*curve, color="#1f5fa8", linewidth=2, label=f"model, AUC {auc:.3f}")
    axes.fill_between(*curve, color="#1f5fa8", alpha=0.08)
    axes.plot((0, 1), (0, 1), color="#888888", linewidth=1, linestyle="--", label="chance")
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.005),
        xlabel="false-positive rate",
        ylabel="true-positive rate",
        title=title,
        aspect="equal",
    )
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
