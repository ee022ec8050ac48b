"""The steps of a pipeline that succeeded, for later executions to take over."""

from __future__ import annotations

from datetime import UTC, datetime

from localcloud.dag.caching import CachedStep
from localcloud.model import plain
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record


class PipelineCache:
    """A ``StepCache`` that is kept with its pipeline.

    Args:
        cloud: The service.
        pipeline: Whose steps.
        finds: Whether steps may be taken over; they are remembered in any case.
    """

    def __init__(self, cloud: SageMaker, pipeline: Record, *, finds: bool) -> None:
        self._finds = finds
        self._lock = cloud.store.lock
        self._steps: dict[str, list[Json]] = pipeline.hidden.setdefault("cache", {})

    def find(self, pipeline_name: str, key: str, since: datetime | None) -> CachedStep | None:
        """The latest step with this key that was completed at or after ``since``."""
        del pipeline_name
        if not self._finds:
            return None
        oldest = since.timestamp() if since else 0.0
        with self._lock:
            recent = [step for step in self._steps.get(key, []) if step["completed"] >= oldest]
        if not recent:
            return None
        latest = max(recent, key=lambda step: float(step["completed"]))
        completed = datetime.fromtimestamp(latest["completed"], UTC)
        return CachedStep(**{**latest, "completed": completed})

    def store(self, pipeline_name: str, key: str, step: CachedStep) -> None:
        """Remember a step that succeeded."""
        del pipeline_name
        kept = {
            "execution_arn": step.execution_arn,
            "completed": step.completed.timestamp(),
            "properties": plain(step.properties),
            "metadata": plain(step.metadata),
        }
        with self._lock:
            self._steps.setdefault(key, []).append(kept)
