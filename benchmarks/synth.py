"""Synth of the whole platform (three environments) against plain programs of the same templates.

- ``javascript``: the CDK in its own language, with the built-in validation that it has by default;
- ``plain python``: typed L1 code without any construct of ours, validation off.

The baselines are generated from the very templates that our app gives (`benchmarks.plain`), and
their resources are compared with ours before anything is timed.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import aws_cdk
import aws_cdk.cloud_assembly_schema
import constructs

from benchmarks.measure import Command, medians, run
from benchmarks.plain import JavaScriptWriter, PythonWriter, read_templates

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5


def measure(work: Path) -> dict[str, Any]:
    """Time the programs; returns seconds, resources and ratios."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = [sys.executable, str(ROOT / "app.py")]
    ours = _command("platform", app, work, context)
    unchecked = _command("platform, unchecked", app, work, context | {"validate": "false"})
    run(ours)
    templates = read_templates(work / "platform")
    (work / "plain.py").write_text(PythonWriter(templates).program())
    (work / "plain.js").write_text(JavaScriptWriter(templates).program())
    _unpack_javascript(work / "node_modules")
    commands = [
        ours,
        unchecked,
        _command("javascript", ["node", str(work / "plain.js")], work, context),
        _command("plain python", [sys.executable, str(work / "plain.py")], work, context),
    ]
    for command in commands[2:]:
        run(command)
        _compare(templates, read_templates(work / command.name.replace(" ", "-")))
    times = medians(commands, rounds=ROUNDS)
    return {
        "resources": sum(len(template["Resources"]) for template in templates.values()),
        "stacks": len(templates),
        "seconds": {name: round(taken, 3) for name, taken in times.items()},
        "ratios": {
            "platform with validation / javascript with built-in validation": round(
                times["platform"] / times["javascript"], 3
            ),
            "platform / plain python L1, both unchecked": round(
                times["platform, unchecked"] / times["plain python"], 3
            ),
        },
    }


def _command(name: str, arguments: list[str], work: Path, context: dict[str, Any]) -> Command:
    out = work / name.replace(", ", "-").replace(" ", "-")
    return Command(
        name=name,
        arguments=arguments,
        folder=ROOT,
        environment={
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "NODE_PATH": str(work / "node_modules"),
            "PYTHONPATH": os.pathsep.join((str(ROOT),)),
        },
    )


def _unpack_javascript(folder: Path) -> None:
    """The JavaScript CDK of the very version that the Python one wraps lies inside its wheel."""
    for module, name in (
        (aws_cdk, "aws-cdk-lib"),
        (aws_cdk.cloud_assembly_schema, "@aws-cdk/cloud-assembly-schema"),
        (constructs, "constructs"),
    ):
        target = folder / name
        if target.exists():
            continue
        (archive,) = (Path(str(module.__file__)).parent / "_jsii").glob(
            f"{name.rpartition('/')[2]}@*.jsii.tgz"
        )
        target.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                member.name = member.name.removeprefix("package/")
                tar.extract(member, target, filter="data")


def _compare(ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> None:
    for stack, template in ours.items():
        expected, found = (
            Counter(resource["Type"] for resource in each["Resources"].values())
            for each in (template, theirs[stack])
        )
        expected.pop("AWS::CDK::Metadata", None)
        if expected != found:
            raise RuntimeError(
                f"{stack}: the baseline differs: {expected - found} {found - expected}"
            )
