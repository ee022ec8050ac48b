"""HTTP requests and responses of JSON services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from localcloud.errors import ServiceError

_CONTENT_TYPE = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class Request:
    """An HTTP request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def json_response(
    answer: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer of an operation."""
    return Response(
        status,
        identified({"Content-Type": _CONTENT_TYPE, **(headers or {})}),
        json.dumps(answer).encode(),
    )


def error_response(error: ServiceError) -> Response:
    """A refusal, as SDKs read it; a subclass may add ``members`` that its shape declares."""
    content = {"__type": error.code, "message": error.message, "Message": error.message}
    content |= getattr(error, "members", {})
    return json_response(content, error.status, {"x-amzn-ErrorType": error.code})


def identified(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the id of the request."""
    return {**headers, "x-amzn-RequestId": str(uuid4())}


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body.

    Raises:
        ServiceError: ``SerializationException``.
    """
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return content
