"""The page that a person opens: verdict first, one file, nothing loaded from elsewhere.

All monitors of a run are on one page. However wide the data, the page stays below a megabyte: it
draws the features that matter, and lists the first hundred of anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from . import report_charts as charts
from .report_style import STYLE

_TITLES = {
    "DataQuality": "Data quality",
    "ModelQuality": "Model quality",
    "ModelBias": "Bias",
    "ModelExplainability": "Feature attribution",
}
_CHECKS = {
    "baseline_drift_check": "distribution",
    "categorical_values_check": "unknown category",
    "completeness_check": "missing values",
    "correlation_check": "correlation",
    "data_type_check": "type",
    "extra_column_check": "extra column",
    "feature_attribution_drift_check": "attributions",
    "feature_attribution_share_check": "share of the attribution",
    "missing_column_check": "missing column",
    "non_negative_check": "negative value",
    "range_check": "range",
    "LessThanThreshold": "below its limit",
    "GreaterThanThreshold": "above its limit",
}
_GRADES = ("critical", "warning", "ok", "none")
_MOST_ROWS = 100
_MOST_RUNS = 96
_FEW_CURVES = 6
_MOST_FEATURES = 20
_LONGEST = 300
#: Drawn first; the other measures follow.
_FIRST = ("auc", "accuracy", "f1", "recall", "precision", "rmse", "mae", "r2", "weighted_f1")

Report = Mapping[str, Any]
Runs = Sequence[Mapping[str, Any]]


def page(reports: Sequence[Report], history: Runs = ()) -> str:
    """One self-contained HTML page of a run.

    Args:
        reports: The ``report.json`` of each monitor, at least one.
        history: The entries of earlier runs and of this one.
    """
    first = reports[0]
    name = first["monitor"]
    grade = min((charts.grade_of(each) for each in reports), key=_GRADES.index)
    sections = [
        _header(reports, grade),
        _tiles(reports),
        _violations(reports),
        *(_distributions(each) for each in reports),
        *(_quality(each, history) for each in reports if each["monitor_type"] == "ModelQuality"),
        *(_bias(each, history) for each in reports if each["monitor_type"] == "ModelBias"),
        *(_attributions(each) for each in reports),
        _volume(reports, history),
        _notes(reports),
        *(_details(each) for each in reports),
    ]
    title = escape(f"{name}: {_word(grade)}")
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        "<meta name='referrer' content='no-referrer'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none';style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style><main>{''.join(sections)}</main></html>"
    )


def _word(grade: str) -> str:
    return {"ok": "no violation", "none": "no data"}.get(grade, grade)


def _header(reports: Sequence[Report], grade: str) -> str:
    first = reports[0]
    model = first.get("model")
    parts = [first["window"], f"model version {model}" if model else ""]
    lines = [_verdict(each) for each in reports if charts.grade_of(each) not in ("ok", "none")]
    listed = "".join(f"<li>{escape(_cut(line))}</li>" for line in lines)
    return (
        f"<h1>{escape(first['monitor'])}</h1>"
        f"<p class='dim'>{escape(' · '.join(part for part in parts if part))}</p>"
        f"<div class='verdict {grade}'>{escape(_headline(reports, grade))}"
        f"{f'<ul>{listed}</ul>' if listed else ''}</div>"
    )


def _headline(reports: Sequence[Report], grade: str) -> str:
    failed = [each for each in reports if each["status"] == "Failed"]
    if failed:
        return f"{len(failed)} of {len(reports)} monitors gave no answer."
    if grade == "none":
        return "No data in this window; nothing was compared."
    count = sum(len(each["violations"]) for each in reports)
    if not count:
        return "No violation: everything looks like the reference."
    kinds = [_TITLES[each["monitor_type"]].lower() for each in reports if each["violations"]]
    return f"{count} violation{'s' * (count != 1)} in {_and(kinds)}."


def _verdict(report: Report) -> str:
    title = _TITLES[report["monitor_type"]]
    if report["status"] == "Failed":
        return f"{title}: {'; '.join(report['notes']) or 'no reason was given'}"
    names = list(dict.fromkeys(str(found["feature_name"]) for found in report["violations"]))
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    where = ", ".join("all requests" if name == "*" else name for name in names[:8])
    return f"{title}: {where}{more}"


def _tiles(reports: Sequence[Report]) -> str:
    tiles = []
    for report in reports:
        grade = charts.grade_of(report)
        word = {"ok": "ok", "none": "no data"}.get(grade, grade)
        mark = charts.pill("failed" if report["status"] == "Failed" else word, grade)
        count = len(report["violations"])
        tiles.append(
            charts.tile(
                _TITLES[report["monitor_type"]],
                f"{count} violation{'s' * (count != 1)}"
                if report["status"] != "Failed"
                else "no answer",
                f"{report['records']:,} records · {_basis(report)}",
                mark,
            )
        )
    return f"<div class='grid tiles'>{''.join(tiles)}</div>"


def _basis(report: Report) -> str:
    if report["coverage"] is not None:
        return f"truth known for {report['coverage']:.0%}"
    return f"reference of {report['reference_records']:,}"


def _violations(reports: Sequence[Report]) -> str:
    found = [
        (_TITLES[report["monitor_type"]], each)
        for report in reports
        for each in report["violations"]
    ]
    if not found:
        return ""
    found.sort(key=lambda each: each[1]["severity"])
    rows = [
        [
            charts.pill(each["severity"], each["severity"]),
            "all requests" if each["feature_name"] == "*" else _cut(each["feature_name"], 80),
            _check(each["constraint_check_type"]),
            _cut(each["description"]),
            "" if each.get("p_value") is None else f"{each['p_value']:.2g}",
        ]
        for _, each in found[:_MOST_ROWS]
    ]
    heads = ["Severity", "Feature", "Check", "What was seen", "p, adjusted"]
    return (
        "<h2>Violations</h2>"
        + charts.table(heads, rows, numeric=(4,), stack=True, raw=(0,))
        + _more(len(found), "violations")
    )


def _distributions(report: Report) -> str:
    drawn = report.get("distributions") or []
    if not drawn:
        return ""
    moved = [each for each in drawn if each["violates"]]
    still = [each for each in drawn if not each["violates"]]
    parts = []
    if moved:
        parts.append(f"<h2>Features that drifted</h2>{charts.key()}{_cards(moved)}")
    if still:
        cards = f"{charts.key()}{_cards(still)}"
        title = f"{len(still)} other features, the largest change first"
        parts.append(
            f"<details><summary>{title}</summary>{cards}</details>"
            if moved
            else f"<h2>Features</h2>{cards}"
        )
    return "".join(parts)


def _cards(drawn: Sequence[Mapping[str, Any]]) -> str:
    cards = []
    for each in drawn:
        paired = charts.paired_bins if each["kind"] == "numbers" else charts.paired_rows
        missing = [share for share in each["missing"] if share > 0]
        foot = each["says"]
        if missing:
            foot += f", missing {each['missing'][0]:.1%} → {each['missing'][1]:.1%}"
        change = "" if each["drift"] is None else f"change {each['drift']:.3f}"
        cards.append(
            charts.card(
                _cut(each["feature"], 60),
                change,
                paired([_cut(text, 60) for text in each["labels"]], each["before"], each["now"]),
                foot,
            )
        )
    return f"<div class='grid'>{''.join(cards)}</div>"


def _quality(report: Report, history: Runs) -> str:
    cards = _curves(report, history, _ordered(report["measures"]))
    return f"<h2>Quality over time</h2>{cards}" if cards else ""


def _ordered(measures: Mapping[str, Any]) -> list[str]:
    first = [name for name in _FIRST if name in measures]
    return [*first, *(name for name in measures if name not in first)]


def _curves(report: Report, history: Runs, names: Sequence[str], *, alike: bool = False) -> str:
    runs = [each for each in history if each["monitor_type"] == report["monitor_type"]]
    runs = [each for each in runs if each.get("measures")][-_MOST_RUNS:]
    cards = []
    for name in names[: _FEW_CURVES * 3]:
        points = [each["measures"].get(name) or (None, None, None) for each in runs]
        now = report["measures"].get(name)
        if now is None:
            continue
        low, high = report.get("allowed", {}).get(name, (None, None))
        inside, text = "", ""
        if sum(point[0] is not None for point in points) > 1:
            limit = low if low is not None and (high is None or now["value"] <= high) else high
            inside, least, most = charts.curve(
                points, limit=limit, alike=(1.0 if name.endswith("DI") else 0.0) if alike else None
            )
            text = (
                f"<div class='ends'><span>{escape(_day(runs[0]))}</span>"
                f"<span>{least:.2f} to {most:.2f}</span><span>{escape(_day(runs[-1]))}</span></div>"
            )
        bad = any(
            name in (each["feature_name"], _measure_of(each)) for each in report["violations"]
        )
        mark = charts.pill(f"{now['value']:.4g}", "critical" if bad else "none")
        cards.append(
            charts.card(
                name.replace("f0_5", "f0.5").replace("_", " "),
                f"{now['lower']:.3g} to {now['upper']:.3g}{_allowed(low, high)}",
                inside + text,
                mark=mark,
            )
        )
    if not cards:
        return ""
    first, rest = cards[:_FEW_CURVES], cards[_FEW_CURVES:]
    more = f"<div class='grid'>{''.join(rest)}</div>"
    return f"<div class='grid'>{''.join(first)}</div>" + (
        f"<details><summary>{len(rest)} more</summary>{more}</details>" if rest else ""
    )


def _allowed(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" · allowed {low:.3g} to {high:.3g}"
    if low is not None:
        return f" · at least {low:.4g}"
    return f" · at most {high:.4g}" if high is not None else ""


def _bias(report: Report, history: Runs) -> str:
    cards = [
        charts.card(
            f"{_cut(facet, 60)}: predicted yes, by group",
            "",
            charts.paired_rows(
                [f"{_cut(each['group'], 60)} ({each['records']:,})" for each in groups],
                [each["labelled"] for each in groups],
                [each["predicted"] for each in groups],
            ),
            "right: "
            + ", ".join(f"{_cut(each['group'], 30)} {each['right']:.0%}" for each in groups),
        )
        for facet, groups in (report.get("groups") or {}).items()
    ]
    key = charts.key("truly yes", "predicted yes")
    curves = _curves(report, history, _worst(report), alike=True)
    if not cards and not curves:
        return ""
    return (
        "<h2>Bias by group</h2>"
        + (f"{key}<div class='grid'>{''.join(cards)}</div>" if cards else "")
        + (f"<p class='dim'>Measures, the most conspicuous first</p>{curves}" if curves else "")
    )


def _worst(report: Report) -> list[str]:
    """Measures that violate something first, then those nearest to their limit."""
    bad = {_measure_of(each) for each in report["violations"]}
    allowed = report.get("allowed", {})

    def slack(name: str) -> float:
        low, high = allowed.get(name, (None, None))
        value = report["measures"][name]["value"]
        return min(
            value - low if low is not None else 1e9, high - value if high is not None else 1e9
        )

    return sorted(report["measures"], key=lambda name: (name not in bad, slack(name), name))


def _measure_of(violation: Mapping[str, Any]) -> str:
    """The measure of bias that a violation is about, as it is called in the report."""
    return f"{violation['feature_name']} {violation['constraint_check_type'].rpartition(':')[2]}"


def _attributions(report: Report) -> str:
    shares = report.get("attributions") or []
    if not shares:
        return ""
    shown = shares[:_MOST_FEATURES]
    totals = [sum(each[side] for each in shares) or 1.0 for side in ("before", "now")]
    labels = [
        f"{each['feature']}"
        + (
            f" ({each['rank_before']}→{each['rank_now']})"
            if each["rank_before"] != each["rank_now"]
            else ""
        )
        for each in shown
    ]
    score = report["measures"]["ndcg"]
    low = report.get("allowed", {}).get("ndcg", (None, None))[0]
    inside = charts.paired_rows(
        [_cut(label, 80) for label in labels],
        [each["before"] / totals[0] for each in shown],
        [each["now"] / totals[1] for each in shown],
    )
    return (
        "<h2>What predictions rest on</h2>"
        + charts.key()
        + charts.card(
            "Share of the attribution, by feature (rank before→now)",
            "",
            inside,
            f"nDCG {score['value']:.3f} ({score['lower']:.3f} to {score['upper']:.3f})"
            f"{_allowed(low, None)}; 1 is the same order.",
        )
    )


def _volume(reports: Sequence[Report], history: Runs) -> str:
    cards = []
    for report in reports:
        runs = [each for each in history if each["monitor_type"] == report["monitor_type"]]
        if len(runs) < 2:
            continue
        runs = runs[-_MOST_RUNS:]
        values = [
            (f"{each['until']}: {each['records']:,} records, {each['status']}", each["records"])
            for each in runs
        ]
        empty = sum(each["records"] == 0 for each in runs)
        cards.append(
            charts.card(
                _TITLES[report["monitor_type"]],
                f"{report['records']:,} now, at most {max(value for _, value in values):,}",
                charts.columns(values) + f"<div class='ends'><span>{escape(_day(runs[0]))}</span>"
                f"<span>{escape(_day(runs[-1]))}</span></div>",
                f"{len(runs)} runs" + (f", {empty} without data" if empty else ""),
            )
        )
    if not cards:
        return ""
    return f"<h2>Data volume</h2><div class='grid'>{''.join(cards)}</div>"


def _notes(reports: Sequence[Report]) -> str:
    notes = list(dict.fromkeys(str(note) for each in reports for note in each["notes"]))
    if not notes:
        return ""
    listed = "".join(f"<li>{escape(_cut(note))}</li>" for note in notes[:_MOST_ROWS])
    return f"<h2>Notes</h2><ul>{listed}</ul>"


def _details(report: Report) -> str:
    parts = []
    if report["tests"]:
        rows = [
            [
                _cut(each["feature"], 80),
                _check(each["check"]),
                f"{each['effect']:.4f}",
                f"{each['adjusted_p_value']:.2g}",
                _cut(each["says"]),
            ]
            for each in sorted(
                report["tests"], key=lambda each: (each["adjusted_p_value"], -each["effect"])
            )[:_MOST_ROWS]
        ]
        heads = ["Feature", "Check", "Effect", "p, adjusted", "What was seen"]
        parts.append(
            f"<details><summary>All {len(report['tests'])} tests of data quality</summary>"
            + charts.table(heads, rows, numeric=(2, 3), stack=True)
            + _more(len(report["tests"]), "tests")
            + "</details>"
        )
    if report["measures"]:
        rows = [
            [name, f"{each['value']:.4g}", f"{each['lower']:.4g} to {each['upper']:.4g}"]
            for name, each in list(report["measures"].items())[:_MOST_ROWS]
        ]
        parts.append(
            f"<details><summary>All measures of {_TITLES[report['monitor_type']].lower()}"
            "</summary>"
            + charts.table(["Measure", "Value", "Interval"], rows, numeric=(1, 2))
            + "</details>"
        )
    return "".join(parts)


def _check(name: str) -> str:
    kind, _, measure = name.partition(":")
    return _CHECKS.get(name) or (f"bias: {measure}" if measure else kind.replace("_", " "))


def _more(count: int, what: str) -> str:
    return f"<p class='dim'>The first {_MOST_ROWS} of {count} {what}.</p>" * (count > _MOST_ROWS)


def _day(run: Mapping[str, Any]) -> str:
    return str(run["until"])[5:16].replace("T", " ")


def _cut(text: object, most: int = _LONGEST) -> str:
    whole = str(text)
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
