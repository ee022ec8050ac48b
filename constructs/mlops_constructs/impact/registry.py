"""What the CloudFormation registry says about replacing a resource of a type.

The table `registry.json` is made from the registry's schemas by `tools/update_replacements.py`, so
that neither the schemas (33 MB) nor the network are needed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Path_ = tuple[str, ...]

_TABLE = Path(__file__).with_name("registry.json")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How resources of a type take changes.

    Attributes:
        create_only: Paths of the properties whose change replaces the resource. Lists on the way
            are not in the path: it holds for each item.
        conditional: Paths of those whose change may replace it.
        names: The properties that together name a resource, if users can.
        tags: The property that takes tags.
        deletes_first: Whether the old resource is deleted before the new one is created.
        known: Whether the registry has the type.
    """

    create_only: tuple[Path_, ...] = ()
    conditional: tuple[Path_, ...] = ()
    names: tuple[str, ...] = ()
    tags: str = "Tags"
    deletes_first: bool = False
    known: bool = True


def is_custom(type_name: str) -> bool:
    """Whether a resource of the type is made by somebody's function."""
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


@cache
def behaviour(type_name: str) -> Behaviour:
    """How resources of the type take changes; an unknown type seems to update everything."""
    row = _table().get("AWS::CloudFormation::CustomResource" if is_custom(type_name) else type_name)
    if not isinstance(row, dict):
        return Behaviour(known=False)
    return Behaviour(
        create_only=_paths(row.get("c", "")),
        conditional=_paths(row.get("m", "")),
        names=tuple(row.get("n", "").split()),
        tags=row.get("t", "Tags"),
        deletes_first=bool(row.get("d")),
    )


def source() -> str:
    """Where the table is from, and of which date."""
    return str(_table()["source"])


def _paths(text: str) -> tuple[Path_, ...]:
    # The registry writes `*` for the items of a list, but leaves it out here and there.
    return tuple(tuple(part for part in path.split("/") if part != "*") for path in text.split())


@cache
def _table() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(_TABLE.read_text("utf-8"))
    return content
