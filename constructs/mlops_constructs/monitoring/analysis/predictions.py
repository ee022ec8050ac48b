"""What a model answered, next to what turned out to be true.

Ground truth is in the service's layout (developer guide, "Ingest Ground Truth Labels and Merge
Them With Predictions"): JSON Lines with ``groundTruthData.data`` and ``eventMetadata.eventId``, the
request's inference id or, if the caller gave none, its event id. A label may come late or twice:
all hours since the prediction are read, and the last one counts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .batches import blocks_of, read_batches
from .capture import Captured, events_of, records_of
from .errors import AnalysisError
from .settings import Settings
from .sources import File
from .window import Window, parse_time

_LISTS = ("predictions", "outputs", "instances", "data", "results")


@dataclass(frozen=True)
class Prediction:
    """One record, what was answered and what is true.

    Attributes:
        record: The request's values by name.
        answer: The predicted label or number; None when the answer has a probability only.
        probability: That it is the positive label, if the answer has one.
        truth: The label or number as text; None while it is not known.
    """

    record: dict[str, Any]
    answer: Any
    probability: float | None
    truth: str | None


@dataclass
class Joined:
    """Predictions of a window.

    Attributes:
        predictions: One a record.
        captured: What was wrong with requests and answers.
        labels: How many labels there were.
        bad_labels: How many lines of ground truth were none.
    """

    predictions: list[Prediction] = field(default_factory=list)
    captured: Captured = field(default_factory=Captured)
    labels: int = 0
    bad_labels: int = 0

    @property
    def known(self) -> list[Prediction]:
        """Those whose truth is known."""
        return [each for each in self.predictions if each.truth is not None]

    @property
    def coverage(self) -> float:
        """The share of predictions whose truth is known."""
        return len(self.known) / len(self.predictions) if self.predictions else 0.0


def join(
    requests: Iterable[File],
    labels: Iterable[File],
    window: Window,
    columns: Sequence[str],
    settings: Settings,
) -> Joined:
    """The predictions within the window, with the labels that are there by now."""
    joined = Joined()
    truth = _labels(labels, joined)
    for file in requests:
        try:
            for number, block in blocks_of(file):
                for at, event in events_of(block):
                    where = f"{file.name}:{number + at}"
                    _read(joined, where, event, truth, window, columns, settings)
        except (OSError, EOFError) as error:  # such as a compressed file that ends too soon  # noqa: PERF203  # each is judged alone
            joined.captured.requests += 1
            joined.captured.note(file.name, f"cannot be read to its end: {error}")
    return joined


def join_table(files: Iterable[File], labels: Iterable[File], settings: Settings) -> Joined:
    """The predictions in data sets that hold records and predictions side by side.

    The truth is in a column of its own, or in ground truth with the ids of another column.

    Raises:
        AnalysisError: If a column that the settings name is not there.
    """
    joined = Joined()
    truth = _labels(labels, joined)
    for batch in read_batches(files, settings.columns):
        named = {
            "inference_attribute": settings.inference_attribute,
            "probability_attribute": settings.probability_attribute,
            "label_attribute": settings.label_attribute,
            "event_id_attribute": settings.event_id_attribute,
        }
        for option, name in named.items():
            if name is not None and name not in batch.columns:
                raise AnalysisError(
                    f"{option}: got {name!r}; the data have {', '.join(list(batch.columns)[:50])}."
                )
        columns = {name: array.to_pylist() for name, array in batch.columns.items()}
        for values in zip(*columns.values()):
            joined.captured.requests += 1
            record = dict(zip(columns, values))
            try:
                joined.predictions.append(_of_row(record, truth, settings))
            except ValueError as error:
                joined.captured.note(f"row {joined.captured.requests}", str(error))
    return joined


def _of_row(record: dict[str, Any], truth: dict[str, list[str]], settings: Settings) -> Prediction:
    def value(name: str | None) -> Any:
        found = None if name is None else record[name]
        return None if found is None or str(found).strip() == "" else found

    known = value(settings.label_attribute)
    if known is None and settings.event_id_attribute is not None:
        labels = truth.get(str(value(settings.event_id_attribute)), [])
        known = labels[0] if len(labels) == 1 else None
    return Prediction(
        record,
        value(settings.inference_attribute),
        _probability(value(settings.probability_attribute)),
        None if known is None else str(known).strip(),
    )


def _labels(files: Iterable[File], joined: Joined) -> dict[str, list[str]]:
    truth: dict[str, list[str]] = {}
    for file in files:
        try:
            for _, block in blocks_of(file):
                for _, event in events_of(block):
                    _read_label(event, truth, joined)
        except (OSError, EOFError):  # such as a compressed file that ends too soon  # noqa: PERF203  # each is judged alone
            joined.bad_labels += 1
    joined.labels = len(truth)
    return truth


def _read_label(event: Any, truth: dict[str, list[str]], joined: Joined) -> None:
    try:
        data = str(event["groundTruthData"]["data"])
        truth[str(event["eventMetadata"]["eventId"])] = [
            row[0].strip() for row in csv.reader(io.StringIO(data)) if row
        ]
    except (KeyError, TypeError, IndexError, csv.Error):
        joined.bad_labels += 1


def _read(  # noqa: PLR0917  # one caller, whose locals these are
    joined: Joined,
    where: str,
    event: Any,
    truth: dict[str, list[str]],
    window: Window,
    columns: Sequence[str],
    settings: Settings,
) -> None:
    try:
        metadata, parts = event["eventMetadata"], event["captureData"]
        moment = parse_time(metadata["inferenceTime"])
        if moment is not None and moment not in window:
            return
        joined.captured.requests += 1
        records = records_of(parts["endpointInput"], columns)
        answers = answers_of(parts["endpointOutput"])
        if len(answers) != len(records):
            raise ValueError(  # noqa: TRY301  # noted with the others
                f"{len(answers)} answers to {len(records)} records"
            )
        key = str(metadata.get("inferenceId") or metadata["eventId"])
        labels = truth.get(key, [])
        joined.predictions += [
            Prediction(
                record,
                value_at(answer, settings.inference_attribute),
                _probability(value_at(answer, settings.probability_attribute)),
                labels[index] if len(labels) == len(records) else None,
            )
            for index, (record, answer) in enumerate(zip(records, answers))
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, csv.Error) as error:
        joined.captured.note(where, f"{type(error).__name__}: {error}")


def answers_of(part: Any) -> list[Any]:
    """The answers in one side of a captured request, one for each record."""
    text = part["data"]
    if part.get("encoding") == "JSON" or "json" in str(part.get("observedContentType", "")).lower():
        value = json.loads(text)
        for name in _LISTS:
            if isinstance(value, dict) and isinstance(value.get(name), list):
                value = value[name]
        return value if isinstance(value, list) else [value]
    rows = records_of(part, ()) if part.get("encoding") == "BASE64" else None
    if rows is not None:
        return rows
    return [row for row in csv.reader(io.StringIO(text), strict=True) if row]


def value_at(answer: Any, attribute: str | None) -> Any:
    """The value at an index (``0``) or a path (``scores.1``) of an answer."""
    if attribute is None:
        return None
    for key in attribute.split("."):
        if isinstance(answer, dict):
            answer = answer[key]
        elif isinstance(answer, list):
            answer = answer[int(key)]
        elif key != "0":
            raise ValueError(f"the answer {str(answer)[:40]!r} has no {attribute!r}")
    return answer


def _probability(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"the probability {value!r} is not between 0 and 1")
    return number
