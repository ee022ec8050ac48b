"""Rules about processing jobs that CloudFormation runs."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show
from mlops_constructs.rules.instances import has_local_disk

PROCESSING_JOB: Final = "AWS::SageMaker::ProcessingJob"


def _inputs(job: Resource) -> list[Node]:
    return job["ProcessingInputs"].items


def _outputs(job: Resource) -> list[Node]:
    return job["ProcessingOutputConfig.Outputs"].items


@rule(
    "PJ01",
    PROCESSING_JOB,
    fix="Give S3Input or DatasetDefinition",
    source="botocore ProcessingInput",
)
def one_input_source(job: Resource) -> Problems:
    """A processing input comes from S3 or from a data set."""
    for entry in _inputs(job):
        objects, dataset = entry["S3Input"], entry["DatasetDefinition"]
        if objects.present and dataset.present:
            yield entry.problem("Both S3Input and DatasetDefinition are given")
        elif objects.absent and dataset.absent:
            yield entry.problem("Neither S3Input nor DatasetDefinition is given")


@rule(
    "PJ02",
    PROCESSING_JOB,
    fix="Give S3Output or FeatureStoreOutput",
    source="botocore ProcessingOutput",
)
def one_output_target(job: Resource) -> Problems:
    """A processing output goes to S3 or to a feature group."""
    for entry in _outputs(job):
        objects, group = entry["S3Output"], entry["FeatureStoreOutput"]
        if objects.present and group.present:
            yield entry.problem("Both S3Output and FeatureStoreOutput are given")
        elif objects.absent and group.absent:
            yield entry.problem("Neither S3Output nor FeatureStoreOutput is given")


@rule(
    "PJ03",
    PROCESSING_JOB,
    fix="Begin the path with /opt/ml/processing/",
    source="botocore ProcessingS3Input.LocalPath",
)
def local_paths(job: Resource) -> Problems:
    """Local paths of a processing job are under /opt/ml/processing/."""
    paths = [entry["S3Input.LocalPath"] for entry in _inputs(job)]
    paths += [entry["S3Output.LocalPath"] for entry in _outputs(job)]
    for path in paths:
        if path.text is not None and not path.text.startswith("/opt/ml/processing/"):
            yield path.problem(f"LocalPath is {show(path.text)}")


@rule(
    "PJ04",
    PROCESSING_JOB,
    fix="Set S3InputMode to Pipe, or S3CompressionType to None",
    source="botocore ProcessingS3Input.S3CompressionType",
)
def gzip_is_piped(job: Resource) -> Problems:
    """Compressed input is piped."""
    for entry in _inputs(job):
        compression = entry["S3Input.S3CompressionType"]
        if compression.text == "Gzip" and entry["S3Input.S3InputMode"].text == "File":
            yield compression.problem("S3CompressionType Gzip with S3InputMode File")


@rule(
    "PJ05",
    PROCESSING_JOB,
    fix="Leave VolumeKmsKeyId out, or choose an instance without a local disk",
    source="botocore ProcessingClusterConfig.VolumeKmsKeyId",
)
def no_key_for_local_disk(job: Resource) -> Problems:
    """The volume key of a job is for volumes, not for local disks."""
    cluster = job["ProcessingResources.ClusterConfig"]
    instance = cluster["InstanceType"].text or ""
    if cluster["VolumeKmsKeyId"].present and has_local_disk(instance):
        yield cluster["VolumeKmsKeyId"].problem(f"VolumeKmsKeyId with {instance}")


@rule(
    "PJ06",
    PROCESSING_JOB,
    fix="Rename one of them",
    source="botocore ProcessingInput.InputName, ProcessingOutput.OutputName",
)
def names_are_unique(job: Resource) -> Problems:
    """Inputs have unique names, and so have outputs."""
    for member, entries in (("InputName", _inputs(job)), ("OutputName", _outputs(job))):
        seen: set[str] = set()
        for entry in entries:
            name = entry[member]
            if name.text is not None and name.text in seen:
                yield name.problem(f"The {member} {show(name.text)} occurs twice")
            seen.add(name.text or "")


PJ07 = api_rule("PJ07", PROCESSING_JOB, group="text", kind="processing jobs", family=__name__)
PJ08 = api_rule("PJ08", PROCESSING_JOB, group="count", kind="processing jobs", family=__name__)
