"""What earlier runs measured, for the curves of the report: one small file beside the reports.

Runs take turns, so that none overwrites what another has just added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Three weeks of hourly runs.
_MOST_RUNS = 500
_MOST_MEASURES = 60
_NAME = "history.json"


def entry_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run: a few numbers, and no value of any record."""
    severities = [found["severity"] for found in report["violations"]]
    return {
        "until": report["until"],
        "monitor_type": report["monitor_type"],
        "status": report["status"],
        "records": report["records"],
        "critical": severities.count("critical"),
        "warning": severities.count("warning"),
        "coverage": report["coverage"],
        "model": report.get("model"),
        "measures": {
            name: [_short(each["value"]), _short(each["lower"]), _short(each["upper"])]
            for name, each in list(report["measures"].items())[:_MOST_MEASURES]
        },
        "drift": _short(max(report["drift"].values(), default=0.0)),
    }


def load(place: str) -> list[dict[str, Any]]:
    """The entries of earlier runs; none when there is no file, or one that is no list."""
    if not place:
        return []
    try:
        found = json.loads(_read(place))
    except ValueError:
        return []
    if not isinstance(found, list):
        return []
    return [each for each in found if isinstance(each, dict) and "until" in each]


def with_run(
    history: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The history with a run: a window that is looked at again replaces what it said before."""
    own = {(each["until"], each["monitor_type"]) for each in entries}
    kept = [dict(each) for each in history if (each["until"], each.get("monitor_type")) not in own]
    kept += [dict(each) for each in entries]
    kept.sort(key=lambda each: (str(each["until"]), str(each["monitor_type"])))
    kinds = len({each["monitor_type"] for each in kept})
    return kept[-_MOST_RUNS * max(1, kinds) :]


def save(place: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Write it."""
    text = json.dumps(history, separators=(",", ":"), default=str) + "\n"
    if place.startswith("s3://"):
        bucket, _, prefix = place[len("s3://") :].partition("/")
        _client().put_object(Bucket=bucket, Key=f"{prefix}/{_NAME}", Body=text.encode())
        return
    Path(place).mkdir(parents=True, exist_ok=True)
    Path(place, _NAME).write_text(text, encoding="utf-8")


def _read(place: str) -> str:
    if not place.startswith("s3://"):
        path = Path(place, _NAME)
        return path.read_text(encoding="utf-8") if path.is_file() else "[]"
    bucket, _, prefix = place[len("s3://") :].partition("/")
    client, key = _client(), f"{prefix}/{_NAME}"
    # Asked for by its folder: who may list only some prefixes is told AccessDenied, and not
    # NoSuchKey, of a key that is not there.
    if not client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("KeyCount"):
        return "[]"
    return str(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8"))


def _client() -> Any:
    import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types

    return boto3.client("s3")


def _short(value: Any) -> float | None:
    """Five digits; None for what is no finite number."""
    number = float(value)
    return float(f"{number:.5g}") if abs(number) < float("inf") else None
