"""Instances of the local cloud as processes: started, found, watched and stopped.

Each instance has a folder, ``$LOCALCLOUD_HOME/<name>`` or ``.localcloud/<name>`` in the current
project, with what its process wrote: ``instance.json`` and ``server.log``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from localcloud.settings import HOST, NODE_MODULES, Settings, command_environment

State = Literal["running", "crashed", "stopped"]

DEFAULT_NAME = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_START_SECONDS = 60.0
_STOP_SECONDS = 40.0
_LOG_LINES = 15


class InstanceError(Exception):
    """Something that the user can put right; the message says how."""


@dataclass(frozen=True)
class Facts:
    """What is known of a started instance."""

    pid: int
    url: str
    account: str
    region: str
    time_scale: float
    state_dir: str | None
    started: float


class Instance:
    """One instance, running or not.

    Args:
        name: Distinguishes the instances of a project.
        home: The folder of all instances; by default the project's.
    """

    def __init__(self, name: str = DEFAULT_NAME, home: Path | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise InstanceError(
                f"Instance name {name!r}: use up to 32 lower-case letters, digits and hyphens,"
                " beginning with a letter or digit."
            )
        self.name = name
        self.home = home or Path(os.environ.get("LOCALCLOUD_HOME") or ".localcloud").resolve()
        self.folder = self.home / name
        self.log = self.folder / "server.log"
        self._file = self.folder / "instance.json"

    # --- what it is now --------------------------------------------------------------------------

    def facts(self) -> Facts | None:
        """What is known, if the instance was started and not stopped."""
        try:
            return Facts(**json.loads(self._file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def state(self) -> State:
        """Whether the instance runs. A process that does not answer as this one has crashed."""
        facts = self.facts()
        if facts is None:
            return "stopped"
        return "running" if _answers(facts) else "crashed"

    def described(self) -> dict[str, Any]:
        """The instance for ``--json``."""
        facts, state = self.facts(), self.state()
        shown: dict[str, Any] = {"name": self.name, "state": state, "log": str(self.log)}
        if facts:
            shown |= asdict(facts)
            shown["environment"] = command_environment(facts.url, facts.region)
        return shown

    # --- up and down -----------------------------------------------------------------------------

    def up(self, settings: Settings | None, port: int | None) -> Facts:
        """Start the instance and wait until it answers.

        Args:
            settings: Of the instance; the port and the work folder are set here.
            port: The port, or ``None`` for a free one.

        Raises:
            InstanceError: It runs already, the port is taken, Node.js is missing, or the server
                does not start. Nothing is left behind.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.state() == "running":
                facts = self.facts()
                where = f" at {facts.url}" if facts else ""
                raise InstanceError(
                    f"Instance {self.name!r} is already running{where}. Stop it with"
                    f" `localcloud down --name {self.name}`, or start another with --name."
                )
            self._clear()
            try:
                _require_node()
                chosen = port if port is not None else free_port()
                _require_free(chosen)
                base = settings or Settings(port=chosen, work_dir=self.folder / "work")
                return self._start(replace(base, port=chosen, work_dir=self.folder / "work"))
            except BaseException:
                self._clear()
                shutil.rmtree(self.folder, ignore_errors=True)
                raise

    def down(self) -> bool:
        """Stop the instance and everything that it started; say whether it ran. Its log stays.

        Raises:
            InstanceError: The process does not end.
        """
        if not self.folder.is_dir():
            return False
        with self._locked():
            facts = self.facts()
            running = facts is not None and _answers(facts)
            self._clear()
        return running

    def _start(self, settings: Settings) -> Facts:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "localcloud.server"],
                env=os.environ | settings.process_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        facts = Facts(
            pid=process.pid,
            url=settings.url,
            account=settings.account,
            region=settings.region,
            time_scale=settings.time_scale,
            state_dir=str(settings.state_dir) if settings.state_dir else None,
            started=time.time(),
        )
        self._file.write_text(json.dumps(asdict(facts), indent=2))
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(facts):
            if process.poll() is not None or time.monotonic() > deadline:
                raise InstanceError(
                    f"The server did not start. The end of its log:\n{self.tail(_LOG_LINES)}"
                )
            time.sleep(0.05)
        return facts

    def _clear(self) -> None:
        """End whatever is left of the process and forget it."""
        facts = self.facts()
        if facts:
            if _answers(facts) or _is_ours(facts.pid):
                _end(facts.pid)
            else:
                _kill_orphans(facts.pid)
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "work", ignore_errors=True)

    # --- log -------------------------------------------------------------------------------------

    def tail(self, lines: int) -> str:
        """The end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def follow(self) -> Iterator[str]:
        """The log, line by line, until the instance stops."""
        with self.log.open(errors="replace") as file:
            while True:
                line = file.readline()
                if line:
                    yield line
                elif self.state() == "running":
                    time.sleep(0.3)
                else:
                    return

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time: two that start together must not start two servers."""
        path = self.home / f".{self.name}.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InstanceError(
                    f"Instance {self.name!r} is being started or stopped by another command."
                ) from error
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                if self.home.is_dir() and not any(self.home.iterdir()):
                    self.home.rmdir()


def _answers(facts: Facts) -> bool:
    """Whether the server of these facts, and no other, answers at its address."""
    try:
        with urllib.request.urlopen(f"{facts.url}/_localcloud", timeout=5) as response:  # noqa: S310 - the address is ours
            answer = json.load(response)
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return bool(answer.get("pid") == facts.pid)


def _is_ours(pid: int) -> bool:
    """Whether the process with this id is a server of ours, and not one that got its id later."""
    command = Path(f"/proc/{pid}/cmdline")
    if not command.exists():
        return False
    return b"localcloud.server" in command.read_bytes()


def _end(pid: int) -> None:
    """End the server and its process group: gently, then not."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    _kill_orphans(pid, even_leader=True)


def _kill_orphans(group: int, *, even_leader: bool = False) -> None:
    """Kill what is left of the server's process group.

    While a group has members no new process can get its id, so an id without a leader is ours.
    """
    if even_leader or not _alive(group):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # In a container, process 1 may take seconds to reap what it inherited.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state != "Z"


def _require_node() -> None:
    if shutil.which("node") is None:
        raise InstanceError(
            "Node.js is needed (the CDK's own custom resources run on it) and was not found on"
            " PATH. Install Node.js 20 or newer, then run this again."
        )
    if not NODE_MODULES.is_dir():
        raise InstanceError(
            f"{NODE_MODULES} is missing. Run `npm ci` in {NODE_MODULES.parent} first."
        )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int) -> None:
    if not 0 < port < 65536:
        raise InstanceError(f"Port {port}: a port is a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InstanceError(
                f"Port {port} on {HOST} cannot be used: {error.strerror}. Choose another with"
                " --port, or leave --port out to get a free one."
            ) from error
