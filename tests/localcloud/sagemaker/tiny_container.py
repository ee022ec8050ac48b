"""A container as small as one can be: it starts in a tenth of the time of a framework's.

The model is ``handler.py`` in ``model.tar.gz``: ``answer(body, headers)`` returns a status and a
body, and may sleep, raise or end the process. Of the standard library it imports the little that it
needs: ``http.server`` alone would take longer to import than everything else takes.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

MODEL = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "model", "handler.py")  # noqa: PTH118  # pathlib takes long to import


def load() -> dict[str, Any]:
    names: dict[str, Any] = {}
    with open(MODEL) as file:  # noqa: PTH123  # as above
        exec(compile(file.read(), MODEL, "exec"), names)
    return names


def serve(connection: socket.socket, model: dict[str, Any]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return
            received += chunk
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", 0))
        while len(received) < length:
            received += connection.recv(65536)
        body, received = received[:length], received[length:]
        status, answer = 200, b""
        if first.startswith("POST"):
            try:
                status, answer = model["answer"](body, headers)
            except Exception as error:
                status, answer = 500, repr(error).encode()
        start = f"HTTP/1.1 {status} X\r\nContent-Type: text/csv\r\nContent-Length: {len(answer)}"
        connection.sendall(start.encode() + b"\r\n\r\n" + answer)


def main() -> None:
    model = load()
    listener = socket.socket(fileno=int(os.environ["LOCALCLOUD_LISTEN_FD"]))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, model), daemon=True).start()


if __name__ == "__main__":
    main()
