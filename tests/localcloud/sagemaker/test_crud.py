from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import regex

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.model import operation_model
from localcloud.sagemaker.kinds import SERVICE, kind, kinds
from tests.localcloud.support import Cloud, until

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"


def _model(cloud: Cloud, name: str = "model") -> None:
    cloud.call("CreateModel", ModelName=name, PrimaryContainer={"Image": IMAGE})


def _config(cloud: Cloud, name: str = "config", model: str = "model") -> None:
    variant = {
        "VariantName": "v",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    cloud.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant])


@pytest.mark.parametrize("name", sorted(kinds()))
def test_arns_are_what_the_service_model_accepts(cloud: Cloud, name: str) -> None:
    of = kind(name)
    if f"Create{name}" not in operation_model(SERVICE, "CreateModel").service_model.operation_names:
        return
    output: Any = operation_model(SERVICE, f"Create{name}").output_shape
    if output is None or of.arn_member not in output.members:
        return
    pattern = output.members[of.arn_member].metadata.get("pattern")
    members = dict.fromkeys((*of.key, "Owner", "AppName"), "abcdefghij12") | {
        "Id": "0" * 32 if name == "Artifact" else "ABCDEFGHIJ12",
        "Version": "1",
        "Path": "group/1",
        "DomainId": "d-abcdefghij12",
        "AppType": "jupyterlab",
    }
    with emulator.within(cloud.scope):
        arn = cloud.sagemaker.arn_of(of, members)
    assert not pattern or regex.fullmatch(pattern, arn), (arn, pattern)


def test_what_was_created_is_described_with_a_lower_case_arn(cloud: Cloud) -> None:
    _model(cloud, "MyModel")
    described = cloud.call("DescribeModel", ModelName="MyModel")
    assert described["ModelArn"].endswith(":model/mymodel")
    assert described["PrimaryContainer"] == {"Image": IMAGE}


def test_a_name_is_taken_whatever_its_case(cloud: Cloud) -> None:
    _model(cloud, "Name")
    with pytest.raises(ServiceError, match='Cannot create already existing model "arn:'):
        _model(cloud, "name")


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        ("DescribeModel", {"ModelName": "x"}, "ValidationException", 'Could not find model "arn:'),
        (
            "DescribeEndpointConfig",
            {"EndpointConfigName": "x"},
            "ValidationException",
            "Could not find endpoint configuration",
        ),
        ("DescribeFeatureGroup", {"FeatureGroupName": "x"}, "ResourceNotFound", "with name x"),
        ("DescribePipeline", {"PipelineName": "x"}, "ResourceNotFound", "Pipeline 'arn:"),
        ("DeleteUserProfile", {"DomainId": "d-1", "UserProfileName": "x"}, "ResourceNotFound", "x"),
        ("CreateLabelingJob", None, "ValidationException", "validation errors detected"),
        ("CreateNothing", {}, "UnknownOperationException", "CreateNothing"),
    ],
)
def test_refusals(
    cloud: Cloud, operation: str, request_: dict[str, Any] | None, code: str, message: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        cloud.call(operation, **(request_ or {}))
    assert refused.value.code == code
    assert message in refused.value.message


@pytest.mark.parametrize(
    "create",
    [
        lambda cloud: _config(cloud, model="missing"),
        lambda cloud: cloud.call("CreateEndpoint", EndpointName="e", EndpointConfigName="missing"),
        lambda cloud: cloud.call(
            "CreateModel",
            ModelName="m",
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://nowhere/model.tar.gz"},
        ),
        lambda cloud: cloud.call("CreateUserProfile", DomainId="d-1", UserProfileName="u"),
        lambda cloud: cloud.call("CreateModel", ModelName="m"),
        lambda cloud: cloud.call(
            "CreateMonitoringSchedule",
            MonitoringScheduleName="s",
            MonitoringScheduleConfig={
                "MonitoringJobDefinitionName": "missing",
                "MonitoringType": "DataQuality",
            },
        ),
    ],
)
def test_nothing_is_kept_of_what_refers_to_nothing(cloud: Cloud, create: Any) -> None:
    with pytest.raises(ServiceError):
        create(cloud)
    assert not cloud.sagemaker.store.records(cloud.scope)


def test_an_endpoint_configuration_in_use_may_be_deleted(cloud: Cloud) -> None:
    _model(cloud)
    _config(cloud)
    cloud.call("DeleteModel", ModelName="model")
    cloud.call("DeleteEndpointConfig", EndpointConfigName="config")
    assert not cloud.call("ListEndpointConfigs")["EndpointConfigs"]


def test_lists_are_filtered_sorted_and_paged(cloud: Cloud) -> None:
    for name in ("b-1", "a-2", "c-3", "other"):
        _model(cloud, name)
    client = cloud.client("sagemaker")
    pages = client.get_paginator("list_models").paginate(
        NameContains="-",
        SortBy="Name",
        SortOrder="Ascending",
        PaginationConfig={"PageSize": 2},
    )
    found = [[model["ModelName"] for model in page["Models"]] for page in pages]
    assert found == [["a-2", "b-1"], ["c-3"]]
    with pytest.raises(ServiceError, match="pagination token"):
        cloud.call("ListModels", NextToken="nonsense")


def test_tags(cloud: Cloud) -> None:
    cloud.call(
        "CreateModel",
        ModelName="m",
        PrimaryContainer={"Image": IMAGE},
        Tags=[{"Key": "a", "Value": "1"}],
    )
    arn = cloud.call("DescribeModel", ModelName="m")["ModelArn"]
    cloud.call("AddTags", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    cloud.call("DeleteTags", ResourceArn=arn, TagKeys=["a"])
    assert cloud.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ServiceError):
        cloud.call("AddTags", ResourceArn=f"{arn}-x", Tags=[{"Key": "b", "Value": "2"}])


def test_search(cloud: Cloud) -> None:
    for name in ("one", "two"):
        cloud.call("CreateModelPackageGroup", ModelPackageGroupName=name)
    found = cloud.call(
        "Search",
        Resource="ModelPackageGroup",
        SearchExpression={
            "Filters": [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": "two"}]
        },
    )
    assert [r["ModelPackageGroup"]["ModelPackageGroupName"] for r in found["Results"]] == ["two"]


def test_a_domain_is_created_used_and_deleted(cloud: Cloud) -> None:
    domain = cloud.call(
        "CreateDomain",
        DomainName="domain",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": "arn:aws:iam::123456789012:role/r-execution"},
    )["DomainId"]
    until(lambda: cloud.call("DescribeDomain", DomainId=domain)["Status"] == "InService")
    cloud.call("CreateUserProfile", DomainId=domain, UserProfileName="ann")
    cloud.call(
        "CreateApp", DomainId=domain, UserProfileName="ann", AppType="JupyterLab", AppName="a"
    )
    with pytest.raises(ServiceError) as refused:
        cloud.call("DeleteDomain", DomainId=domain)
    assert refused.value.code == "ResourceInUse"
    for operation, request in (
        ("DeleteApp", {"UserProfileName": "ann", "AppType": "JupyterLab", "AppName": "a"}),
        ("DeleteUserProfile", {"UserProfileName": "ann"}),
        ("DeleteDomain", {}),
    ):
        cloud.call(operation, DomainId=domain, **request)
        until(partial(_gone, cloud, operation.removeprefix("Delete")))


def _gone(cloud: Cloud, kind_name: str) -> bool:
    return not cloud.sagemaker.store.records(cloud.scope, kind_name)
