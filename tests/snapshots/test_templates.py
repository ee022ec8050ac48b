"""The platform's templates, one file per stack and environment.

A changed snapshot is a change to what is deployed: read it as such. `make snapshots` accepts it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from mlops_constructs.access import read_estates
from mlops_constructs.access.matrix import as_markdown, make_matrix
from stacks.environments import ENVIRONMENTS
from stacks.platform import build_platform, new_app

LAYERS = ("Network", "Data", "Training", "Serving", "Monitoring", "Studio", "Governance")
STACKS = [f"{layer}-{environment.name}" for environment in ENVIRONMENTS for layer in LAYERS]

# Content hashes of assets: editing a script is no change to the infrastructure.
_HASH = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All environments, built as app.py builds them, with the validators on."""
    folder = tmp_path_factory.mktemp("cdk.out")
    app = new_app(outdir=folder)
    for environment in ENVIRONMENTS:
        build_platform(app, environment)
    app.synth()
    return folder


@pytest.mark.parametrize("stack", STACKS)
def test_template(stack: str, assembly: Path, snapshot: SnapshotAssertion) -> None:
    template = readable(json.loads((assembly / f"{stack}.template.json").read_text()))
    assert template == snapshot(extension_class=JSONSnapshotExtension)


class _Markdown(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "md"


@pytest.mark.parametrize("environment", [environment.name for environment in ENVIRONMENTS])
def test_access(environment: str, assembly: Path, snapshot: SnapshotAssertion) -> None:
    """Who gains what: read a changed line as a permission given or taken."""
    [estate] = read_estates(*map(str, sorted(assembly.glob(f"*-{environment}.template.json"))))
    found = as_markdown([make_matrix(estate)])
    assert f"{found}\n" == snapshot(extension_class=_Markdown)


def test_every_stack_has_a_snapshot(assembly: Path) -> None:
    found = {path.name.removesuffix(".template.json") for path in assembly.glob("*.template.json")}
    assert found == set(STACKS)


def test_the_validators_found_nothing(assembly: Path) -> None:
    """Neither errors, which would have stopped the synth, nor warnings."""
    report = json.loads((assembly / "validation-report.json").read_text())
    findings = [
        (found["pluginSummary"]["pluginName"], violation["ruleName"])
        for found in report["pluginReports"]
        for violation in found["violations"]
    ]
    assert findings == []


def readable(template: dict[str, Any]) -> dict[str, Any]:
    """The template without what changes on its own and says nothing."""
    kept = {key: value for key, value in template.items() if key not in ("Rules", "Metadata")}
    kept.get("Parameters", {}).pop("BootstrapVersion", None)
    for resource in kept["Resources"].values():
        resource.pop("Metadata", None)
    masked: dict[str, Any] = json.loads(_HASH.sub("<hash>", json.dumps(kept)))
    return masked
