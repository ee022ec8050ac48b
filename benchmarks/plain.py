"""Write the plain L1 program that gives the same templates: the baseline of the synth benchmark.

From a cloud assembly it writes one program in Python and one in JavaScript, as a person would who
uses the CDK's generated classes and no constructs of ours: typed property structs, ``.ref`` and
``get_att`` for references, f-strings and concatenation for joins.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

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
    "Fn::Base64": "base64",
    "Fn::FindInMap": "find_in_map",
    "Fn::GetAZs": "get_azs",
    "Fn::If": "condition_if",
    "Fn::ImportValue": "import_value",
    "Fn::Join": "join",
    "Fn::Select": "select",
    "Fn::Split": "split",
    "Fn::Sub": "sub",
}
_TAG = "CfnTag"
_STRUCT = re.compile(r"\b(?P<cls>Cfn\w+)\.(?P<name>\w+Property)\b")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


@cache
def _l1(resource_type: str) -> tuple[str, str] | None:
    parts = resource_type.split("::")
    if len(parts) != 3 or parts[0] != "AWS":
        return None
    module, name = f"aws_{parts[1].lower()}", f"Cfn{parts[2]}"
    try:
        found = importlib.import_module(f"aws_cdk.{module}")
    except ModuleNotFoundError:
        return None
    return (module, name) if hasattr(found, name) else None


@cache
def _arguments(module: str, name: str, struct: str | None) -> dict[str, tuple[str, str | None]]:
    """CloudFormation property (lower case) to argument name and nested struct name."""
    if struct == _TAG:
        return {"key": ("key", None), "value": ("value", None)}
    home = importlib.import_module(f"aws_cdk.{module}")
    cls = getattr(home, f"{name}Props") if struct is None else getattr(getattr(home, name), struct)
    found: dict[str, tuple[str, str | None]] = {}
    for argument in inspect.signature(cls.__init__).parameters.values():
        if argument.name == "self":
            continue
        annotation = str(argument.annotation)
        nested = _STRUCT.search(annotation)
        if nested and nested["cls"] == name:
            found[_plain(argument.name)] = (argument.name, nested["name"])
        else:
            found[_plain(argument.name)] = (argument.name, _TAG if _TAG in annotation else None)
    return found


def _camel(snake: str) -> str:
    head, *tail = snake.split("_")
    return head + "".join(part.capitalize() for part in tail)


class Writer:
    """Writes one language; the subclasses say how literals and calls look."""

    def __init__(self, templates: Mapping[str, dict[str, Any]]) -> None:
        self._templates = templates
        self._modules: set[str] = set()
        self._names: dict[str, str] = {}

    def program(self) -> str:
        """The whole program."""
        body = [line for name in self._templates for line in self._stack(name)]
        return "\n".join([*self.head(sorted(self._modules)), *body, *self.tail(), ""])

    def head(self, modules: list[str]) -> list[str]:
        raise NotImplementedError

    def tail(self) -> list[str]:
        raise NotImplementedError

    def new(self, name: str, cls: str, construct_id: str, arguments: str) -> str:
        raise NotImplementedError

    def struct(self, cls: str, items: list[tuple[str, str]]) -> str:
        raise NotImplementedError

    def call(self, function: str, *arguments: str) -> str:
        raise NotImplementedError

    def pseudo(self, name: str) -> str:
        raise NotImplementedError

    def attribute(self, resource: str, attribute: str) -> str:
        raise NotImplementedError

    def literal(self, value: Any) -> str:
        raise NotImplementedError

    def join(self, parts: list[str]) -> str:
        raise NotImplementedError

    def argument(self, snake: str) -> str:
        raise NotImplementedError

    def statement(self, text: str) -> str:
        raise NotImplementedError

    def raw(self, value: Any) -> str:
        """Any template value whose shape no struct describes."""
        if isinstance(value, dict):
            if len(value) == 1:
                ((key, inner),) = value.items()
                if (written := self._intrinsic(key, inner)) is not None:
                    return written
            return (
                "{" + ", ".join(f"{json.dumps(k)}: {self.raw(v)}" for k, v in value.items()) + "}"
            )
        if isinstance(value, list):
            return "[" + ", ".join(self.raw(item) for item in value) + "]"
        return self.literal(value)

    def _intrinsic(self, key: str, inner: Any) -> str | None:
        if key == "Ref":
            if inner in _PSEUDO:
                return self.pseudo(_PSEUDO[inner])
            known = self._names.get(inner)
            return f"{known}.ref" if known else self.call("ref", json.dumps(inner))
        if key == "Fn::GetAtt":
            resource, attribute = inner if isinstance(inner, list) else inner.split(".", 1)
            if resource in self._names:
                return self.attribute(self._names[resource], attribute)
            return self.call("get_att", json.dumps(resource), json.dumps(attribute))
        if key == "Fn::Join" and inner[0] == "":
            return self.join([self.raw(part) for part in inner[1]])
        if key not in _FUNCTIONS:
            return None
        parts = inner if isinstance(inner, list) else [inner]
        if key == "Fn::Select":
            parts = [int(parts[0]), *parts[1:]]
        return self.call(_FUNCTIONS[key], *(self.raw(part) for part in parts))

    def _typed(self, value: Any, module: str, name: str, struct: str | None) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(self._typed(v, module, name, struct) for v in value) + "]"
        if struct is None or not isinstance(value, dict):
            return self.raw(value)
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return self.raw(value)
        known = _arguments(module, name, struct)
        if any(_plain(key) not in known for key in value):
            return self.raw(value)
        items = [
            (known[_plain(key)][0], self._typed(inner, module, name, known[_plain(key)][1]))
            for key, inner in value.items()
        ]
        return self.struct("cdk.CfnTag" if struct == _TAG else f"{module}.{name}.{struct}", items)

    def _stack(self, stack: str) -> Iterator[str]:
        template = self._templates[stack]
        self._names = {}
        yield self.new("stack", "cdk.Stack", stack, "")
        for name, parameter in template.get("Parameters", {}).items():
            if name != "BootstrapVersion":
                yield self.new(
                    f"parameter_{name}",
                    "cdk.CfnParameter",
                    name,
                    self._options(type=parameter["Type"], default=parameter.get("Default")),
                )
        for name, mapping in template.get("Mappings", {}).items():
            yield self.new(
                f"mapping_{name}", "cdk.CfnMapping", name, self._options(mapping=mapping)
            )
        for name in template.get("Conditions", {}):
            yield self.new(f"condition_{name}", "cdk.CfnCondition", name, "")
        for name, resource in _ordered(template["Resources"]):
            yield from self._resource(name, resource)
        for name, output in template.get("Outputs", {}).items():
            export = output.get("Export", {}).get("Name")
            yield self.new(
                f"output_{name}",
                "cdk.CfnOutput",
                f"Output{name}",
                self.struct(
                    "",
                    [("value", self.raw(output["Value"]))]
                    + ([(self.argument("export_name"), self.raw(export))] if export else []),
                ),
            )

    def _options(self, **options: Any) -> str:
        return self.struct(
            "", [(self.argument(k), self.raw(v)) for k, v in options.items() if v is not None]
        )

    def _resource(self, name: str, resource: dict[str, Any]) -> Iterator[str]:
        properties = resource.get("Properties", {})
        variable = f"r_{name}"
        place = _l1(resource["Type"])
        known = _arguments(*place, None) if place else {}
        if place is None or any(_plain(key) not in known for key in properties):
            options = [("type", json.dumps(resource["Type"]))]
            if properties:
                options.append(("properties", self.raw(properties)))
            yield self.new(variable, "cdk.CfnResource", name, self.struct("", options))
        else:
            module, cls = place
            self._modules.add(module)
            items = [
                (known[_plain(key)][0], self._typed(value, module, cls, known[_plain(key)][1]))
                for key, value in properties.items()
            ]
            yield self.new(variable, f"{module}.{cls}", name, self.struct("", items))
        self._names[name] = variable
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if policy in resource:
                option = self.argument(
                    "deletion_policy" if policy == "DeletionPolicy" else "update_replace_policy"
                )
                value = {"Retain": "RETAIN", "Delete": "DELETE"}.get(
                    resource[policy], "RETAIN_EXCEPT_ON_CREATE"
                )
                yield self.statement(
                    f"{variable}.{self.argument('cfn_options')}.{option} = "
                    f"cdk.CfnDeletionPolicy.{value}"
                )
        if "Condition" in resource:
            yield self.statement(
                f"{variable}.{self.argument('cfn_options')}.condition = "
                f"condition_{resource['Condition']}"
            )
        depends = resource.get("DependsOn", [])
        for other in [depends] if isinstance(depends, str) else depends:
            if other in self._names:
                yield self.statement(
                    f"{variable}.{self.argument('add_resource_dependency')}({self._names[other]})"
                )


class PythonWriter(Writer):
    """The program in Python."""

    def head(self, modules: list[str]) -> list[str]:
        return [
            "import aws_cdk as cdk",
            *(f"from aws_cdk import {module}" for module in modules),
            "app = cdk.App(builtin_cloud_formation_validation=False)",
        ]

    def tail(self) -> list[str]:
        return ["app.synth()"]

    def new(self, name: str, cls: str, construct_id: str, arguments: str) -> str:
        scope = "app" if cls == "cdk.Stack" else "stack"
        inner = f", {arguments[5:-1]}" if arguments.startswith("dict(") else ""
        return f"{name} = {cls}({scope}, {construct_id!r}{inner})"

    def struct(self, cls: str, items: list[tuple[str, str]]) -> str:
        return f"{cls or 'dict'}({', '.join(f'{k}={v}' for k, v in items)})"

    def call(self, function: str, *arguments: str) -> str:
        if function == "get_att":
            return f"cdk.Fn.get_att({', '.join(arguments)}).to_string()"
        return f"cdk.Fn.{function}({', '.join(arguments)})"

    def pseudo(self, name: str) -> str:
        return f"cdk.Aws.{name}"

    def attribute(self, resource: str, attribute: str) -> str:
        return f"{resource}.get_att({attribute!r}).to_string()"

    def literal(self, value: Any) -> str:
        return repr(value)

    def join(self, parts: list[str]) -> str:
        return "''.join((" + ", ".join(parts) + ",))"

    def argument(self, snake: str) -> str:
        return snake

    def statement(self, text: str) -> str:
        return text


class JavaScriptWriter(Writer):
    """The program in JavaScript."""

    def head(self, modules: list[str]) -> list[str]:
        return [
            "const cdk = require('aws-cdk-lib');",
            *(f"const {m} = require('aws-cdk-lib/{m.replace('_', '-')}');" for m in modules),
            "const app = new cdk.App();",
            "let stack;",
        ]

    def tail(self) -> list[str]:
        return ["app.synth();"]

    def new(self, name: str, cls: str, construct_id: str, arguments: str) -> str:
        scope = "app" if cls == "cdk.Stack" else "stack"
        inner = f", {arguments}" if arguments else ""
        declare = "" if name == "stack" else "var "
        return f"{declare}{name} = new {cls}({scope}, {json.dumps(construct_id)}{inner});"

    def struct(self, cls: str, items: list[tuple[str, str]]) -> str:
        return "{" + ", ".join(f"{_camel(k)}: {v}" for k, v in items) + "}"

    def call(self, function: str, *arguments: str) -> str:
        name = {"get_azs": "getAzs"}.get(function, _camel(function))
        text = f"cdk.Fn.{name}({', '.join(arguments)})"
        return f"{text}.toString()" if function == "get_att" else text

    def pseudo(self, name: str) -> str:
        return f"cdk.Aws.{name}"

    def attribute(self, resource: str, attribute: str) -> str:
        return f"{resource}.getAtt({json.dumps(attribute)}).toString()"

    def literal(self, value: Any) -> str:
        return json.dumps(value)

    def join(self, parts: list[str]) -> str:
        return "[" + ", ".join(parts) + "].join('')"

    def argument(self, snake: str) -> str:
        return _camel(snake)

    def statement(self, text: str) -> str:
        return f"{text};"


def read_templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """The templates of a cloud assembly by stack."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(assembly.glob("*.template.json"))
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _ordered(resources: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if name in done or name not in resources:
            return
        done.add(name)
        depends = resources[name].get("DependsOn", [])
        for other in [depends] if isinstance(depends, str) else depends:
            yield from visit(other)
        for other in _references(resources[name].get("Properties", {})):
            yield from visit(other)
        yield name, resources[name]

    for name in resources:
        if resources[name]["Type"] != "AWS::CDK::Metadata":
            yield from visit(name)
