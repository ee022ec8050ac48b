"""Tags of resources."""

from __future__ import annotations

from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json

_MOST = 50
"""Tags per resource (botocore: AddTags)."""


@operation("AddTags")
def add_tags(cloud: SageMaker, request: Json) -> Json:
    """Add tags to a resource, or replace the values of tags that it has."""
    tags = _tags(cloud, request)
    given = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    if len(tags | given) > _MOST:
        raise ServiceError("ResourceLimitExceeded", f"A resource can have at most {_MOST} tags.")
    tags.update(given)
    return {"Tags": _listed(tags)}


@operation("ListTags")
def list_tags(cloud: SageMaker, request: Json) -> Json:
    """The tags of a resource."""
    page, token = paginate(_listed(_tags(cloud, request)), request, page=_MOST)
    return {"Tags": page, "NextToken": token}


@operation("DeleteTags")
def delete_tags(cloud: SageMaker, request: Json) -> Json:
    """Remove tags from a resource."""
    tags = _tags(cloud, request)
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


def _tags(cloud: SageMaker, request: Json) -> dict[str, str]:
    record = cloud.store.by_arn(cloud.scope, request["ResourceArn"])
    if record is None:
        raise invalid(f"Resource {request['ResourceArn']} does not exist.")
    return cloud.store.tags(record.arn)


def _listed(tags: dict[str, str]) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
