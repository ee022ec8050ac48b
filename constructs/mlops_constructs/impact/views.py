"""A template as it is in one scenario: which resources exist, and with which properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final

from mlops_constructs.impact.registry import behaviour
from mlops_constructs.impact.resolution import (
    Resolver,
    export_key,
    output_of,
    parameter_of,
    scalar,
)
from mlops_constructs.impact.scenarios import joint_scenarios
from mlops_constructs.impact.values import ABSENT, show_path
from mlops_constructs.rules.engine.conditions import MAX_SCENARIOS, Conditions, Scenario
from mlops_constructs.rules.engine.errors import TemplateError
from mlops_constructs.rules.engine.template import condition_names

_NESTED: Final = ".nested.template.json"
_NESTED_TYPE: Final = "AWS::CloudFormation::Stack"
_MOST_PARAMETERS: Final = 10_000
_SSM: Final = "AWS::SSM::Parameter::Value<"

Document = Mapping[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Resource:
    """A resource in one scenario.

    Attributes:
        type: Its type.
        properties: Resolved.
        on_delete: Its DeletionPolicy, if the template gives one.
        on_replace: Its UpdateReplacePolicy, if the template gives one.
        conditions: The conditions that it mentions.
    """

    type: str
    properties: dict[str, Any]
    on_delete: str
    on_replace: str
    conditions: frozenset[str]


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A template in one scenario.

    Attributes:
        resources: What exists, by logical id.
        exports: The values of the exports, by name.
        links: The values that nested stacks and the stacks around them give each other, by name.
        holds: Whether each condition that matters holds.
    """

    resources: dict[str, Resource] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Any] = field(default_factory=dict)
    holds: dict[str, bool | None] = field(default_factory=dict)


def nested_stacks(document: Document) -> dict[str, str]:
    """The nested stacks of a template, by logical id, as the CDK names their template files."""
    found = {}
    for logical_id, raw in _section(document, "Resources").items():
        metadata = raw.get("Metadata") if isinstance(raw, dict) else None
        path = metadata.get("aws:asset:path") if isinstance(metadata, dict) else None
        if isinstance(path, str) and path.endswith(_NESTED) and raw.get("Type") == _NESTED_TYPE:
            found[logical_id] = path.removesuffix(_NESTED)
    return found


def views(
    old: Document, new: Document, stack: str, nested: Set[str] = frozenset()
) -> Iterator[tuple[View, View]]:
    """Both templates, in each scenario that matters, the one of the defaults first.

    In the first scenario every parameter has its default, old or new, as in a deployment that
    gives none. In the others, parameters that conditions compare take the other values that the
    conditions tell apart; both templates then see the same value.

    Args:
        old: The template as it is.
        new: The template as it will be.
        stack: The name of the stack.
        nested: The nested stacks whose templates are part of the comparison.

    Raises:
        TemplateError: a template cannot be resolved within sensible bounds.
    """
    sides = _Side(old, stack, nested), _Side(new, stack, nested)
    seen = set()
    for defaults in (True, False):
        scenarios = [side.scenarios(defaults=defaults) for side in sides]
        for scenario in joint_scenarios(*scenarios):
            made = [side.conditions(scenario, defaults=defaults) for side in sides]
            truth = tuple(
                tuple(conditions.evaluate(name, scenario) for name in side.condition_names)
                for side, (conditions, _) in zip(sides, made, strict=True)
            )
            if truth in seen:
                continue
            seen.add(truth)
            before, after = (
                side.view(scenario, *parts) for side, parts in zip(sides, made, strict=True)
            )
            yield before, after
            if len(seen) >= MAX_SCENARIOS:
                return


