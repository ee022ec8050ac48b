"""SageMaker Studio: domains, user profiles, spaces, apps and images.

What a domain makes in its VPC is in `studio_network`, MLflow in `studio_mlflow`.
"""

from __future__ import annotations

from secrets import token_urlsafe
from uuid import uuid4

from localcloud.errors import invalid
from localcloud.sagemaker import crud, errors, studio_network
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record


@crud.prepare("Domain")
def _complete_domain(cloud: SageMaker, data: Json) -> None:
    domain_id = f"d-{uuid4().hex[:12]}"
    data |= {
        "DomainId": domain_id,
        "Url": f"https://{domain_id}.studio.{cloud.scope.region}.sagemaker.aws",
    }
    data.setdefault("AppNetworkAccessType", "PublicInternetOnly")
    if data.get("HomeEfsFileSystemCreation") != "Disabled":
        data["HomeEfsFileSystemId"] = f"fs-{uuid4().hex[:17]}"
    if data["AppNetworkAccessType"] == "VpcOnly":
        settings = data["DefaultUserSettings"]
        if not (data.get("VpcId") and data.get("SubnetIds") and settings.get("SecurityGroups")):
            raise invalid("VpcOnly needs VpcId, SubnetIds and DefaultUserSettings.SecurityGroups.")
        data["SecurityGroupIdForDomainBoundary"] = f"sg-{uuid4().hex[:17]}"


@operation("CreateDomain")
def create_domain(cloud: SageMaker, request: Json) -> Json:
    """A domain, with its file system and security groups in the VPC."""
    record = crud.store_new(cloud, kind("Domain"), "CreateDomain", request)
    studio_network.add_domain(cloud, record)
    crud.start(cloud, record)
    return record.data


@operation("DeleteDomain")
def delete_domain(cloud: SageMaker, request: Json) -> Json:
    """Delete a domain; its security groups stay, and its file system unless told otherwise."""
    record = cloud.require("Domain", request, "DeleteDomain")
    answer = crud.delete(cloud, kind("Domain"), "DeleteDomain", request)
    if (request.get("RetentionPolicy") or {}).get("HomeEfsFileSystem") == "Delete":
        studio_network.remove_home(cloud, record)
    return answer


@operation("CreateApp")
def create_app(cloud: SageMaker, request: Json) -> Json:
    """An app, with its interface in the VPC."""
    record = crud.store_new(cloud, kind("App"), "CreateApp", request)
    studio_network.add_app(cloud, record)
    crud.start(cloud, record)
    return record.data


@operation("DeleteApp")
def delete_app(cloud: SageMaker, request: Json) -> Json:
    """Stop an app; its interface goes a while later."""
    record = cloud.require("App", request, "DeleteApp")
    answer = crud.delete(cloud, kind("App"), "DeleteApp", request)
    studio_network.remove_app(cloud, record)
    return answer


@operation("CreatePresignedDomainUrl")
def create_presigned_domain_url(cloud: SageMaker, request: Json) -> Json:
    """The URL that opens Studio as a user; nobody listens there."""
    for kind_name in ("Domain", "UserProfile"):
        record = cloud.require(kind_name, request, "CreatePresignedDomainUrl")
        if record.data["Status"] != "InService":
            raise invalid(f"{record.arn} is {record.data['Status']}, not InService.")
    return {"AuthorizedUrl": authorized(cloud.require("Domain", request, "DescribeDomain"))}


def authorized(record: Record, member: str = "Url") -> str:
    """The URL of a resource with a token that is good for one use."""
    return f"{record.data[member]}/auth?token={token_urlsafe(32)}"


@crud.prepare("App")
def _complete_app(cloud: SageMaker, data: Json) -> None:
    del cloud
    owner = data.get("UserProfileName") or data.get("SpaceName")
    if not owner or (data.get("UserProfileName") and data.get("SpaceName")):
        raise invalid("Exactly one of UserProfileName and SpaceName must be given.")
    data["Owner"] = owner


@crud.prepare("PartnerApp")
def _complete_partner_app(cloud: SageMaker, data: Json) -> None:
    data["Arn"] = cloud.arn_of(kind("PartnerApp"), {"Id": uuid4().hex[:12].upper()})


@crud.prepare("Artifact")
def _complete_artifact(cloud: SageMaker, data: Json) -> None:
    data["ArtifactArn"] = cloud.arn_of(kind("Artifact"), {"Id": uuid4().hex})


@crud.prepare("ImageVersion")
def _complete_image_version(cloud: SageMaker, data: Json) -> None:
    image = cloud.require("Image", data, "DescribeImage")
    data |= {"Version": cloud.store.next_number(image.arn), "ImageArn": image.arn}
    data.setdefault("ContainerImage", data["BaseImage"])


@operation("DescribeImageVersion")
def describe_image_version(cloud: SageMaker, request: Json) -> Json:
    """A version of an image: the given one, or the latest."""
    version = request.get("Version")
    if version is None:
        image = cloud.require("Image", request, "DescribeImage")
        versions = cloud.store.records(cloud.scope, "ImageVersion")
        numbers = [r.data["Version"] for r in versions if r.data["ImageArn"] == image.arn]
        version = max(numbers, default=0)
    key = {"ImageName": request["ImageName"], "Version": version}
    return cloud.require("ImageVersion", key, "DescribeImageVersion").data


@crud.before_delete("Domain")
def _refuse_used_domain(cloud: SageMaker, record: Record, operation_name: str) -> None:
    for kind_name in ("App", "Space", "UserProfile"):
        _refuse_if_any(cloud, record, operation_name, kind_name, ("DomainId",))


@crud.before_delete("UserProfile")
def _refuse_used_profile(cloud: SageMaker, record: Record, operation_name: str) -> None:
    _refuse_if_any(cloud, record, operation_name, "App", ("DomainId", "UserProfileName"))


@crud.before_delete("Space")
def _refuse_used_space(cloud: SageMaker, record: Record, operation_name: str) -> None:
    _refuse_if_any(cloud, record, operation_name, "App", ("DomainId", "SpaceName"))


def _refuse_if_any(
    cloud: SageMaker, record: Record, operation_name: str, kind_name: str, members: tuple[str, ...]
) -> None:
    if any(
        all(other.data.get(member) == record.data[member] for member in members)
        # An app that failed is no hindrance (developer guide, "Delete an Amazon SageMaker AI
        # domain").
        and other.data.get("Status") != "Failed"
        for other in cloud.store.records(cloud.scope, kind_name)
    ):
        raise errors.in_use(
            operation_name,
            f"Unable to delete {record.kind} [{record.arn}] because {kind_name}(s) are associated"
            " with it.",
        )
