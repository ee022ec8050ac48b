"""Rules about model package groups and model packages."""

from __future__ import annotations

import json
from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, is_known
from mlops_constructs.rules.engine.values import Problems, show
from mlops_constructs.rules.instances import has_local_disk
from mlops_constructs.rules.model import is_other_file

MODEL_PACKAGE_GROUP: Final = "AWS::SageMaker::ModelPackageGroup"
MODEL_PACKAGE: Final = "AWS::SageMaker::ModelPackage"


@rule(
    "MP01",
    MODEL_PACKAGE_GROUP,
    fix="Name fewer principals, or a whole organisation with aws:PrincipalOrgID",
    source="botocore PolicyString.max",
)
def policy_is_short(group: Resource) -> Problems:
    """The resource policy of a group has at most 20,480 characters."""
    policy = group["ModelPackageGroupPolicy"]
    if not isinstance(policy.value, dict | str) or not is_known(policy):
        return
    text = policy.value if isinstance(policy.value, str) else json.dumps(policy.value)
    if len(text) > 20_480:
        yield policy.problem(f"The policy has {len(text):,} characters")


@rule(
    "MP02",
    MODEL_PACKAGE,
    fix="Give exactly one of ModelPackageGroupName and ModelPackageName",
    source="botocore CreateModelPackage",
)
def group_or_name(package: Resource) -> Problems:
    """A model package has a group (versioned) or a name (unversioned)."""
    group, name = package["ModelPackageGroupName"], package["ModelPackageName"]
    if group.present and name.present:
        yield name.problem("Both ModelPackageGroupName and ModelPackageName are given")
    elif group.absent and name.absent:
        yield package.problem("Neither ModelPackageGroupName nor ModelPackageName is given")


@rule(
    "MP03",
    MODEL_PACKAGE,
    fix="Tag the group instead, and keep stack-wide tags (cdk.Tags) off this type",
    source="botocore CreateModelPackage.Tags",
)
def versioned_has_no_tags(package: Resource) -> Problems:
    """A versioned model package has no tags of its own."""
    tags = package["Tags"]
    if package["ModelPackageGroupName"].present and tags.present and tags.count != 0:
        yield tags.problem("A versioned package takes the group's tags; tags here are refused")


@rule(
    "MP04",
    MODEL_PACKAGE,
    fix=(
        "Give SupportedTransformInstanceTypes and SupportedRealtimeInferenceInstanceTypes, or "
        "put the package into a group"
    ),
    source="botocore InferenceSpecification.SupportedTransformInstanceTypes",
)
def unversioned_names_instances(package: Resource) -> Problems:
    """An unversioned model package says on which instances it runs."""
    specification = package["InferenceSpecification"]
    if not package["ModelPackageName"].present or not specification.present:
        return
    for member in ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"):
        if specification[member].absent:
            yield specification.problem(f"An unversioned package without {member}")


@rule(
    "MP05",
    MODEL_PACKAGE,
    fix="Rename one of them",
    source="botocore AdditionalInferenceSpecificationDefinition.Name",
)
def specification_names(package: Resource) -> Problems:
    """Additional inference specifications have unique names."""
    seen: set[str] = set()
    for specification in package["AdditionalInferenceSpecifications"].items:
        name = specification["Name"]
        if name.text is not None and name.text in seen:
            yield name.problem(f"The name {show(name.text)} occurs twice")
        seen.add(name.text or "")


@rule(
    "MP06",
    MODEL_PACKAGE,
    fix="Point at model.tar.gz; for files as they are use ModelDataSource",
    source="botocore ModelPackageContainerDefinition.ModelDataUrl",
    severity="warning",
)
def archive_is_tar_gz(package: Resource) -> Problems:
    """The model data of a package is one gzip archive."""
    for container in package["InferenceSpecification.Containers"].items:
        url = container["ModelDataUrl"]
        if is_other_file(url):
            yield url.problem(f"ModelDataUrl is {show(url.text)}")


@rule(
    "MP07",
    MODEL_PACKAGE,
    fix="Leave VolumeKmsKeyId out, or choose instances without a local disk",
    source="botocore TransformResources.VolumeKmsKeyId",
)
def no_key_for_local_disk(package: Resource) -> Problems:
    """The volume key of a validation job is for volumes, not for local disks."""
    for profile in package["ValidationSpecification.ValidationProfiles"].items:
        cluster = profile["TransformJobDefinition.TransformResources"]
        instance = cluster["InstanceType"].text or ""
        if cluster["VolumeKmsKeyId"].present and has_local_disk(instance):
            yield cluster["VolumeKmsKeyId"].problem(f"VolumeKmsKeyId with {instance}")


@rule(
    "MP08",
    MODEL_PACKAGE,
    fix="Give one of them: the algorithm brings its own inference specification",
    source="botocore CreateModelPackage (one or the other); unproven that it refuses both",
    severity="warning",
)
def specification_or_algorithm(package: Resource) -> Problems:
    """A model package has an inference specification or a source algorithm."""
    algorithm = package["SourceAlgorithmSpecification"]
    if package["InferenceSpecification"].present and algorithm.present:
        yield algorithm.problem("Both InferenceSpecification and SourceAlgorithmSpecification")


MP09 = api_rule("MP09", MODEL_PACKAGE, group="text", kind="packages", family=__name__)
MP10 = api_rule("MP10", MODEL_PACKAGE, group="instance_type", kind="packages", family=__name__)
