"""The model registry: groups of model packages, their versions and their approval."""

from __future__ import annotations

import json
import time

from localcloud import emulator
from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import crud, errors, events, shared
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record

_TOLD = frozenset(
    {
        "ApprovalDescription",
        "CustomerMetadataProperties",
        "InferenceSpecification",
        "ModelApprovalStatus",
        "ModelLifeCycle",
    }
)
"""What an event says was updated, by its example in the developer guide ("Events that Amazon
SageMaker AI sends to Amazon EventBridge"). Assumption: those that the request has."""


@crud.prepare("ModelPackage")
def _complete(cloud: SageMaker, data: Json) -> None:
    group_name, name = data.get("ModelPackageGroupName"), data.get("ModelPackageName")
    if bool(group_name) == bool(name):
        raise invalid(
            "Both ModelPackageName and ModelPackageGroupName cannot be"
            f" {'given' if name else 'absent'}: a group makes a version of the group, a name a"
            " package without versions."
        )
    if group_name:
        group = cloud.require(
            "ModelPackageGroup", {"ModelPackageGroupName": group_name}, "DescribeModelPackageGroup"
        )
        group_name = group.data["ModelPackageGroupName"]
        version = cloud.store.next_number(group.arn)
        path = f"{group_name}/{version}"
        data |= {"ModelPackageGroupName": group_name, "ModelPackageVersion": version}
    else:
        path = str(name)
    data["ModelPackageArn"] = cloud.arn(f"model-package/{path}")
    # The name of a version is its group's in DescribeModelPackage (botocore).
    data.setdefault("ModelPackageName", group_name)
    data["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
    if group_name:
        data.setdefault("ModelApprovalStatus", "PendingManualApproval")


@operation("CreateModelPackage")
def create_model_package(cloud: SageMaker, request: Json) -> Json:
    """Register a model: a new version of a group, or a package of its own."""
    if request.get("ModelPackageGroupName") and request.get("Tags"):
        raise invalid(
            "Tags are not supported for versioned model packages: tag the model package group."
        )
    return crud.create(cloud, kind("ModelPackage"), "CreateModelPackage", request)


@operation("DescribeModelPackage")
def describe_model_package(cloud: SageMaker, request: Json) -> Json:
    """A model package, by name or ARN."""
    return _package(cloud, request["ModelPackageName"], "DescribeModelPackage").data


@operation("BatchDescribeModelPackage")
def batch_describe_model_package(cloud: SageMaker, request: Json) -> Json:
    """Several model packages, by ARN."""
    found, failed = {}, {}
    for arn in request["ModelPackageArnList"]:
        try:
            found[arn] = _package(cloud, arn, "DescribeModelPackage").data
        except ServiceError as error:
            failed[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": failed}


@operation("UpdateModelPackage")
def update_model_package(cloud: SageMaker, request: Json) -> Json:
    """Approve or reject a model package, or change its metadata."""
    record = _package(cloud, request["ModelPackageArn"], "UpdateModelPackage")
    changes = {name: value for name, value in request.items() if name != "ModelPackageArn"}
    removed = changes.pop("CustomerMetadataPropertiesToRemove", [])
    metadata = {
        **(record.data.get("CustomerMetadataProperties") or {}),
        **(changes.pop("CustomerMetadataProperties", None) or {}),
    }
    changes["CustomerMetadataProperties"] = {
        name: value for name, value in metadata.items() if name not in removed
    } or None
    changes["AdditionalInferenceSpecifications"] = [
        *(record.data.get("AdditionalInferenceSpecifications") or []),
        *changes.pop("AdditionalInferenceSpecificationsToAdd", []),
    ] or None
    cloud.touch(record, **changes)
    with emulator.within(shared.scope_of(record.arn)):
        events.state_changed(record, UpdatedModelPackageFields=sorted(_TOLD & set(request)))
    return record.data


@operation("DeleteModelPackage")
def delete_model_package(cloud: SageMaker, request: Json) -> Json:
    """Delete a model package; models made from it stay."""
    record = _package(cloud, request["ModelPackageName"], "DeleteModelPackage")
    cloud.store.remove(shared.scope_of(record.arn), record)
    return {}


@crud.before_delete("ModelPackageGroup")
def _refuse_with_versions(cloud: SageMaker, record: Record, operation_name: str) -> None:
    name = record.data["ModelPackageGroupName"]
    packages = cloud.store.records(cloud.scope, "ModelPackage")
    versions = [p for p in packages if p.data.get("ModelPackageGroupName") == name]
    if versions:
        raise errors.in_use(
            operation_name,
            f"Model Package Group {record.arn} cannot be deleted: it has {len(versions)} model"
            " package versions. Delete them first.",
        )


@operation("PutModelPackageGroupPolicy")
def put_policy(cloud: SageMaker, request: Json) -> Json:
    """Set the resource policy of a group."""
    record = cloud.require("ModelPackageGroup", request, "PutModelPackageGroupPolicy")
    try:
        json.loads(request["ResourcePolicy"])
    except ValueError as error:
        raise invalid("Invalid resource policy: it is not JSON.") from error
    record.hidden["policy"] = request["ResourcePolicy"]
    record.data["LastModifiedTime"] = time.time()
    return {"ModelPackageGroupArn": record.arn}


@operation("GetModelPackageGroupPolicy")
def get_policy(cloud: SageMaker, request: Json) -> Json:
    """The resource policy of a group."""
    return {"ResourcePolicy": _with_policy(cloud, request, "Get").hidden["policy"]}


@operation("DeleteModelPackageGroupPolicy")
def delete_policy(cloud: SageMaker, request: Json) -> Json:
    """Remove the resource policy of a group."""
    del _with_policy(cloud, request, "Delete").hidden["policy"]
    return {}


def _with_policy(cloud: SageMaker, request: Json, verb: str) -> Record:
    operation_name = f"{verb}ModelPackageGroupPolicy"
    record = cloud.require("ModelPackageGroup", request, operation_name)
    if "policy" not in record.hidden:
        raise invalid(f"Cannot find resource policy for: {record.arn}")
    return record


def _package(cloud: SageMaker, name: str, operation_name: str) -> Record:
    arn = name.lower() if name.startswith("arn:") else cloud.arn(f"model-package/{name}")
    of_another = shared.package(cloud, arn, operation_name)
    return of_another or cloud.require("ModelPackage", {"ModelPackageArn": arn}, operation_name)
