"""What deploying new templates would do to the resources of the old ones, across stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from mlops_constructs.impact.changes import Action, Change
from mlops_constructs.impact.comparison import Comparison, ExportChange
from mlops_constructs.impact.endpoints import update_notes
from mlops_constructs.impact.outcomes import RETAINING, Outcome, notes
from mlops_constructs.impact.renames import Candidate, find_renames
from mlops_constructs.impact.stateful import STATEFUL
from mlops_constructs.impact.values import Attribute, Import, references, show
from mlops_constructs.impact.views import View, nested_stacks, views
from mlops_constructs.rules.engine.errors import TemplateError

_NOTHING: Final[Mapping[str, Any]] = {"Resources": {}}
_MOST_REASONS: Final = 10


def analyse(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> list[Change]:
    """What deploying `new` would do to what `old` has deployed.

    Args:
        old: The templates that are deployed, by stack.
        new: The templates to be deployed, by stack.

    Returns:
        A change for every resource of both, `Action.NONE` included, in the order of the stacks
        and their templates.

    Raises:
        TemplateError: a template cannot be resolved within sensible bounds; it has the stack.
    """
    nested = {
        name
        for side in (old, new)
        for document in side.values()
        for name in nested_stacks(document).values()
        if name in side
    }
    stacks = [_Stack(name, old.get(name), new.get(name), nested) for name in _order(old, new)]
    _settle(stacks)
    found = [change for stack in stacks for change in stack.changes()]
    return _with_renames(stacks, found)


class _Stack:
    """A stack in all its scenarios."""

    def __init__(
        self,
        name: str,
        old: Mapping[str, Any] | None,
        new: Mapping[str, Any] | None,
        nested: Set[str],
    ) -> None:
        self.name = name
        self.gone = new is None
        self.importers: Mapping[str, list[str]] = {}
        try:
            self.views = list(views(old or _NOTHING, new or _NOTHING, name, nested))
        except TemplateError as error:
            raise TemplateError(error.message, file=name) from None
        self.imports = set(_imports(view for pair in self.views for view in pair))
        self.imported_now = set(_imports(before for before, _ in self.views))
        self.comparisons: list[Comparison] = []
        self._given: Mapping[str, ExportChange] = {}
        self.compare({})

    def compare(self, changed_exports: Mapping[str, ExportChange]) -> None:
        self._given = changed_exports
        self.comparisons = [Comparison(*pair, self._given) for pair in self.views]

    def follow(self, changed_exports: Mapping[str, ExportChange]) -> bool:
        """Compare again, if something is imported that changes otherwise than known so far."""
        given = {name: c for name, c in changed_exports.items() if name in self.imports}
        if given == self._given:
            return False
        self.compare(given)
        return True

    def worst(self) -> Iterator[_Worst]:
        """Of each resource, what is worst in any scenario."""
        found: dict[str, _Worst] = {}
        for comparison in self.comparisons:
            for logical_id, outcome in comparison.outcomes.items():
                if outcome.old is None and outcome.new is None:
                    continue
                known = found.get(logical_id)
                if known is None:
                    found[logical_id] = _Worst(logical_id, comparison, outcome, frozenset())
                    continue
                seen = known.others | {known.outcome.action, outcome.action}
                if outcome.action.rank > known.outcome.action.rank:
                    known = _Worst(logical_id, comparison, outcome, frozenset())
                found[logical_id] = replace(known, others=seen - {known.outcome.action})
        yield from found.values()

    def changes(self) -> Iterator[Change]:
        exported = self._exported()
        for worst in self.worst():
            outcome = worst.outcome
            because = _gravest(outcome)
            because += [*notes(outcome), *update_notes(worst.comparison, worst.logical_id)]
            because += worst.when()
            if self.gone:
                because[:1] = [f"stack {show(self.name)} is gone: destroying it removes this too"]
            if outcome.action.ends_resource:
                because += exported.get(worst.logical_id, ())
            yield Change(
                stack=self.name,
                resource=worst.logical_id,
                type=outcome.type,
                action=outcome.action,
                because=tuple(because),
                way_out=_way_out(outcome) if outcome.action.ends_resource else "",
                digest=worst.comparison.digest(worst.logical_id)
                if outcome.action.ends_resource
                else "",
            )

    def _exported(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for comparison in self.comparisons:
            for name in comparison.changed_exports().keys() & comparison.old.exports.keys():
                users = self.importers.get(name)
                for _, reference in references(comparison.old.exports[name]) if users else ():
                    if isinstance(reference, Attribute):
                        found.setdefault(reference.target, []).append(
                            f"exported to {', '.join(users or ())} as {show(name)}: "
                            "CloudFormation refuses to change an export that is in use"
                        )
        return {target: list(dict.fromkeys(texts)) for target, texts in found.items()}


@dataclass(frozen=True)
class _Worst:
    logical_id: str
    comparison: Comparison
    outcome: Outcome
    others: frozenset[Action]

    def when(self) -> Iterator[str]:
        """In which scenario it happens, if not in all."""
        if not self.others:
            return
        sides = [side for side in (self.outcome.old, self.outcome.new) if side]
        names = sorted({name for side in sides for name in side.conditions})[:3]
        holds = self.comparison.old.holds | self.comparison.new.holds
        states = [
            f"{name} is {'true' if holds[name] else 'false'}"
            for name in names
            if holds.get(name) is not None
        ]
        yield f"when {' and '.join(states)}" if states else "under some conditions"


def _settle(stacks: list[_Stack]) -> None:
    """Carry changed exports to the stacks that import them, until nothing new follows."""
    importers: dict[str, list[str]] = {}
    for stack in stacks:
        for name in stack.imported_now:
            importers.setdefault(name, []).append(stack.name)
    for stack in stacks:
        stack.importers = importers
    # Stacks that import from one another in a circle, which cannot be deployed, never settle.
    for _ in range(len(stacks) + 1):
        changed: dict[str, ExportChange] = {}
        for stack in stacks:
            for comparison in stack.comparisons:
                changed = comparison.changed_exports() | changed
        moved = [stack.follow(changed) for stack in stacks]
        if not any(moved):
            break


def _imports(all_views: Iterator[View]) -> Iterator[str]:
    for view in all_views:
        values = [r.properties for r in view.resources.values()]
        values += [*view.exports.values(), *view.links.values()]
        for value in values:
            for _, reference in references(value):
                if isinstance(reference, Import):
                    yield reference.export


def _with_renames(stacks: list[_Stack], changes: list[Change]) -> list[Change]:
    there = {
        (stack.name, worst.logical_id): worst
        for stack in stacks
        if any(c.action in (Action.DELETE, Action.CREATE) for c in changes)
        for worst in stack.worst()
        if worst.outcome.action in (Action.DELETE, Action.CREATE)
    }
    deleted, created = [], []
    for (stack_name, logical_id), worst in there.items():
        old, new = worst.outcome.old, worst.outcome.new
        if old:
            deleted.append(Candidate(stack_name, logical_id, old, worst.comparison.old))
        elif new:
            created.append(Candidate(stack_name, logical_id, new, worst.comparison.new))
    said: dict[tuple[str, str], tuple[str, str]] = {}
    for gone, made in find_renames(deleted, created):
        same = gone.stack == made.stack
        where = "" if same else f" of stack {show(made.stack)}"
        origin = "" if same else f" of stack {show(gone.stack)}"
        verb = "renamed to" if same else "moved to"
        text = f"{verb} {made.logical_id}{where}: CloudFormation creates that and deletes this"
        way = (
            f'keep the logical id: `construct.node.default_child.override_logical_id("'
            f'{gone.logical_id}")`; or rename it without touching it, with `cdk refactor`'
            if same
            else "move it without touching it, with `cdk refactor`; or retain it here and import "
            "it there with `cdk import`"
        )
        said[gone.stack, gone.logical_id] = text, way
        verb = "renamed from" if same else "moved from"
        said[made.stack, made.logical_id] = f"{verb} {gone.logical_id}{origin}", ""
    return [
        replace(
            change,
            because=(said[key][0], *change.because[1:]),
            way_out=said[key][1] or change.way_out,
        )
        if (key := (change.stack, change.resource)) in said
        else change
        for change in changes
    ]


def _way_out(outcome: Outcome) -> str:
    loss = STATEFUL.get(outcome.type, "")
    if outcome.old and outcome.new and outcome.old.type != outcome.new.type:
        return "give the new resource a logical id of its own, and keep the old one beside it"
    if outcome.action == Action.REPLACE:
        places = [
            place
            for place, reason in outcome.reasons.items()
            if reason.endswith(("(create-only)", "conditionally create-only)"))
        ]
        which = ", ".join(places[:3]) + (" …" if len(places) > 3 else "")
        text = (
            f"keep {which} as it was; or create a second resource beside this one under another "
            "id and name, move over to it, and remove this one afterwards"
        )
    elif outcome.old and outcome.old.on_delete in RETAINING:
        text = "keep it in the template; `cdk import` takes back what no stack knows any more"
    else:
        text = "keep it in the template; or set DeletionPolicy Retain in a deployment before this"
    return f"{text}. At stake: {loss}" if loss else text


def _gravest(outcome: Outcome) -> list[str]:
    """The reasons, those that replace the resource first; the most there may be."""
    reasons = sorted(outcome.reasons.values(), key=lambda text: not text.endswith("create-only)"))
    if len(reasons) <= _MOST_REASONS:
        return reasons
    return [*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more"]


def _order(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*old, *(name for name in new if name not in old)]
