"""The statuses of resources, and how long each takes to be reached.

The durations are of the order that AWS takes; ``Settings.time_scale`` shortens them. A resource
whose status depends on work (jobs, pipeline executions, endpoints) is not moved on by time but by
that work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from localcloud import emulator


@dataclass(frozen=True)
class Lifecycle:
    """The statuses that a kind goes through, and the seconds that a change takes in AWS."""

    creating: str
    ready: str
    updating: str
    deleting: str
    seconds: float


_STUDIO = Lifecycle("Pending", "InService", "Updating", "Deleting", 20)

LIFECYCLES = {
    "App": Lifecycle("Pending", "InService", "InService", "Deleting", 60),
    "Cluster": Lifecycle("Creating", "InService", "Updating", "Deleting", 60),
    "Domain": Lifecycle("Pending", "InService", "Updating", "Deleting", 60),
    "FeatureGroup": Lifecycle("Creating", "Created", "Created", "Deleting", 20),
    "Image": Lifecycle("CREATING", "CREATED", "UPDATING", "DELETING", 10),
    "ImageVersion": Lifecycle("CREATING", "CREATED", "CREATED", "DELETING", 10),
    "MlflowApp": Lifecycle("Creating", "Created", "Updating", "Deleting", 60),
    "MlflowTrackingServer": Lifecycle("Creating", "Created", "Updating", "Deleting", 60),
    "ModelPackage": Lifecycle("Pending", "Completed", "Completed", "Deleting", 0),
    "ModelPackageGroup": Lifecycle("Pending", "Completed", "Completed", "Deleting", 0),
    "MonitoringSchedule": Lifecycle("Pending", "Scheduled", "Pending", "Deleting", 10),
    "NotebookInstance": Lifecycle("Pending", "InService", "Updating", "Deleting", 60),
    "Pipeline": Lifecycle("Active", "Active", "Active", "Deleting", 0),
    "Space": _STUDIO,
    "UserProfile": _STUDIO,
}
"""Kinds with a status that time moves on; the others have none, or work moves it."""

SUCCEEDED = frozenset({lifecycle.ready for lifecycle in LIFECYCLES.values()})
"""The statuses that mean that a resource can be used."""


class Clock:
    """Runs work after a wait in AWS's time.

    Args:
        scale: The fraction of AWS's time that passes here.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._timers: set[threading.Timer] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` in the scope of the caller, ``seconds`` of AWS's time from now."""
        if seconds * self.scale <= 0:
            work()
            return
        bound = emulator.in_current_context(work)

        def run() -> None:
            with self._lock:
                self._timers.discard(timer)
            if not self._stopped.is_set():
                bound()

        timer = threading.Timer(seconds * self.scale, run)
        timer.daemon = True
        with self._lock:
            self._timers.add(timer)
        timer.start()

    def sleep(self, seconds: float, until: threading.Event | None = None) -> bool:
        """Wait ``seconds`` of AWS's time; say whether the wait was cut short by ``until``."""
        return (until or self._stopped).wait(seconds * self.scale)

    def stop(self) -> None:
        """Run nothing more."""
        self._stopped.set()
        with self._lock:
            for timer in self._timers:
                timer.cancel()
