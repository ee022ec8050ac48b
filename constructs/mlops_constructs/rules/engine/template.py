"""A template, and the view of it in one scenario that the rules see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from mlops_constructs.rules.engine.conditions import Conditions, Scenario
from mlops_constructs.rules.engine.resolution import Resolver
from mlops_constructs.rules.engine.values import ABSENT, MAYBE, Node, Reference, Text

T = TypeVar("T")

_SUB_NAME: Final = re.compile(r"\$\{([^!}.]{1,255})[.}]")


class Template:
    """A CloudFormation template as it was written.

    Args:
        document: The parsed template.
        region: The region it will be deployed to, when that is known.
    """

    def __init__(self, document: Mapping[str, Any], region: str | None = None) -> None:
        self.document = document
        self.region = region
        self.resources: dict[str, dict[str, Any]] = {
            name: resource
            for name, resource in _section(document, "Resources").items()
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }
        self.by_type: dict[str, list[str]] = {}
        for name, resource in self.resources.items():
            self.by_type.setdefault(resource["Type"], []).append(name)
        parameters = _section(document, "Parameters")
        self.known = {**_pseudo_parameters(region), **_fixed_parameters(parameters)}
        self.conditions = Conditions(_section(document, "Conditions"), parameters, self.known)
        self._references: dict[str, frozenset[str]] = {}

    def scopes(self, types: Iterable[str]) -> list[Scope]:
        """The template in each combination of conditions that matters to these types."""
        names = {
            condition
            for type_name in types
            for logical_id in self.by_type.get(type_name, ())
            for condition in condition_names(self.resources[logical_id])
        }
        return [Scope(self, scenario) for scenario in self.conditions.scenarios(names)]

    def references(self, logical_id: str) -> frozenset[str]:
        """The names that a resource mentions: with Ref, Fn::GetAtt, Fn::Sub or DependsOn."""
        if logical_id not in self._references:
            self._references[logical_id] = frozenset(_references(self.resources.get(logical_id)))
        return self._references[logical_id]

    def predecessors(self, logical_id: str) -> set[str]:
        """The names that CloudFormation makes, or reads, before a resource."""
        seen: set[str] = set()
        waiting = [logical_id]
        while waiting:
            new = self.references(waiting.pop()) - seen
            seen |= new
            waiting.extend(new & self.resources.keys())
        return seen

    def depends(self, logical_id: str, on: str) -> bool:
        """Whether CloudFormation makes `on` before `logical_id`."""
        return on in self.predecessors(logical_id)


class Scope:
    """A template in one scenario: what exists in it, with resolved properties.

    Args:
        template: The template.
        scenario: The values of the variables that its conditions depend on.
    """

    def __init__(self, template: Template, scenario: Scenario) -> None:
        self.template = template
        self.scenario = scenario
        self.region = template.region
        self._memory: dict[object, Any] = {}
        mappings = template.document.get("Mappings")
        self._resolver = Resolver(
            mappings if isinstance(mappings, dict) else {},
            template.conditions,
            scenario,
            template.known,
        )
        self._resources: dict[str, Resource | None] = {}

    def resource(self, logical_id: str) -> Resource | None:
        """The resource, if it certainly exists in this scenario."""
        if logical_id not in self._resources:
            self._resources[logical_id] = self._make(logical_id)
        return self._resources[logical_id]

    def of_type(self, *types: str) -> Iterator[Resource]:
        """The resources of these types."""
        for type_name in types:
            for logical_id in self.template.by_type.get(type_name, ()):
                resource = self.resource(logical_id)
                if resource is not None:
                    yield resource

    def find(self, types: Iterable[str], name: str, node: Node) -> Resource | None:
        """The resource of one of `types` that `node` refers to, or names as its property `name`."""
        found = node.target
        if found is not None:
            return found if found.type in types else None
        types = tuple(types)
        named = self.once(("named", types, name), lambda: self._named(types, name))
        matching = named.get(node.text or node.reference, [])
        return matching[0] if len(matching) == 1 else None

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` returns, made once for the scope: rules see large templates too."""
        if key not in self._memory:
            self._memory[key] = make()
        made: T = self._memory[key]
        return made

    def _named(
        self, types: tuple[str, ...], name: str
    ) -> dict[str | Reference | None, list[Resource]]:
        found: dict[str | Reference | None, list[Resource]] = {}
        for resource in self.of_type(*types):
            key = resource[name].text or resource[name].reference
            if key is not None:
                found.setdefault(key, []).append(resource)
        return found

    def holds(self, condition: str) -> bool | None:
        """Whether a condition holds in this scenario; None when nobody can tell."""
        return self.template.conditions.evaluate(condition, self.scenario)

    def _make(self, logical_id: str) -> Resource | None:
        raw = self.template.resources.get(logical_id)
        if raw is None:
            return None
        condition = raw.get("Condition")
        if condition is not None and (
            not isinstance(condition, str) or self.holds(condition) is not True
        ):
            return None
        properties = raw.get("Properties", {})
        value = self._resolver.resolve(properties)
        return Resource(logical_id, raw, {} if value is ABSENT else value, self)


