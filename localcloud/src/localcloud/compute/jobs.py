"""Run one job: the entry point of this package.

A transform job is a model server with a feeder, so this module alone also knows ``serving``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.compute.job import Job
from localcloud.compute.layout import ContainerFolder
from localcloud.compute.outcome import JobFailure, Kind, Outcome
from localcloud.compute.ports import Logs, Objects, ServiceError
from localcloud.compute.processing import run_processing
from localcloud.compute.training import run_training
from localcloud.serving.transform import run_transform

STOP_GRACE_SECONDS = 120.0
"""What the service gives a job between SIGTERM and SIGKILL (StopTrainingJob)."""


def run_job(
    kind: Kind,
    request: Mapping[str, Any],
    *,
    objects: Objects,
    logs: Logs,
    workdir: Path,
    stop: threading.Event,
    environment: Mapping[str, str] | None = None,
    grace_seconds: float = STOP_GRACE_SECONDS,
    on_status: Callable[[str], None] = lambda _: None,
    on_metric: Callable[[str, float], None] = lambda *_: None,
    model_container: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run a job to its end; it ends with an outcome, whatever goes wrong in it.

    The job's log goes to ``/aws/sagemaker/{kind}Jobs``, stream ``<job>/algo-1-<epoch seconds>``.

    Args:
        kind: Which operation the request belongs to.
        request: The Create…Job request, already valid for the API.
        objects: Where inputs come from and outputs go to.
        logs: Where stdout and stderr go, line by line.
        workdir: A folder for this job alone, which is removed at the end.
        stop: Set it to stop the job.
        environment: What the cloud gives its containers: ``AWS_REGION``, ``AWS_ENDPOINT_URL``,
            credentials. Under network isolation a job gets the region only.
        grace_seconds: Time between SIGTERM and SIGKILL.
        on_status: Told each secondary status: Downloading, Processing or Training, Uploading.
        on_metric: Told each value of a metric that a training job prints.
        model_container: For a transform job, the container definition of its model.
    """
    started = datetime.now(UTC)
    if stop.is_set():
        return Outcome(kind, "Stopped", started, started)
    folder = ContainerFolder(workdir)
    try:
        job = Job(
            kind=kind,
            request=request,
            objects=objects,
            logs=logs,
            folder=folder,
            environment=environment or {},
            stop=stop,
            grace_seconds=grace_seconds,
            on_status=on_status,
            on_metric=on_metric,
        )
        if kind == "Transform":
            return run_transform(job, model_container)
        return run_processing(job) if kind == "Processing" else run_training(job)
    except JobFailure as failure:
        reason = str(failure)
    except ServiceError as error:
        reason = f"ClientError: {error.message}"
    except Exception as error:  # a job of the service ends, too, when the service has a fault
        reason = f"InternalServerError: {type(error).__name__}: {error}"
    finally:
        folder.remove()
    return Outcome(kind, "Failed", started, datetime.now(UTC), failure_reason=reason)
