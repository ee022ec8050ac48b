"""Studio: what must go before what, and what a domain leaves in its VPC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.support import Cloud, until

OWNER = "ManagedByAmazonSageMakerResource"
ROLE = "arn:aws:iam::123456789012:role/role"


class Studio:
    """A domain in a VPC of its own, and what users do in it."""

    def __init__(self, cloud: Cloud, *, homes: bool) -> None:
        self.cloud = cloud
        ec2 = cloud.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=zone)
            for n, zone in enumerate(("us-east-1a", "us-east-1b"))
        ]
        group = ec2.create_security_group(GroupName="apps", Description="apps", VpcId=self.vpc)
        self.arn = cloud.call(
            "CreateDomain",
            DomainName="domain",
            AuthMode="IAM",
            AppNetworkAccessType="VpcOnly",
            VpcId=self.vpc,
            SubnetIds=[subnet["Subnet"]["SubnetId"] for subnet in subnets],
            HomeEfsFileSystemCreation="Enabled" if homes else "Disabled",
            DefaultUserSettings={"ExecutionRole": ROLE, "SecurityGroups": [group["GroupId"]]},
            Tags=[{"Key": "mlops-constructs:delete-with-stack", "Value": "true"}],
        )["DomainArn"]
        self.id = self.arn.rsplit("/", 1)[-1]
        self.key = {"DomainId": self.id}
        self._ready("DescribeDomain")

    def use(self) -> None:
        """A user with a space and an app in it."""
        self.cloud.call("CreateUserProfile", **self.key, UserProfileName="ana")
        self._ready("DescribeUserProfile", UserProfileName="ana")
        self.cloud.call("CreateSpace", **self.key, SpaceName="work")
        self._ready("DescribeSpace", SpaceName="work")
        app = {"SpaceName": "work", "AppType": "JupyterLab", "AppName": "default"}
        self.cloud.call("CreateApp", **self.key, **app)
        self._ready("DescribeApp", **app)

    def _ready(self, operation: str, **names: str) -> None:
        until(lambda: self.cloud.call(operation, **self.key, **names)["Status"] == "InService")

    def groups(self) -> list[dict[str, Any]]:
        found = self.cloud.client("ec2").describe_security_groups(
            Filters=[{"Name": f"tag:{OWNER}", "Values": [self.arn]}]
        )
        return list(found["SecurityGroups"])

    def homes(self) -> list[dict[str, Any]]:
        return list(self.cloud.client("efs").describe_file_systems()["FileSystems"])

    def interfaces(self) -> list[dict[str, Any]]:
        found = self.cloud.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
        return [one for one in found if self.id in one["Description"]]


def test_refuses_to_delete_what_is_in_use_in_the_words_of_the_service(cloud: Cloud) -> None:
    studio = Studio(cloud, homes=False)
    studio.use()
    for operation, name, user, kind in (
        ("DeleteDomain", {}, "App", "Domain"),
        ("DeleteSpace", {"SpaceName": "work"}, "App", "Space"),
    ):
        with pytest.raises(
            Exception, match=rf"Unable to delete {kind} \[arn:.*{user}\(s\)"
        ) as error:
            cloud.call(operation, **studio.key, **name)
        assert error.value.code == "ResourceInUse"  # type: ignore[attr-defined]  # a ServiceError
    cloud.call(
        "CreateApp", **studio.key, UserProfileName="ana", AppType="Canvas", AppName="default"
    )
    with pytest.raises(Exception, match=r"UserProfile \[arn:.*App\(s\) are associated with it"):
        cloud.call("DeleteUserProfile", **studio.key, UserProfileName="ana")


@pytest.mark.parametrize("retention", [None, "Retain", "Delete"])
def test_a_domain_leaves_its_groups_and_keeps_homes_unless_told(
    cloud: Cloud, retention: str | None
) -> None:
    studio = Studio(cloud, homes=True)
    [home] = studio.homes()
    assert cloud.call("DescribeDomain", **studio.key)["HomeEfsFileSystemId"] == home["FileSystemId"]
    assert home["NumberOfMountTargets"] == 2
    policy = {"RetentionPolicy": {"HomeEfsFileSystem": retention}} if retention else {}
    cloud.call("DeleteDomain", **studio.key, **policy)
    until(lambda: not cloud.call("ListDomains")["Domains"])
    assert [group["GroupName"] for group in studio.groups()] == [
        f"security-group-for-{way}-nfs-{studio.id}" for way in ("inbound", "outbound")
    ]
    assert len(studio.homes()) == (0 if retention == "Delete" else 1)


def test_the_interface_of_an_app_outlives_it_for_a_while(cloud: Cloud) -> None:
    studio = Studio(cloud, homes=False)
    studio.use()
    assert len(studio.interfaces()) == 1
    app = {"SpaceName": "work", "AppType": "JupyterLab", "AppName": "default"}
    cloud.call("DeleteApp", **studio.key, **app)
    assert studio.interfaces()
    until(lambda: not studio.interfaces())


@pytest.mark.parametrize("homes", ["Keep", "Delete"])
def test_the_function_that_the_construct_ships_deletes_a_used_domain(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, homes: str
) -> None:
    """With botocore's real clients and paginators; afterwards the VPC can be deleted."""
    folder = Path(__file__).parents[3] / "constructs" / "mlops_constructs" / "studio"
    monkeypatch.syspath_prepend(str(folder))  # as in Lambda: no library around it
    from deletion_function import calls, index  # type: ignore[import-not-found]  # from the folder

    studio = Studio(cloud, homes=True)
    studio.use()
    answers: list[bytes] = []

    class Answered:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    def answer(request: Any, **_: Any) -> Answered:
        answers.append(request.data)
        return Answered()

    monkeypatch.setattr("urllib.request.urlopen", answer)

    class Context:
        function_name = "function"

        def get_remaining_time_in_millis(self) -> int:
            return 800_000

    event = {
        "RequestType": "Delete",
        "ResponseURL": "https://answer",
        **dict.fromkeys(("StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId"), "x"),
        "ResourceProperties": {
            "DomainId": studio.id,
            "DomainArn": studio.arn,
            "Part": "Domain",
            "HomeDirectories": homes,
        },
    }
    services = calls.Services(cloud.client)
    index.run(event, Context(), services, sleep=lambda _: until(lambda: True))
    assert b'"SUCCESS"' in answers[0]
    assert cloud.call("ListDomains")["Domains"] == []
    assert studio.groups() == studio.interfaces() == []
    if homes == "Delete":
        assert studio.homes() == []
    else:
        [home] = studio.homes()
        assert home["FileSystemId"].encode() in answers[0]
        assert home["NumberOfMountTargets"] == 0


