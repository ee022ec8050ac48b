"""The model server of a container: ``/ping`` and ``/invocations``.

Run by the interpreter of the containers' environment, which knows nothing of the local cloud:
``server.py FRAMEWORK``. The user's functions are called by AWS's own inference toolkit
(``sagemaker_inference.transformer``), as in the framework containers; around it there is this
HTTP server instead of the containers' Java model server. One request is handled at a time, as by
one worker of a container, so a handler need not be thread-safe.

Sources: github.com/aws/sagemaker-inference-toolkit, sagemaker-xgboost-container (``serving.py``,
``handler_service.py``), sagemaker-scikit-learn-container.
"""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

_BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
_MODEL = _BASE / "model"


class Context:
    """What the toolkit takes from the Java model server for one request."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.system_properties = {"model_dir": str(_MODEL)}
        self.request_processor = [self]
        self.status = 200
        self.content_type = "application/json"
        self._headers = headers

    def get_request_properties(self) -> dict[str, str]:
        """The request's headers."""
        return self._headers

    def get_request_header(self, _index: int, name: str) -> str | None:
        """One header of the request."""
        return self._headers.get(name)

    def set_response_status(self, code: int, phrase: str = "", _index: int = 0) -> None:
        """The status of the answer."""
        del phrase
        self.status = int(code)

    def set_response_content_type(self, _index: int, content_type: str) -> None:
        """The type of the answer."""
        self.content_type = content_type


class Model:
    """The loaded model and the functions that serve it."""

    def __init__(self, framework: str) -> None:
        program = os.environ.get("SAGEMAKER_PROGRAM")
        if program is not None:
            _install_code(program)
        elif (_MODEL / "code").is_dir():
            print("SAGEMAKER_PROGRAM is not set: the code in model.tar.gz is not used.")
        # Imported late: the toolkit reads the environment when it is imported.
        handlers = import_module(f"{framework}_handlers")
        handler = handlers.algorithm_handler() if program is None else handlers.script_handler()
        toolkit = import_module("sagemaker_inference.transformer")
        self._transformer = getattr(handler, "transformer", toolkit.Transformer)(handler)
        self._transformer.validate_and_initialize(model_dir=str(_MODEL))
        self._one_at_a_time = threading.Lock()

    def answer(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, content type and body for one request."""
        context = Context(headers)
        with self._one_at_a_time:
            (result,) = self._transformer.transform([{"body": body}], context)
        if context.status != 200:
            print(result, file=sys.stderr)
        content = result.encode() if isinstance(result, str) else bytes(result)
        return context.status, context.content_type, content


def _install_code(program: str) -> None:
    """Make the user's module importable, with its requirements."""
    if not program:
        sys.exit("SAGEMAKER_PROGRAM is empty. Set it to the script, or do not set it at all.")
    code = Path(os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or _MODEL / "code")
    script = code / (program if program.endswith(".py") else f"{program}.py")
    if not script.is_file():
        files = sorted(p.relative_to(_MODEL).as_posix() for p in _MODEL.rglob("*") if p.is_file())
        sys.exit(
            f"SAGEMAKER_PROGRAM is {program!r}, but {code} has no such script. "
            f"model.tar.gz holds: {', '.join(files) or 'nothing'}."
        )
    requirements = code / "requirements.txt"
    if requirements.is_file():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-r", str(requirements)], check=True
        )
    sys.path.insert(0, str(code))


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that stay open."""

    protocol_version = "HTTP/1.1"
    # One packet per answer: without these two every answer waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    model: Model

    def do_GET(self) -> None:
        """Health."""
        self._send(200 if self.path == "/ping" else 404, "text/plain", b"")

    def do_POST(self) -> None:
        """A prediction."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/invocations":
            self._send(*self.model.answer(body, dict(self.headers.items())))
        else:
            self._send(404, "text/plain", b"")

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing per request: the endpoint's metrics count them."""


class Server(http.server.ThreadingHTTPServer):
    """A server on a socket that is already listening."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


def main() -> None:
    """Load the model, then serve."""
    listener = socket.socket(fileno=int(os.environ.pop("LOCALCLOUD_LISTEN_FD")))
    Handler.model = Model(sys.argv[1])
    print("The model is loaded.")
    Server(listener).serve_forever()


if __name__ == "__main__":
    main()
