"""Guards of the layout: mistakes that would break everything, far from where they are made."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "constructs" / "mlops_constructs"
CAPABILITIES = ("feature_store", "training", "serving", "monitoring", "studio", "delivery")


def test_constructs_is_never_a_package() -> None:
    """With an __init__.py it would shadow the library `constructs`, and jsii could not start."""
    assert not (ROOT / "constructs" / "__init__.py").exists()


def test_constructs_of_pypi_is_the_one_that_is_imported() -> None:
    import constructs

    assert "site-packages" in str(constructs.__file__)


@pytest.mark.parametrize(
    "module",
    [
        "mlops_constructs",
        "mlops_constructs.access.matrix",
        "mlops_constructs.cost",
        "mlops_constructs.impact",
        "mlops_constructs.new.command",
        "mlops_constructs.reach",
        "mlops_constructs.rules",
        "mlops_constructs.run.command",
        "mlops_constructs.run.draw",
        "mlops_constructs.runtime",
    ],
)
def test_imports_without_aws_cdk(module: str) -> None:
    code = f"import sys, {module}; sys.exit('aws_cdk' in sys.modules or 'jsii' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_resolves() -> None:
    import mlops_constructs

    for name in mlops_constructs.__all__:
        assert getattr(mlops_constructs, name) is not None
    assert list(mlops_constructs.__all__) == sorted(mlops_constructs.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mlops_constructs.Nothing


def _imports(path: Path) -> set[str]:
    return {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_capabilities_do_not_import_one_another(capability: str) -> None:
    others = tuple(f"mlops_constructs.{name}" for name in CAPABILITIES if name != capability)
    for path in (LIBRARY / capability).rglob("*.py"):
        crossing = {name for name in _imports(path) if name.startswith(others)}
        assert not crossing, f"{path.relative_to(ROOT)} imports {crossing}"


@pytest.mark.parametrize("floor", ["common", "rules", "impact", "cost", "access", "reach"])
def test_lower_floors_do_not_import_higher_ones(floor: str) -> None:
    higher = tuple(f"mlops_constructs.{name}" for name in CAPABILITIES)
    if floor != "common":
        higher += ("mlops_constructs.common", "aws_cdk", "constructs")
    for path in (LIBRARY / floor).rglob("*.py"):
        crossing = {name for name in _imports(path) if name.startswith(higher)}
        assert not crossing, f"{path.relative_to(ROOT)} imports {crossing}"


def test_only_pipeline_code_imports_the_sagemaker_sdk() -> None:
    folders = ("constructs", "stacks", "localcloud/src", "demo", "benchmarks")
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            if ".venv" in path.parts:
                continue
            names = {name.split(".")[0] for name in _imports(path)}
            assert "sagemaker" not in names, path


def test_the_cdk_command_is_pinned_exactly() -> None:
    """npm's `latest` of aws-cdk may be 3.0.0, a release made by accident."""
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert pinned == lock["packages"]["node_modules/aws-cdk"]["version"]
    assert pinned.startswith("2.")


def test_requirements_are_those_of_the_lock_file() -> None:
    lock = (ROOT / "uv.lock").read_text()
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith(("#", " ", "-")):
            name, _, rest = line.partition("==")
            version = rest.split()[0]
            assert f'name = "{name}"\nversion = "{version}"' in lock, line
