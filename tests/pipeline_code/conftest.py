"""What the tests of pipeline_code share: its paths, and small tables."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USE_CASE = ROOT / "pipeline_code" / "census_income"
STEPS = USE_CASE / "steps"
TABULAR = ROOT / "pipeline_code" / "tabular"

# Step modules import one another by file name, as in the archive that they are deployed in.
sys.path[:0] = [str(ROOT), str(STEPS), str(TABULAR)]

HEADER = ["age", "job", "weight", "sex", "pay", "part"]


def people(count: int = 40) -> list[list[str]]:
    """Rows in the order of HEADER; who is older earns more."""
    return [
        [
            str(20 + row),
            "nurse" if row % 3 else "?",
            str(1000 + row),
            "F" if row % 2 else "M",
            "high" if row % 10 > 4 else "low",
            "old" if row % 4 else "new",
        ]
        for row in range(count)
    ]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty folder for input data."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write rows as they are."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
