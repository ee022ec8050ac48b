"""One container of a model: unpacked, started, called and stopped."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from localcloud.compute.containers import stand_in
from localcloud.compute.job import container_environment
from localcloud.compute.layout import ContainerFolder
from localcloud.compute.outcome import JobFailure
from localcloud.compute.ports import Logs, Objects, S3Uri, ServiceError
from localcloud.compute.process import ContainedProcess
from localcloud.compute.transfer import download, extract_archive

STARTUP_SECONDS = 60.0
INVOCATION_SECONDS = 60.0
"""A container of a real-time endpoint must answer within 60 s (SageMaker developer guide,
"How containers serve requests")."""

_SERVER = Path(__file__).with_name("container") / "server.py"
_LISTEN = "LOCALCLOUD_LISTEN_FD"
_STOP_SECONDS = 2.0
_TAIL_LINES = 15


class Answer(NamedTuple):
    """What the container answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The type of the body."""
        return self.headers.get("Content-Type", "application/octet-stream")


class ModelProcess:
    """A container definition of a model as a local process behind HTTP.

    Args:
        container: A ``ContainerDefinition``: image, model data, environment.
        objects: Where the model data is.
        workdir: A folder for this process alone, which is removed by ``stop``.
        logs: Where the container's log goes; nowhere when None.
        log_group: Such as ``/aws/sagemaker/Endpoints/<endpoint>``.
        log_stream: Such as ``<variant>/<instance>``.
        environment: What the cloud gives its containers: region, endpoint, credentials.
        isolated: ``EnableNetworkIsolation`` of the model.
        startup_seconds: How long loading the model may take.
    """

    def __init__(
        self,
        container: Mapping[str, Any],
        objects: Objects,
        workdir: Path,
        *,
        logs: Logs | None = None,
        log_group: str = "/aws/sagemaker/Endpoints/local",
        log_stream: str = "AllTraffic",
        environment: Mapping[str, str] | None = None,
        isolated: bool = False,
        startup_seconds: float = STARTUP_SECONDS,
    ) -> None:
        self._container = container
        self._objects = objects
        self._workdir = workdir
        self._logs = logs
        self._log = (log_group, log_stream)
        self._environment = environment or {}
        self._isolated = isolated
        self._startup_seconds = startup_seconds
        self._folder: ContainerFolder | None = None
        self._process: ContainedProcess | None = None
        self._idle: deque[http.client.HTTPConnection] = deque()
        self.port = 0

    def start(self) -> None:
        """Unpack the model, start the server and wait until it is healthy.

        Raises:
            ServiceError: ``ValidationException`` with the end of the log when the model cannot be
                loaded in time. Nothing is left behind.
        """
        try:
            self._start()
        except JobFailure as failure:
            self.stop()
            raise ServiceError("ValidationException", str(failure)) from failure
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        image = stand_in(str(self._container.get("Image", "")))
        self._folder = ContainerFolder(self._workdir)
        self._bring_model(self._folder)
        variables = {
            "SM_MODEL_DIR": "/opt/ml/model",
            **(self._container.get("Environment") or {}),
        }
        self._bring_code(self._folder, variables)
        # The socket is bound here, so the port is known at once, and a request that comes while
        # the model is still being loaded waits in its queue: no polling, no race for a port.
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            self.port = listener.getsockname()[1]
            variables[_LISTEN] = str(listener.fileno())
            self._process = ContainedProcess(
                [str(image.python), str(_SERVER), image.framework],
                env=container_environment(
                    image, self._folder, self._environment, variables, isolated=self._isolated
                ),
                cwd=self._folder.root,
                on_lines=self._write_log,
                pass_fds=[listener.fileno()],
            )
        self._wait_until_healthy(self._process)

    def _write_log(self, lines: Sequence[str]) -> None:
        if self._logs is not None:
            self._logs.write(*self._log, lines)

    def _bring_model(self, folder: ContainerFolder) -> None:
        model = folder.make("/opt/ml/model")
        source = (self._container.get("ModelDataSource") or {}).get("S3DataSource")
        if source is None and self._container.get("ModelDataUrl"):
            source = {"S3Uri": self._container["ModelDataUrl"], "CompressionType": "Gzip"}
        if source is None:
            return
        uri = S3Uri.parse(source["S3Uri"])
        if source["CompressionType"] == "None":
            download({"S3Uri": str(uri)}, model, self._objects)
            return
        try:
            body = self._objects.get(uri.bucket, uri.key)
        except ServiceError as error:
            raise JobFailure(f"Could not find model data at {uri}: {error.message}") from error
        extract_archive(body, model)

    def _bring_code(self, folder: ContainerFolder, variables: dict[str, str]) -> None:
        """Fetch the user's code when it lies on S3, as the container does at its start."""
        directory = variables.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        if not directory.startswith("s3://") or not variables.get("SAGEMAKER_PROGRAM"):
            return
        if self._isolated:
            raise JobFailure(
                f"SAGEMAKER_SUBMIT_DIRECTORY is {directory}, which a container with "
                "EnableNetworkIsolation cannot download. Put the code into model.tar.gz under "
                "code/ and set SAGEMAKER_SUBMIT_DIRECTORY to /opt/ml/model/code."
            )
        uri = S3Uri.parse(directory)
        extract_archive(self._objects.get(uri.bucket, uri.key), folder.make("/opt/ml/code"))
        variables["SAGEMAKER_SUBMIT_DIRECTORY"] = "/opt/ml/code"

    def _wait_until_healthy(self, process: ContainedProcess) -> None:
        deadline = time.monotonic() + self._startup_seconds
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=self._startup_seconds
        )
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/ping")
                if connection.getresponse().status == http.client.OK:
                    return
                problem = "answered the health check with an error"
            except TimeoutError:
                problem = f"did not answer the health check within {self._startup_seconds:g} s"
            except (OSError, http.client.HTTPException):
                problem = "ended before it was healthy"
        process.ended(min(1.0, max(0.0, deadline - time.monotonic())))
        process.terminate(_STOP_SECONDS)
        raise JobFailure(
            f"The container for {self._container.get('Image')} {problem}. The end of its log:\n"
            + "\n".join(list(process.tail)[-_TAIL_LINES:])
        )

    def invoke(
        self,
        body: bytes,
        content_type: str,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = INVOCATION_SECONDS,
    ) -> Answer:
        """Call ``/invocations``; any thread may.

        The container's errors are answers with their status. A container that has ended answers
        503; one that takes longer than ``seconds`` answers with status 0, as in the service.
        """
        sent = {**(headers or {}), "Content-Type": content_type, "Accept": accept}
        try:
            return self._post(body, sent, seconds)
        except TimeoutError:
            message = (
                "Your invocation timed out while waiting for a response from container primary. "
                "Review the latency metrics for each container in Amazon CloudWatch, resolve the "
                "issue, and try again."
            )
            return Answer(0, {"Content-Type": "text/plain"}, message.encode())
        except (OSError, http.client.HTTPException) as error:
            tail = "\n".join(list(self._process.tail)[-_TAIL_LINES:]) if self._process else ""
            message = f"The container does not answer ({error}). The end of its log:\n{tail}"
            return Answer(503, {"Content-Type": "text/plain"}, message.encode())

    def _post(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        while True:
            try:
                connection, used = self._idle.pop(), True
            except IndexError:
                connection, used = self._connection(), False
            connection.timeout = seconds
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            try:
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                answer = Answer(response.status, dict(response.headers.items()), response.read())
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()
                if used:
                    continue  # it was closed while it was idle; the request was never read
                raise
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            return answer

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=INVOCATION_SECONDS)

    @property
    def groups(self) -> list[int]:
        """The process groups that it consists of."""
        return [self._process.pid] if self._process is not None else []

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and not self._process.ended()

    def stop(self) -> None:
        """End the process and remove its folder. It may be called more than once."""
        while self._idle:
            self._idle.pop().close()
        if self._process is not None:
            self._process.terminate(_STOP_SECONDS)
        if self._folder is not None:
            self._folder.remove()
