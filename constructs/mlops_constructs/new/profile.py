"""What the columns of a table are, found out in the environment that has pandas."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_constructs.run.errors import CommandError

_PYTHON = Path("pipeline_code", ".venv", "bin", "python")
_SCRIPT = Path("pipeline_code", "tabular", "profile_table.py")
_SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; the members are those of ``pipeline_code/tabular/profile_table.py``."""

    name: str
    role: str
    whole: bool
    distinct: int
    missing: int
    example: str
    note: str
    identifier: bool


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A table.

    Attributes:
        rows: How many.
        problem: ``binary``, ``multiclass`` or ``regression``.
        labels: Of a classification; of a binary one the negative first.
        missing: The texts in it that mean "not known".
        columns: In the order of the data.
    """

    rows: int
    problem: str
    labels: tuple[str, ...]
    missing: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def target(self) -> str:
        """The column to predict."""
        return next(column.name for column in self.columns if column.role == "target")

    def names(self, role: str) -> list[str]:
        """The columns of a role, in the order of the data."""
        return [column.name for column in self.columns if column.role == role]

    def table(self) -> str:
        """The columns for people: role, values, why."""
        rows = [("column", "taken as", "values", "missing", "example", "why")]
        rows += [
            (
                column.name,
                column.role,
                str(column.distinct),
                str(column.missing or ""),
                column.example,
                column.note,
            )
            for column in self.columns
        ]
        widths = [max(len(row[at]) for row in rows) for at in range(5)]
        return "\n".join(
            "  ".join(
                [*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[5]]
            ).rstrip()
            for row in rows
        )


def python(root: Path) -> Path:
    """The interpreter of the environment of ``pipeline_code/``.

    Raises:
        CommandError: It has not been set up.
    """
    found = root / _PYTHON
    if not found.is_file():
        raise CommandError(
            f"{found} is missing: it looks at the table and compiles the pipeline. "
            f"Run `make setup-sdk` in {root}."
        )
    return found


def profile(
    root: Path,
    file: Path,
    *,
    target: str,
    facets: Sequence[str],
    problem: str | None,
    sample: Path | None = None,
) -> Profile:
    """Look at a table.

    Args:
        root: The checkout.
        file: The table.
        target: The column to predict.
        facets: Columns by whose groups the model is measured.
        problem: ``classification`` or ``regression``; found out when None.
        sample: Where a sample of the rows is written, in the table's format.

    Raises:
        CommandError: There is no such file, or no pipeline can be made of it.
    """
    if not file.is_file():
        raise CommandError(f"--data {file}: there is no such file.")
    if not file.name.endswith(_SUFFIXES):
        raise CommandError(f"--data {file}: should be a {', '.join(_SUFFIXES)} file.")
    command: list[str | Path] = [python(root), root / _SCRIPT, file, "--target", target]
    command += [part for facet in facets for part in ("--facet", facet)]
    command += ["--problem", problem] if problem else []
    command += ["--sample", sample] if sample else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(done.stderr.strip() or "The table cannot be looked at.")
    content: dict[str, Any] = json.loads(done.stdout)
    return Profile(
        rows=content["rows"],
        problem=content["problem"],
        labels=tuple(content["labels"]),
        missing=tuple(content["missing"]),
        columns=tuple(Column(**column) for column in content["columns"]),
    )
