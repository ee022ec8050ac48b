"""Reads the templates that the command compares: two files, or two folders of stacks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops_constructs.rules.engine.errors import TemplateError
from mlops_constructs.rules.engine.loading import read_template
from mlops_constructs.rules.engine.sources import find_sources

_SUFFIXES: Final = (".json", ".yaml", ".yml", ".template")
_ENDS: Final = re.compile(r"(\.nested)?(\.template)?(\.(json|ya?ml|template))?$")
# Snapshots of a parametrised test: `test_template[Data-dev].json`.
_PARAMETER: Final = re.compile(r"\[([^\[\]]+)\]")
_NO_TEMPLATE: Final = "not a CloudFormation template"

Templates = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Pair:
    """What is compared: templates by stack, before and after."""

    old: Templates
    new: Templates


def read_pair(old: Path, new: Path) -> Pair:
    """Two templates, whatever their names, or two folders whose templates have the same names.

    Raises:
        TemplateError: something cannot be read, or a file stands against a folder.
    """
    for path in (old, new):
        if not path.exists():
            raise TemplateError("no such file or folder", file=str(path))
    if old.is_dir() != new.is_dir():
        raise TemplateError(
            f"a file and a folder cannot be compared ({old}, {new}): give two of a kind"
        )
    if old.is_dir():
        return Pair(read_folder(old), read_folder(new))
    name = stack_name(new)
    return Pair({name: read_template(old)[0]}, {name: read_template(new)[0]})


def read_folder(folder: Path) -> Templates:
    """The templates of a folder, by stack.

    A cloud assembly (cdk.out) gives the stacks of its manifest and their nested stacks, a folder
    with ``*.template.json`` files gives those, any other folder each JSON or YAML file in it that
    is a template.

    Raises:
        TemplateError: a file cannot be read, or there is no template.
    """
    try:
        paths, strict = [source.path for source in find_sources(str(folder))], True
    except TemplateError as error:
        if error.message != "no templates there":
            raise
        strict = False
        paths = sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
    found: dict[str, Mapping[str, Any]] = {}
    for path in paths:
        try:
            document = read_template(path)[0]
        except TemplateError as error:
            if not strict and error.message.startswith(_NO_TEMPLATE):
                continue
            raise
        name = stack_name(path)
        if name in found:
            name = str(path.relative_to(folder))
        found[name] = document
    if not found:
        raise TemplateError("no templates there", file=str(folder))
    return found


def stack_name(path: Path) -> str:
    """The stack that a file is about: its name without what says that it is a template."""
    name = _ENDS.sub("", path.name)
    parameter = _PARAMETER.search(name)
    return parameter[1] if parameter else name or path.name
