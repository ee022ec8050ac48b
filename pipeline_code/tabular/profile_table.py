"""What a table's columns are: `mlops-constructs new` shows it, and writes it into columns.json.

Prints a profile as JSON, or exits with 2 and a message for a table that no pipeline can be made of.

| column | taken for |
|---|---|
| numbers | numeric; with leading zeros, as codes have them: categorical |
| true and false, texts that recur | categorical |
| one value only, or none | ignored |
| an identifier: different in every row, text or named so | ignored |
| dates and times | ignored: name one as categorical, and make numbers of it in derive.py |
| free text (most values differ), lists and other collections | ignored |
"""

import argparse
import dataclasses
import difflib
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from table_data import InputError, as_text, read_file

LEAST_ROWS = 50
MOST_LABELS = 50
LEAST_PER_LABEL = 3
SAMPLE_ROWS = 20_000
# botocore: FeatureDefinitions of CreateFeatureGroup, less the identifier and the event time.
MOST_COLUMNS = 2498

_MISSING = ("?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "-")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}( .*)?")
_DRESSED = re.compile(r"[\s,$€£¥%]")
_IDENTIFIER = re.compile(
    r"((.*[-_ ])?(id|uuid|guid|key)|index|row[-_ ]?(number|id)|(?-i:.*[a-z](Id|ID)))", re.IGNORECASE
)
_POSITIVE = ("yes", "true", "y", "t", "positive")
_NEGATIVE_NUMBERS = (0.0, -1.0)
_FREE_TEXT_SHARE, _FREE_TEXT_LEAST = 0.5, 50
_FEW_ODD_SHARE = 0.1
_FEW_NUMBERS = 20


