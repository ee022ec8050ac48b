"""Training jobs.

The contract: channels below ``/opt/ml/input/data``, three configuration files, the model in
``/opt/ml/model``, a failure's description in ``/opt/ml/output/failure``. Script mode (the
hyperparameters ``sagemaker_program`` and ``sagemaker_submit_directory``) runs through AWS's own
training toolkit, which AWS's framework containers use too. Source: SageMaker developer guide,
"How Amazon SageMaker runs your training image"; github.com/aws/sagemaker-training-toolkit.

A job with ``EnableManagedSpotTraining`` is interrupted as often as the variable
``LOCALCLOUD_SPOT_INTERRUPTIONS`` of its ``Environment`` says, each time when it has written a new
checkpoint: the container ends, its checkpoints are on S3, and a new container begins with them in
an empty ``/opt/ml``. That is what the service does when it needs the instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.compute.containers import StandIn, stand_in
from localcloud.compute.job import HOST, Finished, Job
from localcloud.compute.metrics import MetricCollector
from localcloud.compute.outcome import FAILURE_REASON_LIMIT, JobFailure, Outcome, Status
from localcloud.compute.ports import S3Uri
from localcloud.compute.spot import Interruption, planned_interruptions
from localcloud.compute.transfer import ContinuousUpload, download, upload, upload_archive

_CHECKPOINTS = "/opt/ml/checkpoints"
_INSTANCE_GROUP = "homogeneousCluster"
_NO_MESSAGE = 'ErrorMessage ""'


def run_training(job: Job) -> Outcome:
    """Run a CreateTrainingJob request to its end."""
    return _train(job, planned_interruptions(job.request))


def _train(job: Job, interruptions: int) -> Outcome:
    request = job.request
    resources = request.get("ResourceConfig", {})
    job.check_single_instance(resources.get("InstanceCount", 1))
    algorithm = request.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise JobFailure(
            "ClientError: The local cloud trains with AlgorithmSpecification.TrainingImage only."
        )
    container = stand_in(algorithm["TrainingImage"])
    isolated = bool(request.get("EnableNetworkIsolation"))

    job.on_status("Downloading")
    for channel in request.get("InputDataConfig", []):
        _bring(job, channel)
    checkpoints = _checkpoints(job)
    for path in ("/opt/ml/model", "/opt/ml/output/data", "/opt/ml/input/data"):
        job.folder.make(path)
    hyperparameters = _hyperparameters(job, isolated=isolated)
    _write_configuration(job, hyperparameters, resources)
    metrics = MetricCollector(algorithm.get("MetricDefinitions", []), job.on_metric)

    job.on_status("Training")
    interruption = Interruption(job.stop, list(checkpoints) if interruptions else [])
    with ContinuousUpload(checkpoints, job.objects), interruption:
        finished = job.run(
            container,
            _command(job, algorithm, hyperparameters, container),
            variables={
                "TRAINING_JOB_NAME": job.name,
                "TRAINING_JOB_ARN": job.arn,
                # The toolkit resolves the host names of a cluster otherwise; there is one host.
                "SM_STUDIO_LOCAL_MODE": "true",
                "SM_MODEL_DIR": "/opt/ml/model",
                **request.get("Environment", {}),
            },
            isolated=isolated,
            on_lines=metrics.collect,
            stop=interruption.event,
        )
    if interruption.happened and finished.ended == "stopped":
        job.on_status("Interrupted")
        job.folder.empty()
        return _train(job, interruptions - 1)
    job.on_status("Uploading")
    failed = finished.ended == "exited" and finished.exit_code != 0
    return _outcome(job, finished, None if failed else _upload(job), metrics)


def _bring(job: Job, channel: Mapping[str, Any]) -> None:
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    mode = _input_mode(job, channel)
    if source is None:
        raise JobFailure(f"ClientError: Channel {name!r} is not on S3; the local cloud reads S3.")
    if mode == "Pipe" or channel.get("CompressionType", "None") != "None":
        raise JobFailure(
            f"ClientError: Channel {name!r} is streamed (Pipe mode or compressed); the local "
            "cloud offers the input modes File and FastFile, uncompressed."
        )
    download(source, job.folder.make(f"/opt/ml/input/data/{name}"), job.objects, job.role)


def _input_mode(job: Job, channel: Mapping[str, Any]) -> str:
    algorithm = job.request["AlgorithmSpecification"]
    return str(channel.get("InputMode") or algorithm.get("TrainingInputMode", "File"))


def _checkpoints(job: Job) -> dict[Path, S3Uri]:
    configuration = job.request.get("CheckpointConfig")
    if not configuration:
        return {}
    folder = job.folder.make(configuration.get("LocalPath") or _CHECKPOINTS)
    uri = S3Uri.parse(configuration["S3Uri"])
    if job.objects.list(uri.bucket, uri.key):
        download({"S3Uri": str(uri)}, folder, job.objects, job.role)
    return {folder: uri}


def _hyperparameters(job: Job, *, isolated: bool) -> dict[str, str]:
    """The hyperparameters with local paths; source code on S3 is fetched as the toolkit would."""
    found = {
        name: job.folder.substitute(value)
        for name, value in job.request.get("HyperParameters", {}).items()
    }
    directory = _plain(found.get("sagemaker_submit_directory", ""))
    if directory.startswith("s3://"):
        if isolated:
            raise JobFailure(
                f"ClientError: sagemaker_submit_directory is {directory}, which a container with "
                "EnableNetworkIsolation cannot download. Pass the code as a channel and point the "
                "hyperparameter at it, such as /opt/ml/input/data/code/sourcedir.tar.gz."
            )
        download({"S3Uri": directory}, job.folder.make("/opt/ml/input/source"), job.objects)
        local = job.folder.local("/opt/ml/input/source") / directory.rsplit("/", 1)[-1]
        found["sagemaker_submit_directory"] = str(local)
    elif directory and not Path(directory).exists():
        given = job.request["HyperParameters"]["sagemaker_submit_directory"]
        channels = [channel["ChannelName"] for channel in job.request.get("InputDataConfig", [])]
        raise JobFailure(
            f"ClientError: sagemaker_submit_directory {given} does not exist in the container. "
            f"Its channels under /opt/ml/input/data are: {', '.join(channels) or 'none'}."
        )
    return found


def _plain(value: str) -> str:
    """A hyperparameter's text: the SageMaker SDK writes strings with JSON quotes."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _write_configuration(
    job: Job, hyperparameters: Mapping[str, str], resources: Mapping[str, Any]
) -> None:
    instance = resources.get("InstanceType", "local")
    channels = {}
    for channel in job.request.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        channels[channel["ChannelName"]] = {
            "TrainingInputMode": _input_mode(job, channel),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
        }
    folder = "/opt/ml/input/config"
    job.folder.write_json(f"{folder}/hyperparameters.json", hyperparameters)
    job.folder.write_json(f"{folder}/inputdataconfig.json", channels)
    job.folder.write_json(
        f"{folder}/resourceconfig.json",
        {
            "current_host": HOST,
            "current_instance_type": instance,
            "current_group_name": _INSTANCE_GROUP,
            "hosts": [HOST],
            "instance_groups": [
                {
                    "instance_group_name": _INSTANCE_GROUP,
                    "instance_type": instance,
                    "hosts": [HOST],
                }
            ],
            "network_interface_name": "lo",
        },
    )


