"""Connections end with their clients, and not before their answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.server import serve_until
from localcloud.settings import HOST, Settings

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def late(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """An application whose answers take a moment."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(0.1)
    headers = [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"answer"})


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = int(probe.getsockname()[1])
    work: Path = tmp_path_factory.mktemp("work")
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    server = serve_until(late, Settings(port=free, work_dir=work), ended)
    thread = threading.Thread(target=loop.run_until_complete, args=(server,))
    thread.start()
    yield free
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    for _ in range(200):
        try:
            connection = socket.create_connection((HOST, port), timeout=10)
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
        else:
            break
    with connection:
        yield connection


def received(client: socket.socket) -> bytes:
    """Everything until the server closes; a timeout if it doesn't."""
    found = b""
    while chunk := client.recv(65536):
        found += chunk
    return found


def test_a_client_that_leaves_without_asking(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b""


def test_a_client_that_leaves_after_its_answer(client: socket.socket) -> None:
    for _ in range(2):
        client.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"answer"):
            answer += client.recv(65536)
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b""


def test_a_client_that_only_listens_gets_its_answer(client: socket.socket) -> None:
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    assert received(client).endswith(b"\r\n\r\nanswer")
