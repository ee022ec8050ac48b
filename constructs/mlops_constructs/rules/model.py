"""Rules about models."""

from __future__ import annotations

import re
from typing import Final

from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show

MODEL: Final = "AWS::SageMaker::Model"
SUBNET: Final = "AWS::EC2::Subnet"

_ECR: Final = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com")


def containers(model: Resource) -> list[Node]:
    """The container definitions of a model, in either form."""
    primary = model["PrimaryContainer"]
    return [*([primary] if primary.present else []), *model["Containers"].items]


@rule(
    "MD01",
    MODEL,
    fix="Give PrimaryContainer for one container, Containers for an inference pipeline",
    source="botocore CreateModel; aws-cdk aws-sagemaker-alpha Model",
)
def one_container_form(model: Resource) -> Problems:
    """A model has either a primary container or a list of 1 to 15 containers."""
    primary, several = model["PrimaryContainer"], model["Containers"]
    if primary.present and several.present:
        yield several.problem("Both PrimaryContainer and Containers are given")
    elif primary.absent and several.empty:
        yield model.problem("Neither PrimaryContainer nor Containers is given")
    elif several.count is not None and several.count > 15:
        yield several.problem(f"{several.count} containers")


@rule(
    "MD02",
    MODEL,
    fix="Give Image (an ECR image) or ModelPackageName",
    source="botocore ContainerDefinition",
)
def container_has_source(model: Resource) -> Problems:
    """A container has an image or a model package."""
    for container in containers(model):
        if container["Image"].absent and container["ModelPackageName"].absent:
            yield container.problem("A container has neither Image nor ModelPackageName")


@rule(
    "MD03",
    MODEL,
    fix="Give ContainerHostname to every container, or to none",
    source="botocore ContainerDefinition.ContainerHostname",
)
def all_named_or_none(model: Resource) -> Problems:
    """Either all containers of an inference pipeline have a host name, or none has."""
    names = [container["ContainerHostname"] for container in model["Containers"].items]
    missing = [name for name in names if name.absent]
    if missing and any(name.present for name in names):
        yield missing[0].problem("Some containers have a ContainerHostname and this one has none")


