"""What CloudTrail tells EventBridge of calls that change something: who called what, with what.

An account without a trail that is on and takes management events tells nothing, as in AWS
(EventBridge user guide, "AWS service events delivered via CloudTrail"). The form is that of the
CloudTrail user guide, "CloudTrail record contents", without what has no meaning here. Answers are
left out: ``responseElements`` is null.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from botocore.model import Shape

from localcloud.errors import ServiceError
from localcloud.model import operation_model
from localcloud.sagemaker import events
from localcloud.sagemaker.kinds import SERVICE
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

logger = logging.getLogger("localcloud.events")

_READING = ("BatchDescribe", "Describe", "Get", "List", "Query", "Render", "Search")
_EVENT = "AWS API Call via CloudTrail"


def tell(
    cloud: SageMaker,
    operation: str,
    request: Json,
    identity: Json,
    *,
    agent: str,
    refused: ServiceError | None = None,
) -> None:
    """Tell the event bus of a call, if the account has a trail and the call may change something.

    Args:
        cloud: The service.
        operation: Its name.
        request: What was asked for.
        identity: Who asked (`emulator.caller_identity`).
        agent: With which program.
        refused: Why the service did not do it, if so.
    """
    if operation.startswith(_READING) or not _is_on(cloud):
        return
    scope = cloud.scope
    detail: Json = {
        "eventVersion": "1.09",
        "userIdentity": _shown(identity),
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": operation,
        "awsRegion": scope.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": agent,
        "requestParameters": _members(operation_model(SERVICE, operation).input_shape, request),
        "responseElements": None,
        "requestID": str(uuid4()),
        "eventID": str(uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": scope.account,
        "eventCategory": "Management",
    }
    if refused:
        detail |= {"errorCode": refused.code, "errorMessage": refused.message}
    events.put(_EVENT, detail, [])


def _is_on(cloud: SageMaker) -> bool:
    client: Any = cloud.clients.client("cloudtrail", cloud.scope)
    try:
        return any(
            client.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
            and _takes_management(client, trail["TrailARN"])
            for trail in client.describe_trails()["trailList"]
        )
    except ClientError:
        logger.exception("trails of %s", cloud.scope)
        return False


def _takes_management(client: Any, trail: str) -> bool:
    """Whether a trail takes management events, as it does unless told otherwise."""
    selectors = client.get_event_selectors(TrailName=trail).get("EventSelectors") or [{}]
    return any(
        each.get("IncludeManagementEvents", True) and each.get("ReadWriteType") != "ReadOnly"
        for each in selectors
    )


def _shown(identity: Json) -> Json:
    arn, account = str(identity["userArn"]), str(identity["accountId"])
    shown: Json = {
        "type": "Root",
        "principalId": str(identity["userId"]),
        "arn": arn,
        "accountId": account,
        "accessKeyId": str(identity["accessKey"]),
    }
    kind, _, name = arn.split(":", 5)[5].partition("/")
    if kind == "assumed-role":
        role = name.split("/")[0]
        issuer = {
            "type": "Role",
            "principalId": shown["principalId"].split(":")[0],
            "arn": f"arn:aws:iam::{account}:role/{role}",
            "accountId": account,
            "userName": role,
        }
        shown |= {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}
    elif kind == "user":
        shown |= {"type": "IAMUser", "userName": name.rsplit("/", 1)[-1]}
    return shown


def _members(shape: Shape | None, value: Any) -> Any:
    """A request as CloudTrail writes it: members begin with a small letter, keys of maps do not."""
    if shape is None:
        return None
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            name[:1].lower() + name[1:]: _members(shape.members[name], item)
            for name, item in value.items()
            if name in shape.members
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_members(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {name: _members(shape.value, item) for name, item in value.items()}
    return value
