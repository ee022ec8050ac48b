"""A local cloud inside this process: its thread, its address, its state on disk."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.instance import free_port
from localcloud.run.request import RunError
from localcloud.settings import Settings

if TYPE_CHECKING:
    from localcloud.emulator import Scope
    from localcloud.sagemaker import SageMaker

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_TIME_SCALE = 0.01


class Embedded:
    """A running local cloud.

    Attributes:
        settings: What it was started with.
        sagemaker: The service.
        scope: The account and region of the run.
    """

    def __init__(self, settings: Settings) -> None:
        # ministack reads its environment when it is imported.
        from localcloud.emulator import Scope
        from localcloud.server import LocalCloud

        self.settings = settings
        self.scope: Scope = Scope(settings.account, settings.region)
        self._app = LocalCloud(settings)
        self.sagemaker: SageMaker = self._app.sagemaker
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="local-cloud", daemon=True)

    def client(self, service: str) -> Any:
        """A client of another service, within this process."""
        return self.sagemaker.clients.client(service, self.scope)

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises:
            RunError: It does not start; its log says why.
        """
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_SECONDS / 0.02)):
            if not self._thread.is_alive():
                break
            if _answers(self.settings.url):
                return
            waited.wait(0.02)
        raise RunError("The local cloud does not start.")

    def save(self) -> None:
        """Write the state, so that a run can be gone on with whatever happens to this process."""
        from localcloud.sagemaker import restart

        restart.save(self.sagemaker)

    def stop(self) -> None:
        """Stop it with everything that it runs; the state is written."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(_STOP_SECONDS)

    def _serve(self) -> None:
        from localcloud.server import serve_until

        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(serve_until(self._app, self.settings, self._ended))


@contextmanager
def embedded(home: Path, *, account: str, region: str) -> Iterator[Embedded]:
    """A local cloud whose objects and records are kept in a folder.

    Objects lie below ``s3/<account>/<bucket>/``, logs of jobs in ``logs/``, and what the cloud has
    to say of itself in ``cloud.log``.

    Args:
        home: The folder, which is made.
        account: 12 digits.
        region: Such as ``us-east-1``.

    Raises:
        RunError: Another run uses the folder, or the cloud does not start.
    """
    for folder in (home, home / "logs", home / "s3"):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        settings = Settings(
            port=free_port(),
            work_dir=home / "work",
            account=account,
            region=region,
            time_scale=_TIME_SCALE,
            state_dir=home,
            log_dir=home / "logs",
        )
        _log_to(home / "cloud.log")
        # Objects and SageMaker's records are kept; queues, functions and log groups are not: each
        # run makes those that it needs, and logs lie in files.
        os.environ.update(settings.process_environment() | {"PERSIST_STATE": "0"})
        cloud = Embedded(settings)
        cloud.start()
        try:
            yield cloud
        finally:
            cloud.stop()


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RunError(
                f"Another run of this pipeline is going on (process {file.read().strip()}, "
                f"{home}). Wait for its end or stop it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _log_to(path: Path) -> None:
    """Send what the cloud logs to a file: the terminal belongs to the run."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_localcloud", timeout=5) as response:  # noqa: S310 - the address is ours
            return bool(json.load(response)["pid"] == os.getpid())
    except (OSError, ValueError):
        return False
