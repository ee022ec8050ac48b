"""One process in place of a container: its own group, its log line by line, no orphans."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Ended = Literal["exited", "stopped", "timed out"]
LinesSink = Callable[[Sequence[str]], None]

_SUPERVISOR = Path(__file__).with_name("supervise.py")
_TAIL_LINES = 40
_WAKE_SECONDS = 0.05
# A process that left the group may keep the log open: without a line for so long, it is let go.
_LOG_CLOSE_SECONDS = 5.0
_USER_FIELD, _SYSTEM_FIELD, _RESIDENT_FIELD = 11, 12, 21
"""Of ``/proc/<pid>/stat``, counted after the name (proc(5): utime, stime and rss)."""


class Usage(NamedTuple):
    """What a process group has used: seconds of processors until now, MiB of memory now."""

    cpu_seconds: float
    memory_mib: float


def usage_of(groups: Iterable[int]) -> dict[int, Usage]:
    """What process groups use, each with the children of its leader.

    A group that has ended is left out, and all are on systems without ``/proc``.
    """
    page, tick = os.sysconf("SC_PAGE_SIZE") / 2**20, os.sysconf("SC_CLK_TCK")
    found: dict[int, Usage] = {}
    for group in groups:
        waiting, ticks, pages = [group], 0, 0
        while waiting:
            folder = Path("/proc", str(waiting.pop()))
            try:
                # The name of a program, in parentheses, may hold anything.
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                # Each thread has the children that it started.
                for thread in (folder / "task").iterdir():
                    waiting += map(int, (thread / "children").read_text().split())
            except OSError:
                continue  # it has ended
            ticks += int(fields[_USER_FIELD]) + int(fields[_SYSTEM_FIELD])
            pages += int(fields[_RESIDENT_FIELD])
        if pages:
            found[group] = Usage(ticks / tick, pages * page)
    return found


class ContainedProcess:
    """A command in a process group of its own that never outlives this process.

    Args:
        command: Program and arguments; the program is looked up on the PATH of ``env``.
        env: The whole environment: nothing of this process's environment is inherited.
        cwd: Where it starts.
        on_lines: Takes the lines of stdout and stderr as they come.
        pass_fds: Descriptors that the command inherits under the same numbers.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_lines: LinesSink,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.exit_code: int | None = None
        self._on_lines = on_lines
        self._lines = 0
        self._lock = threading.Lock()
        self._lifeline, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_SUPERVISOR)),
                    *(str(theirs.fileno()), ",".join(map(str, pass_fds))),
                    *command,
                ],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs.fileno(), *pass_fds],
            )
        self._reader = threading.Thread(target=self._read_log, name="container-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process group's id."""
        return self._process.pid

    def wait(
        self,
        *,
        stop: threading.Event,
        max_seconds: float | None = None,
        grace_seconds: float,
    ) -> Ended:
        """Wait for the end, which comes by itself, by ``stop`` or by the time limit.

        SIGTERM first, SIGKILL to the whole group after the grace period.
        """
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        ended: Ended = "exited"
        while not self.ended(_WAKE_SECONDS):
            if stop.is_set():
                ended = "stopped"
            elif deadline is not None and time.monotonic() > deadline:
                ended = "timed out"
            else:
                continue
            self.terminate(grace_seconds)
            break
        self._close()
        return ended

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether the command has ended, waiting up to ``timeout`` seconds for it."""
        with self._lock:
            if self.exit_code is not None:
                return True
            ready, _, _ = select.select([self._lifeline], [], [], timeout)
            if not ready:
                return False
            answer = self._lifeline.recv(16)
            if answer:
                self.exit_code = int(answer)
            else:
                self._kill()  # the supervisor itself was killed: the rest of its group goes too
            return True

    def terminate(self, grace_seconds: float) -> None:
        """Ask the command to end; kill its whole group when it does not within the grace."""
        if not self.ended():
            self._process.send_signal(signal.SIGTERM)
            if not self.ended(grace_seconds):
                with self._lock:
                    self._kill()
        self._close()

    def _kill(self) -> None:
        # The supervisor is not yet waited for, so the id of its group cannot be another's.
        os.killpg(self.pid, signal.SIGKILL)
        self.exit_code = 128 + signal.SIGKILL

    def _close(self) -> None:
        with self._lock:
            self._lifeline.close()
        self._process.wait()
        seen = -1
        while self._reader.is_alive() and seen != self._lines:
            seen = self._lines
            self._reader.join(_LOG_CLOSE_SECONDS)

    def _read_log(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - stdout=PIPE
        rest = b""
        with pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                self._emit(lines)
            self._emit([rest] if rest else [])

    def _emit(self, raw: Sequence[bytes]) -> None:
        lines = [line.decode(errors="replace").rstrip("\r") for line in raw]
        if not lines:
            return
        self._lines += len(lines)
        self.tail.extend(lines)
        try:
            self._on_lines(lines)
        except Exception as error:  # whatever the sink raises, the pipe must go on being emptied
            self.tail.append(f"(the log is not stored any more: {error})")
            self._on_lines = lambda _: None
