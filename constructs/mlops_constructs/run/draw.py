"""`mlops-constructs dag`: a picture of a pipeline with the state of its last run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_constructs.common.files import write_atomically
from mlops_constructs.run.errors import CommandError, complain
from mlops_constructs.run.graph import Graph, graph_of
from mlops_constructs.run.mermaid import as_mermaid
from mlops_constructs.run.svg import as_svg
from mlops_constructs.run.use_case import UseCase

_FORMATS: Mapping[str, Callable[[Graph], str]] = {
    ".svg": as_svg,
    ".mmd": as_mermaid,
    ".mermaid": as_mermaid,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Draw the steps of a pipeline and what waits for what, with the state, the duration and "
        "the metrics of the last run on this machine."
    )
    parser.add_argument(
        "pipeline",
        metavar="PIPELINE",
        help="a use case's folder, its name in pipeline_code/, or the file of a definition",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        type=Path,
        help="where the picture goes: .svg, or .mmd for Mermaid; without it, Mermaid is printed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Draw, and return the exit status."""
    try:
        use_case = UseCase.read(arguments.pipeline)
        if arguments.file is None:
            print(as_mermaid(graph_of(use_case)), end="")
        else:
            check_target(arguments.file)
            draw(use_case, arguments.file)
    except CommandError as error:
        return complain(error)
    return 0


def check_target(file: Path) -> None:
    """See that a picture can go there.

    Raises:
        CommandError: Its name does not say which format, or there is no such folder.
    """
    if file.suffix not in _FORMATS:
        raise CommandError(
            f"The name of the picture, {file}, should end in {' or '.join(_FORMATS)}."
        )
    if not file.parent.is_dir():
        raise CommandError(f"The picture {file} cannot be written: there is no {file.parent}.")


def draw(use_case: UseCase, file: Path) -> None:
    """Write the picture of a use case.

    Raises:
        CommandError: Its steps make no graph, or the file cannot be written.
    """
    text = _FORMATS[file.suffix](graph_of(use_case))
    try:
        write_atomically(file, text)
    except OSError as error:
        raise CommandError(f"The picture {file} cannot be written: {error.strerror}.") from error
    print(f"Picture: {file}")
