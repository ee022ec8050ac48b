"""Serve the model: raw rows in, predictions out.

The container calls `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` per request.

Requests:

- ``text/csv``: one row per line. With a header the columns may come in any order; without one they
  stand in the order of the data, the target left out.
- ``application/json``: one row, a list of rows, or ``{"instances": [rows]}``. A row is an object
  by column name, or a list of values in the order of the data.

Every feature must be named; ``null``, the empty text and the data's own marks mean "not known".
Answers: ``application/json`` ``{"predictions": [...]}``, or ``text/csv`` with the same values per
line. A prediction is ``{"probability": 0.93, "label": "yes"}`` for two labels,
``{"label": "b", "probability": 0.8, "probabilities": [...]}`` in the order of ``columns.json`` for
more, ``{"value": 12.5}`` for a regression.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xgboost
from table_data import Columns, InputError
from table_encoder import Encoder

try:
    # In the container: the model server answers with the status of this class, and with 500 for
    # any other exception.
    from sagemaker_inference.errors import BaseInferenceToolkitError
except ImportError:

    class BaseInferenceToolkitError(Exception):  # type: ignore[no-redef] # the container's twin
        """An error with an HTTP status."""

        def __init__(self, status_code: int, message: str, phrase: str) -> None:
            self.status_code = status_code
            self.message = message
            self.phrase = phrase
            super().__init__(status_code, message, phrase)


MODEL_FILE = "xgboost-model.ubj"
CSV = "text/csv"
JSON = "application/json"

_THRESHOLD = 0.5


class RequestError(BaseInferenceToolkitError):  # type: ignore[misc] # untyped in the container
    """A request that cannot be answered, with an HTTP status from 400 to 499."""

    def __init__(self, message: str, *, status: int = 400, phrase: str = "Bad Request") -> None:
        super().__init__(status, message, phrase)

    def __str__(self) -> str:
        return str(self.message)


class Model(NamedTuple):
    """A booster, the encoder that it was trained with, and what the columns are."""

    booster: xgboost.Booster
    encoder: Encoder
    columns: Columns


class Rows(NamedTuple):
    """A request's rows, named or in the data's order, and whether the first may be a header."""

    rows: list[Any]
    may_have_header: bool


def model_fn(model_dir: str) -> Model:
    """Load the model artifact."""
    folder = Path(model_dir)
    booster = xgboost.Booster()
    booster.load_model(folder / MODEL_FILE)
    return Model(booster, Encoder.load(folder), Columns.load(folder / "code"))


def input_fn(body: str | bytes, content_type: str) -> Rows:
    """Parse a request.

    Raises:
        RequestError: Another content type (415), or a body that isn't what its type says (400).
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in (CSV, JSON):
        raise RequestError(
            f"Content type '{content_type}' is not supported; send {CSV} or {JSON}.",
            status=415,
            phrase="Unsupported Media Type",
        )
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes | bytearray) else body
        rows = _csv_rows(text) if kind == CSV else _json_rows(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, csv.Error) as error:
        raise RequestError(f"The body is not valid {kind}: {error}") from error
    if not rows:
        raise RequestError("The body holds no rows.")
    return Rows(rows, may_have_header=kind == CSV)


def predict_fn(data: Rows, model: Model) -> list[dict[str, Any]]:
    """Predict.

    Raises:
        RequestError: A row doesn't have the model's columns, or a number isn't one (400).
    """
    columns = model.columns
    rows = _named(data, model)
    try:
        typed = columns.typed({name: [row[name] for row in rows] for name in columns.features})
    except InputError as error:
        raise RequestError(str(error)) from error
    found = model.booster.predict(model.encoder.matrix(typed))
    if columns.problem == "regression":
        return [{"value": float(each)} for each in found]
    if columns.problem == "binary":
        return [
            {"probability": float(each), "label": columns.labels[bool(each >= _THRESHOLD)]}
            for each in found
        ]
    return [
        {
            "label": columns.labels[int(each.argmax())],
            "probability": float(each.max()),
            "probabilities": [float(one) for one in each],
        }
        for each in found
    ]


def output_fn(predictions: Sequence[dict[str, Any]], accept: str) -> str:
    """Write the answer.

    Raises:
        RequestError: Another type than CSV or JSON is asked for (406).
    """
    kinds = [each.partition(";")[0].strip().lower() for each in (accept or JSON).split(",")]
    for kind in kinds:
        if kind in (JSON, "application/*", "*/*"):
            return json.dumps({"predictions": list(predictions)})
        if kind in (CSV, "text/*"):
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows(map(_flat, predictions))
            return lines.getvalue()
    raise RequestError(
        f"'{accept}' cannot be answered; accept {JSON} or {CSV}.",
        status=406,
        phrase="Not Acceptable",
    )


def _flat(prediction: dict[str, Any]) -> list[Any]:
    values = prediction.values()
    return [one for each in values for one in (each if isinstance(each, list) else [each])]


def _csv_rows(text: str) -> list[list[str]]:
    lines = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    return [[field.strip() for field in line] for line in lines if line]


def _json_rows(text: str) -> list[Any]:
    content = json.loads(text)
    if isinstance(content, dict) and "instances" in content:
        content = content["instances"]
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise RequestError("Send one row, a list of rows, or an object with 'instances'.")
    # One row without names is a list of values, and no list of rows.
    if content and not any(isinstance(row, dict | list) for row in content):
        content = [content]
    return content


def _named(data: Rows, model: Model) -> list[dict[str, Any]]:
    """Give every row its column names, and check them."""
    rows, names, first = data.rows, list(model.encoder.inputs), 1
    known = {*names, model.columns.target}
    if data.may_have_header and len(known & set(rows[0])) > len(rows[0]) / 2:
        names, rows, first = rows[0], rows[1:], 2
        if not rows:
            raise RequestError("The body has a header but no rows.")
        if len(set(names)) < len(names):
            raise RequestError(f"The header repeats a column: {', '.join(names)}.")
    named = []
    for number, row in enumerate(rows, start=first):
        if isinstance(row, dict):
            named.append(row)
        elif isinstance(row, list) and len(row) == len(names):
            named.append(dict(zip(names, row, strict=True)))
        elif isinstance(row, list):
            raise RequestError(
                f"row {number}: {len(row)} values; expected {len(names)}: {', '.join(names)}."
            )
        else:
            raise RequestError(f"row {number}: {row!r} is neither an object nor a list of values.")
        _check_names(named[-1], model, known, f"row {number}")
    return named


def _check_names(row: dict[str, Any], model: Model, known: set[str], where: str) -> None:
    if absent := [name for name in model.columns.features if name not in row]:
        raise RequestError(f"{where} lacks {', '.join(absent)}.")
    if unknown := sorted(str(name) for name in row if name not in known):
        raise RequestError(
            f"{where} has unknown columns: {', '.join(unknown)}. "
            f"Known: {', '.join(model.encoder.inputs)}."
        )
