"""Processing, training and transform jobs: each runs in a thread of the server, as a subprocess."""

from __future__ import annotations

import threading
from uuid import uuid4

from localcloud.compute.jobs import run_job
from localcloud.compute.outcome import Kind as JobKind
from localcloud.errors import invalid
from localcloud.model import plain
from localcloud.sagemaker import crud
from localcloud.sagemaker.adapters import EmulatorLogs, EmulatorObjects
from localcloud.sagemaker.fleets import container_environment, model_containers
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record

_GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL. AWS gives 120; nobody waits that long at a laptop."""


@operation("CreateProcessingJob")
def create_processing_job(cloud: SageMaker, request: Json) -> Json:
    """Start a processing job."""
    return _create(cloud, "Processing", request)


@operation("CreateTrainingJob")
def create_training_job(cloud: SageMaker, request: Json) -> Json:
    """Start a training job."""
    return _create(cloud, "Training", request)


@operation("CreateTransformJob")
def create_transform_job(cloud: SageMaker, request: Json) -> Json:
    """Start a transform job."""
    return _create(cloud, "Transform", request)


@operation("StopProcessingJob")
def stop_processing_job(cloud: SageMaker, request: Json) -> Json:
    """Stop a processing job."""
    return _stop(cloud, "Processing", request)


@operation("StopTrainingJob")
def stop_training_job(cloud: SageMaker, request: Json) -> Json:
    """Stop a training job."""
    return _stop(cloud, "Training", request)


@operation("StopTransformJob")
def stop_transform_job(cloud: SageMaker, request: Json) -> Json:
    """Stop a transform job."""
    return _stop(cloud, "Transform", request)


def _create(cloud: SageMaker, job: JobKind, request: Json) -> Json:
    status: Json = {f"{job}JobStatus": "InProgress"}
    if job == "Training":
        status["SecondaryStatus"] = "Starting"
    of = kind(f"{job}Job")
    record = crud.store_new(cloud, of, f"Create{of.name}", {**request, **status})
    crud.start(cloud, record)
    cloud.runs.start(record.arn, lambda stop: _run(cloud, job, record, request, stop))
    return record.data


def _run(
    cloud: SageMaker, job: JobKind, record: Record, request: Json, stop: threading.Event
) -> None:
    def told(status: str) -> None:
        # "Stopping" stays visible while the job uploads what it has.
        if job == "Training" and record.data["TrainingJobStatus"] == "InProgress":
            cloud.touch(record, SecondaryStatus=status)

    def printed(name: str, value: float) -> None:
        record.hidden.setdefault("metrics", {}).setdefault(name, []).append(value)

    scope = cloud.scope
    outcome = run_job(
        job,
        request,
        objects=EmulatorObjects(cloud, scope),
        logs=EmulatorLogs(cloud, scope),
        workdir=cloud.settings.work_dir / "jobs" / f"{record.key[-1]}-{uuid4().hex[:8]}",
        stop=stop,
        environment=container_environment(cloud, scope),
        grace_seconds=_GRACE_SECONDS,
        on_status=told,
        on_metric=printed,
        model_container=_container(cloud, request) if job == "Transform" else None,
    )
    described: Json = plain(outcome.described())
    status = described.pop(f"{job}JobStatus")
    crud.set_status(cloud, record, status, **described)


def _container(cloud: SageMaker, request: Json) -> Json | None:
    """The container, or the containers, that a transform job sends its input through."""
    model = cloud.find("Model", request)
    containers = model_containers(cloud, model.data) if model else []
    return {"Containers": containers} if len(containers) > 1 else next(iter(containers), None)


def _stop(cloud: SageMaker, job: JobKind, request: Json) -> Json:
    record = cloud.require(f"{job}Job", request, f"Stop{job}Job")
    status = record.data[f"{job}JobStatus"]
    if status not in {"InProgress", "Stopping"}:
        raise invalid(
            f"The request was rejected because the {job.lower()} job is in status {status}."
        )
    crud.set_status(cloud, record, "Stopping")
    cloud.runs.stop(record.arn)
    return {}
