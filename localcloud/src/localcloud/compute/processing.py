"""Processing jobs.

The contract: inputs below ``/opt/ml/processing`` before the start, outputs uploaded from there
after it, the request in ``/opt/ml/config/processingjobconfig.json``, an exit message in
``/opt/ml/output/message``. Source: SageMaker developer guide, "Build your own processing
container".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.compute.containers import stand_in
from localcloud.compute.job import EXIT_MESSAGE_LIMIT, HOST, Finished, Job
from localcloud.compute.outcome import JobFailure, Outcome, Status
from localcloud.compute.ports import S3Uri
from localcloud.compute.transfer import ContinuousUpload, download, upload


def run_processing(job: Job) -> Outcome:
    """Run a CreateProcessingJob request to its end."""
    request = job.request
    cluster = request["ProcessingResources"]["ClusterConfig"]
    job.check_single_instance(cluster["InstanceCount"])
    container = stand_in(request["AppSpecification"]["ImageUri"])
    command = _command(job, request["AppSpecification"])

    job.on_status("Downloading")
    for source in request.get("ProcessingInputs", []):
        _bring(job, source)
    at_end, continuous = _outputs(job)
    _write_configuration(job, cluster)

    job.on_status("Processing")
    with ContinuousUpload(continuous, job.objects):
        finished = job.run(
            container,
            command,
            variables=request.get("Environment", {}),
            isolated=bool(request.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
        )
    if finished.ended == "exited" and finished.exit_code == 0:
        job.on_status("Uploading")
        for folder, uri in at_end.items():
            upload(folder, uri, job.objects)
    return _outcome(job, finished)


def _command(job: Job, specification: Mapping[str, Any]) -> list[str]:
    command = [
        *specification.get("ContainerEntrypoint", []),
        *specification.get("ContainerArguments", []),
    ]
    if not specification.get("ContainerEntrypoint"):
        raise JobFailure(
            "ClientError: AppSpecification has no ContainerEntrypoint. The stand-in for "
            f"{specification['ImageUri']!r} has no default entry point; say which program to run."
        )
    return [job.folder.substitute(part) for part in command]


def _bring(job: Job, source: Mapping[str, Any]) -> None:
    if source.get("AppManaged"):
        return
    if "S3Input" not in source:
        raise JobFailure(
            f"ClientError: The local cloud reads inputs from S3 only; input "
            f"{source['InputName']!r} has a DatasetDefinition. Export the data set to S3."
        )
    s3_input = source["S3Input"]
    if s3_input.get("S3InputMode", "File") != "File":
        raise JobFailure(
            f"ClientError: Input {source['InputName']!r} has S3InputMode "
            f"{s3_input['S3InputMode']!r}; the local cloud offers File."
        )
    download(s3_input, job.folder.make(s3_input["LocalPath"]), job.objects, job.role)


def _outputs(job: Job) -> tuple[dict[Path, S3Uri], dict[Path, S3Uri]]:
    """The folders to upload at the end and while the job runs; they exist from the start."""
    at_end: dict[Path, S3Uri] = {}
    continuous: dict[Path, S3Uri] = {}
    for output in job.request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if output.get("AppManaged"):
            continue
        if "S3Output" not in output:
            raise JobFailure(
                f"ClientError: The local cloud writes outputs to S3 only; output "
                f"{output['OutputName']!r} has a FeatureStoreOutput."
            )
        s3_output = output["S3Output"]
        folders = continuous if s3_output["S3UploadMode"] == "Continuous" else at_end
        folders[job.folder.make(s3_output["LocalPath"])] = S3Uri.parse(s3_output["S3Uri"])
    return at_end, continuous


def _write_configuration(job: Job, cluster: Mapping[str, Any]) -> None:
    job.folder.make("/opt/ml/output")
    job.folder.write_json(
        "/opt/ml/config/processingjobconfig.json",
        {"ProcessingJobArn": job.arn, **{k: v for k, v in job.request.items() if k != "Tags"}},
    )
    job.folder.write_json(
        "/opt/ml/config/resourceconfig.json",
        {
            "current_host": HOST,
            "current_instance_type": cluster["InstanceType"],
            "hosts": [HOST],
        },
    )


def _outcome(job: Job, finished: Finished) -> Outcome:
    exceeded = finished.ended == "timed out"
    status: Status = "Completed"
    reason = None
    if finished.ended == "stopped":
        status = "Stopped"
    elif exceeded:
        status, reason = "Failed", "ClientError: Exceeded MaxRuntimeInSeconds of the job."
    elif finished.exit_code != 0:
        status = "Failed"
        # The service stops after "exit code"; the line saves a walk to the log.
        reason = (
            "AlgorithmError: See job logs for more information, exit code: "
            f"{finished.exit_code}. {_why(job, finished)}"
        ).strip()
    return Outcome(
        kind="Processing",
        status=status,
        start_time=job.start_time,
        end_time=datetime.now(UTC),
        failure_reason=reason,
        exit_code=finished.exit_code,
        exit_message=job.folder.read_text("/opt/ml/output/message", EXIT_MESSAGE_LIMIT),
        max_runtime_exceeded=exceeded,
    )


def _why(job: Job, finished: Finished) -> str:
    written = job.folder.read_text("/opt/ml/output/failure", EXIT_MESSAGE_LIMIT)
    if written:
        return written
    last = finished.last_line()
    return f"Last line of the log: {last}" if last else ""
