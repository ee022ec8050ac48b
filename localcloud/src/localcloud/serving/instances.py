"""The instances behind a variant: who takes a request, how more are started and how some leave.

An instance never ends under a request: it leaves the pool first, and is stopped when the last
request that it took has been answered.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from localcloud.serving.model_process import INVOCATION_SECONDS, Answer

logger = logging.getLogger("localcloud.serving")

DRAIN_SECONDS = 3600.0
"""How long an instance that leaves is waited for: no answer may take longer (botocore:
InvocationTimeoutSeconds)."""
_STARTS_AT_ONCE = 4
"""How many instances are started side by side: each loads a model, which takes a whole core."""


class Container(Protocol):
    """What an instance runs: a process with a model, or a cache of several."""

    def start(self) -> None:
        """Load the model; raises ``ServiceError`` when it cannot be loaded."""

    def invoke(
        self,
        body: bytes,
        content_type: str,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = INVOCATION_SECONDS,
    ) -> Answer:
        """Answer a request."""

    @property
    def alive(self) -> bool:
        """Whether it can answer."""

    @property
    def groups(self) -> list[int]:
        """The process groups that it consists of."""

    def stop(self) -> None:
        """End it; it may be called more than once."""


@dataclass(frozen=True)
class Call:
    """A request as containers get it."""

    body: bytes
    content_type: str
    accept: str
    headers: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    seconds: float = INVOCATION_SECONDS


@dataclass(frozen=True)
class Reply:
    """What an instance answered; ``container`` is the one that answered last."""

    answer: Answer
    container: str


class Instance:
    """The containers of a model, started together.

    Args:
        containers: By name, in the order in which a request passes through them.
    """

    def __init__(self, containers: Sequence[tuple[str, Container]]) -> None:
        self._containers = list(containers)
        self.in_flight = 0
        self.served = 0

    def start(self) -> None:
        """Load all models; nothing is left running when one cannot be loaded."""
        try:
            for _, container in self._containers:
                container.start()
        except BaseException:
            self.stop()
            raise

    def invoke(self, call: Call) -> Reply:
        """Pass a request through the containers, each getting the former's answer.

        With ``call.container`` only that container is asked (``Direct`` invocation).
        """
        self.served += 1
        body, content_type = call.body, call.content_type
        chosen = [pair for pair in self._containers if call.container in (None, pair[0])]
        reply: Reply | None = None
        for name, container in chosen:
            answer = container.invoke(
                body, content_type, call.accept, call.headers, seconds=call.seconds
            )
            reply = Reply(answer, name)
            if answer.status != 200:
                break
            body, content_type = answer.body, answer.content_type
        if reply is None:
            raise LookupError(call.container)
        return reply

    @property
    def alive(self) -> bool:
        """Whether every container can answer."""
        return all(container.alive for _, container in self._containers)

    @property
    def groups(self) -> list[int]:
        """The process groups that it consists of."""
        return [group for _, container in self._containers for group in container.groups]

    def stop(self) -> None:
        """End all containers."""
        for _, container in self._containers:
            container.stop()


class PoolClosedError(Exception):
    """The pool was stopped: whoever chose it must choose again."""


class NoCapacityError(Exception):
    """The pool has no instance."""


class ThrottledError(Exception):
    """Every container that the pool may have is busy."""


@dataclass
class Lease:
    """An instance that serves one request.

    Attributes:
        instance: Who serves it.
        setup_seconds: What starting it took, if it was started for this request.
    """

    instance: Instance
    setup_seconds: float = 0.0


class Pool:
    """The instances of a variant.

    Args:
        make: Makes an instance, which is not yet started.
        least_busy: Give a request to the instance with the fewest (the routing strategy
            ``LEAST_OUTSTANDING_REQUESTS``), not to any.
    """

    def __init__(self, make: Callable[[], Instance], *, least_busy: bool = False) -> None:
        self._make = make
        self._least_busy = least_busy
        self._changed = threading.Condition()
        self._scaling = threading.Lock()
        self._instances: list[Instance] = []
        self._replacing: list[Instance] = []
        self._closed = False
        self._under_way = 0
        self._peak = 0
        self.on_change: Callable[[], None] = lambda: None

    @property
    def size(self) -> int:
        """How many instances take requests."""
        return len(self._instances)

    @property
    def instances(self) -> list[Instance]:
        """Those that take requests."""
        return list(self._instances)

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return self._under_way

    def take_peak(self) -> int:
        """How many requests were being answered at most, since this was asked the last time."""
        with self._changed:
            peak, self._peak = self._peak, self._under_way
        return peak

    def _count(self, change: int) -> None:
        """Count a request that begins or ends; the lock is held."""
        self._under_way += change
        self._peak = max(self._peak, self._under_way)

    def scale(self, count: int) -> None:
        """Start instances, or let some leave, until there are ``count``.

        Raises:
            ServiceError: A model cannot be loaded. As many instances run as before.
        """
        with self._scaling:
            missing = count - self.size
            if missing > 0:
                self._join(self._started(missing))
            leaving = self._leave(-missing) if missing < 0 else []
        self.on_change()
        for instance in leaving:
            self._drain(instance)

    @contextmanager
    def use(self) -> Iterator[Lease]:
        """An instance for one request.

        Raises:
            PoolClosedError: The pool was stopped.
            NoCapacityError: There is no instance.
        """
        with self._changed:
            instance = self._choose()
            instance.in_flight += 1
            self._count(1)
        try:
            yield Lease(instance)
        finally:
            with self._changed:
                instance.in_flight -= 1
                self._count(-1)
                self._changed.notify_all()
            if not instance.alive:
                self._replace(instance)

    def stop(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Take no more requests; stop each instance when it has answered what it took.

        Args:
            seconds: How long to wait for that at most.
        """
        with self._changed:
            self._closed = True
            leaving, self._instances = self._instances, []
        for instance in leaving:
            self._drain(instance, seconds)

    def _choose(self) -> Instance:
        if self._closed:
            raise PoolClosedError
        if not self._instances:
            raise NoCapacityError
        able = [instance for instance in self._instances if instance.alive]
        if len(able) < self.size:
            for ended in set(self._instances) - set(able):
                self._replace(ended)
            # Where there is no other, its answer is an error with the end of its log.
            able = able or self._instances
        if self._least_busy:
            fewest = min(instance.in_flight for instance in able)
            able = [instance for instance in able if instance.in_flight == fewest]
        return random.choice(able)  # noqa: S311 - spreads load, guards nothing

    def _started(self, count: int) -> list[Instance]:
        made = [self._make() for _ in range(count)]
        if count == 1:
            made[0].start()
            return made
        with ThreadPoolExecutor(min(count, _STARTS_AT_ONCE)) as threads:
            starts = [threads.submit(instance.start) for instance in made]
        errors = [error for start in starts if (error := start.exception())]
        if errors:
            for instance in made:
                instance.stop()
            raise errors[0]
        return made

    def _join(self, instances: list[Instance]) -> None:
        with self._changed:
            if not self._closed:
                self._instances.extend(instances)
                return
        for instance in instances:
            instance.stop()

    def _leave(self, count: int) -> list[Instance]:
        with self._changed:
            # The idlest go, so that the fewest requests are waited for.
            leaving = sorted(self._instances, key=lambda instance: instance.in_flight)[:count]
            self._instances = [each for each in self._instances if each not in leaving]
        return leaving

    def _drain(self, instance: Instance, seconds: float = DRAIN_SECONDS) -> None:
        with self._changed:
            self._changed.wait_for(lambda: instance.in_flight == 0, timeout=seconds)
        instance.stop()

    def _replace(self, ended: Instance) -> None:
        """Start another in place of one that has ended, as the service does, in the background."""
        with self._changed:
            if ended not in self._instances or ended in self._replacing:
                return
            self._replacing.append(ended)
        threading.Thread(target=self._restart, args=(ended,), daemon=True).start()

    def _restart(self, ended: Instance) -> None:
        new: list[Instance] = []
        try:
            new = self._started(1)
        except Exception:
            # The next request that it is given, and cannot answer, leads to another attempt.
            logger.exception("an instance that ended could not be replaced")
        with self._changed:
            self._replacing.remove(ended)
            if new and ended in self._instances:
                self._instances[self._instances.index(ended)] = new.pop()
                new = [ended]
        for instance in new:
            self._drain(instance)
