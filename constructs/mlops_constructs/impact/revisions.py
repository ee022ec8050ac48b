"""Compares with a revision of the git repository: what is committed there is what is deployed."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlops_constructs.impact.inputs import Pair, read_folder, read_pair
from mlops_constructs.rules.engine.errors import TemplateError

SNAPSHOTS: Final = "tests/snapshots/__snapshots__"
"""Where the templates of all stacks are committed, unless the command says otherwise."""


def read_committed(revision: str, path: Path) -> Pair:
    """The templates at a path in a revision, and those at the same path now.

    Raises:
        TemplateError: git has no such revision, or no templates there, or cannot be run.
    """
    root = _root()
    try:
        inside = path.resolve().relative_to(root)
    except ValueError:
        raise TemplateError(f"not in the repository {root}", file=str(path)) from None
    with tempfile.TemporaryDirectory(prefix="impact-") as folder:
        _extract(root, revision, Path(folder), [str(inside)])
        return read_pair(Path(folder) / inside, path)


def read_synthesised(revision: str, command: str) -> Pair:
    """What a command synthesises in a revision, and what it synthesises in the working tree.

    The command runs in a shell in the root of each, with ``CDK_OUTDIR`` set.

    Raises:
        TemplateError: git has no such revision, or the command fails.
    """
    root = _root()
    with tempfile.TemporaryDirectory(prefix="impact-") as folder:
        tree, before, after = (Path(folder) / name for name in ("tree", "before", "after"))
        _extract(root, revision, tree, [])
        _synthesise(command, tree, before, revision)
        _synthesise(command, root, after, "the working tree")
        return Pair(read_folder(before), read_folder(after))


def file_at(revision: str, path: Path) -> bytes | None:
    """The content of a file in a revision, if it is there."""
    try:
        inside = path.resolve().relative_to(_root())
    except ValueError:
        return None
    done = _git("show", f"{_commit(revision)}:{inside}")
    return done.stdout if done.returncode == 0 else None


def _root() -> Path:
    done = _git("rev-parse", "--show-toplevel")
    if done.returncode:
        raise TemplateError(f"not in a git repository: {_said(done)}")
    return Path(done.stdout.decode().rstrip("\n")).resolve()


def _commit(revision: str) -> str:
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise TemplateError(f"git knows no revision {revision!r}; a shallow clone lacks most")
    return done.stdout.decode().strip()


def _extract(root: Path, revision: str, target: Path, paths: Sequence[str]) -> None:
    done = _git("-C", str(root), "archive", "--format=tar", _commit(revision), "--", *paths)
    if done.returncode:
        where = f" {', '.join(paths)}" if paths else ""
        raise TemplateError(f"revision {revision!r} has no{where}: {_said(done)}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")


def _synthesise(command: str, folder: Path, target: Path, where: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=os.environ | {"CDK_OUTDIR": str(target)},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise TemplateError(f"`{command}` failed in {where}: {_said(done)}")
    if not target.is_dir():
        raise TemplateError(f"`{command}` wrote nothing to $CDK_OUTDIR in {where}")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except OSError as error:
        raise TemplateError(f"git cannot be run: {error.strerror or error}") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """The end of what a program complained about."""
    return " ".join(done.stderr.decode(errors="replace").split())[-500:] or "no reason given"
