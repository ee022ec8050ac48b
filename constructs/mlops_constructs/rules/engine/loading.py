"""Reads a template's text, JSON or YAML, in bounded time and memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from mlops_constructs.rules.engine.errors import MAX_BYTES, MAX_DEPTH, TemplateError

Document = dict[str, Any]


def read_template(path: Path) -> tuple[Document, str]:
    """The template in the file `path`, and its text.

    Raises:
        TemplateError: it cannot be read, is too large, or is not a CloudFormation template.
    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise TemplateError(f"cannot be read: {error.strerror or error}", file=name) from None
    try:
        return parse_template(content)
    except TemplateError as error:
        raise TemplateError(error.message, file=name, line=error.line) from None


def parse_template(content: bytes) -> tuple[Document, str]:
    """The template in `content`, and its text.

    Raises:
        TemplateError: it is too large, or is not a CloudFormation template.
    """
    if len(content) > MAX_BYTES:
        raise TemplateError(
            f"larger than {MAX_BYTES // 2**20} MiB; CloudFormation takes templates up to 1 MB: "
            "split it into stacks"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateError(f"not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if text.lstrip()[:1] == "{":
        document = _read_json(text)
    else:
        # Loading PyYAML costs 20 ms, and templates of the CDK are JSON.
        from mlops_constructs.rules.engine.yaml_reader import read_yaml

        document = read_yaml(text)
    if not is_template(document):
        raise TemplateError(
            "not a CloudFormation template: it has no Resources section with resources in it"
        )
    return document, text


def is_template(document: object) -> bool:
    """Whether `document` looks like a CloudFormation template."""
    return isinstance(document, dict) and isinstance(document.get("Resources"), dict)


def _read_json(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        # A YAML flow mapping also starts with a brace, but no tool writes templates that way.
        raise TemplateError(f"not valid JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        raise TemplateError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        reason = "a number is too long" if "digits" in str(error) else error
        raise TemplateError(f"not valid JSON: {reason}") from None