class _Side:
    """One of the two templates."""

    def __init__(self, document: Document, stack: str, nested: Set[str]) -> None:
        self.document = document
        self.name = stack
        self.is_nested = stack in nested
        self.nested = {i: name for i, name in nested_stacks(document).items() if name in nested}
        self.section = _section(document, "Conditions")
        self.parameters = _section(document, "Parameters")
        if len(self.parameters) > _MOST_PARAMETERS:
            raise TemplateError(f"more than {_MOST_PARAMETERS:,} parameters")
        names = self.parameters if self.is_nested else ()
        self.given = {name: parameter_of(stack, name) for name in names}
        self.pseudo = {"AWS::StackName": stack}
        self.defaults = _defaults(self.parameters)
        self.raw = {
            name: resource
            for name, resource in _section(document, "Resources").items()
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }
        self.outputs = {
            name: output
            for name, output in _section(document, "Outputs").items()
            if isinstance(output, dict)
        }
        looping = [name for name in _section(document, "Resources") if name.startswith("Fn::")]
        if looping:
            raise TemplateError(
                f"{show_path((looping[0],))} is expanded at deployment only: compare the processed "
                "templates (`aws cloudformation get-template --template-stage Processed`)"
            )
        mentioned = {
            name
            for raw in (*self.raw.values(), *self.outputs.values())
            if raw.get("Type") != "AWS::CDK::Metadata"
            for name in condition_names(raw)
        }
        self.condition_names = sorted(mentioned)

    def scenarios(self, *, defaults: bool) -> list[Scenario]:
        known = self.pseudo | (self.defaults if defaults else {})
        return Conditions(self.section, self.parameters, known).scenarios(self.condition_names)

    def conditions(
        self, scenario: Scenario, *, defaults: bool
    ) -> tuple[Conditions, dict[str, str]]:
        """The conditions in a scenario, and what is known in it."""
        known = self.pseudo | {
            name: value
            for name, value in self.defaults.items()
            if defaults or f"parameter:{name}" not in scenario
        }
        return Conditions(self.section, self.parameters, known), known

    def view(self, scenario: Scenario, conditions: Conditions, known: Mapping[str, str]) -> View:
        mappings = _section(self.document, "Mappings")
        resolver = Resolver(
            mappings, conditions, scenario, known, parameters=self.given, nested=self.nested
        )
        view = View(holds={n: conditions.evaluate(n, scenario) for n in self.condition_names})
        for logical_id, raw in self.raw.items():
            if _exists(raw, conditions, scenario):
                view.resources[logical_id] = _resource(raw, resolver)
        for logical_id, stack in self.nested.items():
            inner = view.resources.get(logical_id)
            given = inner.properties.get("Parameters") if inner else None
            for name, value in given.items() if isinstance(given, dict) else ():
                view.links[parameter_of(stack, name).export] = value
        for name, output in self.outputs.items():
            if not _exists(output, conditions, scenario):
                continue
            value = resolver.resolve(output.get("Value"))
            export = output.get("Export")
            if isinstance(export, dict):
                view.exports[export_key(resolver.resolve(export.get("Name")))] = value
            if self.is_nested:
                view.links[output_of(self.name, name).export] = value
        return view


def _exists(raw: Mapping[str, Any], conditions: Conditions, scenario: Scenario) -> bool:
    """Whether something exists; what nobody can tell counts as existing."""
    condition = raw.get("Condition")
    return not isinstance(condition, str) or conditions.evaluate(condition, scenario) is not False


def _resource(raw: Mapping[str, Any], resolver: Resolver) -> Resource:
    properties = resolver.resolve(raw.get("Properties") or {})
    if not isinstance(properties, dict):
        properties = {"(all)": properties}
    tags = behaviour(raw["Type"]).tags
    if isinstance(properties.get(tags), list):
        properties = {**properties, tags: _sorted_tags(properties[tags])}
    return Resource(
        type=raw["Type"],
        properties=properties,
        on_delete=_policy(resolver.resolve(raw.get("DeletionPolicy"))),
        on_replace=_policy(resolver.resolve(raw.get("UpdateReplacePolicy"))),
        conditions=frozenset(condition_names(raw)),
    )


def _policy(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _sorted_tags(tags: list[Any]) -> list[Any]:
    """Tags in the order of their keys: their order says nothing."""

    def key(tag: Any) -> str:
        return tag["Key"] if isinstance(tag, dict) and isinstance(tag.get("Key"), str) else ""

    return sorted(tags, key=key)


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The values of parameters that nobody gives one.

    The default of an SSM parameter type is the name of what is read at deployment.
    """
    found = {}
    for name, parameter in parameters.items():
        default = scalar(parameter.get("Default")) if isinstance(parameter, dict) else ABSENT
        if not isinstance(default, str) or isinstance(parameter.get("Default"), dict | list):
            continue
        is_ssm = str(parameter.get("Type")).startswith(_SSM)
        found[name] = f"{{{{resolve:ssm:{default}}}}}" if is_ssm else default
    return found


def _section(document: Document, name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}
