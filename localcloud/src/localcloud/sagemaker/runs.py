"""What runs in the background of the server: jobs, pipeline executions, deployments."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from localcloud import emulator

logger = logging.getLogger("localcloud.runs")

Work = Callable[[threading.Event], None]
"""Gets the event that tells it to stop."""


class Runs:
    """Threads by the ARN of what they work on, to stop one or all."""

    def __init__(self) -> None:
        self._stops: dict[str, tuple[threading.Event, threading.Thread]] = {}
        self._lock = threading.Lock()

    def start(self, arn: str, work: Work) -> None:
        """Run ``work(stop)`` in a thread."""
        stop = threading.Event()
        bound = emulator.in_current_context(lambda: self._run(arn, work, stop))
        thread = threading.Thread(target=bound, name=arn, daemon=True)
        with self._lock:
            self._stops[arn] = (stop, thread)
        thread.start()

    def stop(self, arn: str) -> None:
        """Tell what runs under this ARN to stop."""
        with self._lock:
            running = self._stops.get(arn)
        if running:
            running[0].set()

    def stop_all(self, seconds: float = 15.0) -> None:
        """Stop everything, and wait for it."""
        with self._lock:
            running = list(self._stops.values())
        for stop, _ in running:
            stop.set()
        deadline = time.monotonic() + seconds
        for _, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, arn: str, work: Work, stop: threading.Event) -> None:
        try:
            work(stop)
        except Exception:
            logger.exception("%s", arn)
        finally:
            with self._lock:
                # Something newer may run under the same ARN by now.
                if self._stops.get(arn, (None,))[0] is stop:
                    del self._stops[arn]
