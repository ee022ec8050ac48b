"""The table of ``docs/monitoring.md`` and the figure beside it, from the results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.drift.cases import CASES, PER_REFERENCE, REFERENCE_ROWS, UNCHANGED

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = _ROOT / "docs" / "monitoring.md"
FIGURE = _ROOT / "docs" / "drift.svg"
_BEGIN, _END = "<!-- drift table: begin -->", "<!-- drift table: end -->"
_NORMAL = 1.96
#: Rows of a changed sample, where nothing else is said.
_FEW = 2_000
_COLOURS = {
    "census": "#2f6fde",
    "gaussian": "#157347",
    "correlated": "#8a5300",
    "awkward": "#8a2fbe",
}

_SHORT = {
    "shift-0.2": "age + 0.2 sd",
    "shift-0.1": "age + 0.1 sd",
    "category": "new category, 1 %",
    "unit": "1000-fold in 2 %",
    "shuffled": "only correlations",
    "label": "labels 24 to 34 %",
}

Found = Mapping[str, Any]
#: Population, case, rows, and rows of the reference.
Key = tuple[str, str, int, int]


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
    """How many percent of runs report anything: false alarms, of several runs, and power."""
    lines = [
        "| unchanged | rows | resamples | % at 5 % | % at 1 % | % by Evidently |",
        "|---|---|---|---|---|---|",
    ]
    for key in _keys(found, unchanged=True):
        population, case, rows, reference = key
        beside = "" if reference == REFERENCE_ROWS else f", beside {reference:,}"
        lines.append(
            f"| {population}{UNCHANGED[case]}{beside} | {rows:,} | {_measured(found, key)} |"
        )
    lines += ["", *_in_a_row(found), ""]
    lines += [
        "| changed | resamples | % at 5 % | % at 1 % | % by Evidently |",
        "|---|---|---|---|---|",
    ]
    for key in _keys(found, unchanged=False):
        population, case, rows, _ = key
        said = CASES[population].get(case) or f"one feature + {case.removeprefix('shift-')} sd"
        many = f" in {rows:,} rows" if rows > _FEW else ""
        lines.append(f"| {population}: {said}{many} | {_measured(found, key)} |")
    return "\n".join(lines)


def _keys(found: Sequence[Found], *, unchanged: bool) -> list[Key]:
    """In the order of the tasks, those that only another tool was asked for last."""
    keys = dict.fromkeys(
        (each["population"], each["case"], each["rows"], each["reference"])
        for each in sorted(found, key=lambda each: str(each["tool"] != "ours"))
    )
    return [key for key in keys if (key[1] in UNCHANGED) is unchanged]


def _in_a_row(found: Sequence[Found]) -> list[str]:
    """What an alarm makes of runs that follow one another."""
    runs = [each for each in found if "alarms" in each]
    if not runs:
        return []
    total = sum(each["resamples"] for each in runs)
    said = [
        f"{sum(each['alarms'][rate] for each in runs):,} times at {100 * float(rate):.0f} %"
        for rate in ("0.05", "0.01")
    ]
    return [
        f"Taken as runs that follow one another, {PER_REFERENCE} against one reference, these "
        f"{total:,} of 500 and 2,000 rows would have set off `ViolationAlarm(runs=2, of_last=4)` "
        f"{' and '.join(said)}."
    ]


def _of(found: Sequence[Found], tool: str, key: Key) -> Found | None:
    for each in found:
        if (
            each["tool"] == tool
            and (each["population"], each["case"], each["rows"], each["reference"]) == key
        ):
            return each
    return None


def _measured(found: Sequence[Found], key: Key) -> str:
    ours, theirs = _of(found, "ours", key), _of(found, "evidently", key)
    cells = [f"{ours['resamples']:,}" if ours else ""]
    cells += [_cell(ours, rate) for rate in ("0.05", "0.01")]
    others = [f"{_cell(theirs, 'default')} of {theirs['resamples']}"] if theirs else []
    if theirs and "correlations" in theirs["reported"]:
        others.append(f"its correlations {_cell(theirs, 'correlations')}")
    cells.append(", ".join(others))
    return " | ".join(cells)


def _cell(of: Found | None, rate: str) -> str:
    if of is None or rate not in of["reported"]:
        return ""
    seen = of["reported"][rate]
    low, high = interval(seen, of["resamples"])
    ends = f"[{100 * low:.1f},\N{NO-BREAK SPACE}{100 * high:.1f}]"
    return f"{100 * seen / of['resamples']:.1f} {ends}"


def draw(found: Sequence[Found], path: Path) -> None:
    """False alarms against what was set, and power beside Evidently's."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same input gives the same file, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "drift", "svg.fonttype": "none", "font.size": 10})
    # One below the other: side by side nobody could read them on a phone.
    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 8.4), height_ratios=(1, 1.1))
    _draw_false_alarms(found, above)
    _draw_power(found, below)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(h_pad=2)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _draw_false_alarms(found: Sequence[Found], axes: Any) -> None:
    clean = [
        each
        for each in found
        if each["tool"] == "ours"
        and each["case"] == "clean"
        and each["reference"] == REFERENCE_ROWS
    ]
    sizes = sorted({each["rows"] for each in clean})
    for place, (population, colour) in enumerate(_COLOURS.items()):
        points = [each for each in clean if each["population"] == population]
        for rate, marker, aside in (("0.05", "o", 0.0), ("0.01", "s", 0.06)):
            for each in points:
                x = sizes.index(each["rows"]) + (place - 1.5) * 0.19 + aside
                share = each["reported"][rate] / each["resamples"]
                low, high = interval(each["reported"][rate], each["resamples"])
                error = [[100 * (share - low)], [100 * (high - share)]]
                axes.errorbar(x, 100 * share, error, fmt=marker, color=colour, markersize=4)
        if points:
            axes.plot([], [], "-", color=colour, linewidth=3, label=population)
    for percent, marker in ((5, "o"), (1, "s")):
        axes.axhline(percent, color="#b3261e", linewidth=0.8, linestyle="--")
        axes.plot([], [], marker, color="#555555", markersize=4, label=f"set to {percent} %")
    axes.set_xticks(range(len(sizes)), [f"{size:,} rows" for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set(ylabel="% of runs on unchanged data", ylim=(-0.2, 7.4))
    axes.set_title("False alarms, beside what was set (dashed)", fontsize=11)
    axes.legend(fontsize=8, ncols=3, loc="upper center")


def _draw_power(found: Sequence[Found], axes: Any) -> None:
    cases = list(CASES["census"])
    tools = (
        (-0.2, "ours", "0.05", "#2f6fde", "ours at 5 %"),
        (0.2, "evidently", "default", "#75828f", "Evidently, defaults"),
    )
    for offset, tool, rate, colour, label in tools:
        axes.plot([], [], "s", color=colour, label=label)
        for row, case in enumerate(cases):
            measured = _of(found, tool, ("census", case, _FEW, REFERENCE_ROWS))
            if measured is None:
                continue
            share = measured["reported"][rate] / measured["resamples"]
            ends = interval(measured["reported"][rate], measured["resamples"])
            error = [[100 * (share - ends[0])], [100 * (ends[1] - share)]]
            axes.barh(row + offset, 100 * share, 0.36, color=colour)
            axes.errorbar(
                100 * share, row + offset, xerr=error, fmt="none", ecolor="black", elinewidth=0.9
            )
            axes.text(
                103,
                row + offset,
                f"{100 * share:.0f}",
                ha="left",
                va="center",
                size=9,
                color=colour,
            )
    axes.set_yticks(range(len(cases)), [_SHORT[case] for case in cases])
    axes.set_ylim(len(cases) - 0.4, -1.1)
    axes.set(xlabel="% of runs that report it, 2,000 rows", xlim=(0, 109))
    axes.set_xticks(range(0, 101, 20))
    axes.set_title("Power on the census", fontsize=11)
    axes.legend(fontsize=8, loc="upper right", ncols=2)
