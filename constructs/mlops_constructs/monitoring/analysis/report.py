"""The page that a person opens: verdict first, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_TITLES = {
    "DataQuality": "data quality",
    "ModelQuality": "model quality",
    "ModelBias": "bias",
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1b1f24;background:#fff}
h1{font-size:1.4rem}.verdict{padding:.8rem 1rem;border-radius:.5rem;font-weight:600}
.ok{background:#dff3e4}.warning{background:#fff1d6}.critical{background:#fbdcdc}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .7rem;border-bottom:1px solid #d9dee3;vertical-align:top}
"""


def page(report: Mapping[str, Any]) -> str:
    """One self-contained HTML page of a run's ``report.json``."""
    found = report["violations"]
    grade = found[0]["severity"] if found else "ok"
    if report["status"] == "Failed":
        grade = "critical"
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(report['monitor'])}: {escape(report['status'])}</title>"
        f"<style>{_STYLE}</style><h1>{escape(report['monitor'])}: "
        f"{_TITLES[report['monitor_type']]}</h1>"
        f"<p class='verdict {grade}'>{escape(_verdict(report))}</p>"
        f"<p>{escape(report['window'])} · {report['records']:,} records · {_basis(report)}</p>"
        + _table(
            "Violations",
            ["Feature", "Check", "Severity", "What was seen", "p (adjusted)"],
            [
                [
                    entry["feature_name"],
                    entry["constraint_check_type"],
                    entry["severity"],
                    entry["description"],
                    "" if entry["p_value"] is None else f"{entry['p_value']:.2g}",
                ]
                for entry in found
            ],
        )
        + _table(
            "Drift by feature",
            ["Feature", "Change (0 to 1)"],
            [[name, f"{effect:.3f}"] for name, effect in report["drift"].items()],
        )
        + _table(
            "Measures",
            ["Measure", "Value", "Interval"],
            [
                [name, f"{each['value']:.4g}", f"{each['lower']:.4g} to {each['upper']:.4g}"]
                for name, each in report["measures"].items()
            ],
        )
        + _table("Notes", ["Note"], [[note] for note in report["notes"]])
        + "</html>"
    )


def _basis(report: Mapping[str, Any]) -> str:
    if report["coverage"] is not None:
        return f"truth known for {report['coverage']:.0%} of them"
    return f"reference of {report['reference_records']:,} records"


def _verdict(report: Mapping[str, Any]) -> str:
    if report["status"] == "Failed":
        return "The run gave no answer: " + "; ".join(report["notes"])
    if report["status"] == "NoData":
        return "No data in this window; nothing was compared."
    count = len(report["violations"])
    if not count:
        return (
            "No violation: the data looks like the reference."
            if (report["monitor_type"] == "DataQuality")
            else "No violation."
        )
    features = sorted({entry["feature_name"] for entry in report["violations"]})
    return f"{count} violation{'s' * (count != 1)} in: {', '.join(features[:20])}"


def _table(title: str, heads: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<h2>{escape(title)}</h2><div class='table'><table><tr>{head}</tr>{body}</table></div>"
