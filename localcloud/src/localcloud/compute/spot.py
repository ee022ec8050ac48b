"""Interruptions of training jobs on spot instances."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcloud.compute.outcome import JobFailure

VARIABLE = "LOCALCLOUD_SPOT_INTERRUPTIONS"
"""How often a job is interrupted: a member of the request's ``Environment``."""

_POLL_SECONDS = 0.02


def planned_interruptions(request: Mapping[str, Any]) -> int:
    """How often a CreateTrainingJob request wants to be interrupted.

    Raises:
        JobFailure: ``ClientError`` when it is no number, or the job could not resume.
    """
    text = request.get("Environment", {}).get(VARIABLE, "0")
    if not text.isdecimal():
        raise JobFailure(f"ClientError: {VARIABLE} must be a number; got {text!r}.")
    if int(text) and not (
        request.get("EnableManagedSpotTraining") and request.get("CheckpointConfig")
    ):
        raise JobFailure(
            f"ClientError: {VARIABLE} is set, but only a job with EnableManagedSpotTraining is "
            "interrupted, and only one with CheckpointConfig resumes."
        )
    return int(text)


class Interruption:
    """Stops a container when it has written a checkpoint, or when its job is to stop.

    Args:
        stop: The job's own event.
        folders: Where a new file is the sign; without a folder there is no interruption.

    Attributes:
        event: What the container's process is stopped by.
        happened: Whether it was a checkpoint, and not the job's end.
    """

    def __init__(self, stop: threading.Event, folders: Sequence[Path]) -> None:
        self.event = threading.Event() if folders else stop
        self.happened = False
        self._stop = stop
        self._folders = folders
        self._before = self._files()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="spot", daemon=True)

    def __enter__(self) -> None:
        if self._folders:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._folders:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            if self._stop.is_set():
                self.event.set()
                return
            if self._files() != self._before:
                self.happened = True
                self.event.set()
                return

    def _files(self) -> set[tuple[Path, int]]:
        found = set()
        for folder in self._folders:
            for path in folder.rglob("*"):
                try:
                    if path.is_file() and path.stat().st_size:
                        found.add((path, path.stat().st_mtime_ns))
                except FileNotFoundError:
                    continue  # replaced between listing and looking
        return found
