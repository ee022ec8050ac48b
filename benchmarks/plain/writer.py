"""What the programs of both languages have in common: which statements, in which order."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.plain.l1 import L1, TAG, arguments, attribute, class_of, squeeze
from benchmarks.plain.templates import Template, dependencies, ordered

_PSEUDO = {
    "AWS::AccountId": "ACCOUNT_ID",
    "AWS::NoValue": "NO_VALUE",
    "AWS::NotificationARNs": "NOTIFICATION_ARNS",
    "AWS::Partition": "PARTITION",
    "AWS::Region": "REGION",
    "AWS::StackId": "STACK_ID",
    "AWS::StackName": "STACK_NAME",
    "AWS::URLSuffix": "URL_SUFFIX",
}
_FUNCTIONS = {
    "Fn::And": "condition_and",
    "Fn::Base64": "base64",
    "Fn::Equals": "condition_equals",
    "Fn::FindInMap": "find_in_map",
    "Fn::GetAZs": "get_azs",
    "Fn::If": "condition_if",
    "Fn::ImportValue": "import_value",
    "Fn::Join": "join",
    "Fn::Not": "condition_not",
    "Fn::Or": "condition_or",
    "Fn::Select": "select",
    "Fn::Split": "split",
    "Fn::Sub": "sub",
}
_POLICIES = {
    "Delete": "DELETE",
    "Retain": "RETAIN",
    "RetainExceptOnCreate": "RETAIN_EXCEPT_ON_CREATE",
    "Snapshot": "SNAPSHOT",
}
Items = Sequence[tuple[str, str]]


class Writer(ABC):
    """Writes one language; the subclasses say how literals and calls look."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self._templates = templates
        self._modules: set[str] = set()
        self._resources: dict[str, L1 | None] = {}
        self._parameters: set[str] = set()
        self._conditions: set[str] = set()
        self._fetched: dict[str, str] = {}

    def program(self) -> str:
        """The whole program."""
        body = [line for name in self._templates for line in self._stack(name)]
        return "\n".join([*self.head(sorted(self._modules)), *body, *self.tail(), ""])

    @abstractmethod
    def head(self, modules: list[str]) -> list[str]:
        """Imports, and the app."""

    @abstractmethod
    def tail(self) -> list[str]:
        """The synth."""

    @abstractmethod
    def new(self, variable: str, cls: str, construct_id: str, options: Items) -> str:
        """A statement that makes a construct."""

    @abstractmethod
    def assign(self, target: str, value: str) -> str:
        """A statement that gives a variable or a property its value."""

    @abstractmethod
    def struct(self, cls: str, items: Items) -> str:
        """A typed struct."""

    @abstractmethod
    def call(self, function: str, given: Sequence[str]) -> str:
        """A call of a CloudFormation function."""

    @abstractmethod
    def literal(self, value: Any) -> str:
        """Text, a number, a truth value."""

    @abstractmethod
    def join(self, parts: Sequence[str]) -> str:
        """Concatenated text."""

    @abstractmethod
    def name(self, snake: str) -> str:
        """How the language spells a name of the CDK."""

    def raw(self, value: Any) -> str:
        """Any template value whose shape no struct describes."""
        if isinstance(value, list):
            return "[" + ", ".join(self.raw(item) for item in value) + "]"
        if not isinstance(value, dict):
            return self.literal(value)
        if len(value) == 1:
            ((key, inner),) = value.items()
            if (written := self._intrinsic(key, inner)) is not None:
                return written
        return "{" + ", ".join(f"{json.dumps(k)}: {self.raw(v)}" for k, v in value.items()) + "}"

    def _intrinsic(self, key: str, inner: Any) -> str | None:
        if key == "Ref" and inner in _PSEUDO:
            return self._fetched[f"cdk.Aws.{_PSEUDO[inner]}"]
        if key in ("Condition", "Ref") and (named := self._reference(key, inner)):
            return named
        if key == "Fn::GetAtt":
            return self._attribute(*(inner if isinstance(inner, list) else inner.split(".", 1)))
        if key == "Fn::Join" and inner[0] == "":
            return self.join([self.raw(part) for part in inner[1]])
        if key == "Fn::ImportValue" and isinstance(inner, str):
            return self._fetched[self.call("import_value", [self.literal(inner)])]
        if key not in _FUNCTIONS:
            return None
        parts = inner if isinstance(inner, list) and key != "Fn::Sub" else [inner]
        if key == "Fn::Select":
            parts = [int(parts[0]), *parts[1:]]
        return self.call(_FUNCTIONS[key], [self.raw(part) for part in parts])

    def _reference(self, key: str, name: Any) -> str | None:
        if key == "Condition":
            return f"c_{name}" if name in self._conditions else None
        if name in self._parameters:
            return f"p_{name}.{self.name('value_as_string')}"
        return f"r_{name}.ref" if name in self._resources else None

    def _attribute(self, resource: str, wanted: str) -> str:
        l1 = self._resources[resource]
        if l1 and (found := attribute(l1, wanted)):
            return f"r_{resource}.{self.name(found)}"
        get, text = self.name("get_att"), self.name("to_string")
        return f"r_{resource}.{get}({self.literal(wanted)}).{text}()"

    def _typed(self, value: Any, l1: L1, struct: str | None) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(self._typed(item, l1, struct) for item in value) + "]"
        if struct is None or not isinstance(value, dict):
            return self.raw(value)
        known = arguments(l1, struct)
        if any(squeeze(key) not in known for key in value):  # an intrinsic function
            return self.raw(value)
        cls = "cdk.CfnTag" if struct == TAG else f"{l1.python}.{struct}"
        return self.struct(cls, self._arguments(value, l1, struct))

    def _arguments(self, properties: Mapping[str, Any], l1: L1, struct: str | None) -> Items:
        known = arguments(l1, struct)
        found = [(known[squeeze(key)], value) for key, value in properties.items()]
        return [(each.name, self._typed(value, l1, each.struct)) for each, value in found]

    def _stack(self, stack: str) -> Iterator[str]:
        template = self._templates[stack]
        self._resources = {}
        self._parameters = set(template.get("Parameters", {})) - {"BootstrapVersion"}
        yield self.new("stack", "cdk.Stack", stack, self._options(template, "Description"))
        yield from self._fetch(template)
        for name in sorted(self._parameters):
            given = template["Parameters"][name]
            options = self._options(given, "Type", "Default", "Description")
            if "AllowedValues" in given:
                options.append(("allowed_values", self.raw(given["AllowedValues"])))
            yield self.new(f"p_{name}", "cdk.CfnParameter", name, options)
        for name, mapping in template.get("Mappings", {}).items():
            yield self.new(f"m_{name}", "cdk.CfnMapping", name, [("mapping", self.raw(mapping))])
        conditions = template.get("Conditions", {})
        self._conditions = set(conditions)
        # Those that name no other come first; none here names one that names one.
        for name in sorted(
            conditions, key=lambda each: '"Condition"' in json.dumps(conditions[each])
        ):
            options = [("expression", self.raw(conditions[name]))]
            yield self.new(f"c_{name}", "cdk.CfnCondition", name, options)
        for name, resource in ordered(template):
            yield from self._resource(name, resource)
        for name, output in template.get("Outputs", {}).items():
            options = self._options(output, "Value", "Description")
            if "Export" in output:
                options.append(("export_name", self.raw(output["Export"]["Name"])))
            yield self.new(f"o_{name}", "cdk.CfnOutput", name, options)

    def _fetch(self, template: Template) -> Iterator[str]:
        """Pseudo parameters and imports: one crossing each in a stack, however often used."""
        self._fetched = {}
        text = json.dumps(template)
        for pseudo, constant in _PSEUDO.items():
            if f'"{pseudo}"' in text:
                self._fetched[f"cdk.Aws.{constant}"] = constant.lower()
        for number, imported in enumerate(sorted(_imports(template))):
            self._fetched[self.call("import_value", [self.literal(imported)])] = f"i_{number}"
        for expression, variable in self._fetched.items():
            yield self.assign(variable, expression)

    def _options(self, values: Mapping[str, Any], *names: str) -> list[tuple[str, str]]:
        return [(name.lower(), self.raw(values[name])) for name in names if name in values]

    def _resource(self, name: str, resource: dict[str, Any]) -> Iterator[str]:
        properties = resource.get("Properties", {})
        l1 = class_of(resource["Type"])
        if l1:
            self._modules.add(l1.module)
            options = self._arguments(properties, l1, None)
        else:
            options = [("type", self.literal(resource["Type"]))]
            options.append(("properties", self.raw(properties)))
        yield self.new(f"r_{name}", l1.python if l1 else "cdk.CfnResource", name, options)
        self._resources[name] = l1
        place = f"r_{name}.{self.name('cfn_options')}"
        for policy, option in (
            ("DeletionPolicy", "deletion_policy"),
            ("UpdateReplacePolicy", "update_replace_policy"),
        ):
            if policy in resource:
                value = f"cdk.CfnDeletionPolicy.{_POLICIES[resource[policy]]}"
                yield self.assign(f"{place}.{self.name(option)}", value)
        if "Condition" in resource:
            yield self.assign(f"{place}.condition", f"c_{resource['Condition']}")
        add = self.name("add_resource_dependency")
        for other in dependencies(resource):
            yield f"r_{name}.{add}(r_{other})"


def _imports(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _imports(item)}
    if not isinstance(value, dict):
        return set()
    found = {name for inner in value.values() for name in _imports(inner)}
    imported = value.get("Fn::ImportValue")
    return found | {imported} if isinstance(imported, str) else found
