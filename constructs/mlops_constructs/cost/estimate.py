"""The lines of the table: each driver of each stack with what it costs in a month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mlops_constructs.cost.drivers import always_on
from mlops_constructs.cost.jobs import Job, pipelines_of, scheduled
from mlops_constructs.cost.prices import PriceTable
from mlops_constructs.rules.engine.report import counted

Templates = Mapping[str, Mapping[str, Any]]

# So many of a kind that one line for each would hide the rest.
_MANY: Final = "vpc-interface-endpoint"


@dataclass(frozen=True)
class Line:
    """What some resources of a stack cost.

    Attributes:
        stack: The stack.
        what: What costs, in words.
        resources: Their logical ids.
        quantity: Units altogether; None if only the deployment knows.
        unit: What a unit is.
        key: Which price applies.
        monthly: Cost of a month; None without a price or quantity.
        at_most: Whether `monthly` is a bound: scheduled jobs at their maximum runtime.
        note: What else matters, or empty.
    """

    stack: str
    what: str
    resources: tuple[str, ...]
    quantity: float | None
    unit: str
    key: str
    monthly: float | None
    at_most: bool = False
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """All lines of some templates.

    Attributes:
        lines: By stack, in the order of the templates.
        prices: What they were priced by.
    """

    lines: tuple[Line, ...]
    prices: PriceTable

    def monthly(self, stack: str | None = None) -> float:
        """What stands costs in a month, of a stack or of all, as far as prices are known."""
        return self._sum(stack, at_most=False)

    def at_most(self, stack: str | None = None) -> float:
        """What schedules start costs at most in a month, as far as prices are known."""
        return self._sum(stack, at_most=True)

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks that have lines."""
        return tuple(dict.fromkeys(line.stack for line in self.lines))

    @property
    def unpriced(self) -> tuple[Line, ...]:
        """The lines that no sum holds."""
        return tuple(line for line in self.lines if line.monthly is None)

    def _sum(self, stack: str | None, *, at_most: bool) -> float:
        return sum(
            line.monthly
            for line in self.lines
            if line.monthly is not None and line.at_most == at_most and stack in (None, line.stack)
        )


def estimate(templates: Templates, prices: PriceTable) -> Estimate:
    """Price the templates.

    Resources that depend on a condition count as if it held.

    Args:
        templates: Templates by stack.
        prices: The table.
    """
    pipelines = {
        name: definition
        for template in templates.values()
        for name, definition in pipelines_of(template).items()
    }
    lines = [
        line
        for stack, template in templates.items()
        for line in _lines(stack, template, pipelines, prices)
    ]
    return Estimate(tuple(_merged(lines)), prices)


def _lines(
    stack: str,
    template: Mapping[str, Any],
    pipelines: Mapping[str, dict[str, Any]],
    prices: PriceTable,
) -> Iterator[Line]:
    for logical_id, resource in template["Resources"].items():
        if not isinstance(resource, dict):
            continue
        condition = resource.get("Condition")
        only_if = f"if {condition}" if isinstance(condition, str) else ""
        for driver in always_on(template, logical_id):
            price = prices.prices.get(driver.key)
            priced = price is not None and driver.quantity is not None
            yield Line(
                stack,
                driver.what,
                (logical_id,),
                driver.quantity,
                "unit",
                driver.key,
                (driver.quantity or 0) * price.monthly if priced and price else None,
                note="; ".join(filter(None, (driver.note, only_if))),
            )
        for job in scheduled(template, logical_id, pipelines):
            yield _job_line(stack, logical_id, job, prices, only_if)


def _job_line(stack: str, logical_id: str, job: Job, prices: PriceTable, only_if: str) -> Line:
    key = f"instance/{job.instance}"
    price = prices.prices.get(key)
    bound = (
        None
        if price is None or job.runs is None or job.count is None
        else job.runs * job.count * job.hours * price.hourly
    )
    count = "?" if job.count is None else job.count
    size = f"{count} x {job.instance or 'unknown type'}, at most {job.hours:g} h a run"
    note = "; ".join(filter(None, (size, only_if)))
    return Line(
        stack,
        job.what,
        (logical_id,),
        None if job.runs is None else round(job.runs, 1),
        "run",
        key,
        bound,
        at_most=True,
        note=note,
    )


def _merged(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines of one stack that differ in nothing but the resource, as one."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        # Of interface endpoints the note is the service.
        note = "" if line.key == _MANY else line.note
        unknown = line.quantity is None
        groups.setdefault((line.stack, line.what, line.key, note, unknown), []).append(line)
    for group in groups.values():
        first = group[0]
        yield replace(
            first,
            resources=tuple(resource for line in group for resource in line.resources),
            quantity=None if first.quantity is None else sum(line.quantity or 0 for line in group),
            monthly=None if first.monthly is None else sum(line.monthly or 0 for line in group),
            note=counted(len(group), "endpoint") if first.key == _MANY else first.note,
        )