def _command(
    job: Job,
    algorithm: Mapping[str, Any],
    hyperparameters: Mapping[str, str],
    container: StandIn,
) -> list[str]:
    if algorithm.get("ContainerEntrypoint"):
        command = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
        return [job.folder.substitute(part) for part in command]
    if "sagemaker_program" not in hyperparameters:
        raise JobFailure(
            "ClientError: Neither ContainerEntrypoint nor the hyperparameter sagemaker_program is "
            f"set. The built-in algorithm of {container.image!r} is not part of the local cloud; "
            "train with a script of your own (sagemaker_program, sagemaker_submit_directory)."
        )
    return [str(container.python), "-m", "sagemaker_training.cli.train"]


def _upload(job: Job) -> str:
    """Write the model, and the output data if there is any; the model's address."""
    output = job.request["OutputDataConfig"]
    target = S3Uri.parse(output["S3OutputPath"]).join(job.name, "output")
    model, data = job.folder.local("/opt/ml/model"), job.folder.local("/opt/ml/output/data")
    if output.get("CompressionType") == "NONE":
        upload(model, target.join("model"), job.objects)
        upload(data, target.join("data"), job.objects)
        return f"{target.join('model')}/"
    upload_archive(model, target.join("model.tar.gz"), job.objects)
    if any(data.iterdir()):
        upload_archive(data, target.join("output.tar.gz"), job.objects)
    return str(target.join("model.tar.gz"))


def _outcome(
    job: Job, finished: Finished, model_artifacts: str | None, metrics: MetricCollector
) -> Outcome:
    exceeded = finished.ended == "timed out"
    status: Status = "Completed"
    reason = None
    if finished.ended != "exited":
        status = "Stopped"
        reason = "ClientError: Exceeded MaxRuntimeInSeconds of the job." if exceeded else None
    elif model_artifacts is None:
        status = "Failed"
        reason = f"AlgorithmError: {_why(job, finished)}, exit code: {finished.exit_code}"
    return Outcome(
        kind="Training",
        status=status,
        start_time=job.start_time,
        end_time=datetime.now(UTC),
        failure_reason=reason,
        exit_code=finished.exit_code,
        max_runtime_exceeded=exceeded,
        model_artifacts=model_artifacts,
        metrics=metrics.final(),
    )


def _why(job: Job, finished: Finished) -> str:
    # Room for the words around it within the API's limit.
    written = job.folder.read_text("/opt/ml/output/failure", FAILURE_REASON_LIMIT - 64) or ""
    last = finished.last_line(before="Reporting training FAILURE")
    if not written:
        return last
    # In script mode the toolkit leaves the message empty, here and in AWS; the log has it.
    return written.replace(_NO_MESSAGE, f'ErrorMessage "{last}"')
