"""First step: is the data what the pipeline was made for?

Rows that cannot be used (another number of fields, no number where one belongs, a number out of
its range, an unknown label or split) go into quarantine with the reason, and the rest goes on. If
too many are bad, or the table as a whole is wrong (its columns, too few rows, too many missing
values, too few or too many positive labels), nothing goes on: ``validation.json`` says so, and the
pipeline's condition on it refuses the data.

Outputs, one folder each: ``valid`` (the rows that can be used), ``quarantine`` (``rows.csv``: file,
row, problem, and the row as it was) and ``validation`` (``validation.json``).
"""

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import failures
from columns import Table, read_lines, table_files, write_table
from failures import InputError

# So many values are told of a column, and so many kinds of problems of rows.
_TOLD = 10


class Bad(NamedTuple):
    """A row that cannot be used."""

    file: str
    row: int
    problem: str
    values: list[str]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the step on the folders that the arguments name."""
    options = _parser().parse_args(argv)
    failures.run(lambda: validate(options), message_file=options.message_file)


def validate(options: argparse.Namespace) -> None:
    """Sort the rows, judge the whole, and write both.

    Raises:
        InputError: The step's own arguments contradict each other.
    """
    _check_roles(options)
    header: list[str] = []
    rows: list[list[str]] = []
    bad: list[Bad] = []
    problems: list[str] = []
    try:
        for path in table_files(options.data_dir):
            names, lines = read_lines(path)
            if header and names != header:
                problems.append(
                    f"{path.name} has the columns {', '.join(names)}; other files have "
                    f"{', '.join(header)}"
                )
                break
            if not header:
                header = names
                problems += _header_problems(header, options)
            if problems:
                break
            check = _RowCheck(header, options)
            for number, row in enumerate(lines, start=2):
                if problem := check.problem(row):
                    bad.append(Bad(path.name, number, problem, row))
                else:
                    rows.append(row)
    except InputError as error:
        problems.append(str(error).rstrip("."))
    statistics: dict[str, Any] = {}
    if not problems:
        table = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
        statistics = _statistics(table, options)
        problems = _table_problems(table, statistics, len(bad), options)
        if not problems:
            write_table(options.valid_dir / "data.csv", table)
    _quarantine(options.quarantine_dir, bad)
    report = {
        "version": 1,
        "valid": 0 if problems else 1,
        "reason": "; ".join(problems) or "none",
        "rows": {"good": len(rows), "bad": len(bad)},
        "row_problems": dict(Counter(each.problem for each in bad).most_common(_TOLD)),
        "columns": statistics,
    }
    options.validation_dir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    (options.validation_dir / "validation.json").write_text(text, encoding="utf-8")
    print(f"{len(rows)} rows can be used, {len(bad)} cannot: {report['row_problems'] or 'none'}")
    print("refused: " + "; ".join(problems) if problems else "accepted")


class _RowCheck:
    """Says of rows with one header what is wrong with each."""

    def __init__(self, header: list[str], options: argparse.Namespace) -> None:
        at = {name: place for place, name in enumerate(header)}
        self._width = len(header)
        self._missing = {"", *options.missing}
        self._target = at[options.target]
        self._split = at[options.split_column]
        self._splits = {options.train_split, options.test_split}
        self._labels = set(options.labels)
        no_range = (-math.inf, math.inf)
        self._numbers = [
            (name, at[name], *options.ranges.get(name, no_range)) for name in options.numeric
        ]

    def problem(self, row: list[str]) -> str | None:
        """What is wrong with a row, without its values, so that problems can be counted."""
        if len(row) != self._width:
            return f"{len(row)} fields, the header has {self._width}"
        if row[self._target] not in self._labels:
            return "unknown label"
        if row[self._split] not in self._splits:
            return "unknown split"
        for name, place, low, high in self._numbers:
            text = row[place]
            if text in self._missing:
                continue
            try:
                number = float(text)
            except ValueError:
                return f"{name} is no number"
            # False for NaN, too.
            if not low <= number <= high or math.isinf(number):
                return f"{name} is out of range"
        return None


def _check_roles(options: argparse.Namespace) -> None:
    if unknown := sorted(options.ranges.keys() - set(options.numeric)):
        raise InputError(f"--ranges names {', '.join(unknown)}: not among --numeric.")
    if len(options.labels) != 2:
        raise InputError(f"--labels should be two values; got {', '.join(options.labels)}.")
    low, high = options.positive_share
    if not 0 <= low < high <= 1:
        raise InputError(f"--positive-share is {low}:{high}; it should be within 0:1.")


def _header_problems(header: list[str], options: argparse.Namespace) -> Iterator[str]:
    features = [*options.numeric, *options.categorical]
    declared = [*features, *options.ignored, options.target, options.split_column]
    if absent := [name for name in declared if name not in header]:
        yield f"columns missing from the data: {', '.join(absent)}"
    if unknown := [name for name in header if name not in declared]:
        yield f"columns without a role: {', '.join(unknown)}"


def _statistics(table: Table, options: argparse.Namespace) -> dict[str, Any]:
    """What each column holds."""
    missing = {"", *options.missing}
    numeric = set(options.numeric)
    found: dict[str, Any] = {}
    for name, values in table.items():
        counts = Counter(values)
        absent = sum(counts[text] for text in missing)
        known = len(values) - absent
        column: dict[str, Any] = {
            "missing_share": absent / len(values),
            "distinct": len(counts.keys() - missing),
        }
        if name in numeric and known:
            weighted = [(float(text), n) for text, n in counts.items() if text not in missing]
            mean = sum(number * n for number, n in weighted) / known
            square = sum((number - mean) ** 2 * n for number, n in weighted) / known
            column |= {
                "mean": mean,
                "standard_deviation": math.sqrt(square),
                "min": min(weighted)[0],
                "max": max(weighted)[0],
            }
        else:
            column["most_frequent"] = dict(counts.most_common(_TOLD))
        found[name] = column
    return found


def _table_problems(
    table: Table, statistics: Mapping[str, Any], bad: int, options: argparse.Namespace
) -> list[str]:
    """What is wrong with the whole, although its good rows are good."""
    good = len(next(iter(table.values()), []))
    problems = []
    if bad > options.max_bad_rows * (good + bad):
        problems.append(
            f"{bad} of {good + bad} rows cannot be used; allowed are {options.max_bad_rows:.2%}"
        )
    if not table:
        return problems or ["there are no rows"]
    splits = Counter(table[options.split_column])
    problems += [
        f"{splits[split]} rows are of the split '{split}'; {options.min_rows} are needed"
        for split in (options.train_split, options.test_split)
        if splits[split] < options.min_rows
    ]
    # A number that never varies tells a model nothing; a name may be the same in a small sample.
    problems += [
        f"column '{name}' has one value only"
        for name in options.numeric
        if statistics[name]["distinct"] < 2
    ]
    problems += [
        f"{statistics[name]['missing_share']:.1%} of column '{name}' are missing; allowed are "
        f"{options.max_missing:.1%}"
        for name in (*options.numeric, *options.categorical)
        if statistics[name]["missing_share"] > options.max_missing
    ]
    labels = table[options.target]
    share = labels.count(options.positive_label) / len(labels)
    low, high = options.positive_share
    if not low <= share <= high:
        problems.append(
            f"{share:.1%} of the labels are positive; allowed are {low:.1%} to {high:.1%}"
        )
    return problems


def _quarantine(folder: Path, bad: Sequence[Bad]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "row", "problem", "values"])
        writer.writerows([*each[:3], json.dumps(each.values)] for each in bad)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high)


def _ranges(text: str) -> dict[str, tuple[float, float]]:
    return {name: _span(span) for name, _, span in (each.partition("=") for each in _names(text))}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Validate a table with a binary label.")
    for name in ("target", "positive-label", "split-column", "train-split", "test-split"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("numeric", "categorical", "labels"):
        parser.add_argument(f"--{name}", type=_names, required=True, help="separated by commas")
    parser.add_argument("--ignored", type=_names, default=())
    parser.add_argument("--missing", type=_names, default=(), help="texts that mean: not known")
    parser.add_argument("--ranges", type=_ranges, default={}, help="column=low:high, …")
    parser.add_argument("--max-bad-rows", type=float, required=True, help="share of the rows")
    parser.add_argument("--max-missing", type=float, required=True, help="share of a column")
    parser.add_argument("--min-rows", type=int, required=True, help="of each split")
    parser.add_argument("--positive-share", type=_span, required=True, help="low:high")
    # Not used: another value makes cached results of older data invalid.
    parser.add_argument("--data-version", required=True)
    for name in ("data", "valid", "quarantine", "validation"):
        parser.add_argument(f"--{name}-dir", type=Path, required=True)
    parser.add_argument("--message-file", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
