"""The report's pictures, in plain HTML and SVG; all text is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


def key(before: str = "reference", now: str = "this window") -> str:
    """What the two colours stand for."""
    return (
        f"<p class='key'><span><i class='b'></i>{escape(before)}</span>"
        f"<span><i class='n'></i>{escape(now)}</span></p>"
    )


def paired_bins(labels: Sequence[str], before: Sequence[float], now: Sequence[float]) -> str:
    """Two columns a bin, side by side."""
    top = max([*before, *now, 1e-9])
    bars = "".join(
        f"<span title='{escape(label, quote=True)}: {old:.1%} → {new:.1%}'>"
        f"<i class='b' style='height:{100 * old / top:.1f}%'></i>"
        f"<i class='n' style='height:{100 * new / top:.1f}%'></i></span>"
        for label, old, new in zip(labels, before, now)
    )
    ends = [labels[0], labels[len(labels) // 2], labels[-1]] if len(labels) > 2 else labels
    return (
        f"<div class='bins' role='img' aria-label='shares by value'>{bars}</div>"
        f"<div class='ends'>{''.join(f'<span>{escape(text)}</span>' for text in ends)}</div>"
    )


def paired_rows(
    labels: Sequence[str],
    before: Sequence[float],
    now: Sequence[float],
    *,
    form: str = ".1%",
    top: float | None = None,
) -> str:
    """Two bars a row with their values."""
    most = top or max([*before, *now, 1e-9])
    return (
        "<div class='rows'>"
        + "".join(
            f"<span title='{escape(label, quote=True)}'>{escape(label)}</span>"
            f"<div><i class='b' style='width:{_width(old, most)}'></i>"
            f"<i class='n' style='width:{_width(new, most)}'></i></div>"
            f"<b><small>{old:{form}}</small>{new:{form}}</b>"
            for label, old, new in zip(labels, before, now)
        )
        + "</div>"
    )


def curve(
    points: Sequence[Sequence[float | None]],
    *,
    limit: float | None = None,
    alike: float | None = None,
) -> tuple[str, float, float]:
    """A line with its interval over the runs, and the ends of its scale.

    Args:
        points: Value, lower and upper end of each run; None where there is none.
        limit: A line that is not to be crossed.
        alike: A line where nothing differs.
    """
    known = [value for point in points for value in point if value is not None]
    known += [each for each in (limit, alike) if each is not None]
    low, high = min(known), max(known)
    pad = (high - low) * 0.08 or max(abs(high) * 0.05, 0.01)
    low, high = low - pad, high + pad
    last = max(1, len(points) - 1)

    def place(at: int, value: float) -> str:
        return f"{100 * at / last:.2f},{100 - 100 * (value - low) / (high - low):.2f}"

    drawn = [(at, point) for at, point in enumerate(points) if point[0] is not None]
    line = " ".join(place(at, float(point[0] or 0)) for at, point in drawn)
    banded = [(at, p) for at, p in drawn if p[1] is not None and p[2] is not None]
    band = " ".join(
        [
            *(place(at, float(p[2] or 0)) for at, p in banded),
            *(place(at, float(p[1] or 0)) for at, p in reversed(banded)),
        ]
    )
    stroke = "vector-effect='non-scaling-stroke'"
    shapes = [f"<polygon class='area' points='{band}'/>"]
    for name, value in (("limit", limit), ("alike", alike)):
        if value is not None:
            height = place(0, value).split(",")[1]
            shapes.append(
                f"<line class='{name}' x1='0' x2='100' y1='{height}' y2='{height}' {stroke}/>"
            )
    shapes.append(f"<polyline class='line' points='{line}' {stroke}/>")
    picture = (
        "<div class='plot'><svg viewBox='0 0 100 100' preserveAspectRatio='none' "
        "aria-hidden='true'>" + "".join(shapes) + "</svg></div>"
    )
    return picture, low + pad, high - pad


def columns(values: Sequence[tuple[str, float]]) -> str:
    """One column a run, with its label when pointed at."""
    top = max([value for _, value in values] + [1e-9])
    bars = "".join(
        f"<span title='{escape(label, quote=True)}'>"
        f"<i class='n' style='height:{100 * value / top:.1f}%'></i></span>"
        for label, value in values
    )
    return f"<div class='bins' role='img' aria-label='values over time'>{bars}</div>"


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
    stack: bool = False,
    raw: Sequence[int] = (),
) -> str:
    """A table.

    Args:
        heads: Of the columns.
        rows: Texts.
        numeric: Columns that are aligned to the right.
        stack: Whether a row becomes a block on a narrow screen.
        raw: Columns that are HTML already.
    """
    kind = [" class='num'" if at in numeric else "" for at in range(len(heads))]
    head = "".join(f"<th{kind[at]}>{escape(text)}</th>" for at, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind[at]} data-n='{escape(heads[at], quote=True)}'>"
            f"{cell if at in raw else escape(cell)}</td>"
            for at, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<div class='table{' stack' if stack else ''}'><table><tr>{head}</tr>{body}</table></div>"
    )


def pill(text: str, grade: str) -> str:
    """A word on a coloured ground."""
    return f"<span class='pill {grade}'>{escape(text)}</span>"


def tile(title: str, big: str, text: str, mark: str = "") -> str:
    """A number with its title."""
    return (
        f"<div class='card'><div class='head'><h3>{escape(title)}</h3>{mark}</div>"
        f"<p class='big'>{escape(big)}</p><p class='dim'>{escape(text)}</p></div>"
    )


def card(title: str, note: str, inside: str, foot: str = "", mark: str = "") -> str:
    """A picture with its title; ``inside`` and ``mark`` are HTML."""
    return (
        f"<div class='card'><div class='head'><h3>{escape(title)}</h3>"
        f"{mark or f'<span class=dim>{escape(note)}</span>'}</div>"
        + (f"<p class='dim'>{escape(note)}</p>" if mark and note else "")
        + inside
        + (f"<p class='dim'>{escape(foot)}</p>" if foot else "")
        + "</div>"
    )


def grade_of(report: Mapping[str, Any]) -> str:
    """The colour of a run: ok, warning, critical, or none when nothing was compared."""
    if report["status"] == "Failed":
        return "critical"
    if report["status"] in ("NoData", "Skipped"):
        return "none"
    found = report["violations"]
    return str(found[0]["severity"]) if found else "ok"


def _width(value: float, most: float) -> str:
    return f"{max(0.0, min(100.0, 100 * value / most)):.1f}%"