# --- ways in, and MLflow ------------------------------------------------------------------------


def test_a_user_opens_studio_by_a_url_of_its_own(cloud: Cloud) -> None:
    studio = Studio(cloud, homes=False)
    studio.use()
    ana = {**studio.key, "UserProfileName": "ana"}
    first, second = (cloud.call("CreatePresignedDomainUrl", **ana) for _ in range(2))
    assert first["AuthorizedUrl"].startswith(f"https://{studio.id}.studio.")
    assert first != second
    with pytest.raises(ServiceError, match="does not exist"):
        cloud.call("CreatePresignedDomainUrl", **studio.key, UserProfileName="eve")


def test_a_tracking_server_is_stopped_and_started(cloud: Cloud) -> None:
    name = {"TrackingServerName": "census"}
    cloud.call(
        "CreateMlflowTrackingServer", **name, ArtifactStoreUri="s3://models/mlflow", RoleArn=ROLE
    )

    def status() -> tuple[str, str]:
        found = cloud.call("DescribeMlflowTrackingServer", **name)
        return found["TrackingServerStatus"], found["IsActive"]

    until(lambda: status() == ("Created", "Active"))
    with pytest.raises(ServiceError, match="ConflictException"):
        cloud.call("StartMlflowTrackingServer", **name)
    cloud.call("StopMlflowTrackingServer", **name)
    until(lambda: status() == ("Stopped", "Inactive"))
    cloud.call("StartMlflowTrackingServer", **name)
    until(lambda: status() == ("Started", "Active"))
    url = cloud.call("CreatePresignedMlflowTrackingServerUrl", **name)["AuthorizedUrl"]
    assert url.startswith("https://census.")
    cloud.call("DeleteMlflowTrackingServer", **name)


def test_an_mlflow_app_is_made_and_opened(cloud: Cloud) -> None:
    arn = cloud.call(
        "CreateMlflowApp", Name="census", ArtifactStoreUri="s3://models/mlflow", RoleArn=ROLE
    )["Arn"]
    until(lambda: cloud.call("DescribeMlflowApp", Arn=arn)["Status"] == "Created")
    url = cloud.call("CreatePresignedMlflowAppUrl", Arn=arn)["AuthorizedUrl"]
    assert ".mlflow.sagemaker." in url
