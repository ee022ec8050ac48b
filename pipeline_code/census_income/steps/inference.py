"""Serve the model: raw rows in, probability and label out.

The container calls `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` per request. The
drift monitor asks `explain_fn` instead of `predict_fn` what predictions rest on.

Requests:

- ``text/csv``: one row per line. With a header the columns may come in any order; without one they
  stand in the order of the data, target and split left out.
- ``application/json``: one row, a list of rows, or ``{"instances": [rows]}``. A row is an object
  by column name, or a list of values in the order of the data.

Every feature must be named; ``null``, the empty text and the data's own mark mean "not known".
Columns that are no features are allowed. Answers: ``application/json``
``{"predictions": [{"probability": 0.93, "label": ">50K"}, …]}``, or ``text/csv`` with
``probability,label`` per line.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xgboost
from encoding import Encoding, EncodingError

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

Row = dict[str, Any]


class RequestError(BaseInferenceToolkitError):  # type: ignore[misc] # untyped in the container
    """A request that cannot be answered, with an HTTP status from 400 to 499."""

    def __init__(self, message: str, *, status: int = 400, phrase: str = "Bad Request") -> None:
        super().__init__(status, message, phrase)

    def __str__(self) -> str:
        return str(self.message)


class Model(NamedTuple):
    """A booster and the encoding that it was trained with."""

    booster: xgboost.Booster
    encoding: Encoding


class Prediction(NamedTuple):
    """The answer for one row."""

    probability: float
    label: str


class Rows(NamedTuple):
    """A request's rows, named or in the order of the data, and whether the first may be a header.

    The order is the model's, which `input_fn` doesn't get: `predict_fn` brings the two together.
    """

    rows: list[Any]
    may_have_header: bool


def model_fn(model_dir: str) -> Model:
    """Load the model artifact."""
    folder = Path(model_dir)
    booster = xgboost.Booster()
    booster.load_model(folder / MODEL_FILE)
    return Model(booster, Encoding.load(folder))


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


def predict_fn(data: Rows, model: Model) -> list[Prediction]:
    """Predict.

    Raises:
        RequestError: A row doesn't have the model's columns, or a number isn't one (400).
    """
    encoding = model.encoding
    probabilities = model.booster.predict(_matrix(data, encoding))
    return [
        Prediction(float(each), encoding.labels[bool(each >= encoding.threshold)])
        for each in probabilities
    ]


def explain_fn(data: Rows, model: Model) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Say what predictions rest on: the features' names and their SHAP values, a row each.

    The values are exact (TreeSHAP, which XGBoost has for its own trees), in log odds: with the
    model's mean they add up to the log odds of the probability that `predict_fn` gives. The
    endpoint never calls this; the drift monitor does.

    Raises:
        RequestError: As `predict_fn` does.
    """
    names = list(model.encoding.features)
    values = model.booster.predict(_matrix(data, model.encoding), pred_contribs=True)
    return names, values[:, : len(names)]  # without the last column, the mean


def output_fn(predictions: Sequence[Prediction], accept: str) -> str:
    """Write the answer.

    Raises:
        RequestError: Another type than CSV or JSON is asked for (406).
    """
    kinds = [each.partition(";")[0].strip().lower() for each in (accept or JSON).split(",")]
    for kind in kinds:
        if kind in (JSON, "application/*", "*/*"):
            return json.dumps({"predictions": [each._asdict() for each in predictions]})
        if kind in (CSV, "text/*"):
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows(predictions)
            return lines.getvalue()
    raise RequestError(
        f"'{accept}' cannot be answered; accept {JSON} or {CSV}.",
        status=406,
        phrase="Not Acceptable",
    )


def _matrix(data: Rows, encoding: Encoding) -> xgboost.DMatrix:
    rows = _named(data, encoding)
    table = {name: [row[name] for row in rows] for name in encoding.features}
    try:
        matrix = encoding.matrix(table)
    except EncodingError as error:
        raise RequestError(str(error)) from error
    return xgboost.DMatrix(
        matrix,
        feature_names=list(encoding.features),
        feature_types=encoding.feature_types,
        enable_categorical=True,
    )


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


def _named(data: Rows, encoding: Encoding) -> list[Row]:
    """Give every row its column names, and check them."""
    rows, names, first = data.rows, list(encoding.inputs), 1
    known = {*encoding.inputs, encoding.target}
    if data.may_have_header and len(known & set(rows[0])) > len(rows[0]) / 2:
        names, rows, first = rows[0], rows[1:], 2
        if not rows:
            raise RequestError("The body has a header but no rows.")
        if len(set(names)) < len(names):
            raise RequestError(f"The header repeats a column: {', '.join(names)}.")
        _check_names(names, encoding, "The header")
    named = []
    for number, row in enumerate(rows, start=first):
        if isinstance(row, dict):
            _check_names(row, encoding, f"row {number}")
            named.append(row)
        elif isinstance(row, list) and len(row) == len(names):
            named.append(dict(zip(names, row, strict=True)))
        elif isinstance(row, list):
            raise RequestError(
                f"row {number}: {len(row)} values; expected {len(names)}: {', '.join(names)}."
            )
        else:
            raise RequestError(f"row {number}: {row!r} is neither an object nor a list of values.")
    return named


def _check_names(names: Sequence[str] | Row, encoding: Encoding, where: str) -> None:
    if absent := [name for name in encoding.features if name not in names]:
        raise RequestError(f"{where} lacks {', '.join(absent)}.")
    allowed = {*encoding.inputs, encoding.target}
    if unknown := sorted(str(name) for name in names if name not in allowed):
        raise RequestError(
            f"{where} has unknown columns: {', '.join(unknown)}. "
            f"Known: {', '.join(encoding.inputs)}."
        )
