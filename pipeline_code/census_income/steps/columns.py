"""The roles of a table's columns, and reading such tables from CSV.

Declared once, in the pipeline; the first step checks the data against them and writes them to
``columns.json`` for the steps that follow.
"""

import csv
import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

from failures import InputError

COLUMNS_FILE = "columns.json"

# A table by column: values as they stand in the file.
Table = dict[str, list[str]]


@dataclasses.dataclass(frozen=True)
class Columns:
    """What each column is for.

    Attributes:
        target: The column to predict; it has two values.
        positive_label: The value whose probability is predicted.
        negative_label: The other value; found in the data.
        numeric: Features that are numbers.
        categorical: Features that are names.
        ignored: Columns that may come along but are no features, such as weights.
        missing: Texts that mean "not known", besides the empty text.
        inputs: The columns of an unlabelled row in the order of the data, ignored ones included.
        data_version: Which state of the data this was.
    """

    target: str
    positive_label: str
    negative_label: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    inputs: tuple[str, ...]
    data_version: str

    @property
    def features(self) -> tuple[str, ...]:
        """The features in the order of the data."""
        chosen = {*self.numeric, *self.categorical}
        return tuple(name for name in self.inputs if name in chosen)

    def save(self, folder: Path) -> None:
        """Write ``columns.json``."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        (folder / COLUMNS_FILE).write_text(text, encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Columns":
        """Read ``columns.json``."""
        values: dict[str, Any] = json.loads((folder / COLUMNS_FILE).read_text(encoding="utf-8"))
        lists = ("numeric", "categorical", "ignored", "missing", "inputs")
        return Columns(**{**values, **{name: tuple(values[name]) for name in lists}})


def read_table(folder: Path) -> Table:
    """Read all ``*.csv`` and ``*.csv.gz`` files below a folder as one table.

    Raises:
        InputError: There is no such file, one has no header or no rows, headers differ or repeat
            a column, or a row has another number of fields than the header.
    """
    files = table_files(folder)
    header: list[str] = []
    rows: list[list[str]] = []
    for path in files:
        names, more = _read_file(path)
        if header and names != header:
            raise InputError(
                f"{path.name} has the columns {', '.join(names)}, "
                f"but {files[0].name} has {', '.join(header)}."
            )
        header = names
        rows += more
    if not rows:
        raise InputError(f"{', '.join(path.name for path in files)}: no rows below the header.")
    return {
        name: list(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)
    }


def table_files(folder: Path) -> list[Path]:
    """The ``*.csv`` and ``*.csv.gz`` files below a folder, in order.

    Raises:
        InputError: There is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.name.endswith((".csv", ".csv.gz")))
    if not files:
        raise InputError(f"There is no .csv or .csv.gz file in {folder}.")
    return files


def read_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a CSV file, which may have any number of fields.

    Raises:
        InputError: It is empty or unreadable, or its header repeats a column.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            lines = [[field.strip() for field in line] for line in csv.reader(stream) if line]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} isn't readable as UTF-8 CSV: {error}") from error
    if not lines:
        raise InputError(f"{path.name} is empty.")
    header, rows = lines[0], lines[1:]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{path.name}: columns appear twice: {', '.join(twice)}.")
    return header, rows


def _read_file(path: Path) -> tuple[list[str], list[list[str]]]:
    header, rows = read_lines(path)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                f"{path.name}, row {number}: {len(row)} fields, but the header has {len(header)}."
            )
    return header, rows


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
