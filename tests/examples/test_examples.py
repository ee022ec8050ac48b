"""The library installs into another project, and the examples work there."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from mlops_constructs.cost import estimate, read_prices
from mlops_constructs.impact.inputs import read_folder
from mlops_constructs.rules import check_file
from tests.snapshots.test_templates import readable

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/app.py"))


def _install(environment: Path, what: str) -> Path:
    """An environment with the library in it; its dependencies come from the tests' own."""
    python = environment / "bin" / "python"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(environment)],
        ["pip", "install", "--no-deps", "--python", str(python), what],
    ):
        subprocess.run(
            [UV, *command],
            cwd=environment.parent,
            env=os.environ | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"},
            capture_output=True,
            check=True,
        )
    (packages,) = (environment / "lib").glob("python*/site-packages")
    own = next(path for path in site.getsitepackages() if path.endswith("site-packages"))
    # The tests' own editable install must not be found there.
    kept = packages / "dependencies"
    kept.mkdir()
    for entry in Path(own).iterdir():
        if not entry.name.startswith(("mlops_constructs", "_mlops", "__editable__")):
            (kept / entry.name).symlink_to(entry)
    (packages / "dependencies.pth").write_text(f"{kept}\n")
    return python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the library installed from this folder, as ``pip install .`` does."""
    return _install(tmp_path_factory.mktemp("pip") / "env", str(ROOT))


@pytest.fixture(scope="module")
def from_git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same from a git repository, as ``pip install git+…`` does."""
    folder = tmp_path_factory.mktemp("git")
    repository = folder / "repository"
    repository.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, repository / name)
    shutil.copytree(
        ROOT / "constructs",
        repository / "constructs",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    return _install(folder / "env", f"mlops-constructs @ git+file://{repository}")


def _facts(python: Path, folder: Path) -> dict[str, object]:
    code = (
        "import json, importlib.resources as r, importlib.metadata as m, mlops_constructs as c;"
        "print(json.dumps({'file': c.__file__, 'typed': r.files(c).joinpath('py.typed').is_file(),"
        "'scripts': [e.name for e in m.distribution('mlops-constructs').entry_points]}))"
    )
    done = subprocess.run([python, "-c", code], cwd=folder, capture_output=True, check=True)
    facts: dict[str, object] = json.loads(done.stdout)
    return facts


def test_it_installs_from_a_folder(installed: Path, tmp_path: Path) -> None:
    facts = _facts(installed, tmp_path)
    assert str(facts["file"]).startswith(str(installed.parents[1]))
    assert facts["typed"]
    assert facts["scripts"] == ["mlops-constructs"]


def test_it_installs_from_git(from_git: Path, tmp_path: Path) -> None:
    facts = _facts(from_git, tmp_path)
    assert str(facts["file"]).startswith(str(from_git.parents[1]))
    assert facts["typed"]


def test_the_installed_package_holds_every_file(installed: Path) -> None:
    (packages,) = (installed.parents[1] / "lib").glob("python*/site-packages")
    source = ROOT / "constructs" / "mlops_constructs"
    missing = [
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not (packages / "mlops_constructs" / path.relative_to(source)).is_file()
    ]
    assert missing == []


# All in one process: starting Node and loading aws_cdk takes longer than the synths. Node keeps the
# environment that it was started with, so that the apps get their settings as arguments.
_SYNTHESISE = """
import json, os, pathlib, runpy, sys
import aws_cdk
App = aws_cdk.App
for folder in map(pathlib.Path, sys.argv[2:]):
    settings = json.loads((folder / "cdk.json").read_text())
    aws_cdk.App = lambda: App(
        outdir=str(pathlib.Path(sys.argv[1]) / folder.name),
        context=settings.get("context", {}),
        builtin_cloud_formation_validation=False,
    )
    os.chdir(folder)
    runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def synthesised(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the cloud assembly of each example."""
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run(
        [installed, "-c", _SYNTHESISE, folder, *EXAMPLES],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _templates(assembly: Path) -> dict[str, Path]:
    found = {path.name.partition(".")[0]: path for path in assembly.glob("*.template.json")}
    assert found
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.name))
def test_example_passes_the_service_rules(example: Path, synthesised: Path) -> None:
    for template in _templates(synthesised / example.name).values():
        assert [f for f in check_file(template) if f.severity == "error"] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.name))
def test_example_is_what_is_committed(
    example: Path, synthesised: Path, snapshot: SnapshotAssertion
) -> None:
    templates = {
        name: readable(json.loads(path.read_text()))
        for name, path in _templates(synthesised / example.name).items()
    }
    assert templates == snapshot(extension_class=JSONSnapshotExtension)


def test_every_example_is_explained_and_none_is_missing() -> None:
    told = (ROOT / "examples" / "README.md").read_text()
    assert len(EXAMPLES) >= 4
    for example in EXAMPLES:
        assert f"[{example.name}]({example.name}/app.py)" in told
        assert (example / "requirements.txt").read_text() == "mlops-constructs\n"
        assert json.loads((example / "cdk.json").read_text())["app"] == "python3 app.py"


def test_a_platform_in_two_accounts_shares_nothing(synthesised: Path) -> None:
    """No template names the other account, neither in a policy nor in a bucket."""
    templates = _templates(synthesised / "platform_in_two_accounts")
    for account, other in (("dev", "444455556666"), ("prod", "111122223333")):
        texts = [path.read_text() for name, path in templates.items() if account in name]
        assert len(texts) == 3
        assert not any(other in text for text in texts)


def test_a_serverless_endpoint_costs_nothing_while_nobody_asks(synthesised: Path) -> None:
    templates = read_folder(synthesised / "serverless_from_registry")
    costs = {line.what for line in estimate(templates, read_prices()).lines}
    assert not any("endpoint" in what for what in costs), costs
