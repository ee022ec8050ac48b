from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.localcloud.support import SETTINGS, Cloud

_accounts = count(100_000_000_001)


@pytest.fixture(scope="session")
def local() -> Iterator[Any]:
    """The application, started and stopped as a server would, on a loop in a thread."""
    from localcloud.server import LocalCloud

    cloud = LocalCloud(SETTINGS)
    started, stop, stopped = threading.Event(), threading.Event(), threading.Event()

    async def serve() -> None:
        messages = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive() -> dict[str, str]:
            message = next(messages)
            if message == "lifespan.shutdown":
                await asyncio.to_thread(stop.wait)
            return {"type": message}

        async def send(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set()

        await cloud({"type": "lifespan"}, receive, send)
        stopped.set()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    assert started.wait(20)
    yield cloud
    stop.set()
    assert stopped.wait(20)


@pytest.fixture
def cloud(local: Any) -> Cloud:
    return Cloud(local, str(next(_accounts)))
