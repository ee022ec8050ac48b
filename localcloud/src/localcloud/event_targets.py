"""Targets of rules that ministack lacks: event buses of other accounts and regions, log groups.

Sources: EventBridge user guide, "Sending and receiving events between AWS accounts" (role and bus
policy, no third account) and "Permissions for event buses" (the condition keys); CloudWatch Logs
user guide, "Permissions" of event delivery. As in AWS, the sender of an event learns nothing of a
target that refuses it: the reason is in the server's log, and the rule's metric counts it.
"""

from __future__ import annotations

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from localcloud import access, emulator
from localcloud.emulator import Json, Scope, TargetHandler, UndeliveredError
from localcloud.transport import Clients

logger = logging.getLogger("localcloud.integrations")

_BUS = re.compile(r"arn:aws[a-z-]*:events:([a-z0-9-]+):(\d{12}):event-bus/(.+)")
_LOG_GROUP = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:([^:]+)(:\*)?")
_EVENTS = "events.amazonaws.com"
_PUT = "events:PutEvents"


def hand_to_bus(target: Json, event: Json, arn: str) -> bool:
    """Hand an event to the bus of another account or region; says whether the target is one.

    The rule's role must be allowed to send there, and the bus must let it in.

    Raises:
        UndeliveredError: One of them does not, or there is no such bus.
    """
    found = _BUS.fullmatch(arn)
    here = emulator.current_scope()
    there = Scope(found[2], found[1]) if found else here
    if found is None or there == here:
        return False
    if (event.get("Account"), event.get("Region")) != (here.account, here.region):
        raise UndeliveredError(f"THIRD_ACCOUNT_HOP_DETECTED: {arn}")
    role = str(target.get("RoleArn") or "")
    with emulator.within(there):
        if there.account != here.account:
            why = access.refusal(
                role,
                _PUT,
                arn,
                policy=emulator.event_bus_policy(found[3]),
                context={
                    "events:source": str(event.get("Source")),
                    "events:detail-type": str(event.get("DetailType")),
                },
            )
            if why:
                raise UndeliveredError(access.denied(role, _PUT, arn, why))
        if not emulator.hand_over_event(event, found[3]):
            raise UndeliveredError(f"there is no event bus {arn}")
    return True


def log_writer(clients: Clients) -> TargetHandler:
    """What writes events to log groups, each into a stream of its own and one after the other.

    Args:
        clients: Of the services; they may not be called on the event loop, where events arrive.
    """
    threads = ThreadPoolExecutor(1, "event-log")

    def write(_target: Json, event: Json, arn: str) -> bool:
        found = _LOG_GROUP.fullmatch(arn)
        if found is None:
            return False
        scope, document = emulator.current_scope(), emulator.event_document(event)
        client: Any = clients.client("logs", scope)
        threads.submit(_write, client, scope.account, found[1], document)
        return True

    return write


def _write(client: Any, account: str, group: str, document: Json) -> None:
    stream = str(document["id"])
    try:
        why = _why_not(client, account, group, stream)
        if why:
            logger.warning("target %s: %s", group, why)
            return
        client.create_log_stream(logGroupName=group, logStreamName=stream)
        message = {"timestamp": _milliseconds(document), "message": json.dumps(document)}
        client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[message])
    except ClientError as error:
        logger.warning("target %s: %s", group, error)


def _why_not(client: Any, account: str, group: str, stream: str) -> str | None:
    """Why EventBridge may not write to a log group; None if it may."""
    groups = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    arn = next((str(each["arn"]) for each in groups if each["logGroupName"] == group), None)
    if arn is None:
        return "there is no such log group"
    policies = [
        json.loads(each["policyDocument"])
        for each in client.describe_resource_policies()["resourcePolicies"]
    ]
    resource = f"{arn.removesuffix(':*')}:log-stream:{stream}"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        why = access.service_refusal(_EVENTS, action, resource, policies=policies, account=account)
        if why:
            return access.denied(_EVENTS, action, resource, why)
    return None


def _milliseconds(document: Json) -> int:
    return int(datetime.fromisoformat(str(document["time"])).timestamp() * 1000)
