"""Calls to AWS that may find their work done already, or the service not ready for it yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

#: What it is to be deleted is gone.
GONE = frozenset(
    {"ResourceNotFound", "FileSystemNotFound", "MountTargetNotFound", "InvalidGroup.NotFound"}
    | {"InvalidNetworkInterfaceID.NotFound", "InvalidPermission.NotFound"}
)
#: Something else must go first, or is still changing.
BUSY = frozenset(
    {"ResourceInUse", "FileSystemInUse", "IncorrectFileSystemLifeCycleState", "DependencyTimeout"}
    | {"DependencyViolation", "InvalidParameterValue", "ConflictException"}
    | {"InvalidNetworkInterface.InUse"}
)
#: The service asks to come back later; botocore has tried again already.
TRANSIENT = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
    | {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable"}
    | {"Unavailable"}
)


class Services:
    """The clients that the function needs.

    Args:
        client: Makes the client of a service by its name.
    """

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.sagemaker = client("sagemaker")
        self.efs = client("efs")
        self.ec2 = client("ec2")
        self.functions = client("lambda")


def of_boto3() -> Services:
    """Clients of the account and region that the function runs in."""
    config = Config(retries={"mode": "standard", "max_attempts": 8}, read_timeout=30)
    return Services(lambda name: boto3.client(name, config=config))


def code_of(error: ClientError) -> str:
    """The error code of a refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def attempt(call: Callable[..., Any], **request: Any) -> str:
    """Call, and take for an answer that the thing is gone or that something is in its way.

    Returns:
        Empty, or why the service refuses for now.

    Raises:
        ClientError: The service refuses for good, such as for a missing permission, or asks to
            come back later.
    """
    try:
        call(**request)
    except ClientError as error:
        if code_of(error) in GONE:
            return ""
        if code_of(error) in BUSY:
            return str(error.response["Error"].get("Message") or code_of(error))
        raise
    return ""


def pages(client: Any, operation: str, key: str, **request: Any) -> list[dict[str, Any]]:
    """All items of all pages of a list."""
    answers = client.get_paginator(operation).paginate(**request)
    return [item for answer in answers for item in answer.get(key, [])]
