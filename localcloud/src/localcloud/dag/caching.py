"""Step caching as the service does it.

A step with ``CacheConfig.Enabled`` is not run when the same step of the same pipeline succeeded
before, within ``ExpireAfter``, with the same *key attributes*; the earlier step's properties take
the place of its own. Output locations and resources are not among the attributes. Source:
SageMaker developer guide, "Default cache key attributes by pipeline step type".
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from localcloud.compute.ports import ServiceError
from localcloud.dag.definition import Step

KEY_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Transform": (
        "BatchStrategy",
        "DataProcessing",
        "Environment",
        "MaxConcurrentTransforms",
        "MaxPayloadInMB",
        "ModelName",
        "TransformInput",
    ),
    "Tuning": (
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition.AlgorithmSpecification",
        "TrainingJobDefinition.HyperParameterRanges",
        "TrainingJobDefinition.InputDataConfig",
        "TrainingJobDefinition.StaticHyperParameters",
        "TrainingJobDefinition.TuningObjective",
        "TrainingJobDefinitions",
    ),
}
"""Step type → the arguments that make its cache key. Other types are never taken from the cache."""

_DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)
_DAYS = {"years": 365, "months": 30, "weeks": 7, "days": 1}


@dataclass(frozen=True)
class CachedStep:
    """What a step that succeeded leaves for later executions."""

    execution_arn: str
    completed: datetime
    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]


class StepCache(Protocol):
    """Where the steps that have succeeded are remembered."""

    def find(self, pipeline_name: str, key: str, since: datetime | None) -> CachedStep | None:
        """The most recent step with this key that was completed at or after ``since``."""
        ...

    def store(self, pipeline_name: str, key: str, step: CachedStep) -> None:
        """Remember a step that has succeeded."""
        ...


class MemoryCache:
    """A ``StepCache`` that lasts as long as the process."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], list[CachedStep]] = defaultdict(list)
        self._lock = threading.Lock()

    def find(self, pipeline_name: str, key: str, since: datetime | None) -> CachedStep | None:
        """See ``StepCache``."""
        with self._lock:
            found = self._steps.get((pipeline_name, key), [])
            recent = [step for step in found if since is None or step.completed >= since]
        return max(recent, key=lambda step: step.completed, default=None)

    def store(self, pipeline_name: str, key: str, step: CachedStep) -> None:
        """See ``StepCache``."""
        with self._lock:
            self._steps[pipeline_name, key].append(step)


def cache_key(step: Step, request: Mapping[str, Any]) -> str | None:
    """The step's key for these resolved arguments, or None when its type is not cached."""
    attributes = KEY_ATTRIBUTES.get(step.type)
    if attributes is None:
        return None
    parts = {name: _part(request, name) for name in attributes}
    text = json.dumps([step.name, step.type, parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _part(request: Mapping[str, Any], path: str) -> Any:
    value: Any = request
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def looks_up(step: Step) -> bool:
    """Whether the step may be taken from the cache."""
    return bool(step.document.get("CacheConfig", {}).get("Enabled"))


def oldest_allowed(step: Step, now: datetime | None = None) -> datetime | None:
    """The time before which a result is too old, or None when nothing expires.

    Raises:
        ServiceError: ``ValidationException`` for an ``ExpireAfter`` that is no duration.
    """
    text = step.document.get("CacheConfig", {}).get("ExpireAfter")
    if text is None:
        return None
    return (now or datetime.now(UTC)) - duration(str(text))


def duration(text: str) -> timedelta:
    """An ISO 8601 duration, with or without its ``P``: ``30d``, ``PT1H``, ``T16m``, ``P4DT12H``.

    Raises:
        ServiceError: ``ValidationException`` when it is none.
    """
    match = _DURATION.fullmatch(text)
    parts = (
        {name: int(value) for name, value in match.groupdict().items() if value} if match else {}
    )
    if not parts:
        raise ServiceError(
            "ValidationException",
            f"ExpireAfter {text!r} is no ISO 8601 duration. Write P30D, PT12H or P4DT12H.",
        )
    days = sum(parts.pop(name, 0) * factor for name, factor in _DAYS.items())
    return timedelta(days=days, **parts)
