"""Features: split the data, write what the next steps and the monitors need.

Outputs, one folder each: ``train``, ``validation`` and ``test`` (features and target, CSV with a
header, missing values empty), ``columns`` (the roles of the columns), ``baseline`` (unlabelled
rows of the training split, as a caller of the endpoint would send them: reference data for
monitoring) and ``statistics`` (``statistics.json`` and ``constraints.json`` of these rows, which
the model is registered with). Values stay as they are: encoding them is part of the model.
"""

import argparse
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import failures
import reference
from columns import Columns, Table, read_table, write_table
from failures import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: preprocess(options), message_file=options.message_file)


def preprocess(options: argparse.Namespace) -> None:
    """Check, split and write.

    Raises:
        InputError: The data doesn't match the declared columns, or a split cannot be used.
    """
    table = read_table(options.data_dir)
    for name, values in table.items():
        if name not in (options.target, options.split_column):
            table[name] = ["" if value in options.missing else value for value in values]
    columns = _columns(table, options)
    splits = table.pop(options.split_column)
    train, test = _split(splits, options)
    _check_numbers(table, columns.numeric)
    kept, held_out = _hold_out(train, fraction=options.validation_fraction, seed=options.seed)

    used = [*columns.features, columns.target]
    parts = {
        options.train_dir / "train.csv": _take(table, used, kept),
        options.validation_dir / "validation.csv": _take(table, used, held_out),
        options.test_dir / "test.csv": _take(table, used, test),
    }
    for path, part in parts.items():
        labels = part[columns.target]
        positives = labels.count(columns.positive_label)
        if positives in (0, len(labels)):
            raise InputError(
                f"All {len(labels)} rows for {path.stem} have the same '{columns.target}'."
            )
        print(f"{path.stem}: {len(labels)} rows, {positives / len(labels):.1%} positive")
    for path, part in parts.items():
        write_table(path, part)
    baseline = _take(table, columns.inputs, train)
    write_table(options.baseline_dir / "baseline.csv", baseline)
    statistics, constraints = reference.baseline(
        {name: baseline[name] for name in columns.features}, columns.numeric
    )
    options.statistics_dir.mkdir(parents=True, exist_ok=True)
    for name, content in (("statistics", statistics), ("constraints", constraints)):
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (options.statistics_dir / f"{name}.json").write_text(text, encoding="utf-8")
    options.columns_dir.mkdir(parents=True, exist_ok=True)
    columns.save(options.columns_dir)


def _columns(table: Table, options: argparse.Namespace) -> Columns:
    """Compare the declared columns with those in the data."""
    features = [*options.numeric, *options.categorical]
    declared = [*features, *options.ignored, options.target, options.split_column]
    if twice := sorted({name for name in declared if declared.count(name) > 1}):
        raise InputError(f"Columns with two roles: {', '.join(twice)}. Give each one role.")
    if absent := [name for name in declared if name not in table]:
        raise InputError(
            f"Columns missing from the data: {', '.join(absent)}. It has {', '.join(table)}."
        )
    if unknown := [name for name in table if name not in declared]:
        raise InputError(
            f"Columns without a role: {', '.join(unknown)}. "
            "Declare each as numeric, categorical or ignored."
        )
    labels = set(table[options.target])
    if options.positive_label not in labels or len(labels) != 2:
        some = ", ".join(f"'{label}'" for label in sorted(labels)[:10])
        raise InputError(
            f"Column '{options.target}' should have two values, one of them "
            f"'{options.positive_label}'; it has {len(labels)}: {some}."
        )
    return Columns(
        target=options.target,
        positive_label=options.positive_label,
        negative_label=(labels - {options.positive_label}).pop(),
        numeric=options.numeric,
        categorical=options.categorical,
        ignored=options.ignored,
        missing=options.missing,
        inputs=tuple(n for n in table if n not in (options.target, options.split_column)),
        data_version=options.data_version,
    )


def _split(splits: list[str], options: argparse.Namespace) -> tuple[list[int], list[int]]:
    """Which rows train and which test, as the data itself says."""
    allowed = (options.train_split, options.test_split)
    if unknown := sorted(set(splits) - set(allowed)):
        raise InputError(
            f"Column '{options.split_column}' holds {', '.join(map(repr, unknown[:10]))}; "
            f"allowed: {', '.join(map(repr, allowed))}."
        )
    train, test = ([row for row, each in enumerate(splits) if each == name] for name in allowed)
    for name, rows in zip(allowed, (train, test), strict=True):
        if not rows:
            raise InputError(f"No row has '{name}' in column '{options.split_column}'.")
    return train, test


def _hold_out(rows: list[int], *, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Set a random part of the rows aside, the same ones for the same seed."""
    if not 0 < fraction < 1:
        raise InputError(f"--validation-fraction is {fraction}; it should be between 0 and 1.")
    count = min(max(1, round(len(rows) * fraction)), len(rows) - 1)
    held_out = set(random.Random(seed).sample(rows, count))  # noqa: S311 (no secret)
    return [row for row in rows if row not in held_out], sorted(held_out)


def _check_numbers(table: Table, numeric: Sequence[str]) -> None:
    for name in numeric:
        for row, value in enumerate(table[name], start=1):
            try:
                finite = value == "" or math.isfinite(float(value))
            except ValueError:
                finite = False
            if not finite:
                raise InputError(
                    f"Numeric column '{name}' holds '{value}' in data row {row}. "
                    "Declare the column as categorical, or the value as missing."
                )


def _take(table: Table, names: Sequence[str], rows: Sequence[int]) -> Table:
    return {name: [table[name][row] for row in rows] for name in names}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Check and split a table with a binary label.")
    for name in ("target", "positive-label", "split-column", "train-split", "test-split"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--numeric", type=_names, required=True, help="separated by commas")
    parser.add_argument("--categorical", type=_names, required=True, help="separated by commas")
    parser.add_argument("--ignored", type=_names, default=())
    parser.add_argument("--missing", type=_names, default=(), help="texts that mean: not known")
    parser.add_argument("--validation-fraction", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data-version", required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    for name in ("train", "validation", "test", "columns", "baseline", "statistics"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
