"""The results: kept in a file, shown as a table."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.suites import SUITES, Line

_PACKAGES = ("aws-cdk-lib", "constructs", "jsii", "cloudformation-validate", "cfn-lint")
_HEAD = ("what", "ratio", "goal", "", "behind it")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "node": _node(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def keep(path: Path, measured: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """Put what was measured into the file; suites that did not run keep their results."""
    suites = _read(path)
    for name, result in measured.items():
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        suites[name] = {
            "measured at": measured_at,
            "quick": quick,
            "table": [vars(line) for line in SUITES[name].lines(result)],
            "machine": machine(),
            **result,
        }
    results = {"suites": {name: suites[name] for name in SUITES if name in suites}}
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


def table(results: Mapping[str, Any]) -> str:
    """The lines of all suites, and what to know about them."""
    rows: list[Sequence[str]] = [_HEAD]
    notes = []
    for name, suite in results["suites"].items():
        rows += [_row(Line(**line)) for line in suite["table"]]
        when = f"{suite['measured at']}{', quick' if suite['quick'] else ''}"
        notes.append(f"{name} ({when}): {SUITES[name].note}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in (1, 2) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *notes])


def _row(line: Line) -> Sequence[str]:
    if line.goal is None:
        return (line.what, f"{line.ratio:.3f}", "-", "", line.behind)
    met = "met" if line.ratio <= line.goal else "missed"
    return (line.what, f"{line.ratio:.3f}", f"{line.goal:g}", met, line.behind)


def _read(path: Path) -> dict[str, Any]:
    try:
        suites: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["suites"]
    except FileNotFoundError:
        return {}
    return suites


def _node() -> str | None:
    node = shutil.which(os.environ.get("JSII_NODE", "node"))
    if node is None:
        return None
    return subprocess.check_output([node, "--version"], text=True).strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
