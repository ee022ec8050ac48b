"""Selective execution: some steps run, others give what they gave in an earlier execution.

Steps that are not selected do not run. Those that selected steps wait for are taken from a
reference execution; what lies behind the selected steps is left out. Sources: SageMaker developer
guide, "Selective execution of pipeline steps"; botocore, SelectiveExecutionConfig. For the status
of the reference execution botocore says Failed or Success, the SDK (3.27) Stopped as well; any
execution that has ended will do here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from localcloud.compute.ports import ServiceError
from localcloud.dag.definition import TRIGGERS, Definition, dependencies
from localcloud.dag.records import StepStatus


@dataclass(frozen=True)
class Reused:
    """How a step ended in an earlier execution, and what others may ``Get`` of it."""

    execution_arn: str
    status: StepStatus
    properties: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """What an execution runs, and what it takes from an earlier one.

    Attributes:
        steps: The steps that may run.
        reused: Steps that do not run, by name, with what they gave.
    """

    steps: AbstractSet[str]
    reused: Mapping[str, Reused]


def select(
    definition: Definition, names: Collection[str], source: Mapping[str, Reused] | None
) -> Selection:
    """Select steps as ``SelectiveExecutionConfig`` does.

    Args:
        definition: The pipeline as it is now.
        names: The steps to run.
        source: The ended steps of the reference execution, or None when there is none.

    Raises:
        ServiceError: ``ValidationException`` with everything that is wrong: a name is no step, a
            step between two selected ones is missing, they are not connected, or what they
            depend on is not in the reference execution.
    """
    unknown = [name for name in names if name not in definition.steps]
    if unknown:
        known = ", ".join(definition.steps)
        raise _refusal([f"{name!r} is no step; the steps are {known}" for name in unknown])
    chosen = set(names)
    problems = _gaps(definition, chosen)
    if not problems and len(_component(definition, chosen)) < len(chosen):
        apart = ", ".join(sorted(chosen - _component(definition, chosen)))
        problems.append(f"the selected steps must be connected; apart from the others: {apart}")
    selection = Selection(chosen, reusable(definition, chosen, source or {}))
    for one in missing(definition, selection):
        problems.append(
            f"step {one.step!r} needs {one.needed!r}, which {one.how} in the reference execution: "
            "select it too, or take another execution"
            if source is not None
            else f"step {one.step!r} needs {one.needed!r}, which is not selected: give a "
            "SourcePipelineExecutionArn, or select it"
        )
    if problems:
        raise _refusal(problems)
    return selection


def unfinished(definition: Definition, source: Mapping[str, Reused]) -> Selection:
    """What is left to do after an execution that failed or was stopped.

    A step runs again when it has not succeeded, or when one before it runs again: what ran
    because of a failure must not count once the failure is mended.
    """
    succeeded = {name for name, one in source.items() if one.status == "Succeeded"}
    again = after(definition, definition.steps.keys() - succeeded)
    rest = [name for name in definition.steps if name not in again]
    return Selection(again, {name: source[name] for name in rest})


def after(definition: Definition, names: Collection[str]) -> set[str]:
    """These steps and all that wait for them, directly or not."""
    found = set(names)
    for name, step in definition.steps.items():  # in topological order
        if dependencies(step) & found:
            found.add(name)
    return found


@dataclass(frozen=True)
class Missing:
    """A result that a selected step needs and that is not there.

    Attributes:
        step: The selected step.
        needed: The step whose result it needs.
        how: What became of that one in the earlier execution.
    """

    step: str
    needed: str
    how: str


def missing(definition: Definition, selection: Selection) -> list[Missing]:
    """The results that selected steps need of others and that the selection has not."""
    found = []
    for name, step in definition.steps.items():
        if name not in selection.steps:
            continue
        for needed in sorted(dependencies(step) - selection.steps):
            wanted = TRIGGERS[step.depends_on.get(needed, "Completed")]
            taken = selection.reused.get(needed)
            if taken is None:
                found.append(Missing(name, needed, "did not run"))
            elif taken.status not in wanted:
                found.append(Missing(name, needed, f"ended as {taken.status}"))
    return found


def _refusal(problems: list[str]) -> ServiceError:
    return ServiceError(
        "ValidationException", f"The steps cannot be selected: {'; '.join(problems)}."
    )


def reusable(
    definition: Definition, chosen: AbstractSet[str], source: Mapping[str, Reused]
) -> dict[str, Reused]:
    """The ended steps of the source on which chosen ones depend, directly or not."""
    wanted: set[str] = set()
    for name in reversed(list(definition.steps)):
        if name in chosen or name in wanted:
            wanted |= dependencies(definition.steps[name])
    taken = (wanted - chosen) & source.keys()
    return {name: source[name] for name in definition.steps if name in taken}


def _gaps(definition: Definition, chosen: AbstractSet[str]) -> list[str]:
    """Steps on a path between two chosen ones that are not chosen."""
    behind = after(definition, chosen)
    before: set[str] = set()
    for name in reversed(list(definition.steps)):
        if name in chosen or name in before:
            before |= dependencies(definition.steps[name])
    between = [name for name in definition.steps if name in (behind & before) - chosen]
    return [f"step {name!r} lies between selected ones: select it too" for name in between]


def _component(definition: Definition, chosen: AbstractSet[str]) -> set[str]:
    """The chosen steps that are connected with the first of them."""
    neighbours: dict[str, set[str]] = {name: set() for name in chosen}
    for name in chosen:
        for other in dependencies(definition.steps[name]) & chosen:
            neighbours[name].add(other)
            neighbours[other].add(name)
    found: set[str] = set()
    waiting = [next(name for name in definition.steps if name in chosen)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += neighbours[name]
    return found
