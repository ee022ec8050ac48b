"""Write the table of what the steps of a pipeline may say, from botocore's service models.

Run it with the environment that has botocore:

    .venv/bin/python tools/update_arguments.py

It rewrites ``constructs/mlops_constructs/training/arguments.json``: the input shapes of the calls
that steps make, as members, required members and enums. Shapes that occur twice are kept once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import create_loader
from botocore.model import ServiceModel

TARGET = Path(__file__).parents[1] / "constructs/mlops_constructs/training/arguments.json"
CALLS = {
    "sagemaker": (
        "CreateHyperParameterTuningJob",
        "CreateModel",
        "CreateModelPackage",
        "CreateProcessingJob",
        "CreateTrainingJob",
        "CreateTransformJob",
    ),
    "emr": ("RunJobFlow",),
    "emr-serverless": ("CreateApplication", "StartJobRun"),
}


def main() -> int:
    """Write the table; returns the exit status."""
    shapes: dict[str, Any] = {}
    calls: dict[str, str] = {}
    for service, operations in CALLS.items():
        model = ServiceModel(create_loader().load_service_model(service, "service-2"))
        for operation in operations:
            calls[operation] = _add(model.operation_model(operation).input_shape, service, shapes)
    table = {"source": f"botocore {botocore.__version__}", "calls": calls, "shapes": shapes}
    TARGET.write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n")
    return 0


def _add(shape: Any, service: str, shapes: dict[str, Any]) -> str:
    if shape.type_name in ("structure", "list", "map") or _enum(shape):
        name = f"{service}.{shape.name}"
    else:
        name = str(shape.type_name)
        name = {"long": "integer", "double": "float"}.get(name, name)
    if name in shapes:
        return name
    # Before the members, as shapes may hold themselves.
    shapes[name] = entry = {"type": shape.type_name}
    match shape.type_name:
        case "structure":
            entry["required"] = list(shape.required_members)
            entry["members"] = {
                member: _add(inner, service, shapes) for member, inner in shape.members.items()
            }
        case "list":
            entry["item"] = _add(shape.member, service, shapes)
        case "map":
            entry["item"] = _add(shape.value, service, shapes)
        case "string" if _enum(shape):
            entry["enum"] = _enum(shape)
    return name


def _enum(shape: Any) -> list[str]:
    return list(shape.enum) if shape.type_name == "string" else []


if __name__ == "__main__":
    sys.exit(main())
