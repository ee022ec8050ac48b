"""The changes as text, as JSON, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mlops_constructs.impact.acknowledgements import FILE, entry
from mlops_constructs.impact.changes import Action, Change

_WORDS: Final[Mapping[Action, str]] = {
    Action.DELETE: "deleted",
    Action.REPLACE: "replaced",
    Action.BLUE_GREEN: "shifted blue/green",
    Action.CREATE: "created",
    Action.UPDATE: "updated in place",
    Action.NONE: "unchanged",
}
# GitHub takes comments of 65,536 characters.
_MOST_MARKDOWN: Final = 60_000


def summary(changes: Sequence[Change]) -> str:
    """One line: what happens to how many resources."""
    counts = Counter(change.action for change in changes)
    parts = [f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]]
    dangerous = sum(change.dangerous for change in changes)
    acknowledged = sum(bool(change.acknowledged) for change in changes)
    text = ", ".join(parts) or "no resources"
    if acknowledged:
        text += f"; {acknowledged} acknowledged"
    return f"{text}; {dangerous} endanger data" if dangerous else text


def as_text(changes: Sequence[Change]) -> str:
    """For a terminal: the dangerous first, the unchanged only if there is something to say."""
    return "\n".join(line for change in _ordered(changes) for line in _lines(change))


def as_json(changes: Sequence[Change]) -> str:
    """For programs: a list of all resources; `stack` only when there are several."""
    several = len({change.stack for change in changes}) > 1
    rows = [
        ({"stack": change.stack} if several else {})
        | {
            "resource": change.resource,
            "type": change.type,
            "action": change.action.value,
            "stateful": change.stateful,
            "because": list(change.because),
        }
        for change in changes
    ]
    return json.dumps(rows, indent=2)


def as_markdown(changes: Sequence[Change]) -> str:
    """For a comment: the summary, the dangerous changes, and the rest folded."""
    dangerous = [change for change in _ordered(changes) if change.dangerous]
    rest = [change for change in _ordered(changes) if not change.dangerous]
    title = "stops here" if dangerous else "nothing stateful is lost"
    parts = [f"### Impact: {title}", "", f"{summary(changes)}.", ""]
    size = 0
    for index, change in enumerate(dangerous):
        block = _block(change)
        size += len(block)
        if size > _MOST_MARKDOWN // 2:
            parts += [f"… and {len(dangerous) - index} more that endanger data.", ""]
            break
        parts.append(block)
    if rest:
        parts += [
            f"<details><summary>The other {len(rest)} changes</summary>",
            "",
            "| | resource | type | because |",
            "| --- | --- | --- | --- |",
        ]
        for index, change in enumerate(rest):
            row = _row(change)
            size += len(row)
            if size > _MOST_MARKDOWN:
                parts.append(f"| … | {len(rest) - index} more | | |")
                break
            parts.append(row)
        parts += ["", "</details>", ""]
    return "\n".join(parts).rstrip("\n")


FORMATS: Final[Mapping[str, Callable[[Sequence[Change]], str]]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}


def _ordered(changes: Sequence[Change]) -> list[Change]:
    """Those worth telling, the gravest first."""
    told = [change for change in changes if change.action != Action.NONE or change.because]
    return sorted(told, key=lambda change: (not change.dangerous, -change.action.rank))


def _lines(change: Change) -> list[str]:
    mark = "!!" if change.dangerous else "  "
    place = f"{clean(change.stack)}/{clean(change.resource)}"
    lines = [f"{mark} {change.action.value:<10} {place}  {clean(change.type)}"]
    lines += [f"       {clean(reason)}" for reason in change.because]
    if change.dangerous:
        lines.append(f"     way out: {clean(change.way_out)}")
        lines.append(f"     or let it through once, in {FILE}: {clean(entry(change))}")
    return lines


def _block(change: Change) -> str:
    place = _code(f"{change.stack}/{change.resource}")
    lines = [f"**{change.action.value}** {place} ({_code(change.type)})", ""]
    lines += [f"- {_code(reason)}" for reason in change.because]
    lines += [
        f"- Way out: {_code(change.way_out)}",
        f"- Or let it through once, in `{FILE}`: {_code(entry(change), limit=2000)}",
        "",
    ]
    return "\n".join(lines)


def _row(change: Change) -> str:
    because = "<br>".join(_code(reason, limit=200) for reason in change.because[:3])
    more = "<br>…" if len(change.because) > 3 else ""
    cells = [
        change.action.value,
        _code(f"{change.stack}/{change.resource}"),
        _code(change.type),
        because + more,
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def clean(text: str) -> str:
    """Text of a template on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _code(text: str, limit: int = 400) -> str:
    """Text of a template as code, in which nothing is markup, a mention or a link."""
    text = clean(text).replace("`", "'")
    return f"`{text if len(text) <= limit else text[: limit - 1] + '…'}`"
