"""Answers CloudFormation: empties a domain before its profiles go, deletes it after they went.

Create and Update change nothing. Delete works through steps until none waits for anything. Apps
take up to twenty minutes to stop, a function at most fifteen to run: shortly before that it
invokes itself with the same request, and the next invocation looks anew at what is left. Lambda
ends a loop of its own only at about sixteen invocations; the bound here allows five.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .calls import TRANSIENT, Services, code_of, of_boto3
from .domain import Domain
from .leftovers import Leftovers

#: CloudFormation waits an hour for a custom resource.
MOST_SECONDS = 55 * 60
#: What an invocation leaves unused, to hand over or to answer.
_RESERVE_MS = 90_000
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 15.0
#: CloudFormation takes answers of 4,096 bytes.
_MOST_REASON = 1_500

logger = logging.getLogger("deletion")
logger.setLevel(logging.INFO)

Event = dict[str, Any]
Step = Callable[[], list[str]]


def handler(event: Event, context: Any) -> None:
    """Carry out one request of CloudFormation."""
    run(event, context, of_boto3())


def run(
    event: Event,
    context: Any,
    services: Services,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> None:
    """Carry out one request of CloudFormation, and answer it unless the work goes on.

    Args:
        event: The request.
        context: Of the invocation.
        services: The clients.
        sleep: Waits.
        now: The time in seconds.
    """
    event.setdefault("Started", now())
    try:
        told = _carry_out(event, context, services, sleep, now)
    except Exception as error:
        logger.exception("failed")
        _answer(event, "FAILED", f"{type(error).__name__}: {error}")
    else:
        if told is None:
            logger.info("handing over to another invocation")
        else:
            _answer(event, "SUCCESS", told)


def _carry_out(
    event: Event,
    context: Any,
    services: Services,
    sleep: Callable[[float], None],
    now: Callable[[], float],
) -> str | None:
    """Do the work; returns what to tell, or None if another invocation goes on with it."""
    if event["RequestType"] != "Delete":
        return "Nothing to do before the domain is deleted."
    properties: Mapping[str, Any] = event["ResourceProperties"]
    domain = Domain(services, properties["DomainId"], properties["DomainArn"])
    if domain.described() is not None and not domain.is_marked():
        return f"{domain.domain_id} is kept: it does not carry the mark that lets it go."
    keep_homes = properties["HomeDirectories"] != "Delete"
    steps = _steps(domain, properties, keep_homes=keep_homes)
    wait, before = _FIRST_WAIT, [""]
    while waiting := _advance(steps):
        if waiting != before:
            logger.info("waiting for %s", "; ".join(waiting))
            wait, before = _FIRST_WAIT, waiting
        if now() - event["Started"] > MOST_SECONDS:
            raise TimeoutError(
                f"Still there after {MOST_SECONDS // 60} minutes: {'; '.join(waiting)}. "
                "Delete the stack again to go on."
            )
        if context.get_remaining_time_in_millis() < _RESERVE_MS:
            services.functions.invoke(
                FunctionName=context.function_name,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )
            return None
        sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
    return _tell(domain, properties, keep_homes=keep_homes)


def _steps(domain: Domain, properties: Mapping[str, Any], *, keep_homes: bool) -> list[Step]:
    """The steps, each of which must be over before the next begins."""
    if properties["Part"] == "Users":
        return [
            domain.without_apps,
            lambda: domain.without_spaces(properties.get("Spaces", ())),
            lambda: domain.without_profiles(properties.get("UserProfiles", ())),
        ]
    left = Leftovers(domain.services, domain.domain_id, domain.arn)
    return [
        domain.without_apps,
        domain.without_spaces,
        domain.without_profiles,
        lambda: domain.gone(keep_homes=keep_homes),
        left.without_mount_targets,
        *(() if keep_homes else (left.without_file_systems,)),
        left.without_interfaces,
        left.without_security_groups,
    ]


def _advance(steps: list[Step]) -> list[str]:
    """Begin what can be begun; returns what the first unfinished step waits for."""
    try:
        for step in steps:
            if waiting := step():
                return waiting
    except ClientError as error:
        if code_of(error) in TRANSIENT:
            return [f"{error.operation_name} ({code_of(error)})"]
        raise
    except BotoCoreError as error:  # the connection, not the request
        return [str(error)]
    return []


def _tell(domain: Domain, properties: Mapping[str, Any], *, keep_homes: bool) -> str:
    if properties["Part"] == "Users":
        return f"What users made in {domain.domain_id} is gone."
    told = f"{domain.domain_id} and what it left behind are gone."
    if keep_homes:
        left = Leftovers(domain.services, domain.domain_id, domain.arn)
        kept = ", ".join(found["FileSystemId"] for found in left.file_systems())
        if kept:
            told += f" The home directories are kept: file system {kept}."
    return told


def _answer(event: Event, status: str, reason: str) -> None:
    """Tell CloudFormation; without an answer it would wait for an hour."""
    logger.info("%s: %s", status, reason)
    properties = event["ResourceProperties"]
    # Another domain is another resource: CloudFormation then deletes the one before.
    physical_id = event.get("PhysicalResourceId")
    if event["RequestType"] != "Delete":
        physical_id = f"{properties['DomainId']}/{properties['Part']}"
    body = json.dumps(
        {
            "Status": status,
            "Reason": reason[:_MOST_REASON],
            "PhysicalResourceId": physical_id,
            **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        }
    ).encode()
    request = urllib.request.Request(  # noqa: S310  # the URL is CloudFormation's
        event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  # see above
        pass
