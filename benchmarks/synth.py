"""Synth of the whole platform (three environments) against plain programs of the same templates.

- JavaScript: the CDK in its own language, with the built-in validation that it has by default;
- plain Python: typed L1 code without any construct of ours, validation off.

The baselines are generated from the very templates that our app gives (`benchmarks.plain`), and
what they give is compared with ours, property by property, before anything is timed. They do less:
they have no assets, which the platform packs and hashes.
"""

from __future__ import annotations

import json
import py_compile
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk
import aws_cdk.cloud_assembly_schema
import constructs

from benchmarks.measure import BenchmarkError, Command, interleave, progress
from benchmarks.plain.languages import JavaScriptWriter, PythonWriter
from benchmarks.plain.templates import count_resources, differences, read_templates

ROOT = Path(__file__).resolve().parents[1]

OURS = "platform, validation on"
UNCHECKED = "platform, validation off"
JAVASCRIPT = "JavaScript, built-in validation"
PLAIN = "plain Python L1, validation off"
_PROGRAM = "plain_platform"


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Time the four programs; seconds, memory, ratios and what was compared."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = [sys.executable, str(ROOT / "app.py")]
    ours = _command(OURS, app, work, context)
    ours.run()
    templates = read_templates(_assembly(work, OURS))
    (work / f"{_PROGRAM}.py").write_text(PythonWriter(templates).program())
    # As `app.py` has its modules, the program is there compiled.
    py_compile.compile(str(work / f"{_PROGRAM}.py"), doraise=True)
    (work / f"{_PROGRAM}.js").write_text(JavaScriptWriter(templates).program())
    unpack_javascript(work / "node_modules")
    python = [sys.executable, "-c", f"import {_PROGRAM}"]
    commands = [
        ours,
        _command(JAVASCRIPT, ["node", str(work / f"{_PROGRAM}.js")], work, context),
        _command(UNCHECKED, app, work, context | {"validate": "false"}),
        _command(PLAIN, python, work, context),
    ]
    apart = {}
    for command in commands[1:]:
        command.run()
        theirs = read_templates(_assembly(work, command.name))
        apart[command.name] = differences(templates, theirs)
        progress(f"{command.name}: {len(apart[command.name])} differences in the templates")
    for command in commands:
        _check_validation(work, command.name, expected=command.name in (OURS, JAVASCRIPT))
    samples = interleave({command.name: command.run for command in commands}, rounds=rounds)
    return {
        "stacks": len(templates),
        "resources": count_resources(templates),
        "rounds": rounds,
        "seconds": samples.seconds(),
        "peak MiB": samples.megabytes(),
        "to JavaScript": samples.compare(OURS, JAVASCRIPT),
        "to plain Python": samples.compare(UNCHECKED, PLAIN),
        "differences in the templates": apart,
    }


def _assembly(work: Path, name: str) -> Path:
    return work / name.replace(",", "").replace(" ", "-")


def _command(name: str, arguments: list[str], work: Path, context: Mapping[str, Any]) -> Command:
    return Command(
        name=name,
        arguments=arguments,
        folder=ROOT,
        environment={
            "CDK_OUTDIR": str(_assembly(work, name)),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "NODE_PATH": str(work / "node_modules"),
            "PYTHONPATH": str(work),
        },
    )


def _check_validation(work: Path, name: str, *, expected: bool) -> None:
    """A report is written if validators ran: the context may get lost on its way to the app."""
    if (_assembly(work, name) / "validation-report.json").exists() != expected:
        raise BenchmarkError(f"{name}: validators {'did not run' if expected else 'ran'}.")


def unpack_javascript(folder: Path) -> None:
    """The JavaScript CDK of the very version that the Python one wraps lies inside its wheel."""
    for module, name in (
        (aws_cdk, "aws-cdk-lib"),
        (aws_cdk.cloud_assembly_schema, "@aws-cdk/cloud-assembly-schema"),
        (constructs, "constructs"),
    ):
        target = folder / name
        (archive,) = (Path(str(module.__file__)).parent / "_jsii").glob(
            f"{name.rpartition('/')[2]}@*.jsii.tgz"
        )
        target.mkdir(parents=True)
        # Not `tarfile`: Python 3.11 has no safe way to extract before 3.11.4.
        unpacked = ["tar", "-xzf", str(archive), "--strip-components=1", "-C", str(target)]
        Command(name=f"unpacking {name}", arguments=unpacked).run()
