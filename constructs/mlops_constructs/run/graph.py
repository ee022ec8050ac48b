"""A pipeline as a graph: its steps, what waits for what, and how the last run went."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Final

from mlops_constructs.run.errors import CommandError
from mlops_constructs.run.use_case import UseCase
from mlops_constructs.training.document import Json, Step, branches

STATES: Final = (
    "waiting", "running", "succeeded", "cached", "reused", "failed", "stopped", "skipped"
)  # fmt: skip

_MEASURES = 2
_LONGEST = 30


@dataclass(frozen=True, kw_only=True)
class Node:
    """A step in the picture.

    Attributes:
        name: Its name.
        type: Such as ``Training``.
        state: One of `STATES`.
        lines: What stands below the name.
    """

    name: str
    type: str
    state: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One step that waits for another.

    Attributes:
        start: The step that comes first.
        end: The step that waits for it.
        label: For a branch ``true`` or ``false``; for what runs on a failure ``failed``.
    """

    start: str
    end: str
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What is drawn.

    Attributes:
        title: The pipeline and its last run.
        nodes: By name, in an order in which they may run.
        edges: Without those that follow from others.
    """

    title: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...] = field(default=())


def graph_of(use_case: UseCase) -> Graph:
    """The graph of a use case with the state of its last run.

    Raises:
        CommandError: Its steps wait for one another, or for steps that are not there.
    """
    steps = use_case.steps
    needs = {name: _needs(step, steps) for name, step in steps.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise CommandError(f"These steps wait for one another: {cycle}.") from error
    last = use_case.last_run() or {}
    views = {view["name"]: view for view in last.get("steps", [])}
    labels = _labels(steps)
    return Graph(
        title=_title(use_case, last),
        nodes={name: _node(steps[name], views.get(name, {})) for name in order},
        edges=tuple(
            Edge(start=start, end=end, label=labels.get((start, end), ""))
            for end in order
            for start in sorted(_direct(end, needs, order))
        ),
    )


def _needs(step: Step, steps: Mapping[str, Step]) -> set[str]:
    if unknown := step.needs - steps.keys():
        raise CommandError(
            f"Step {step.name} waits for {', '.join(sorted(unknown))}, which is no step."
        )
    return step.needs


def _direct(end: str, needs: Mapping[str, set[str]], order: list[str]) -> set[str]:
    """What a step waits for, less what it waits for through others anyway."""
    before: set[str] = set()
    for name in reversed(order):
        if name in before or name in needs[end]:
            before |= needs[name]
    return needs[end] - before


def _labels(steps: Mapping[str, Step]) -> dict[tuple[str, str], str]:
    found = {}
    for step in steps.values():
        for branch, inner in branches(step.raw):
            for each in inner:
                found[step.name, each["Name"]] = "true" if branch == "IfSteps" else "false"
        for dependency in step.raw.get("DependsOn", []):
            if isinstance(dependency, dict) and dependency.get("Trigger") in ("Failed", "Any"):
                found[dependency["Step"], step.name] = str(dependency["Trigger"]).lower()
    return found


def _node(step: Step, view: Mapping[str, Json]) -> Node:
    state = view.get("state", "waiting")
    told = [step.type]
    if state == "cached":
        told.append("from the cache")
    elif state == "reused":
        told.append("from an earlier run")
    elif state in ("failed", "stopped", "skipped", "running"):
        told.append(state)
    if state in ("succeeded", "failed") and view.get("ended"):
        told.append(_seconds(view["ended"] - view["started"]))
    measures = [f"{name} {value}" for name, value in (view.get("measures") or {}).items()]
    return Node(
        name=step.name,
        type=step.type,
        state=state if state in STATES else "waiting",
        lines=(" · ".join(told), *(_cut(each) for each in measures[:_MEASURES])),
    )


def _title(use_case: UseCase, last: Mapping[str, Json]) -> str:
    if not last:
        return f"{use_case.name}: not run yet"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["started"]))
    took = _seconds(last["updated"] - last["started"])
    return f"{use_case.name}: {last['status']}, run {last['run']} of {when}, {took}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
