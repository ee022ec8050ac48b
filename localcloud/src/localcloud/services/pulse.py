"""What happens in AWS by itself, again and again: metrics, alarms, schedules."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from localcloud.sagemaker.service import SageMaker

logger = logging.getLogger("localcloud.pulse")

_SECONDS = 10.0
"""In AWS's time: the resolution of SageMaker's high-resolution metrics."""
_LEAST, _MOST = 0.05, 1.0
"""In real seconds: not so often that it costs, not so rarely that it is waited for."""


class Pulse:
    """Calls things at regular times, in the order given, from one thread that never overlaps.

    Args:
        cloud: Its clock says how fast AWS's time passes; it stops the thread.
        ticks: What is called.
    """

    def __init__(self, cloud: SageMaker, *ticks: Callable[[], None]) -> None:
        self._cloud = cloud
        self._ticks = ticks
        self._stop = threading.Event()
        cloud.on_stop(self._stop.set)
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(min(_MOST, max(_LEAST, _SECONDS * self._cloud.clock.scale))):
            for tick in self._ticks:
                try:
                    tick()
                except Exception:
                    logger.exception("pulse")