@rule(
    "MD04",
    MODEL,
    fix="At most 100 variables of 1,024 characters, and 32 KB over all containers: use S3 for more",
    source="botocore ContainerDefinition.Environment",
)
def environment_is_small(model: Resource) -> Problems:
    """The environment of containers is small."""
    total = 0
    for container in containers(model):
        environment = container["Environment"]
        if environment.count is not None and environment.count > 100:
            yield environment.problem(f"{environment.count} environment variables")
        for name, value in environment.fields:
            text = value.text or ""
            total += len(name.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
            if len(name) > 1024 or len(text) > 1024:
                size = max(len(name), len(text))
                yield value.problem(f"The variable {show(name, 40)} has {size:,} characters")
    if total > 32_768:
        yield model.problem(f"The environments of all containers have {total:,} bytes")


@rule(
    "MD05",
    MODEL,
    fix="Give ModelDataUrl a prefix such as s3://bucket/models/ and leave ModelDataSource out",
    source="botocore ContainerDefinition.ModelDataSource",
)
def multi_model_data(model: Resource) -> Problems:
    """A multi-model container takes its models from an S3 prefix."""
    for container in containers(model):
        if container["Mode"].text != "MultiModel":
            continue
        url = container["ModelDataUrl"]
        if container["ModelDataSource"].present:
            yield container["ModelDataSource"].problem("ModelDataSource with Mode MultiModel")
        elif (url.text or "").endswith((".tar.gz", ".tgz", ".zip")):
            yield url.problem(f"ModelDataUrl is one archive, {show(url.text)}, and Mode MultiModel")


@rule(
    "MD06",
    MODEL,
    fix="Write S3Uri with a final / and CompressionType None, or S3DataType S3Object",
    source="botocore S3ModelDataSource",
)
def prefix_is_a_prefix(model: Resource) -> Problems:
    """Uncompressed model data is an S3 prefix that ends with a slash."""
    for container in containers(model):
        data = container["ModelDataSource.S3DataSource"]
        if data["S3DataType"].text != "S3Prefix":
            continue
        uri = data["S3Uri"]
        if uri.text is not None and not uri.text.endswith("/"):
            yield uri.problem(f"S3DataType is S3Prefix and S3Uri is {show(uri.text)}")
        if data["CompressionType"].text not in (None, "None"):
            yield data["CompressionType"].problem("S3DataType S3Prefix with compression")


@rule(
    "MD07",
    MODEL,
    fix="Add a subnet in a second zone; hosting asks for two even for one instance",
    source=(
        "SageMaker developer guide: Give SageMaker Hosted Endpoints Access to Resources in Your "
        "Amazon VPC"
    ),
)
def two_zones(model: Resource) -> Problems:
    """The subnets of a model are in two Availability Zones."""
    subnets = model["VpcConfig.Subnets"]
    if subnets.count is None or not subnets.items:
        return
    if subnets.count == 1:
        only = subnets.items[0]
        if isinstance(only.value, str) or (only.target is not None and only.target.type == SUBNET):
            yield subnets.problem("One subnet")
        return
    zones = []
    for subnet in subnets.items:
        target = subnet.target
        if target is None or target.type != SUBNET:
            return
        zone = target["AvailabilityZone"]
        zones.append(zone.text or zone.reference)
    if None not in zones and len(set(zones)) == 1:
        yield subnets.problem("All subnets are in the same Availability Zone")


@rule(
    "MD08",
    MODEL,
    fix="Give Containers with a ContainerHostname each, or Mode Serial",
    source="SageMaker developer guide: Use a multi-container endpoint with direct invocation",
)
def direct_needs_names(model: Resource) -> Problems:
    """Direct invocation needs two or more named containers."""
    mode = model["InferenceExecutionConfig.Mode"]
    if mode.text != "Direct":
        return
    several = model["Containers"]
    if several.count is not None and several.count < 2:
        yield mode.problem("Mode Direct with fewer than two Containers")
    for container in several.items:
        if container["ContainerHostname"].absent:
            yield container.problem("Mode Direct and a container without ContainerHostname")


@rule(
    "MD09",
    MODEL,
    fix="Point at model.tar.gz; for files as they are use ModelDataSource",
    source="botocore ContainerDefinition.ModelDataUrl",
    severity="warning",
)
def archive_is_tar_gz(model: Resource) -> Problems:
    """The model data of a single-model container is one gzip archive."""
    for container in containers(model):
        url = container["ModelDataUrl"]
        single = container["Mode"].absent or container["Mode"].text == "SingleModel"
        if single and is_other_file(url):
            yield url.problem(f"ModelDataUrl is {show(url.text)}")


def is_other_file(url: Node) -> bool:
    """Whether a URL is a file that does not look like a gzip archive."""
    _, dot, extension = (url.text or "").rpartition("/")[2].rpartition(".")
    # The API asks for .tar.gz, but takes any gzip archive: CDK assets end in .gz.
    return bool(dot) and extension not in ("gz", "tgz")


@rule(
    "MD10",
    MODEL,
    fix="Set RepositoryAccessMode to Vpc, or leave RepositoryAuthConfig out",
    source="botocore ImageConfig.RepositoryAuthConfig",
)
def registry_in_vpc(model: Resource) -> Problems:
    """Credentials for a registry are for one that is reached through the VPC."""
    for container in containers(model):
        config = container["ImageConfig"]
        if (
            config["RepositoryAuthConfig"].present
            and config["RepositoryAccessMode"].text == "Platform"
        ):
            yield config.problem("RepositoryAuthConfig with RepositoryAccessMode Platform")


@rule(
    "MD11",
    MODEL,
    fix="Use the image in the model's own region; ECR can replicate it there",
    source="botocore ContainerDefinition.Image",
)
def image_in_region(model: Resource) -> Problems:
    """The image of a model is in the model's region."""
    region = model.scope.region
    for container in containers(model):
        match = _ECR.match((container["Image"].text or "")[:500])
        if region is not None and match is not None and match[1] != region:
            yield container["Image"].problem(f"The image is in {match[1]}, the model in {region}")


@rule(
    "MD12",
    MODEL,
    fix="Give ModelDataUrl for one archive or ModelDataSource for anything else",
    source="botocore ContainerDefinition; unproven that CreateModel refuses both",
    severity="warning",
)
def one_model_data(model: Resource) -> Problems:
    """A container takes its model data from one place."""
    for container in containers(model):
        if container["ModelDataUrl"].present and container["ModelDataSource"].present:
            yield container["ModelDataSource"].problem("Both ModelDataUrl and ModelDataSource")


@rule(
    "MD13",
    MODEL,
    fix="Give VpcConfig, or RepositoryAccessMode Platform with an image in ECR",
    source=(
        "SageMaker developer guide: Use a Private Docker Registry for Real-Time Inference "
        "Containers (such models must be configured to connect to the registry's VPC)"
    ),
)
def private_registry_has_vpc(model: Resource) -> Problems:
    """A model whose image comes through the VPC has a VPC."""
    for container in containers(model):
        mode = container["ImageConfig.RepositoryAccessMode"]
        if mode.text == "Vpc" and model["VpcConfig"].absent:
            yield mode.problem("RepositoryAccessMode Vpc and no VpcConfig")
