"""Models of other accounts: their packages and their artifacts, as far as policies let one in.

A package is shared by the policy of its group, its artifact by those of the bucket and the key,
and the role of the model that is made of it must be allowed both as well. One of them that is
missing shows in AWS when the model or the endpoint is made, with a message about another; here the
reason is added to it.

Source: SageMaker developer guide, "Deploy a Model Version from a Different Account".
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from localcloud import access, emulator
from localcloud.emulator import Scope
from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import errors
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record


def scope_of(arn: str) -> Scope:
    """The account and region of an ARN."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account, region)


def find(cloud: SageMaker, arn: str) -> Record | None:
    """A package of another account; None if there is none, or if the ARN is of this account."""
    if not arn.startswith("arn:") or scope_of(arn).account == cloud.scope.account:
        return None
    return cloud.store.by_arn(scope_of(arn), arn, "ModelPackage")


def package(cloud: SageMaker, arn: str, operation_name: str) -> Record | None:
    """A package of another account, for an operation; None if the ARN is of this account.

    Raises:
        ServiceError: The policy of its group does not allow the operation, or there is none.
    """
    if not arn.startswith("arn:") or scope_of(arn).account == cloud.scope.account:
        return None
    owner, name = scope_of(arn), arn.rsplit("/", 2)[-2]
    group = cloud.store.by_arn(
        owner, f"arn:aws:sagemaker:{owner.region}:{owner.account}:model-package-group/{name}"
    )
    policy = json.loads(group.hidden.get("policy") or "null") if group else None
    caller, action = access.root_of(cloud.scope.account), f"sagemaker:{operation_name}"
    why = access.refusal(caller, action, arn.lower(), policy=policy)
    if why:
        message = access.denied(caller, action, arn, why)
        raise ServiceError("AccessDeniedException", message)
    found = find(cloud, arn)
    if found is None:
        raise errors.missing(operation_name, kind("ModelPackage"), arn, arn)
    return found


def first_container(data: Json) -> Json:
    """The first container of a package, which is what a model of it runs."""
    container: Json = data["InferenceSpecification"]["Containers"][0]
    return container


def require_readable(cloud: SageMaker, role: str, container: Json) -> None:
    """Refuse a container whose artifact is in another account and may not be read by the role.

    Raises:
        ServiceError: In the words of the service, and why.
    """
    url = container.get("ModelDataUrl")
    location = urlsplit(str(url or ""))
    owner = emulator.bucket_owner(location.netloc) if url else None
    if owner is None or owner == cloud.scope.account:
        return
    why = _why_unreadable(
        cloud, role, Scope(owner, cloud.scope.region), location.netloc, location.path.lstrip("/")
    )
    if why:
        raise invalid(
            f'Could not access model data at {url}. Please ensure that the role "{role}" exists and'
            ' that its trust relationship policy allows the action "sts:AssumeRole" for the service'
            ' principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject"'
            f" permissions and that the object is located in {cloud.scope.region}. ({why})"
        )


def _why_unreadable(cloud: SageMaker, role: str, owner: Scope, bucket: str, key: str) -> str | None:
    client: Any = cloud.clients.client("s3", owner)
    name = f"arn:aws:s3:::{bucket}/{key}"
    policy = _or_nothing(lambda: json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]))
    why = access.refusal(role, "s3:GetObject", name, policy=policy)
    if why:
        return access.denied(role, "s3:GetObject", name, why)
    encrypted_with = _or_nothing(
        lambda: client.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId")
    )
    if not encrypted_with:
        return None
    keys: Any = cloud.clients.client("kms", owner)
    arn = keys.describe_key(KeyId=encrypted_with)["KeyMetadata"]["Arn"]
    text = keys.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    why = access.refusal(
        role,
        "kms:Decrypt",
        arn,
        policy=json.loads(text),
        context={
            "kms:CallerAccount": cloud.scope.account,
            "kms:ViaService": f"s3.{owner.region}.amazonaws.com",
        },
    )
    return access.denied(role, "kms:Decrypt", arn, why) if why else None


def _or_nothing(ask: Any) -> Any:
    """What is asked for, or None where it is not there."""
    try:
        return ask()
    except ClientError:
        return None
