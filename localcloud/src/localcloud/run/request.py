"""What is to be run: the file that ``mlops-constructs run`` hands over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

Mode = Literal["all", "resume", "only", "from"]

VERSION = 2
"""Of the file's form; the command and the local cloud are installed apart from one another."""


class RunError(Exception):
    """The run cannot start or go on; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run.

    Attributes:
        pipeline: The pipeline's name: letters, digits and hyphens.
        definition: The definition with its sentinels.
        folder: The use case's folder.
        home: Where state, results and logs are kept from run to run.
        archives: Step code, bundle to ``.tar.gz`` file.
        images: The URI of each framework's image.
        bindings: Values of sentinels that the caller gives.
        parameters: Values of pipeline parameters that the caller gives.
        inputs: Parameters that stand for files of this machine: parameter to name to path.
        mode: Everything, the rest of the last run, some steps, or these and all behind them.
        steps: The steps of the modes ``only`` and ``from``.
        keep: How many runs stay when this one has ended; all of them when None.
        again: The command that runs the same pipeline, for messages.
        account: The account of the local cloud.
        region: Its region.
    """

    pipeline: str
    definition: Mapping[str, Any]
    folder: Path
    home: Path
    archives: Mapping[str, Path]
    images: Mapping[str, str]
    bindings: Mapping[str, str]
    parameters: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, Path]]
    mode: Mode
    steps: tuple[str, ...]
    keep: int | None
    again: str
    account: str
    region: str


def load(path: Path) -> Request:
    """Read a request.

    Raises:
        RunError: It was written by another version of the command.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(Request)}
    if content.pop("version", None) != VERSION or content.keys() != names:
        raise RunError(
            "The library and its local cloud are of different versions. Run `make setup` in the "
            "checkout that holds localcloud/."
        )
    for name in ("folder", "home"):
        content[name] = Path(content[name])
    content["archives"] = {name: Path(file) for name, file in content["archives"].items()}
    content["inputs"] = {
        parameter: {name: Path(file) for name, file in files.items()}
        for parameter, files in content["inputs"].items()
    }
    return Request(**{**content, "steps": tuple(content["steps"])})
