from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.errors import ServiceError
from localcloud.sagemaker import rules
from tests.localcloud.support import Cloud, until

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"
INSTANCES = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
SERVERLESS: dict[str, Any] = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
FEATURES: dict[str, Any] = {
    "FeatureGroupName": "customers",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "time",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "time", "FeatureType": "String"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}
ROLE = "arn:aws:iam::123456789012:role/r"
CONTAINER: dict[str, Any] = {"Image": IMAGE, "Mode": "SingleModel"}


def _config(cloud: Cloud, name: str, **variant: Any) -> None:
    made = {"VariantName": "v", "ModelName": "model", **(variant or INSTANCES)}
    cloud.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[made])


def _refused(cloud: Cloud, operation: str, **request: Any) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        cloud.call(operation, **request)
    assert refusal.value.code == "ValidationException"
    assert refusal.value.status == 400
    return refusal.value


@pytest.fixture
def model(cloud: Cloud) -> str:
    cloud.call("CreateModel", ModelName="model", PrimaryContainer=CONTAINER)
    return "model"


@pytest.mark.parametrize(
    ("rule", "operation", "request_"),
    [
        ("FG09", "CreateFeatureGroup", {
            **FEATURES,
            "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "InMemory"},
            "ThroughputConfig": {
                "ThroughputMode": "Provisioned",
                "ProvisionedReadCapacityUnits": 1,
                "ProvisionedWriteCapacityUnits": 1,
            },
        }),
        ("TG02", "CreateFeatureGroup", {
            **FEATURES, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}],
        }),
        ("PL09", "CreatePipeline", {
            "PipelineName": "p",
            "ClientRequestToken": "0" * 32,
            "RoleArn": ROLE,
            "PipelineDefinition": json.dumps({
                "Version": "2020-12-01",
                "Parameters": [{"Name": "P", "Type": "Integer", "DefaultValue": "a"}],
                "Steps": [{"Name": "S", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}],
            }),
        }),
        ("MD03", "CreateModel", {
            "ModelName": "m", "Containers": [{**CONTAINER, "ContainerHostname": "a"}, CONTAINER],
        }),
    ],
)  # fmt: skip
def test_a_request_that_breaks_a_rule_is_refused(
    cloud: Cloud, rule: str, operation: str, request_: dict[str, Any]
) -> None:
    refusal = _refused(cloud, operation, **request_)
    assert refusal.message.endswith(f"(rule {rule})")


def test_nothing_is_kept_of_what_a_rule_refuses(cloud: Cloud, model: str) -> None:
    variants = [{"VariantName": name, "ModelName": model, **SERVERLESS} for name in "ab"]
    refusal = _refused(
        cloud, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=variants
    )
    assert "EC04" in refusal.message
    assert cloud.call("ListEndpointConfigs")["EndpointConfigs"] == []


@pytest.mark.usefixtures("model")
def test_an_endpoint_is_checked_together_with_its_configuration(cloud: Cloud) -> None:
    _config(cloud, "config", **SERVERLESS)
    rolling = {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}}
    policy = {"RollingUpdatePolicy": {**rolling, "WaitIntervalInSeconds": 60}}
    refusal = _refused(
        cloud,
        "CreateEndpoint",
        EndpointName="endpoint",
        EndpointConfigName="config",
        DeploymentConfig=policy,
    )
    assert "EP12" in refusal.message


def test_a_serverless_variant_is_checked_together_with_its_model(cloud: Cloud) -> None:
    network = {"SecurityGroupIds": ["sg-12345678"], "Subnets": ["subnet-1", "subnet-2"]}
    cloud.call("CreateModel", ModelName="model", PrimaryContainer=CONTAINER, VpcConfig=network)
    with pytest.raises(ServiceError, match="EC19"):
        _config(cloud, "config", **SERVERLESS)


def test_updates_are_checked(cloud: Cloud) -> None:
    cloud.call("CreateFeatureGroup", **FEATURES)
    until(
        lambda: (
            cloud.call("DescribeFeatureGroup", FeatureGroupName="customers")["FeatureGroupStatus"]
            == "Created"
        )
    )
    addition = {"FeatureName": "is_deleted", "FeatureType": "String"}
    refusal = _refused(
        cloud, "UpdateFeatureGroup", FeatureGroupName="customers", FeatureAdditions=[addition]
    )
    assert "FG06" in refusal.message


