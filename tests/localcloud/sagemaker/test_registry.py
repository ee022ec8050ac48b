from __future__ import annotations

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.support import Cloud

SPECIFICATION = {
    "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


def _register(cloud: Cloud, group: str = "group") -> str:
    answer = cloud.call(
        "CreateModelPackage", ModelPackageGroupName=group, InferenceSpecification=SPECIFICATION
    )
    return str(answer["ModelPackageArn"])


def test_versions_are_numbered_and_never_reused(cloud: Cloud) -> None:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    first, second = _register(cloud), _register(cloud)
    assert (first[-7:], second[-7:]) == ("group/1", "group/2")
    cloud.call("DeleteModelPackage", ModelPackageName=second)
    assert _register(cloud)[-7:] == "group/3"


def test_approval_is_told_to_the_event_bus(cloud: Cloud) -> None:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    arn = _register(cloud)
    recorded = cloud.events()
    cloud.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    (event,) = recorded()
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["detail"]["ModelPackageArn"] == arn
    assert event["detail"]["ModelPackageGroupName"] == "group"
    assert event["detail"]["ModelPackageVersion"] == 1
    assert event["detail"]["ModelApprovalStatus"] == "Approved"
    approved = cloud.call("ListModelPackages", ModelApprovalStatus="Approved")
    assert len(approved["ModelPackageSummaryList"]) == 1


def test_a_group_with_versions_cannot_be_deleted(cloud: Cloud) -> None:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    arn = _register(cloud)
    with pytest.raises(ServiceError) as refused:
        cloud.call("DeleteModelPackageGroup", ModelPackageGroupName="group")
    assert refused.value.code == "ConflictException"
    cloud.call("DeleteModelPackage", ModelPackageName=arn)
    cloud.call("DeleteModelPackageGroup", ModelPackageGroupName="group")


def test_versions_refuse_tags_and_unknown_groups(cloud: Cloud) -> None:
    with pytest.raises(ServiceError, match=r"ModelPackageGroup arn:.* does not exist"):
        _register(cloud, "missing")
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    with pytest.raises(ServiceError, match="Tags are not supported"):
        cloud.call(
            "CreateModelPackage",
            ModelPackageGroupName="group",
            Tags=[{"Key": "a", "Value": "b"}],
        )


def test_policy_of_a_group(cloud: Cloud) -> None:
    group = {"ModelPackageGroupName": "group"}
    cloud.call("CreateModelPackageGroup", **group)
    with pytest.raises(ServiceError, match="Cannot find resource policy"):
        cloud.call("GetModelPackageGroupPolicy", **group)
    cloud.call("PutModelPackageGroupPolicy", **group, ResourcePolicy='{"Version": "2012-10-17"}')
    assert "2012" in cloud.call("GetModelPackageGroupPolicy", **group)["ResourcePolicy"]
