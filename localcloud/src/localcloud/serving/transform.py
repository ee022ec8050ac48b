"""Batch transform jobs: every object of the input goes through the model server.

Source: SageMaker developer guide, "Batch transform for inference"; the API reference of
CreateTransformJob. The answer for ``<prefix>/a/b.csv`` is ``<S3OutputPath>/a/b.csv.out``.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.compute.job import Job
from localcloud.compute.outcome import JobFailure, Outcome
from localcloud.compute.ports import S3Uri
from localcloud.compute.transfer import download
from localcloud.serving.instances import Call, Instance
from localcloud.serving.model_process import Answer, ModelProcess

DEFAULT_PAYLOAD_MB = 6
"""``MaxPayloadInMB`` when the request says nothing."""

_INPUT = "/opt/ml/transform/input"


class _Stopped(Exception):  # noqa: N818 - the end of a job, no error of this program
    """The job is to stop."""


def run_transform(job: Job, container: Mapping[str, Any] | None) -> Outcome:
    """Run a CreateTransformJob request to its end.

    Args:
        job: The job.
        container: The definition of the container that ``ModelName`` means, or of several, through
            which every input passes, under ``Containers``.
    """
    request = job.request
    if container is None:
        raise JobFailure(f"ClientError: Could not find model {request['ModelName']!r}.")
    _check(request)
    job.check_single_instance(request["TransformResources"]["InstanceCount"])
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    job.on_status("Downloading")
    download(source, job.folder.make(_INPUT), job.objects, job.role)
    containers = container.get("Containers") or [container]
    model = Instance([(str(n), _process(job, each, n)) for n, each in enumerate(containers)])
    try:
        model.start()
        job.on_status("Transforming")
        _transform_all(job, model)
    except _Stopped:
        return Outcome("Transform", "Stopped", job.start_time, datetime.now(UTC))
    finally:
        model.stop()
    return Outcome("Transform", "Completed", job.start_time, datetime.now(UTC))


def _process(job: Job, container: Mapping[str, Any], number: int) -> ModelProcess:
    variables = {
        **(container.get("Environment") or {}),
        **job.request.get("Environment", {}),
        "SAGEMAKER_BATCH": "true",
    }
    return ModelProcess(
        {**container, "Environment": variables},
        job.objects,
        job.folder.workdir / f"model-{number}",
        logs=job.logs,
        log_group=job.log_group,
        log_stream=job.log_stream,
        environment=job.environment,
    )


def _check(request: Mapping[str, Any]) -> None:
    given = {
        "DataProcessing": any(
            value not in ("$", "None") for value in request.get("DataProcessing", {}).values()
        ),
        "SplitType": request["TransformInput"].get("SplitType", "None") not in ("None", "Line"),
    }
    refused = [name for name, is_given in given.items() if is_given]
    if refused:
        raise JobFailure(
            f"ClientError: The local cloud has no batch transform with this {refused[0]}; "
            "it offers SplitType None and Line, and no filters or joins (DataProcessing)."
        )


def _transform_all(job: Job, model: Instance) -> None:
    source, target = job.request["TransformInput"], job.request["TransformOutput"]
    top = job.folder.local(_INPUT)
    output = S3Uri.parse(target["S3OutputPath"])
    glue = b"\n" if target.get("AssembleWith") == "Line" else b""
    for file in sorted(path for path in top.rglob("*") if path.is_file()):
        body = file.read_bytes()
        if source.get("CompressionType") == "Gzip":
            body = gzip.decompress(body)
        answers = []
        for payload in _payloads(body, job.request):
            if job.stop.is_set():
                raise _Stopped
            call = Call(payload, source.get("ContentType", ""), target.get("Accept", "*/*"))
            answers.append(_content(model.invoke(call).answer, file.name))
        name = f"{file.relative_to(top).as_posix()}.out"
        address = output.join(name)
        assembled = glue.join(answer.rstrip(b"\n") if glue else answer for answer in answers)
        job.objects.put(address.bucket, address.key, assembled + glue)


def _content(answer: Answer, name: str) -> bytes:
    if answer.status != 200:
        said = answer.body.decode(errors="replace").strip().split("\n", 1)[0]
        raise JobFailure(
            f"AlgorithmError: The model answered {name} with status {answer.status}: {said}. "
            "See job logs for more information"
        )
    return answer.body


def _payloads(body: bytes, request: Mapping[str, Any]) -> Iterator[bytes]:
    """The parts in which a file is sent, by SplitType, BatchStrategy and MaxPayloadInMB."""
    if request["TransformInput"].get("SplitType", "None") == "None":
        yield body
        return
    lines = [line for line in body.split(b"\n") if line]
    if request.get("BatchStrategy") == "SingleRecord":
        yield from lines
        return
    limit = (request.get("MaxPayloadInMB") or DEFAULT_PAYLOAD_MB) * 1024 * 1024
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) + 1 > limit:
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield b"\n".join(batch)
