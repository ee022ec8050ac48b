"""Which generated class a resource type has, and how that spells properties and attributes."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from typing import NamedTuple

TAG = "CfnTag"
_TEXT = "builtins.str"
_STRUCT = re.compile(r"\b(?P<cls>Cfn\w+)\.(?P<name>\w+Property)\b")


class L1(NamedTuple):
    """A generated class: its module below aws_cdk, and its name."""

    module: str
    name: str

    @property
    def python(self) -> str:
        """How a program writes it."""
        return f"{self.module}.{self.name}"


class Argument(NamedTuple):
    """An argument of a class or struct: its name, and the struct that it takes, if any."""

    name: str
    struct: str | None


def squeeze(name: str) -> str:
    """What is left of a name without its spelling."""
    return re.sub(r"[_.]", "", name).lower()


@cache
def class_of(resource_type: str) -> L1 | None:
    """The generated class, or None for custom resources."""
    vendor, _, rest = resource_type.partition("::")
    service, _, name = rest.partition("::")
    if vendor != "AWS" or not name:
        return None
    try:
        found = importlib.import_module(f"aws_cdk.aws_{service.lower()}")
    except ModuleNotFoundError:
        return None
    return L1(f"aws_{service.lower()}", f"Cfn{name}") if hasattr(found, f"Cfn{name}") else None


@cache
def arguments(l1: L1, struct: str | None = None) -> dict[str, Argument]:
    """The arguments of the class, or of one of its structs, by squeezed property name."""
    if struct == TAG:
        return {"key": Argument("key", None), "value": Argument("value", None)}
    home = importlib.import_module(f"aws_cdk.{l1.module}")
    props = getattr(getattr(home, l1.name), struct) if struct else getattr(home, f"{l1.name}Props")
    found = {}
    for parameter in inspect.signature(props.__init__).parameters.values():
        annotation = str(parameter.annotation)
        nested = _STRUCT.search(annotation)
        takes = nested["name"] if nested and nested["cls"] == l1.name else None
        if takes is None and TAG in annotation:
            takes = TAG
        found[squeeze(parameter.name)] = Argument(parameter.name, takes)
    del found["self"]
    return found


@cache
def attribute(l1: L1, name: str) -> str | None:
    """The property that gives an attribute as text, or None if there is none."""
    cls = getattr(importlib.import_module(f"aws_cdk.{l1.module}"), l1.name)
    for found, member in vars(cls).items():
        if (
            squeeze(found) == squeeze(f"attr{name}")
            and isinstance(member, property)
            and member.fget
        ):
            # The CDK's modules leave their annotations as text.
            return found if inspect.signature(member.fget).return_annotation == _TEXT else None
    return None
