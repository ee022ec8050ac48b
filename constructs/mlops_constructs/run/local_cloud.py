"""The local cloud that carries out a run: where it is, and whether it is set up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlops_constructs.run.errors import CommandError

_FOLDER = "localcloud"
_PYTHON = Path(".venv", "bin", "python")
_CONTAINERS = Path("containers", ".venv", "bin", "python3")
_IN_CONTAINERS = frozenset({"Processing", "Training", "Transform", "Tuning"})

#: Names the folder of the local cloud where it is not found by itself.
VARIABLE = "LOCALCLOUD"


def find(near: Path, step_types: Iterable[str]) -> Path:
    """The interpreter of the local cloud's environment.

    Looked for in the folder that the variable ``LOCALCLOUD`` names, then in ``localcloud/`` of the
    checkout that this library runs from, then beside or above the use case and the working
    directory.

    Args:
        near: The use case's folder.
        step_types: The types of the steps: jobs need the environment that stands in for AWS's
            containers.

    Raises:
        CommandError: There is no local cloud, or it has not been set up; how to do so.
    """
    found = [folder for folder in _candidates(near) if (folder / "pyproject.toml").is_file()]
    if not found:
        raise CommandError(
            "The local cloud, which runs pipelines on this machine, was not found. It is the "
            f"folder {_FOLDER}/ of the mlops-constructs repository: run this inside a checkout, "
            f"or say where it is with {VARIABLE}=/path/to/{_FOLDER}."
        )
    ready = next((each for each in found if (each / _PYTHON).is_file()), None)
    if ready is None:
        raise CommandError(
            f"The local cloud in {found[0]} is not set up. Run `make setup` in {found[0].parent}."
        )
    if _IN_CONTAINERS & set(step_types) and not (ready / _CONTAINERS).exists():
        raise CommandError(
            "The environment that stands in for AWS's containers is missing "
            f"({ready / _CONTAINERS.parts[0]}). Run `make setup` in {ready.parent}."
        )
    return ready / _PYTHON


def _candidates(near: Path) -> Iterator[Path]:
    given = os.environ.get(VARIABLE)
    if given:
        yield Path(given).expanduser().resolve()
        return
    yield Path(__file__).resolve().parents[3] / _FOLDER
    for start in (near.resolve(), Path.cwd()):
        for folder in (start, *start.parents):
            yield folder / _FOLDER
