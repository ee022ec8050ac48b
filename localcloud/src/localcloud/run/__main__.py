"""``python -m localcloud.run REQUEST``: run a pipeline and say how it went.

Exit status: 0 if all went well, 1 if not, 2 if the run could not start, 130 if it was interrupted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.run.embedded import Embedded, embedded
from localcloud.run.request import Request, RunError, load

if TYPE_CHECKING:
    from localcloud.run.progress import Progress
    from localcloud.run.screen import Screen
    from localcloud.run.session import Session

RECORD = "last-run.json"

_NOT_STARTED, _INTERRUPTED = 2, 130
_POLL_SECONDS = 0.05
_SAVE_SECONDS = 1.0
_MEGABYTE = 1_000_000
_LARGE = 1000 * _MEGABYTE


def main(path: Path) -> int:
    """Carry out a request."""
    try:
        request = load(path)
        interrupts = Interrupts()
        print(f"{request.pipeline}: starting a local cloud", flush=True)
        with embedded(request.home, account=request.account, region=request.region) as cloud:
            return _run(cloud, request, interrupts)
    except RunError as error:
        print(f"mlops-constructs: {error}", file=sys.stderr)
        return _NOT_STARTED


class Interrupts:
    """Ctrl-C: the first stops the run so that it can be resumed, the second ends it at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, *_: object) -> None:
        if self.asked.is_set():
            # Jobs end with this process; the state was written within the last second.
            os._exit(_INTERRUPTED)
        self.asked.set()


def _run(cloud: Embedded, request: Request, interrupts: Interrupts) -> int:
    # They import the emulator, whose environment is set only now.
    from localcloud.run.progress import Progress
    from localcloud.run.screen import failures, screen
    from localcloud.run.session import NothingToDo, Session

    session = Session(cloud, request)
    try:
        session.start()
    except NothingToDo:
        print("The last run succeeded: there is nothing left to do.")
        return 0
    progress = Progress(session.definition, cloud.sagemaker, request.home / "logs")
    started = time.monotonic()
    with closing(screen()) as shown:
        shown.say(f"{request.pipeline}: run {session.run_id}; AWS is at {cloud.settings.url}")
        for note in session.notes:
            shown.say(f"note: {note}")
        _follow(cloud, session, progress, request=request, shown=shown, interrupts=interrupts)
    for line in failures(progress):
        print(line)
    _make_room(cloud, session, request)
    return _conclude(session, progress, request, seconds=time.monotonic() - started)


def _follow(
    cloud: Embedded,
    session: Session,
    progress: Progress,
    *,
    request: Request,
    shown: Screen,
    interrupts: Interrupts,
) -> None:
    from localcloud.sagemaker.pipelines import RUNNING

    told = False
    saved = 0.0
    unsaved = True
    while True:
        ended = session.status not in RUNNING
        changed = progress.update(session.execution)
        if ended:
            changed += progress.end()
        shown.show(progress, changed)
        unsaved = unsaved or bool(changed)
        if ended or (unsaved and time.monotonic() - saved > _SAVE_SECONDS):
            _write(request, session, progress)
            cloud.save()
            saved, unsaved = time.monotonic(), False
        if ended:
            return
        if interrupts.asked.is_set() and not told:
            told = True
            shown.say("Stopping what runs, so that it can be resumed. Ctrl-C again: at once.")
            session.stop()
        time.sleep(_POLL_SECONDS)


def _write(request: Request, session: Session, progress: Progress) -> None:
    """Write down where the run stands: what pictures and the next run show of it."""
    from localcloud.run.progress import record_of

    record = {
        "pipeline": request.pipeline,
        "run": session.run_id,
        "mode": request.mode,
        "status": session.status,
        "reason": session.execution.data.get("FailureReason"),
        "started": session.execution.data["CreationTime"],
        "updated": time.time(),
        "parameters": session.execution.hidden["parameters"],
        "steps": record_of(progress.steps),
    }
    path = request.home / RECORD
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(record, indent=1), encoding="utf-8")
    unfinished.replace(path)


def _make_room(cloud: Embedded, session: Session, request: Request) -> None:
    """Delete earlier runs if the user said so, else say how when they have become large."""
    before = _size_of(request.home)
    if request.keep is not None:
        if gone := session.prune(request.keep):
            cloud.save()
            freed = before - _size_of(request.home)
            print(f"Earlier runs deleted: {gone} ({freed / _MEGABYTE:,.1f} MB).")
    elif before > _LARGE:
        print(
            f"note: {request.home} holds {before / _MEGABYTE:,.0f} MB; "
            f"to delete all runs but the last ten: {request.again} --keep 10"
        )


def _size_of(folder: Path) -> int:
    return sum(
        (Path(path) / name).stat().st_size for path, _, names in os.walk(folder) for name in names
    )


def _conclude(session: Session, progress: Progress, request: Request, *, seconds: float) -> int:
    status = session.status
    taken = progress.count("cached") + progress.count("reused")
    ran = progress.count("succeeded", "failed", "stopped")
    print(
        f"\n{request.pipeline}: {status} after {seconds:.1f} s "
        f"(steps: {ran} ran, {taken} taken over, {progress.count('skipped')} skipped)."
    )
    print(f"Results: {request.home / 's3' / request.account}")
    if status == "Succeeded":
        return 0
    reason = session.execution.data.get("FailureReason")
    if reason and not progress.count("failed"):
        print(f"Reason: {reason}")
    print(f"Go on from what succeeded: {request.again} --resume")
    return _INTERRUPTED if status == "Stopped" else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
