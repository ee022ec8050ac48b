"""The estimate as text, as JSON, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from mlops_constructs.cost.estimate import Estimate, Line
from mlops_constructs.impact.report import clean
from mlops_constructs.rules.engine.report import counted

_UNKNOWN: Final = "no price"


def as_text(after: Estimate, before: Estimate | None) -> str:
    """For a terminal: a block for each stack."""
    blocks = []
    for stack in _stacks(after, before):
        rows = [
            (_quantity(line), line.what, _money(line), line.note)
            for line in after.lines
            if line.stack == stack
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1, 2)]
        lines = [f"{clean(stack)}: {_sums(after, stack)}{_change(after, before, stack)}"]
        for quantity, what, money, note in rows:
            aligned = f"{quantity:>{widths[0]}}  {what:<{widths[1]}}  {money:>{widths[2]}}"
            lines.append(f"  {clean(f'{aligned}  {note}'.rstrip())}")
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, _foot(after, before)])


def as_markdown(after: Estimate, before: Estimate | None) -> str:
    """For a comment: the stacks in a table, their drivers folded."""
    parts = [
        f"### Always-on cost: {_sums(after, None)}{_change(after, before, None)}",
        "",
        "| stack | stands, a month | scheduled, at most | change |",
        "| --- | ---: | ---: | ---: |",
    ]
    for stack in _stacks(after, before):
        change = _change(after, before, stack).strip(" ()")
        parts.append(
            f"| {_cell(stack)} | {after.monthly(stack):,.2f} | {after.at_most(stack):,.2f} "
            f"| {change} |"
        )
    parts += [
        "",
        f"<details><summary>The {len(after.lines)} drivers</summary>",
        "",
        "| stack | units | what | a month | |",
        "| --- | ---: | --- | ---: | --- |",
    ]
    parts += [
        f"| {_cell(line.stack)} | {_quantity(line)} | {_cell(line.what)} | {_money(line)} "
        f"| {_cell(line.note)} |"
        for line in after.lines
    ]
    return "\n".join([*parts, "", "</details>", "", _foot(after, None)])


def as_json(after: Estimate, before: Estimate | None) -> str:
    """For programs."""
    prices = after.prices
    document: dict[str, Any] = {
        "prices": {
            "name": prices.name,
            "region": prices.region,
            "currency": prices.currency,
            "as_of": prices.as_of,
        },
        "monthly": round(after.monthly(), 2),
        "scheduled_at_most": round(after.at_most(), 2),
        "unpriced": len(after.unpriced),
    }
    if before is not None:
        document["monthly_before"] = round(before.monthly(), 2)
    document["lines"] = [
        {
            "stack": line.stack,
            "what": line.what,
            "resources": list(line.resources),
            "quantity": line.quantity,
            "unit": line.unit,
            "price": line.key,
            "monthly": None if line.monthly is None else round(line.monthly, 2),
            "at_most": line.at_most,
            "note": line.note,
        }
        for line in after.lines
    ]
    return json.dumps(document, indent=2, ensure_ascii=False)


FORMATS: Final[Mapping[str, Callable[[Estimate, Estimate | None], str]]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}


def _stacks(after: Estimate, before: Estimate | None) -> list[str]:
    gone = before.stacks if before is not None else ()
    return list(dict.fromkeys((*after.stacks, *gone)))


def _sums(found: Estimate, stack: str | None) -> str:
    text = f"{found.monthly(stack):,.2f} {found.prices.currency} a month"
    bound = found.at_most(stack)
    return f"{text}, scheduled jobs at most {bound:,.2f}" if bound else text


def _change(after: Estimate, before: Estimate | None, stack: str | None) -> str:
    if before is None:
        return ""
    change = after.monthly(stack) - before.monthly(stack)
    return " (as before)" if abs(change) < 0.005 else f" ({change:+,.2f})"


def _foot(after: Estimate, before: Estimate | None) -> str:
    parts = [f"All stacks: {_sums(after, None)}{_change(after, before, None)}."]
    if after.unpriced:
        many = len(after.unpriced) > 1
        parts.append(
            f"{counted(len(after.unpriced), 'line')} {'have' if many else 'has'} no price here and "
            f"{'are' if many else 'is'} in no sum."
        )
    parts += [f"Prices: {after.prices.title}.", after.prices.note]
    return clean(" ".join(filter(None, parts)))


def _quantity(line: Line) -> str:
    if line.quantity is None:
        return "?"
    runs = " runs" if line.unit == "run" else ""
    return f"{line.quantity:,.10g}{runs}"


def _money(line: Line) -> str:
    if line.monthly is None:
        return "?" if line.quantity is None else _UNKNOWN
    return f"{'≤ ' if line.at_most else ''}{line.monthly:,.2f}"


def _cell(text: str) -> str:
    """Text of a template in a table, in which nothing is markup, a mention or a link."""
    for character in "\\`*_[]<>|@#":
        text = text.replace(character, f"&#{ord(character)};")
    return clean(text)
