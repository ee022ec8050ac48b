"""Answers CloudFormation: binds a definition and writes it to S3 under a key of its content.

Create and Update read the template, put the values in, write ``<prefix>/<sha256>.json`` and return
bucket and key: another value is another key, so that CloudFormation updates the pipeline. Delete
leaves the files, which are small and say what was deployed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3

from .binding import bind, to_text

#: CloudFormation takes answers of 4,096 bytes.
_MOST_REASON = 1_500

logger = logging.getLogger("definition")
logger.setLevel(logging.INFO)

Event = dict[str, Any]


def handler(event: Event, context: Any) -> None:
    """Carry out one request of CloudFormation."""
    del context
    run(event, boto3.client("s3"), _send)


def run(event: Event, s3: Any, send: Callable[[str, bytes], None]) -> None:
    """Carry out one request, and answer it.

    Args:
        event: The request.
        s3: A client.
        send: Puts the answer to a URL.
    """
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    try:
        if event["RequestType"] != "Delete":
            answer["Data"] = _write(event["ResourceProperties"], s3)
    except Exception as error:
        logger.exception("failed")
        answer["Status"] = "FAILED"
        answer["Reason"] = f"{type(error).__name__}: {error}"[:_MOST_REASON]
    send(event["ResponseURL"], json.dumps(answer).encode())


def _write(properties: dict[str, Any], s3: Any) -> dict[str, str]:
    source = s3.get_object(Bucket=properties["TemplateBucket"], Key=properties["TemplateKey"])
    document = json.loads(source["Body"].read())
    # CloudFormation leaves empty objects out.
    lists = {name: text.split(",") for name, text in properties.get("Lists", {}).items()}
    body = to_text(bind(document, {**properties.get("Texts", {}), **lists})).encode()
    key = f"{properties['Prefix']}/{hashlib.sha256(body).hexdigest()}.json"
    bucket = properties["Bucket"]
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    logger.info("%s bytes to s3://%s/%s", len(body), bucket, key)
    return {"Bucket": bucket, "Key": key}


def _send(url: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310  # the URL is CloudFormation's
        url, data=body, method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  # see above
        pass
