"""Use cases that `mlops-constructs new` writes: compiled, run, tested and built for real."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from mlops_constructs.new.command import write
from stacks import data
from stacks.environments import ENVIRONMENTS
from stacks.model import build_model
from tests.run.support import COMMAND, ROOT
from tests.support import nag_findings

pytestmark = pytest.mark.slow
ROWS = 240


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of a checkout that a use case needs, where nothing else is written."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("pipeline_code/compiler", "pipeline_code/tabular", "stacks"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tests" / "pipeline_code").mkdir(parents=True)
    (root / "features").mkdir()
    for file in (
        *("app.py", "cdk.json", "pipeline_code/__init__.py"),
        *(f"tests/pipeline_code/{name}.py" for name in ("conftest", "container")),
    ):
        shutil.copyfile(ROOT / file, root / file)
    (root / "pipeline_code" / ".venv").symlink_to(ROOT / "pipeline_code" / ".venv")
    return root


def _rows(kind: str) -> Iterator[list[Any]]:
    chance = random.Random(7)
    for row in range(ROWS):
        x, town = chance.gauss(0, 1), chance.choice(["North", "South"])
        signal = x + (0.5 if town == "North" else 0.0) + chance.gauss(0, 0.3)
        target: Any = {
            "binary": "yes" if signal > 0 else "no",
            "multiclass": "abc"[min(2, max(0, math.floor(signal + 1.5)))],
            "regression": round(100 + 10 * signal, 3),
        }[kind]
        yield [f"C-{row}", round(x, 4) if row % 13 else "?", town, target]


def _table(folder: Path, kind: str, *names: str, delimiter: str = ",") -> Path:
    path = folder / f"{kind}.csv"
    header = names or ("customer_id", "x", "town", "y")
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *_rows(kind)])
    return path


def _run(root: Path, name: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, "run", name], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    module = name.replace("-", "_")
    home = root / "pipeline_code" / module / ".localcloud" / name
    record: dict[str, Any] = json.loads((home / "last-run.json").read_text())
    return {step["name"]: step for step in record["steps"]}


def test_a_binary_use_case_from_csv_to_stacks(checkout: Path) -> None:
    names = ("Customer ID", "x [<1]", "Größe, Ort", "class?")
    table = _table(checkout, "binary", *names, delimiter="\t")
    words = ["--data", str(table), "--target", "class?", "--facet", "Größe, Ort"]
    done = subprocess.run(
        [*COMMAND, "new", "my-churn", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a binary problem" in done.stdout
    # The stacks of all environments were built with every validator on, and recorded.
    locks = sorted(path.name for path in (checkout / "features").iterdir())
    assert locks == [f"my-churn-{each}-features.lock.json" for each in ("dev", "prod", "staging")]
    steps = _run(checkout, "my-churn")
    assert float(steps["Evaluate"]["measures"]["auc"]) > 0.85
    assert steps["Register"]["measures"]["version"] == "1"
    _check_its_own_tests(checkout, "my_churn")
    _check_stacks(checkout)
    again = subprocess.run(
        [*COMMAND, "new", "my-churn", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, "already" in again.stderr) == (2, True)


def _check_its_own_tests(checkout: Path, module: str) -> None:
    done = subprocess.run(
        [
            *(checkout / "pipeline_code" / ".venv" / "bin" / "python", "-m", "pytest", "-q"),
            *("-p", "no:cacheprovider", f"tests/pipeline_code/test_{module}.py"),
        ],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout
    for tool in (["check"], ["format", "--check"]):
        linted = subprocess.run(
            [
                *(sys.executable, "-m", "ruff", *tool, "--config", str(ROOT / "pyproject.toml")),
                *(f"pipeline_code/{module}", "stacks/use_cases", "tests/pipeline_code"),
            ],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        assert linted.returncode == 0, linted.stdout


def _check_stacks(checkout: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        "my_churn", checkout / "stacks" / "use_cases" / "my_churn.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [each.name for each in module.ENVIRONMENTS] == [each.name for each in ENVIRONMENTS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "_LOCKS", checkout / "features")
        model = build_model(cdk.App(), module.ENVIRONMENTS[0], module.USE_CASE)
        stacks = (model.network, model.data, model.training, model.serving, model.drift)
        found = [finding for stack in stacks for finding in nag_findings(stack)]
    assert found == []


@pytest.mark.parametrize(
    ("kind", "measure", "least"),
    [("multiclass", "balanced_accuracy", 0.55), ("regression", "r2", 0.6)],
)
def test_other_problems_and_parquet(checkout: Path, kind: str, measure: str, least: float) -> None:
    table = _table(checkout, kind)
    parquet = table.with_suffix(".parquet")
    subprocess.run(
        [
            *(checkout / "pipeline_code" / ".venv" / "bin" / "python", "-c"),
            "import pandas, sys; pandas.read_csv(sys.argv[1], na_values='?')"
            ".to_parquet(sys.argv[2])",
            *(table, parquet),
        ],
        check=True,
    )
    write(checkout, f"my-{kind}", parquet, target="y", facets=["town"], problem=None, build=False)
    steps = _run(checkout, f"my-{kind}")
    assert float(steps["Evaluate"]["measures"][measure]) > least
    assert steps["Register"]["state"] == "succeeded"
