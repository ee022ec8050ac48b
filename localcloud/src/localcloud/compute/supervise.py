"""The parent of a contained process: it ends with the local cloud, and its group ends with it.

Run as a script by the local cloud's interpreter in isolated mode, where it starts in about 10 ms:
``supervise.py LIFELINE FDS COMMAND…``. LIFELINE is one end of a socket pair; the other end is
with the local cloud. When that closes, however the local cloud may have died, the whole process
group is killed. ``PR_SET_PDEATHSIG`` does not serve: it fires when the *thread* that started the
child ends, does not reach grandchildren, and exists on Linux only.

Of what this imports nothing is outside the interpreter's core, because start-up counts.
"""

import _thread
import os
import signal
import sys

_NOT_FOUND = 127
"""What a shell and Docker answer for a command that does not exist."""


def _die_with(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _main() -> None:
    lifeline, inherited = int(sys.argv[1]), [int(fd) for fd in sys.argv[2].split(",") if fd]
    command = sys.argv[3:]
    os.set_inheritable(lifeline, False)
    # Blocked until it can be forwarded: a SIGTERM in between would end this and orphan the child.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        child = os.posix_spawnp(command[0], command, os.environ, setsigmask=[])
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os.write(lifeline, b"%d\n" % _NOT_FOUND)
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _thread.start_new_thread(_die_with, (lifeline,))
    for fd in inherited:
        os.close(fd)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    # A process that a signal ended has 128 + signal, as Docker reports it.
    os.write(lifeline, b"%d\n" % (128 - code if code < 0 else code))
    # What the command left behind goes with it, as in a container.
    os.killpg(0, signal.SIGKILL)


_main()
