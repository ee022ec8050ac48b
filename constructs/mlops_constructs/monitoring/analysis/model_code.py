"""The model that is served, loaded from its artifact with its own inference code.

The contract is that of AWS's framework containers (SageMaker Inference Toolkit): ``model_fn``,
``input_fn``, ``predict_fn`` and ``output_fn`` in ``code/inference.py`` of ``model.tar.gz``, or in
the file that ``SAGEMAKER_PROGRAM`` names. ``explain_fn(data, model)``, which is ours, returns the
names of the features and an array of their exact Shapley values, a row per record.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AnalysisError
from .predictions import answers_of, value_at
from .settings import Settings
from .sources import open_source

_HANDLERS = ("model_fn", "input_fn", "predict_fn", "output_fn")
_CHUNK = 5_000
_JSON = "application/json"


class ModelCode:
    """A loaded model.

    Attributes:
        explains: Whether its code explains predictions itself.
    """

    def __init__(self, module: Any, model: Any, settings: Settings) -> None:
        self._module = module
        self._model = model
        self._settings = settings
        self.explains = hasattr(module, "explain_fn")

    def predict(self, records: Sequence[Mapping[str, Any]]) -> Any:
        """The score of each record: its probability, or else the predicted number.

        Raises:
            AnalysisError: If the model answers with something else.
        """
        scores: list[float] = []
        for start in range(0, len(records), _CHUNK):
            part = records[start : start + _CHUNK]
            answer = self._module.output_fn(
                self._module.predict_fn(self._input(part), self._model), _JSON
            )
            scores += self._scores(answer, len(part))
        return np.array(scores)

    def explain(self, records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Any | None:
        """Exact values from the model's own code; None when it has none.

        Raises:
            AnalysisError: If it does not explain these features.
        """
        if not self.explains:
            return None
        got, values = self._module.explain_fn(self._input(records), self._model)
        places = {str(name): at for at, name in enumerate(got)}
        values = np.asarray(values, dtype=float)
        # A column that the model does not use has no share in its predictions.
        table = np.zeros((len(records), len(names)))
        for at, name in enumerate(names):
            if name in places:
                table[:, at] = values[:, places[name]]
        if not set(names) & set(places):
            raise AnalysisError(f"explain_fn explains {', '.join(places)}, none of them known.")
        return table

    def _input(self, records: Sequence[Mapping[str, Any]]) -> Any:
        body = json.dumps({"instances": [dict(record) for record in records]})
        return self._module.input_fn(body, _JSON)

    def _scores(self, answer: Any, count: int) -> list[float]:
        if isinstance(answer, tuple):  # the toolkit allows (body, content type)
            answer = answer[0]
        text = answer.decode("utf-8") if isinstance(answer, (bytes, bytearray)) else str(answer)
        settings = self._settings
        attribute = settings.probability_attribute or settings.inference_attribute
        answers = answers_of({"data": text, "encoding": "JSON"})
        if len(answers) != count:
            raise AnalysisError(f"The model gave {len(answers)} answers to {count} records.")
        try:
            return [
                float(each if attribute is None else value_at(each, attribute)) for each in answers
            ]
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise AnalysisError(
                f"The answer {str(answers[0])[:80]} has no number at {attribute!r}: give "
                "probability_attribute or inference_attribute of AttributionDrift."
            ) from error


@contextmanager
def open_model(place: str, settings: Settings) -> Iterator[ModelCode]:
    """Load the model in ``model.tar.gz`` or in a folder, while the context lasts.

    Raises:
        AnalysisError: If there is none, or its code lacks a handler.
    """
    if not place:
        raise AnalysisError(
            "No model is known: the endpoint serves no model package, or AttributionDrift has no "
            "model of its own."
        )
    with tempfile.TemporaryDirectory(prefix="model-") as name:
        folder = Path(name)
        _unpack(place, folder)
        code = folder / "code"
        program = code / settings.model_program
        if not program.is_file():
            raise AnalysisError(f"{place} has no code/{settings.model_program}.")
        before, path = set(sys.modules), list(sys.path)
        sys.path.insert(0, str(code))
        try:
            module = _imported(program, place)
            yield ModelCode(module, module.model_fn(str(folder)), settings)
        finally:
            # Modules of the model's code have common names, such as "encoding".
            sys.path[:] = path
            for added in set(sys.modules) - before:
                found = getattr(sys.modules[added], "__file__", None) or ""
                if found.startswith(name):
                    del sys.modules[added]


def _imported(program: Path, place: str) -> Any:
    spec = importlib.util.spec_from_file_location("served_inference", program)
    if spec is None or spec.loader is None:
        raise AnalysisError(f"{place}: {program.name} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    absent = [each for each in _HANDLERS if not hasattr(module, each)]
    if absent:
        raise AnalysisError(f"{place}: code/{program.name} has no {', '.join(absent)}.")
    return module


def _unpack(place: str, folder: Path) -> None:
    root = Path(place)
    found = False
    for file in open_source(place).everything():
        found = True
        if file.name.endswith(".tar.gz"):
            with tarfile.open(file.path) as archive:
                for member in archive.getmembers():
                    target = (folder / member.name).resolve()
                    if member.issym() or member.islnk() or folder.resolve() not in target.parents:
                        if target == folder.resolve():
                            continue
                        raise AnalysisError(f"{file.name}: {member.name} lies outside.")
                archive.extractall(folder)  # noqa: S202  # its members were looked at
            continue
        inner = (
            Path(file.name).relative_to(root)
            if not place.startswith("s3://")
            else Path(file.name[len(place.split("/", 3)[3].rstrip("/")) + 1 :])
        )
        target = folder / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, target)
    if not found:
        raise AnalysisError(f"{place} holds no model.")
