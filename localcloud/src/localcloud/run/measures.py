"""What a step says of itself in one line: metrics, outcomes, versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud import emulator
from localcloud.compute.ports import S3Uri, ServiceError
from localcloud.dag.definition import Definition
from localcloud.dag.expressions import walk
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Record

_MOST = 6


def measures(
    sagemaker: SageMaker,
    definition: Definition,
    name: str,
    *,
    metadata: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> dict[str, str]:
    """The measures of a step, by name; those of a training job as they are while it runs.

    Of a step with property files they are the values that other steps read from them: what a
    condition compares, or what a model is registered with.

    Args:
        sagemaker: Where the step's job is.
        definition: The pipeline.
        name: The step.
        metadata: Of its execution.
        properties: What it gave, if it has succeeded.
    """
    step = definition.steps[name]
    found: dict[str, str] = {}
    match step.type:
        case "Training":
            found = _training(sagemaker, metadata)
        case "Tuning":
            found = _tuning(sagemaker, metadata)
        case "Processing" if properties:
            found = dict(_read_by_others(sagemaker, definition, name, properties))
        case "Condition" if properties:
            found = {"outcome": str(properties.get("Outcome"))}
        case "RegisterModel" if properties:
            found = {"version": str(properties.get("ModelPackageVersion"))}
            if "ModelApprovalStatus" in properties:
                found["approval"] = str(properties["ModelApprovalStatus"])
        case "Lambda" if properties:
            outputs = properties.get("OutputParameters") or {}
            found = {key: _short(value) for key, value in outputs.items()}
        case "Callback" if not properties and "Callback" in metadata:
            found = {"waits for the answer to token": str(metadata["Callback"]["CallbackToken"])}
    return dict(list(found.items())[:_MOST])


def _training(sagemaker: SageMaker, metadata: Mapping[str, Any]) -> dict[str, str]:
    record = job_of(sagemaker, "TrainingJob", metadata.get("TrainingJob"))
    if record is None:
        return {}
    printed = record.hidden.get("metrics", {})
    return {name: _short(values[-1]) for name, values in list(printed.items()) if values}


def _tuning(sagemaker: SageMaker, metadata: Mapping[str, Any]) -> dict[str, str]:
    record = job_of(sagemaker, "HyperParameterTuningJob", metadata.get("TuningJob"))
    if record is None:
        return {}
    with emulator.within(_scope(record.arn)):
        described = sagemaker.call(
            "DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": record.key[-1]}
        )
    counters = described.get("TrainingJobStatusCounters", {})
    found = {"jobs": str(counters.get("Completed", 0))}
    if running := counters.get("InProgress"):
        found["running"] = str(running)
    best = described.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
    if best:
        found[f"best {best['MetricName']}"] = _short(best["Value"])
    return found


def job_of(sagemaker: SageMaker, kind: str, metadata: Mapping[str, Any] | None) -> Record | None:
    """The job that the metadata of a step names, if it names one."""
    if not metadata:
        return None
    return sagemaker.store.by_arn(_scope(metadata["Arn"]), metadata["Arn"], kind)


def _scope(arn: str) -> emulator.Scope:
    _, _, _, region, account, _ = arn.split(":", 5)
    return emulator.Scope(account, region)


def _read_by_others(
    sagemaker: SageMaker, definition: Definition, name: str, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    files: dict[str, Any] = {}
    for file, path in _paths(definition, name):
        if file not in files:
            files[file] = _property_file(sagemaker, definition, name, file, properties=properties)
        try:
            value = walk(files[file], path)
        except (LookupError, ValueError):
            continue  # JsonGet will say so when it is its turn
        yield _label(path), _short(value)


def _paths(definition: Definition, name: str) -> list[tuple[str, str]]:
    """What is read from the property files of a step: file and path, once each."""
    prefix = f"Steps.{name}.PropertyFiles."
    found = {
        (get["PropertyFile"]["Get"].removeprefix(prefix), str(get["Path"])): None
        for step in definition.steps.values()
        for get in _json_gets(step.arguments)
        if str(get.get("PropertyFile", {}).get("Get")).startswith(prefix)
    }
    return list(found)


def _json_gets(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("Std:JsonGet"), Mapping):
            yield value["Std:JsonGet"]
        for item in value.values():
            yield from _json_gets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _json_gets(item)


def _property_file(
    sagemaker: SageMaker,
    definition: Definition,
    name: str,
    file: str,
    *,
    properties: Mapping[str, Any],
) -> Any:
    described = definition.steps[name].property_files[file]
    try:
        output = walk(
            properties,
            f"ProcessingOutputConfig.Outputs['{described['OutputName']}'].S3Output.S3Uri",
        )
        uri = S3Uri.parse(output).join(described["FilePath"])
        objects = EmulatorObjects(sagemaker, _scope(properties["ProcessingJobArn"]))
        return json.loads(objects.get(uri.bucket, uri.key))
    except (LookupError, ValueError, ServiceError):
        return {}


def _label(path: str) -> str:
    """``binary_classification_metrics.auc.value`` → ``auc``."""
    parts = [part for part in path.replace("[", ".").replace("]", "").split(".") if part]
    meaning = [part.strip("'\"") for part in parts if part != "value"]
    return meaning[-1] if meaning else path


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
