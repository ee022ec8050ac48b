"""The use case that is to be run or drawn: its definition and what belongs to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from mlops_constructs.common.files import source_checksum
from mlops_constructs.run.errors import CommandError, did_you_mean
from mlops_constructs.training.document import Json, Step, find_steps

DEFINITION = "definition.json"
LOCK = "definition.lock.json"
PIPELINES = "pipeline_code"
COMPILER = "pipeline_code.compiler"
RECORD = "last-run.json"

_COMPILER_PYTHON = Path(PIPELINES, ".venv", "bin", "python")
_STATE = ".localcloud"
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """A definition and the folder that it lies in.

    Attributes:
        argument: How the user named it.
        folder: Where it lies.
        file: The definition's file.
        document: The definition.
        lock: What the compiler wrote beside it; empty for a definition without one.
    """

    argument: str
    folder: Path
    file: Path
    document: Mapping[str, Json]
    lock: Mapping[str, Json]

    @classmethod
    def read(cls, argument: str) -> Self:
        """Read a use case.

        Args:
            argument: Its folder, a definition's file, or the name of a folder of
                ``pipeline_code/`` in the working directory or above it.

        Raises:
            CommandError: There is no such thing, or it cannot be read.
        """
        path = find(argument)
        file = path / DEFINITION if path.is_dir() else path
        document = _read(file)
        if not isinstance(document.get("Steps"), list):
            raise CommandError(f"{file} is no pipeline definition: it has no list of Steps.")
        lock = file.with_name(LOCK) if file.name == DEFINITION else None
        return cls(
            argument=argument,
            folder=file.parent.resolve(),
            file=file.resolve(),
            document=document,
            lock=_read(lock) if lock is not None and lock.is_file() else {},
        )

    @property
    def name(self) -> str:
        """The pipeline's name: letters, digits and hyphens."""
        stem = self.folder.name if self.file.name == DEFINITION else self.file.stem
        return _NO_NAME.sub("-", stem).strip("-")[:100] or "pipeline"

    @property
    def home(self) -> Path:
        """Where runs of it leave their state, results and logs."""
        given = os.environ.get("LOCALCLOUD_HOME")
        return Path(given).resolve() / self.name if given else self.folder / _STATE / self.name

    @cached_property
    def steps(self) -> Mapping[str, Step]:
        """The steps by name, those in branches included."""
        return {step.name: step for step in find_steps(self.document["Steps"])}

    def stale_sources(self) -> list[str]:
        """The sources that were edited after the definition was compiled."""
        sources: Mapping[str, str] = self.lock.get("sources") or {}
        return [
            source
            for source, digest in sources.items()
            if source_checksum(self.folder.parent / source) != digest
        ]

    def last_run(self) -> Mapping[str, Json] | None:
        """What the last run left of itself, if there was one."""
        file = self.home / RECORD
        return _read(file) if file.is_file() else None


def find(argument: str) -> Path:
    """Where a use case lies: the folder, or the file of a definition.

    Raises:
        CommandError: Nowhere; what there is instead is named.
    """
    given = Path(argument)
    if given.is_file():
        return given
    folder = _folder(given)
    if folder is None:
        known = [found.parent.name for root in _roots() for found in root.glob("*/pipeline.py")]
        raise CommandError(
            f"There is no use case {argument!r}: no folder, no file, and no folder of a "
            f"{PIPELINES}/ in or above {Path.cwd()}. {did_you_mean(argument, sorted(known))}"
        )
    if not (folder / DEFINITION).is_file():
        how = (
            f"Compile it: {compile_command(folder)}"
            if (folder / "pipeline.py").is_file()
            else "Name the folder of a use case, or the file of a definition."
        )
        raise CommandError(f"{folder} holds no {DEFINITION}. {how}")
    return folder


def compile_again(use_case: UseCase) -> None:
    """Compile a use case whose sources were edited.

    Raises:
        CommandError: The environment of the SageMaker SDK is missing, or it does not compile.
    """
    root = use_case.folder.parents[1]
    python = root / _COMPILER_PYTHON
    if not python.is_file():
        raise CommandError(
            f"{', '.join(use_case.stale_sources())} changed after {use_case.file} was compiled, "
            f"and {python} is missing. Run `make setup-sdk` in {root}, then this again."
        )
    done = subprocess.run(
        [python, "-m", COMPILER, use_case.folder.name],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(
            f"{use_case.folder.name} does not compile:\n{(done.stderr or done.stdout).strip()}"
        )


def compile_command(folder: Path) -> str:
    """What to type to compile a use case, from the root of its checkout."""
    return f"{_COMPILER_PYTHON} -m {COMPILER} {folder.name}"


def _folder(given: Path) -> Path | None:
    if given.is_dir():
        return given
    name = given.name.replace("-", "_")
    if given.name != str(given):
        return None
    return next((root / name for root in _roots() if (root / name).is_dir()), None)


def _roots() -> list[Path]:
    here = Path.cwd()
    return [each / PIPELINES for each in (here, *here.parents) if (each / PIPELINES).is_dir()]


def _read(file: Path) -> dict[str, Json]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CommandError(f"{file} should hold a JSON object, not a {type(content).__name__}.")
    return content
