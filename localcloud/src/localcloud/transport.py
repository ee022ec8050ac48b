"""AWS clients for code inside the server process.

Jobs, pipelines and CloudFormation handlers call the other services through ordinary botocore
clients, so that what they send is what any client would send. The requests do not pass through a
socket: they go straight into the ASGI application.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config

from localcloud.emulator import AsgiApp, Scope


class _Body(io.BytesIO):
    """A response body with the two methods that botocore calls on urllib3's."""

    def stream(self, amount: int = 65536, **_: Any) -> Any:
        while chunk := self.read(amount):
            yield chunk

    def release_conn(self) -> None:
        """There is no connection."""


class Clients:
    """Makes AWS clients whose requests are served by ``app`` in this process.

    Args:
        app: The ASGI application that answers.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session = botocore.session.Session()
        self._lock = threading.Lock()
        self._cached = lru_cache(maxsize=256)(self._create)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve the requests on ``loop``, the one of the server."""
        self._loop = loop

    def client(self, service: str, scope: Scope) -> BaseClient:
        """A client of ``service`` for the account and region of ``scope``."""
        with self._lock:
            return self._cached(service, scope)

    def _create(self, service: str, scope: Scope) -> BaseClient:
        client = self._session.create_client(
            service,
            region_name=scope.region,
            endpoint_url="http://localhost",
            # An access key of 12 digits is how the emulator is told the account.
            aws_access_key_id=scope.account,
            aws_secret_access_key="local",  # noqa: S106 - nothing checks the signature
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path", "payload_signing_enabled": False},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                parameter_validation=True,
            ),
        )
        client.meta.events.register(f"before-send.{service}", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        loop = self._running_loop()
        status, headers, body = asyncio.run_coroutine_threadsafe(
            self._exchange(request), loop
        ).result()
        return AWSResponse(request.url, status, headers, _Body(body))

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            raise RuntimeError("An AWS call on the event loop would wait for itself.")
        return self._loop

    async def _exchange(self, request: AWSPreparedRequest) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(request.url)
        body = _read(request.body)
        headers = _headers(request.headers)
        headers["content-length"] = str(len(body))
        scope = {
            "type": "http",
            "method": request.method,
            "scheme": "http",
            "path": unquote(url.path) or "/",
            "raw_path": (url.path or "/").encode(),
            "query_string": url.query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": ("127.0.0.1", 0),
        }
        incoming = [{"type": "http.request", "body": body, "more_body": False}]
        status = 0
        answer: dict[str, str] = {}
        chunks: list[bytes] = []

        async def receive() -> Mapping[str, Any]:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer.update({k.decode().title(): v.decode() for k, v in message["headers"]})
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return status, answer, b"".join(chunks)


def _read(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    content: bytes = body.read()
    return content


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    text = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
    }
    text.pop("expect", None)
    return text