class Resource(Node):
    """A resource of a template: its properties, resolved."""

    __slots__ = ("logical_id", "raw", "type")

    def __init__(self, logical_id: str, raw: dict[str, Any], properties: Any, scope: Scope) -> None:
        super().__init__(properties, ("Properties",), scope)
        self.logical_id = logical_id
        self.raw = raw
        self.type: str = raw["Type"]

    def depends(self, other: Resource) -> bool:
        """Whether CloudFormation makes the other resource first."""
        return self.scope.template.depends(self.logical_id, other.logical_id)


def condition_names(raw: Any) -> Iterator[str]:
    """The conditions that a resource mentions in Condition or Fn::If."""
    if isinstance(raw, dict) and isinstance(raw.get("Condition"), str):
        yield raw["Condition"]
    for name, operand in _members(raw):
        first = operand[0] if isinstance(operand, list) and operand else None
        if name == "Fn::If" and isinstance(first, str):
            yield first


def referred(node: Node) -> set[str]:
    """The logical ids that a value mentions, also inside a string."""
    if isinstance(node.value, Reference):
        return {node.value.target}
    if isinstance(node.value, Text):
        return {part.target for part in node.value.parts if isinstance(part, Reference)}
    return set()


def is_known(node: Node) -> bool:
    """Whether the value is there and a literal all the way down."""
    waiting = [node.value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif not isinstance(value, str | int | float):
            return False
    return node.value is not MAYBE


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}


def _members(raw: Any) -> Iterator[tuple[str, Any]]:
    """All members of all objects in `raw`; without recursion, templates may be deep."""
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name, member in value.items():
                yield name, member
                if isinstance(member, dict | list):
                    waiting.append(member)
        elif isinstance(value, list):
            waiting.extend(item for item in value if isinstance(item, dict | list))


def _references(resource: Any) -> Iterator[str]:
    for name, operand in _members(resource):
        if name == "Ref" and isinstance(operand, str):
            yield operand
        elif name in ("Fn::GetAtt", "DependsOn", "Fn::Sub"):
            texts = operand if isinstance(operand, list) else [operand]
            for text in texts[:1] if name == "Fn::GetAtt" else texts:
                if isinstance(text, str):
                    yield from (
                        _SUB_NAME.findall(text) if name == "Fn::Sub" else (text.split(".", 1)[:1])
                    )


def _pseudo_parameters(region: str | None) -> dict[str, str]:
    if region is None:
        return {}
    china, gov = region.startswith("cn-"), region.startswith("us-gov-")
    if region.startswith(("us-iso", "eu-isoe", "eusc-")):
        return {"AWS::Region": region}
    return {
        "AWS::Region": region,
        "AWS::Partition": "aws-cn" if china else "aws-us-gov" if gov else "aws",
        "AWS::URLSuffix": "amazonaws.com.cn" if china else "amazonaws.com",
    }


def _fixed_parameters(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that can have one value only. A default is no such value: it can be overridden."""
    fixed = {}
    for name, parameter in parameters.items():
        allowed = parameter.get("AllowedValues") if isinstance(parameter, dict) else None
        if isinstance(allowed, list) and len(allowed) == 1 and isinstance(allowed[0], str):
            fixed[name] = allowed[0]
    return fixed
