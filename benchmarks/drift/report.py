"""The table of ``docs/monitoring.md`` and the figure beside it, from the results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.drift.cases import CASES

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = _ROOT / "docs" / "monitoring.md"
FIGURE = _ROOT / "docs" / "drift.svg"
_BEGIN, _END = "<!-- drift table: begin -->", "<!-- drift table: end -->"
_NORMAL = 1.96
_COLOURS = {"census": "#2f6fde", "gaussian": "#157347", "correlated": "#8a5300"}

_SHORT = {
    "shift-0.2": "age + 0.2 sd",
    "shift-0.1": "age + 0.1 sd",
    "category": "new category, 1 %",
    "unit": "1000-fold in 2 %",
    "shuffled": "only correlations",
    "label": "labels 24 to 34 %",
}

Found = Mapping[str, Any]


def write(found: Sequence[Found]) -> None:
    """Keep the results; put the table into the page and draw the figure."""
    measured = {"measured at": datetime.now(UTC).isoformat(timespec="seconds"), "runs": list(found)}
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(_BEGIN)
    _, after = rest.split(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{table(found)}\n{_END}{after}", encoding="utf-8")
    draw(found, FIGURE)


def interval(seen: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z = seen / of, _NORMAL
    middle = (share + z * z / 2 / of) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / 4 / of / of) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def table(found: Sequence[Found]) -> str:
    """Runs that report anything, in percent, with how many resamples that is of."""
    lines = [
        "| resamples | rows | at 5 % | at 1 % | Evidently, defaults |",
        "|---|---|---|---|---|",
    ]
    for population, case, rows in _rows(found):
        ours, theirs = (_of(found, tool, population, case, rows) for tool in ("ours", "evidently"))
        cells = [
            _cell(None if ours is None else ours["reported"].get(rate), ours)
            for rate in ("0.05", "0.01")
        ]
        cells.append(_cell(None if theirs is None else theirs["reported"]["default"], theirs))
        lines.append(f"| {_called(population, case)} | {rows:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rows(found: Sequence[Found]) -> Iterator[tuple[str, str, int]]:
    keys = dict.fromkeys((each["population"], each["case"], each["rows"]) for each in found)
    for clean in (True, False):
        for key in keys:
            if (key[1] == "clean") is clean:
                yield key


def _of(found: Sequence[Found], tool: str, population: str, case: str, rows: int) -> Found | None:
    for each in found:
        key = each["tool"], each["population"], each["case"], each["rows"]
        if key == (tool, population, case, rows):
            return each
    return None


def _cell(seen: int | None, of: Found | None) -> str:
    if seen is None or of is None:
        return ""
    return f"{100 * seen / of['resamples']:.1f} % of {of['resamples']:,}"


def _called(population: str, case: str) -> str:
    said = "unchanged" if case == "clean" else CASES[population].get(case)
    return f"{population}: {said or 'one feature + 0.02 sd: below the floor'}"


def draw(found: Sequence[Found], path: Path) -> None:
    """False alarms against what was set, and power beside Evidently's."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same input gives the same file, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "drift", "svg.fonttype": "none", "font.size": 9})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.9), width_ratios=(1, 1.35))
    clean = [each for each in found if each["tool"] == "ours" and each["case"] == "clean"]
    sizes = sorted({each["rows"] for each in clean})
    for place, (population, colour) in enumerate(_COLOURS.items()):
        for rate, marker in (("0.05", "o"), ("0.01", "s")):
            points = [each for each in clean if each["population"] == population]
            xs = [sizes.index(each["rows"]) + (place - 1) * 0.18 for each in points]
            ys, ends = [], []
            for each in points:
                seen, of = each["reported"][rate], each["resamples"]
                ys.append(100 * seen / of)
                ends.append([100 * end for end in interval(seen, of)])
            errors = [[y - e[0] for y, e in zip(ys, ends, strict=True)],
                      [e[1] - y for y, e in zip(ys, ends, strict=True)]]  # fmt: skip
            label = f"{population}, {float(rate):.0%} set"
            left.errorbar(xs, ys, errors, fmt=marker, color=colour, markersize=4, label=label)
    for promised in (5, 1):
        left.axhline(promised, color="#b3261e", linewidth=0.8, linestyle="--")
    left.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    left.set(xlabel="rows", ylabel="% of clean runs that report anything", ylim=(-0.3, 7.6))
    left.set_title("False alarms; dashed: what was set")
    left.legend(fontsize=6.5, ncols=2, loc="upper center")
    cases = list(CASES["census"])
    for offset, tool, rate, colour in (
        (-0.2, "ours", "0.05", "#2f6fde"),
        (0.2, "evidently", "default", "#75828f"),
    ):
        label = "ours at 5 %" if tool == "ours" else "Evidently, defaults"
        right.plot([], [], "s", color=colour, label=label)
        for row, case in enumerate(cases):
            measured = _of(found, tool, "census", case, 2_000)
            if measured is not None:
                share = 100 * measured["reported"][rate] / measured["resamples"]
                right.barh(row + offset, share, 0.36, color=colour)
                inside = share > 8
                right.text(
                    share - 1 if inside else share + 1,
                    row + offset,
                    f"{share:.0f}",
                    ha="right" if inside else "left",
                    va="center",
                    size=7,
                    color="white" if inside else "black",
                )
    right.set_yticks(range(len(cases)), [_SHORT[case] for case in cases])
    right.set_ylim(len(cases) - 0.4, -1.2)
    right.set(xlabel="% of runs that report it, census, 2,000 rows", xlim=(0, 100))
    right.set_title("Power")
    right.legend(fontsize=7, loc="upper right", ncols=2)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
