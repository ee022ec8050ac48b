"""Default functions of the XGBoost container, in script mode and in algorithm mode.

Behaviour as in github.com/aws/sagemaker-xgboost-container: ``handler_service.py`` (script mode),
``algorithm_mode/handler_service.py`` and ``encoder.py``. RecordIO-protobuf is not read here.
"""

from __future__ import annotations

import csv
import os
import pickle
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any

_encoder: Any = import_module("sagemaker_inference.encoder")
_errors: Any = import_module("sagemaker_inference.errors")
_toolkit: Any = import_module("sagemaker_inference.transformer")
_numpy: Any = import_module("numpy")
_sparse: Any = import_module("scipy.sparse")
_xgboost: Any = import_module("xgboost")

_CSV = "text/csv"
_LIBSVM = ("text/libsvm", "text/x-libsvm")


def script_handler() -> Any:
    """What is used for the functions that the user's script does not define."""
    return ScriptHandler()


def algorithm_handler() -> Any:
    """What serves a model without any script."""
    return AlgorithmHandler()


class ScriptHandler:
    """Script mode: the script must load the model, the rest has defaults."""

    def default_model_fn(self, model_dir: str) -> Any:
        """There is no default."""
        raise NotImplementedError(
            f"Please provide a model_fn implementation: the script loads the model in {model_dir}."
        )

    def default_input_fn(self, input_data: str | bytes, content_type: str) -> Any:
        """CSV or libsvm as a DMatrix."""
        matrix = _matrix(input_data, _media_type(content_type))
        if matrix is None:
            raise _errors.UnsupportedFormatError(content_type)
        return matrix

    def default_predict_fn(self, input_data: Any, model: Any) -> Any:
        """The booster's prediction."""
        return model.predict(input_data, validate_features=False)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """JSON, CSV or NPY."""
        return _encoder.encode(prediction, accept)


class _BytesTransformer(_toolkit.Transformer):  # type: ignore[misc] # untyped in the container
    """In algorithm mode a body stays bytes, and any surprise is the client's fault (400)."""

    def transform(self, data: list[dict[str, Any]], context: Any) -> list[Any]:
        """One request."""
        headers = context.get_request_properties()
        accept = headers.get("Accept") or "*/*"
        if accept == "*/*":
            accept = self._environment.default_accept
        try:
            result = self._transform_fn(
                self._model, data[0]["body"], headers.get("Content-Type", ""), accept
            )
        except _errors.BaseInferenceToolkitError as error:
            context.set_response_status(error.status_code)
            return [error.message]
        except Exception as error:
            context.set_response_status(HTTPStatus.BAD_REQUEST)
            return [str(error)]
        context.set_response_content_type(0, accept)
        return [result]


class AlgorithmHandler:
    """Algorithm mode: every file beside the code is a model; several are an ensemble."""

    transformer = _BytesTransformer

    def default_model_fn(self, model_dir: str) -> list[Any]:
        """All boosters, pickled or in XGBoost's own formats."""
        files = sorted(path for path in Path(model_dir).iterdir() if path.is_file())
        if not files:
            raise RuntimeError(f"Unable to load model: there is no file in {model_dir}.")
        return [_load(path) for path in files]

    def default_input_fn(self, input_data: bytes, content_type: str) -> Any:
        """CSV or libsvm as a DMatrix; CSV when no type is given."""
        if not input_data:
            raise _error(HTTPStatus.NO_CONTENT, "")
        media_type = _media_type(content_type) or _CSV
        try:
            matrix = _matrix(input_data.strip(), media_type)
        except ValueError as error:
            kind = media_type.removeprefix("text/")
            raise RuntimeError(
                f"Loading {kind} data failed with Exception, please ensure data is in {kind} "
                f"format:\n {type(error)}\n {error}"
            ) from error
        if matrix is None:
            raise RuntimeError(f"Content-type {content_type} is not supported.")
        return matrix

    def default_predict_fn(self, data: Any, model: list[Any]) -> Any:
        """The mean of the boosters' predictions."""
        try:
            predictions = [_predict(booster, data) for booster in model]
        except Exception as error:
            raise _error(
                HTTPStatus.BAD_REQUEST, f"Unable to evaluate payload provided: {error}"
            ) from error
        return predictions[0] if len(predictions) == 1 else _numpy.mean(predictions, axis=0)

    def default_output_fn(self, prediction: Any, accept: str) -> bytes | str:
        """JSON, or the container's CSV: all values in one line, one a line in batch transform."""
        kind = accept.lower()
        if kind in (_CSV, "csv"):
            values = [str(value) for value in prediction.tolist()]
            batch = os.environ.get("SAGEMAKER_BATCH")
            return "\n".join(values) + "\n" if batch else ",".join(values)
        if kind in ("application/json", "json"):
            return str(_encoder.encode(prediction, "application/json"))
        raise _error(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Encoding to accept type {accept} failed with exception: {accept} is not an accepted "
            "Accept type. Please choose one of the following: ['text/csv', 'application/json'].",
        )


def _error(status: HTTPStatus, message: str) -> Exception:
    error: Exception = _errors.BaseInferenceToolkitError(int(status), message, message)
    return error


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            booster = pickle.load(file)  # noqa: S301 - the container unpickles models, too
    except Exception as no_pickle:
        booster = _xgboost.Booster()
        try:
            booster.load_model(path)
        except _xgboost.core.XGBoostError as no_model:
            raise RuntimeError(
                f"Model at {path} cannot be loaded:\n{no_pickle}\n{no_model}"
            ) from no_model
    booster.set_param("nthread", 1)
    return booster


def _predict(booster: Any, data: Any) -> Any:
    best = getattr(booster, "best_iteration", None) if booster.attr("best_iteration") else None
    rounds = (0, 0) if best is None else (0, best + 1)
    return booster.predict(data, iteration_range=rounds, validate_features=False)


def _media_type(content_type: str) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _matrix(body: str | bytes, media_type: str) -> Any | None:
    """A DMatrix, or None when the type is none that the container reads."""
    text = (body.decode() if isinstance(body, bytes) else body).strip()
    if media_type == _CSV:
        return _xgboost.DMatrix(_csv_values(text))
    if media_type in _LIBSVM:
        return _xgboost.DMatrix(_libsvm_values(text))
    return None


def _csv_values(text: str) -> Any:
    lines = text.split("\n")
    try:
        delimiter = csv.Sniffer().sniff(lines[0][:512]).delimiter
    except csv.Error:
        delimiter = ","  # a single column
    if delimiter.isalnum():
        delimiter = ","
    rows = [[value or "nan" for value in line.strip().split(delimiter)] for line in lines]
    return _numpy.array(rows).astype(float)


def _libsvm_values(text: str) -> Any:
    """Rows of ``index:value``; a label in front is left out."""
    rows, columns, values = [], [], []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for item in line.split():
            index, colon, value = item.partition(":")
            if colon:
                rows.append(number)
                columns.append(int(index))
                values.append(float(value))
    width = max(columns, default=-1) + 1
    return _sparse.csr_matrix((values, (rows, columns)), shape=(len(lines), width))
