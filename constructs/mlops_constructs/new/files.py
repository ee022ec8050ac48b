"""The files of a new use case, as texts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from mlops_constructs.new.profile import Column, Profile
from mlops_constructs.rules.feature_group import NAME, RESERVED_NAMES

_LINE = 100
_NUMBERS = ("numeric", "target")
# The columns that the offline store is partitioned by, if its table is Glue's.
_PARTITIONS = ("year", "month", "day", "hour")
_LONGEST_FEATURE = 60


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What differs between the kinds of problem.

    Attributes:
        group: Of the measures in the evaluation report.
        measure: The one that the gate looks at.
        parameter: The pipeline parameter with its least value.
        metrics: What training prints, the one of early stopping last.
        task: Of the model package (botocore, ``Task`` of CreateModelPackage).
    """

    group: str
    measure: str
    parameter: str
    metrics: tuple[str, str]
    task: str


KINDS: Mapping[str, Kind] = {
    "binary": Kind(
        group="binary_classification_metrics",
        measure="auc",
        parameter="MinAuc",
        metrics=("auc", "logloss"),
        task="CLASSIFICATION",
    ),
    "multiclass": Kind(
        group="multiclass_classification_metrics",
        measure="balanced_accuracy",
        parameter="MinBalancedAccuracy",
        metrics=("merror", "mlogloss"),
        task="CLASSIFICATION",
    ),
    "regression": Kind(
        group="regression_metrics",
        measure="r2",
        parameter="MinR2",
        metrics=("mae", "rmse"),
        task="REGRESSION",
    ),
}


def least(profile: Profile) -> float:
    """The gate's default: a little better than a model that looks at no feature."""
    if profile.problem == "multiclass":
        return round(1.1 / len(profile.labels), 2)
    return {"binary": 0.55, "regression": 0.05}[profile.problem]


def columns_json(profile: Profile, facets: Sequence[str]) -> str:
    """The roles of the columns."""
    content = {
        "problem": profile.problem,
        "target": profile.target,
        "labels": list(profile.labels),
        "numeric": profile.names("numeric"),
        "categorical": profile.names("categorical"),
        "ignored": profile.names("ignored"),
        "facets": list(facets),
        "missing": list(profile.missing),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def pipeline(name: str, profile: Profile) -> str:
    """``pipeline.py``."""
    kind = KINDS[profile.problem]
    what = (
        {
            "binary": f"Predicts how likely {profile.target} is {profile.labels[-1:]}.",
            "multiclass": f"Predicts {profile.target}, one of {len(profile.labels)} labels.",
            "regression": f"Predicts the number {profile.target}.",
        }[profile.problem]
        .replace("('", "'")
        .replace("',)", "'")
    )
    return _filled(
        "pipeline.py.txt",
        TITLE=_in_docstring(f"{name}: {what[0].lower()}{what[1:]}"),
        NAME=name,
        ID=identifier(name),
        GROUP=kind.group,
        MEASURE=kind.measure,
        PARAMETER=kind.parameter,
        LEAST=str(least(profile)),
        METRICS=", ".join(f'"{metric}"' for metric in kind.metrics),
        TASK=kind.task,
    )


def test(name: str, profile: Profile) -> str:
    """The use case's tests."""
    kind = KINDS[profile.problem]
    return _filled(
        "test_use_case.py.txt",
        NAME=name,
        ID=identifier(name),
        GROUP=kind.group,
        MEASURE=kind.measure,
        PARAMETER=kind.parameter,
    )


def use_case(name: str, profile: Profile) -> str:
    """The settings of the stacks."""
    names = feature_names(profile)
    told_apart = next((column.name for column in profile.columns if column.identifier), None)
    record = names[told_apart] if told_apart else _free("record_id", names.values())
    event_time = _free("event_time", names.values())
    features = [
        *([] if told_apart else [f'Feature.string("{record}")']),
        f'Feature.string("{event_time}")',
        *(
            _feature(column, names[column.name])
            for column in profile.columns
            if column.name in names
        ),
    ]
    return _filled(
        "use_case.py.txt",
        NAME=name,
        ID=identifier(name),
        IDENTIFIER=record,
        EVENT_TIME=event_time,
        FEATURES="\n".join(f"            {feature}," for feature in features),
        COLUMNS=_tuple(list(names)),
        POSITIVE='    positive_label=_COLUMNS["labels"][1],\n'
        if profile.problem == "binary"
        else "",
    )


def feature_names(profile: Profile) -> dict[str, str]:
    """What the columns but the target are called in the feature group.

    Feature names have fewer characters than those of columns, and the tables of the offline store
    are in lower case.
    """
    found: dict[str, str] = {}
    for column in profile.columns:
        if column.role != "target":
            found[column.name] = _free(_feature_name(column.name), found.values())
    return found


def _feature_name(column: str) -> str:
    plain = unicodedata.normalize("NFKD", column.replace("ß", "ss"))
    kept = plain.encode("ascii", "ignore").decode()
    name = kept if NAME.fullmatch(kept) else re.sub(r"[^a-zA-Z0-9]+", "_", kept).strip("_")
    name = name[:_LONGEST_FEATURE].strip("_-") or "feature"
    return f"{name}_value" if name.lower() in (*RESERVED_NAMES, *_PARTITIONS) else name


def identifier(name: str) -> str:
    """The name as a Python module."""
    return name.replace("-", "_")


def _feature(column: Column, name: str) -> str:
    kind = "string"
    if column.role in _NUMBERS or (column.identifier and column.whole):
        kind = "integral" if column.whole else "fractional"
    return f'Feature.{kind}("{name}")'


def _free(name: str, taken: Collection[str]) -> str:
    lower = {each.lower() for each in taken}
    return next(
        each
        for each in (name, *(f"{name}_{number}" for number in range(2, len(lower) + 3)))
        if each.lower() not in lower
    )


def _quoted(text: str) -> str:
    """A Python string in double quotes, as the formatter writes it."""
    return json.dumps(text, ensure_ascii=False)


def _tuple(values: Sequence[str]) -> str:
    """A tuple of texts as the formatter writes it, four blanks deep."""
    inner = ", ".join(map(_quoted, values))
    short = f"({inner},)" if len(values) == 1 else f"({inner})"
    if len(short) + 20 <= _LINE:
        return short
    lines = "".join(f"        {_quoted(value)},\n" for value in values)
    return f"(\n{lines}    )"


def _in_docstring(text: str) -> str:
    return text.replace("\\", " ").replace('"""', "'")[: _LINE - 3]


def _filled(template: str, **values: str) -> str:
    text = _template(template)
    for name, value in values.items():
        text = text.replace(f"@@{name}@@", value)
    return text


def _template(name: str) -> str:
    folder = resources.files("mlops_constructs.new") / "templates"
    return (folder / name).read_text(encoding="utf-8")
