"""How Python and JavaScript look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.plain.writer import Items, Writer


class PythonWriter(Writer):
    """Typed Python, with the built-in validation off."""

    def head(self, modules: list[str]) -> list[str]:
        return [
            "import aws_cdk as cdk",
            *(f"from aws_cdk import {module}" for module in modules),
            "app = cdk.App(builtin_cloud_formation_validation=False)",
        ]

    def tail(self) -> list[str]:
        return ["app.synth()"]

    def new(self, variable: str, cls: str, construct_id: str, options: Items) -> str:
        scope = "app" if cls == "cdk.Stack" else "stack"
        given = "".join(f", {name}={value}" for name, value in options)
        return f"{variable} = {cls}({scope}, {construct_id!r}{given})"

    def assign(self, target: str, value: str) -> str:
        return f"{target} = {value}"

    def struct(self, cls: str, items: Items) -> str:
        return f"{cls}({', '.join(f'{name}={value}' for name, value in items)})"

    def call(self, function: str, given: Sequence[str]) -> str:
        return f"cdk.Fn.{function}({', '.join(given)})"

    def literal(self, value: Any) -> str:
        return repr(value)

    def join(self, parts: Sequence[str]) -> str:
        return "''.join((" + ", ".join(parts) + ",))"

    def name(self, snake: str) -> str:
        return snake


class JavaScriptWriter(Writer):
    """JavaScript, with the built-in validation that the CDK has by default."""

    def head(self, modules: list[str]) -> list[str]:
        return [
            "const cdk = require('aws-cdk-lib');",
            *(f"const {m} = require('aws-cdk-lib/{m.replace('_', '-')}');" for m in modules),
            "const app = new cdk.App();",
        ]

    def tail(self) -> list[str]:
        return ["app.synth();"]

    def new(self, variable: str, cls: str, construct_id: str, options: Items) -> str:
        scope = "app" if cls == "cdk.Stack" else "stack"
        given = f", {self.struct('', options)}" if options else ""
        return f"var {variable} = new {cls}({scope}, {json.dumps(construct_id)}{given});"

    def assign(self, target: str, value: str) -> str:
        return f"{'' if '.' in target else 'var '}{target} = {value};"

    def struct(self, cls: str, items: Items) -> str:
        return "{" + ", ".join(f"{self.name(name)}: {value}" for name, value in items) + "}"

    def call(self, function: str, given: Sequence[str]) -> str:
        return f"cdk.Fn.{self.name(function)}({', '.join(given)})"

    def literal(self, value: Any) -> str:
        return json.dumps(value)

    def join(self, parts: Sequence[str]) -> str:
        return "[" + ", ".join(parts) + "].join('')"

    def name(self, snake: str) -> str:
        head, *tail = snake.split("_")
        return head + "".join(part.capitalize() for part in tail)
