"""The server's connections: one whose client has left is closed at once.

hypercorn 0.18 waits for the timer of an idle connection (``keep_alive_timeout``) although the
client has closed its side, because the timer is a task of the connection's group, and it starts the
timer after an answer whoever is still there. Until then the socket is in CLOSE_WAIT, and clients
that come and go, such as one process for each AWS call, use up the descriptors that a process may
have.
"""

from __future__ import annotations

from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer


class Connection(TCPServer):  # type: ignore[misc]  # hypercorn's types are not checked here
    """A connection that ends with its client, and not before what the client asked is answered."""

    _left = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._left = True
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        if not self._left:
            await super()._idle_timeout()


def install() -> None:
    """Let hypercorn make such connections."""
    run.TCPServer = Connection