class RefusalError(Exception):
    """A table that no pipeline can be made of; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column was taken for.

    Attributes:
        name: Its name.
        role: ``numeric``, ``categorical``, ``ignored`` or ``target``.
        whole: Whether its numbers have no digits after the point.
        distinct: How many different values it has.
        missing: In how many rows its value is not known.
        example: One value.
        note: Why, where it is not plain.
        identifier: Whether it tells rows apart.
    """

    name: str
    role: str
    whole: bool
    distinct: int
    missing: int
    example: str
    note: str = ""
    identifier: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Print the profile; the exit status."""
    parser = argparse.ArgumentParser(description="Say what the columns of a table are.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--facet", action="append", default=[])
    parser.add_argument("--problem", choices=("classification", "regression"))
    parser.add_argument("--sample", type=Path, help="where to write a sample of the rows")
    options = parser.parse_args(argv)
    try:
        profile = profiled(
            options.file, options.target, facets=options.facet, problem=options.problem
        )
    except RefusalError as error:
        print(error, file=sys.stderr)
        return 2
    if options.sample is not None:
        _write_sample(options.file, options.target, profile, options.sample)
    print(json.dumps(profile, ensure_ascii=False))
    return 0


def profiled(
    path: Path, target: str, *, facets: Sequence[str], problem: str | None
) -> dict[str, Any]:
    """The profile of a table.

    Args:
        path: A CSV file with a header, or a Parquet file.
        target: The column to predict.
        facets: Columns by whose groups the model is to be measured.
        problem: ``classification`` or ``regression``; found out when None.

    Raises:
        RefusalError: Everything that hinders a pipeline, at once.
    """
    frame = _read(path)
    problems = []
    if len(frame) < LEAST_ROWS:
        problems.append(
            f"It has {len(frame)} rows; at least {LEAST_ROWS} are needed to train, choose and test."
        )
    if len(frame.columns) > MOST_COLUMNS:
        problems.append(f"It has {len(frame.columns)} columns; the most is {MOST_COLUMNS}.")
    names = list(map(str, frame.columns))
    for option, name in (("--target", target), *(("--facet", facet) for facet in facets)):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
            problems.append(f"{option} {name}: there is no such column. {hint}")
    if target in facets:
        problems.append(f"--facet {target}: the target cannot be a facet.")
    if problems:
        raise _refusal(path, problems)
    marks = _marks(frame)
    columns = {name: _column(name, frame[name], marks) for name in names}
    found = _problem(frame[target], columns[target], marks, problem)
    columns[target] = dataclasses.replace(
        columns[target], role="target", note=found["note"], identifier=False
    )
    for facet in facets:
        if columns[facet].role == "ignored" and columns[facet].distinct > 1:
            columns[facet] = dataclasses.replace(
                columns[facet], role="categorical", note="a facet", identifier=False
            )
    if not any(column.role in ("numeric", "categorical") for column in columns.values()):
        raise _refusal(path, ["None of its columns can be a feature: see the rules in the help."])
    if too_many := [f for f in facets if columns[f].distinct > MOST_LABELS]:
        raise _refusal(
            path,
            [
                f"--facet {name}: {columns[name].distinct} different values make no groups; the "
                f"most is {MOST_LABELS}."
                for name in too_many
            ],
        )
    return {
        "rows": len(frame),
        "problem": found["problem"],
        "labels": found["labels"],
        "missing": list(marks),
        "columns": [dataclasses.asdict(column) for column in columns.values()],
    }


def _read(path: Path) -> pd.DataFrame:
    try:
        return read_file(path)
    except InputError as error:
        raise RefusalError(str(error)) from error


def _refusal(path: Path, problems: Sequence[str]) -> RefusalError:
    return RefusalError("\n  ".join([f"{path}:", *problems]))


def _marks(frame: pd.DataFrame) -> tuple[str, ...]:
    """The texts of this table that mean: not known."""
    found = set()
    for name in frame.columns:
        if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name]):
            texts = {value for value in frame[name] if isinstance(value, str)}
            found |= {mark for mark in _MISSING if mark in texts}
    return tuple(mark for mark in _MISSING if mark in found)


def _known(values: Any, marks: Sequence[str]) -> list[Any]:
    return [
        value.strip() if isinstance(value, str) else value
        for value in values
        if not (isinstance(value, str) and (value.strip() == "" or value.strip() in marks))
        and not (pd.api.types.is_scalar(value) and pd.isna(value))
    ]


def _column(name: str, values: Any, marks: Sequence[str]) -> Column:
    known = _known(values, marks)
    missing = len(values) - len(known)
    if any(not pd.api.types.is_scalar(value) for value in known[:100]):
        return Column(name, "ignored", False, 0, missing, "", "a collection in each row")
    if any(isinstance(value, bytes) for value in known[:100]):
        return Column(name, "ignored", False, 0, missing, "", "binary data")
    distinct = len(set(map(str, known)))
    example = _example(known[0]) if known else ""
    role, whole, note = _role(values, known, distinct)
    unique = distinct == len(known) and not missing
    named = bool(_IDENTIFIER.fullmatch(name))
    plain = role == "categorical" and not note
    spoilt = _why_no_numbers(list(map(str, known))) if plain else ""
    text = role == "categorical" and not spoilt
    identifier = unique and (named or (text and distinct > _FREE_TEXT_LEAST))
    note = note or spoilt
    if distinct <= 1:
        role, note = "ignored", "one value only" if known else "no value"
    elif identifier:
        role, note = "ignored", "different in every row: an identifier"
    elif role == "categorical" and _is_free_text(distinct, len(known)):
        role, note = "ignored", note or "most values differ: free text"
    return Column(name, role, whole, distinct, missing, example, note, identifier)


def _example(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else " ".join(as_text(value).split())[:24]


def _is_free_text(distinct: int, known: int) -> bool:
    return distinct > max(_FREE_TEXT_LEAST, known * _FREE_TEXT_SHARE)


def _role(values: Any, known: Sequence[Any], distinct: int) -> tuple[str, bool, str]:
    """Role, whether its numbers are whole, and why."""
    if pd.api.types.is_bool_dtype(values):
        return "categorical", False, "true or false"
    if pd.api.types.is_numeric_dtype(values):
        if any(math.isinf(value) for value in known):
            return "ignored", False, "some of its numbers are infinite"
        return "numeric", all(float(value).is_integer() for value in known), ""
    if pd.api.types.is_datetime64_any_dtype(values):
        return "ignored", False, "a date or time"
    texts = list(map(str, known))
    if texts and all(_DATE.fullmatch(text) for text in texts):
        return "ignored", False, "a date or time"
    if all(map(_is_number, texts)):
        if any(_LEADING_ZERO.match(text) for text in texts):
            return "categorical", False, "leading zeros: codes, not numbers"
        return "numeric", all(re.fullmatch(r"[+-]?\d+", text) for text in texts), ""
    return "categorical", False, ""


def _why_no_numbers(texts: Sequence[str]) -> str:
    """What to mend if texts were meant to be numbers."""
    odd = [text for text in texts if not _is_number(text)]
    if odd and all(_is_number(_DRESSED.sub("", text)) for text in odd):
        return f"no numbers as they are written, such as {odd[0][:24]!r}: write 1234.5"
    if len(odd) <= _FEW_ODD_SHARE * len(texts):
        return f"{len(odd)} of its values are no numbers, such as {odd[0][:24]!r}"
    return ""


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _problem(values: Any, column: Column, marks: Sequence[str], given: str | None) -> Any:
    """Which problem it is, and the labels of a classification."""
    known = _known(values, marks)
    if column.distinct <= 1:
        raise RefusalError(
            f"--target {column.name}: the column is constant ({column.example or 'no value'}): "
            "there is nothing to predict."
        )
    numeric = column.role == "numeric" or (column.identifier and _all_numbers(known))
    if given == "regression" and not numeric:
        raise RefusalError(
            f"--target {column.name}: a regression predicts numbers; the column holds "
            f"{column.example!r}{_in_brackets(column)}. Say --problem classification."
        )
    if given == "regression" or (given is None and numeric and column.distinct > _FEW_NUMBERS):
        return {"problem": "regression", "labels": [], "note": "a number is predicted"}
    counts = pd.Series([as_text(value) for value in known]).value_counts()
    if len(counts) > MOST_LABELS:
        raise RefusalError(
            f"--target {column.name}: {len(counts)} different values are too many labels; the most "
            f"is {MOST_LABELS}{_in_brackets(column)}."
            + (" Say --problem regression." if numeric else "")
        )
    if rare := [
        f"{label!r} ({count})" for label, count in counts.items() if count < LEAST_PER_LABEL
    ]:
        raise RefusalError(
            f"--target {column.name}: each label needs {LEAST_PER_LABEL} rows at least, one for "
            f"each part of the data; too rare: {', '.join(rare[:10])}. Leave their rows out, or "
            "put the labels together."
        )
    labels = sorted(map(str, counts.index))
    if len(labels) > 2:
        return {"problem": "multiclass", "labels": labels, "note": f"{len(labels)} labels"}
    positive = _positive(labels) or str(counts.index[-1])
    ordered = [*(name for name in labels if name != positive), positive]
    note = f"how likely is {positive!r} ({counts[positive] / len(known):.0%} of the rows)"
    return {"problem": "binary", "labels": ordered, "note": note}


def _in_brackets(column: Column) -> str:
    return f" ({column.note})" if column.note else ""


def _positive(labels: Sequence[str]) -> str | None:
    """Which of two labels says yes; pandas writes 1.0 and 0.0 where others are not known."""
    if all(map(_is_number, labels)):
        low, high = sorted(labels, key=float)
        return high if float(high) == 1.0 and float(low) in _NEGATIVE_NUMBERS else None
    return next((label for label in labels if label.lower() in _POSITIVE), None)


def _write_sample(path: Path, target: str, profile: dict[str, Any], sample: Path) -> None:
    """Write some of the rows, of each label the same share and as many as a split needs."""
    frame = _read(path)
    share = min(1.0, SAMPLE_ROWS / len(frame))
    if profile["labels"]:
        groups = [
            group.sample(max(LEAST_PER_LABEL, round(len(group) * share)), random_state=20)
            for _, group in frame.groupby(target)
        ]
        chosen = pd.concat(groups).sort_index()
    else:
        chosen = frame.sample(frac=share, random_state=20).sort_index()
    if path.suffix == ".parquet":
        chosen.to_parquet(sample, index=False)
    else:
        chosen.to_csv(sample, index=False)


def _all_numbers(known: Sequence[Any]) -> bool:
    return all(_is_number(str(value)) for value in known)


if __name__ == "__main__":
    sys.exit(main())
