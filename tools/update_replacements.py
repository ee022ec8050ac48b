"""Write the table of what replaces a resource from the CloudFormation registry's schemas.

Run it with the root environment, which has cfn-lint with the schemas:

    .venv/bin/python tools/update_replacements.py

It rewrites ``constructs/mlops_constructs/impact/registry.json``: a line per resource type with

- ``c``: the create-only properties, whose change replaces the resource,
- ``m``: the conditionally create-only ones, whose change may replace it,
- ``n``: the properties that name it, so that a replacement with the same name collides,
- ``t``: the property that takes tags, if it isn't ``Tags``,
- ``d``: 1 if CloudFormation deletes the old resource before it creates the new one.

Types of regions other than us-east-1 are there too; where regions differ, us-east-1 counts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cfnlint

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
TARGET = Path(__file__).parents[1] / "constructs/mlops_constructs/impact/registry.json"


def main() -> int:
    """Write the table; returns the exit status."""
    index: dict[str, str] = {}
    providers = sorted((SCHEMAS / "providers").glob("*.json"))
    for path in sorted(providers, key=lambda path: path.stem != "us-east-1"):
        index = {**json.loads(path.read_text()), **index}
    dated = json.loads((SCHEMAS / "version.json").read_text())["schema_date"][:10]
    lines = [f'"source": {json.dumps(f"CloudFormation registry schemas of {dated} (cfn-lint)")}']
    for name in sorted(index):
        schema = json.loads((SCHEMAS / "resources" / f"{index[name]}.json").read_text())
        lines.append(f"{json.dumps(name)}: {json.dumps(_row(name, schema))}")
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


def _row(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    tagging = schema.get("tagging") or {}
    tags = str(tagging.get("tagProperty", "/properties/Tags")).removeprefix("/properties/")
    row = {
        "c": " ".join(_paths(schema, "createOnlyProperties")),
        "m": " ".join(_paths(schema, "conditionalCreateOnlyProperties")),
        "n": " ".join(_name(name, schema)),
        "t": "" if tags == "Tags" else tags,
        "d": int(schema.get("replacementStrategy") == "delete_then_create"),
    }
    return {key: value for key, value in row.items() if value}


def _paths(schema: dict[str, Any], member: str) -> list[str]:
    return sorted({path.removeprefix("/properties/") for path in schema.get(member) or ()})


def _name(type_name: str, schema: dict[str, Any]) -> list[str]:
    """The primary identifier if users choose it, else the create-only name of the type."""
    read_only = set(_paths(schema, "readOnlyProperties"))
    create_only = set(_paths(schema, "createOnlyProperties"))
    primary = [path.removeprefix("/properties/") for path in schema.get("primaryIdentifier") or ()]
    if primary and not read_only & set(primary) and set(primary) & create_only:
        return primary
    short = type_name.rsplit("::", 1)[-1]
    return [
        path
        for path in sorted(create_only)
        if path == "Name" or (path.endswith("Name") and short.endswith(path[:-4]))
    ]


if __name__ == "__main__":
    sys.exit(main())
