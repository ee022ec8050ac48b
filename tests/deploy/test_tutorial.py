"""The tutorial, from its first command to its last, in a copy of this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"^```(sh|python| \{ \.python \.cloud \})\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
# Environments are found by links, outputs and caches are left out.
_LINKED = (".venv", "node_modules")
_LEFT_OUT = (
    *_LINKED,
    ".git",
    ".demo",
    ".localcloud",
    ".tools",
    "__pycache__",
    "build",
    "cdk.out",
    "site",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
)


def script() -> str:
    """All that is to be typed, as one script; Python for the cloud in one piece, as it is meant."""
    lines, python = ["set -euo pipefail"], list[str]()
    for language, text in _BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text()):
        if language.strip().startswith("{"):
            python.append(text)
            continue
        if python:
            lines.append(f".venv/bin/python - <<'PYTHON'\n{''.join(python)}PYTHON")
            python = []
        if language == "python":
            lines.append(f".venv/bin/python - <<'PYTHON'\n{text}PYTHON")
        else:
            # What is set up is there already.
            lines += [line for line in text.splitlines() if not line.startswith("make setup")]
    return "\n".join(lines)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for folder in (".", "localcloud", "localcloud/containers", "pipeline_code"):
        for name in _LINKED:
            if (ROOT / folder / name).is_dir():
                (copy / folder / name).symlink_to(ROOT / folder / name)
    yield copy
    subprocess.run([copy / ".venv/bin/localcloud", "down"], cwd=copy, check=False)


def test_everything_that_is_to_be_typed_works(checkout: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=checkout,
        env=os.environ
        | {
            "PATH": f"{checkout / 'node_modules/.bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(checkout / "constructs"),
            "NODE_NO_WARNINGS": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "people-dev InService" in done.stdout
    assert done.stdout.count("\nSucceeded\n") == 2
