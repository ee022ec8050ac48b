"""First step: check the data, split it, write what the next steps and the monitors need.

Outputs, one folder each: ``train``, ``validation`` and ``test`` (features and target, CSV with a
header, missing values empty) and ``baseline`` (rows of the training split without the target, as a
caller of the endpoint would send them: reference data for monitoring). The same seed gives the
same split; each label is split in the same proportions.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import table_data
from table_data import Columns, InputError, as_text, read_table, write_table

_LEAST_ROWS = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    columns = Columns.load(Path(__file__).parent)
    table_data.run(lambda: split(options, columns), message_file=options.message_file)


def split(options: argparse.Namespace, columns: Columns) -> None:
    """Check, split and write.

    Raises:
        InputError: The data is not what ``columns.json`` says, or there is too little of it.
    """
    table = read_table(options.data_dir)
    _check_columns(table, columns)
    target = _target(table, columns)
    known = [row for row, value in enumerate(target) if value is not None]
    if len(known) < len(target):
        print(f"{len(target) - len(known)} rows without '{columns.target}' are left out")
    typed = columns.typed(table)
    typed[columns.target] = target
    labels = [target[row] if columns.labels else "" for row in known]
    parts = _parts(
        np.asarray(known),
        np.asarray(labels),
        fractions={"validation": options.validation_fraction, "test": options.test_fraction},
        seed=options.seed,
    )
    for name, rows in parts.items():
        part = typed.iloc[rows]
        write_table(getattr(options, f"{name}_dir"), name, part)
        print(f"{name}: {len(part)} rows")
    inputs = [name for name in table if name != columns.target]
    raw = pd.DataFrame({name: table[name] for name in inputs}).iloc[parts["train"]]
    write_table(options.baseline_dir, "baseline", raw)


def _check_columns(table: dict[str, list[Any]], columns: Columns) -> None:
    declared = [*columns.features, *columns.ignored, columns.target]
    if absent := [name for name in declared if name not in table]:
        raise InputError(
            f"Columns missing from the data: {', '.join(absent)}. It has {', '.join(table)}."
        )
    if unknown := [name for name in table if name not in declared]:
        raise InputError(
            f"Columns without a role: {', '.join(unknown)}. Name each in columns.json, as numeric, "
            "categorical or ignored."
        )


def _target(table: dict[str, list[Any]], columns: Columns) -> list[Any]:
    """The values to predict; None where they are not known."""
    values = table[columns.target]
    if columns.problem == "regression":
        numbers = Columns.typed(
            Columns("regression", "", (), (columns.target,), (), (), (), columns.missing),
            {columns.target: values},
        )[columns.target]
        return [None if np.isnan(value) else float(value) for value in numbers]
    found = [None if columns.is_missing(value) else as_text(value) for value in values]
    if unknown := sorted({value for value in found if value is not None} - set(columns.labels)):
        raise InputError(
            f"'{columns.target}' holds {', '.join(map(repr, unknown[:10]))}; columns.json knows "
            f"the labels {', '.join(map(repr, columns.labels))}."
        )
    return found


def _parts(
    rows: Any, labels: Any, *, fractions: dict[str, float], seed: int
) -> dict[str, list[int]]:
    """Rows by part: of each label the same share, at least one."""
    if any(not 0 < share < 1 for share in fractions.values()) or sum(fractions.values()) >= 1:
        raise InputError(
            f"The fractions {fractions} should each be between 0 and 1, and less than 1 together."
        )
    chance = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {"train": [], **{name: [] for name in fractions}}
    for label in np.unique(labels):
        own = chance.permutation(rows[labels == label])
        if len(own) < _LEAST_ROWS:
            raise InputError(
                f"Only {len(own)} rows have the label '{label}': at least {_LEAST_ROWS} are "
                "needed, one for each part. Collect more, or put the label together with another."
            )
        start = 0
        for name, share in fractions.items():
            count = min(max(1, round(len(own) * share)), len(own) - start - 1)
            parts[name] += own[start : start + count].tolist()
            start += count
        parts["train"] += own[start:].tolist()
    return {name: sorted(part) for name, part in parts.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Check and split a table.")
    parser.add_argument("--validation-fraction", type=float, required=True)
    parser.add_argument("--test-fraction", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    # An argument only: another one makes a cached step run again.
    parser.add_argument("--data-version", required=True)
    for name in ("data", "train", "validation", "test", "baseline"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
