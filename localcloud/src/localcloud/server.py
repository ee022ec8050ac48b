"""The server process: ministack's ASGI application with SageMaker and its company added.

Run as ``python -m localcloud.server`` with the environment of ``Settings.process_environment``;
``localcloud up`` does.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
import shutil
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config

from localcloud import cloudformation, connections, emulator, integrations, services
from localcloud.delivery import credentials
from localcloud.emulator import AsgiApp, Receive, Send
from localcloud.responses import Request, Response, json_response
from localcloud.sagemaker import SageMaker, restart as sagemaker_restart
from localcloud.sagemaker.http import respond
from localcloud.settings import HOST, Settings
from localcloud.transport import Clients

logger = logging.getLogger("localcloud.server")

_IDENTITY_PATH = "/_localcloud"
"""Answers with the id of the process, so that a port is never taken for the instance on it."""

_KEEP_ALIVE_SECONDS = 75.0

_INVOKED = re.compile(r"/endpoints/[^/]+/invocations")
_MOST_INVOCATIONS = 256
"""More than the 200 that a serverless variant may have under way."""


class LocalCloud:
    """The ASGI application of one instance.

    Args:
        settings: Of the instance.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = Clients(self)
        self.sagemaker = SageMaker(settings, self.clients)
        self._credentials = credentials.BuildCredentials(self.clients)
        self._invocations = ThreadPoolExecutor(_MOST_INVOCATIONS, "invocation")
        self.services = services.build(self.sagemaker, self._credentials)
        emulator.read_tables_whole()
        emulator.extend_cloudformation()
        emulator.extend_athena()
        emulator.extend_event_buses()
        emulator.take_requests_for_encrypted()
        emulator.extend_lambda()
        if not settings.schedules:
            emulator.hold_schedules()
        cloudformation.register(self.sagemaker)
        integrations.register(self.sagemaker)
        emulator.add_service("sagemaker", self._answer_in_process)
        emulator.on_reset(self._reset)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] == "http":
            if scope["path"] == _IDENTITY_PATH:
                await _send(send, json_response({"pid": os.getpid()}))
                return
            if scope["path"].startswith(credentials.PATH):
                answer = await asyncio.to_thread(self._credentials.answer, scope["path"])
                await _send(send, answer)
                return
            headers = {
                k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]
            }
            service = emulator.signed_service(headers)
            if service == "sagemaker" or service in self.services:
                await self._own(service, scope, headers, receive, send)
                return
        await emulator.app(scope, receive, send)

    async def _own(
        self,
        service: str,
        scope: Mapping[str, Any],
        headers: Mapping[str, str],
        receive: Receive,
        send: Send,
    ) -> None:
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        emulator.enter_request(headers, query)
        body = await _read_body(receive)
        request = Request(scope["method"], scope["path"], headers, query, body)
        response = await self._in_thread(service, request)
        await _send(send, response)

    async def _in_thread(self, service: str, request: Request) -> Response:
        """Answer on a worker thread: operations call other services, which the loop serves.

        Invocations have threads of their own: those that wait for slow models would keep everything
        else waiting.
        """
        context = contextvars.copy_context()
        own = self.services.get(service)
        threads = self._invocations if _INVOKED.match(request.path) else None

        def answer() -> Response:
            return own.respond(request) if own else respond(self.sagemaker, request)

        return await asyncio.get_running_loop().run_in_executor(threads, context.run, answer)

    async def _answer_in_process(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | str,
        query: Mapping[str, list[str]],
    ) -> tuple[int, dict[str, str], bytes]:
        """What state machines call: their scope is set already."""
        content = body.encode() if isinstance(body, str) else body
        request = Request(method, path, headers, query, content)
        response = await self._in_thread("sagemaker", request)
        return response.status, dict(response.headers), response.body

    async def _lifespan(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Start after ministack and stop before it: endpoints need S3, S3 needs the loop."""

        async def started(message: Mapping[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.clients.attach(asyncio.get_running_loop())
                await asyncio.to_thread(sagemaker_restart.load, self.sagemaker)
            await send(message)

        async def stopping() -> Mapping[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._stop)
            return message

        await emulator.app(scope, stopping, started)

    def _stop(self) -> None:
        sagemaker_restart.save(self.sagemaker)
        self.sagemaker.stop()
        shutil.rmtree(self.settings.work_dir, ignore_errors=True)

    def _reset(self) -> None:
        self.sagemaker.routes.close_all()
        self.sagemaker.store.clear()
        self.sagemaker.offline.clear()


async def _send(send: Send, response: Response) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _read_body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def serve_until(app: AsgiApp, settings: Settings, ended: asyncio.Event) -> None:
    """Serve an application at the settings' address until an event is set."""
    connections.install()
    config = Config()
    config.bind = [f"{HOST}:{settings.port}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.loglevel = "WARNING"
    config.graceful_timeout = 5.0
    await serve(app, config, shutdown_trigger=ended.wait)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await serve_until(LocalCloud(settings), settings, ended)


def main() -> None:
    """Start the server with the settings of the environment."""
    asyncio.run(run(Settings.from_environment()))


if __name__ == "__main__":
    main()