@pytest.fixture
def domain(cloud: Cloud) -> str:
    """A VpcOnly domain with a user profile `user` and a space `space`."""
    arn = cloud.call(
        "CreateDomain",
        DomainName="d",
        AuthMode="IAM",
        AppNetworkAccessType="VpcOnly",
        VpcId="vpc-12345678",
        SubnetIds=["subnet-12345678"],
        DefaultUserSettings={"ExecutionRole": ROLE, "SecurityGroups": ["sg-12345678"]},
        DomainSettings={"DockerSettings": {"EnableDockerAccess": "DISABLED"}},
    )["DomainArn"]
    domain = str(arn.rpartition("/")[2])
    until(lambda: cloud.call("DescribeDomain", DomainId=domain)["Status"] == "InService")
    settings = {
        "JupyterLabAppSettings": _idle(IdleTimeoutInMinutes=90, MaxIdleTimeoutInMinutes=120)
    }
    cloud.call("CreateUserProfile", DomainId=domain, UserProfileName="user", UserSettings=settings)
    cloud.call("CreateSpace", DomainId=domain, SpaceName="space")
    return domain


def _idle(**settings: Any) -> dict[str, Any]:
    idle = {"LifecycleManagement": "ENABLED", **settings}
    return {"AppLifecycleManagement": {"IdleSettings": idle}}


def test_part_of_the_settings_of_a_domain_can_be_updated(cloud: Cloud, domain: str) -> None:
    cloud.call("UpdateDomain", DomainId=domain, DefaultUserSettings={"ExecutionRole": f"{ROLE}2"})
    cloud.call(
        "UpdateDomain",
        DomainId=domain,
        DomainSettingsForUpdate={"ExecutionRoleIdentityConfig": "USER_PROFILE_NAME"},
    )
    found = cloud.call("DescribeDomain", DomainId=domain)
    assert found["DefaultUserSettings"] == {
        "ExecutionRole": f"{ROLE}2",
        "SecurityGroups": ["sg-12345678"],
    }
    assert found["DomainSettings"] == {
        "DockerSettings": {"EnableDockerAccess": "DISABLED"},
        "ExecutionRoleIdentityConfig": "USER_PROFILE_NAME",
    }


@pytest.mark.parametrize(
    ("rule", "operation", "request_"),
    [
        ("DM01", "UpdateDomain", {"DefaultUserSettings": {"SecurityGroups": []}}),
        ("DM02", "UpdateDomain", {
            "DefaultUserSettings": {"SecurityGroups": [f"sg-1234567{n}" for n in range(5)]},
        }),
        # Above the most that the profile had before.
        ("DM04", "UpdateUserProfile", {
            "UserProfileName": "user",
            "UserSettings": {"JupyterLabAppSettings": _idle(IdleTimeoutInMinutes=240)},
        }),
        ("DM13", "UpdateSpace", {
            "SpaceName": "space",
            "SpaceSettings": {
                "JupyterServerAppSettings": {
                    "DefaultResourceSpec": {"InstanceType": "ml.t3.medium"},
                },
            },
        }),
    ],
)  # fmt: skip
def test_an_update_of_studio_is_checked_with_what_it_leaves_as_it_is(
    cloud: Cloud, domain: str, rule: str, operation: str, request_: dict[str, Any]
) -> None:
    name = {key: value for key, value in request_.items() if key.endswith("Name")}
    describe = operation.replace("Update", "Describe")
    # What was just made becomes InService by itself; only that may differ.
    until(lambda: cloud.call(describe, DomainId=domain, **name)["Status"] == "InService")
    before = cloud.call(describe, DomainId=domain, **name)
    refusal = _refused(cloud, operation, DomainId=domain, **request_)
    assert refusal.message.endswith(f"(rule {rule})")
    assert cloud.call(describe, DomainId=domain, **name) == before


def test_a_versioned_package_may_have_its_groups_name(cloud: Cloud) -> None:
    cloud.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    package = cloud.call("CreateModelPackage", ModelPackageGroupName="group")["ModelPackageArn"]
    assert package.endswith("group/1")


def test_a_stack_rolls_back_with_the_rule_in_its_events(cloud: Cloud) -> None:
    properties = {
        **FEATURES,
        "FeatureDefinitions": [
            *FEATURES["FeatureDefinitions"],
            {"FeatureName": "write_time", "FeatureType": "String"},
        ],
    }
    resources = {"Group": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": properties}}
    client = cloud.client("cloudformation")
    client.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    status = until(lambda: _settled(client))
    assert status == "ROLLBACK_COMPLETE"
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in client.describe_stack_events(StackName="s")["StackEvents"]
    ]
    assert any("FG06" in reason for reason in reasons)


def _settled(client: Any) -> str:
    status = str(client.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])
    return "" if status.endswith("IN_PROGRESS") else status


@pytest.fixture
def _without_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    rules._rules.cache_clear()
    monkeypatch.setitem(sys.modules, "mlops_constructs", None)
    yield
    rules._rules.cache_clear()


@pytest.mark.usefixtures("_without_rules", "model")
def test_without_the_rules_it_works_and_says_so_once(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    rules._rules.cache_clear()
    with caplog.at_level(logging.WARNING, "localcloud.sagemaker"):
        for name in ("one", "two"):
            _config(cloud, name, **SERVERLESS)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "mlops_constructs is not installed"
    ]
