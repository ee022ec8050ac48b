"""Loads a model artifact through the inference code that it carries, and scores a table with it.

What is measured so is what an endpoint would serve, encoding and decision threshold included. Two
artifacts can be loaded in one process: each gets modules of its own.
"""

import contextlib
import importlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boosting  # noqa: F401  # before XGBoost: see there
import numpy as np
import numpy.typing as npt
from failures import InputError


class Scores(NamedTuple):
    """What a model says of a table.

    Attributes:
        table: The table, by column.
        probability: Of the positive label, per row.
        label: The predicted label, per row.
    """

    table: dict[str, list[str]]
    probability: npt.NDArray[np.float64]
    label: list[str]


class Artifact(NamedTuple):
    """A loaded artifact: its inference module and what that module's ``model_fn`` returned."""

    inference: Any
    model: Any

    def score(self, body: str) -> Scores:
        """Score a CSV with a header.

        Raises:
            InputError: The model cannot read these rows.
        """
        try:
            request = self.inference.input_fn(body, "text/csv")
            predictions = self.inference.predict_fn(request, self.model)
        except self.inference.RequestError as error:
            raise InputError(f"The model cannot score the data: {error}") from error
        header, *rows = request.rows
        return Scores(
            {
                name: list(values)
                for name, values in zip(header, zip(*rows, strict=True), strict=True)
            },
            np.asarray([each.probability for each in predictions]),
            [each.label for each in predictions],
        )


def one_file(folder: Path, pattern: str) -> Path:
    """The only file of a kind in a folder.

    Raises:
        InputError: There is none, or several.
    """
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"There should be one {pattern} in {folder}; found: {names}.")
    return found[0]


@contextlib.contextmanager
def loaded(archive: Path) -> Iterator[Artifact]:
    """Unpack and load an artifact.

    Raises:
        InputError: It is no archive, or holds no inference code.
    """
    with tempfile.TemporaryDirectory() as folder:
        _unpack(archive, Path(folder))
        code = Path(folder) / "code"
        names = {path.stem for path in code.glob("*.py")}
        before = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
        sys.path.insert(0, str(code))
        try:
            inference: Any = importlib.import_module("inference")
            yield Artifact(inference, inference.model_fn(folder))
        finally:
            sys.path.remove(str(code))
            for name in names & sys.modules.keys():
                del sys.modules[name]
            sys.modules.update(before)
            # The next artifact's files may have the same times as this one's.
            importlib.invalidate_caches()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as artifact:
            # Older Pythons have no filters; the attribute then means nothing, and the artifact is
            # our own.
            artifact.extraction_filter = getattr(tarfile, "data_filter", None)
            artifact.extractall(folder)  # noqa: S202  # see above
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{archive.name} isn't a .tar.gz archive: {error}") from error
    if not (folder / "code" / "inference.py").is_file():
        raise InputError(f"{archive.name} holds no code/inference.py.")
