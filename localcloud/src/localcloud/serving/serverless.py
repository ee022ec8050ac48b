"""Serverless variants: containers that start with a request and go when nothing comes.

Source: SageMaker developer guide, "Deploy models with Amazon SageMaker Serverless Inference". One
container takes one request at a time; ``MaxConcurrency`` of them is the most there can be, and a
request beyond that is throttled. ``ProvisionedConcurrency`` of them are kept warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localcloud.serving.instances import (
    Instance,
    Lease,
    Pool,
    PoolClosedError,
    ThrottledError,
)

Later = Callable[[float, Callable[[], None]], None]
"""Runs work after so many seconds of AWS's time."""

IDLE_SECONDS = 600.0
"""How long an idle container stays, in AWS's time. AWS does not say how long it is there."""


class ServerlessPool(Pool):
    """The containers of a serverless variant.

    Args:
        make: Makes a container, which is not yet started.
        later: Runs work after a wait.
        most: ``MaxConcurrency``.
        warm: ``ProvisionedConcurrency``.
    """

    def __init__(
        self, make: Callable[[], Instance], later: Later, *, most: int, warm: int = 0
    ) -> None:
        super().__init__(make)
        self._later = later
        self.most = most
        self.warm = warm
        self._watching = False

    def prepare(self) -> None:
        """Start what is to be warm.

        One container is started in any case: a model that cannot be loaded fails its endpoint, here
        as in the service.

        Raises:
            ServiceError: The model cannot be loaded.
        """
        self.scale(max(1, self.warm))
        self._let_go_later()

    def resize(self, *, most: int, warm: int) -> None:
        """Change both concurrencies."""
        self.most, self.warm = most, warm
        if warm > self.size:
            self.scale(warm)
        else:
            self._let_go_later()

    @contextmanager
    def use(self) -> Iterator[Lease]:
        """A container for one request, started for it if none is idle.

        Raises:
            ThrottledError: ``MaxConcurrency`` requests are being answered.
            PoolClosedError: The pool was stopped.
            ServiceError: A container cannot be started.
        """
        with self._changed:
            if self._closed:
                raise PoolClosedError
            if self.in_flight >= self.most:
                raise ThrottledError
            self._count(1)
            idle = next((i for i in self._instances if not i.in_flight and i.alive), None)
            if idle is not None:
                idle.in_flight += 1
        try:
            lease = Lease(idle) if idle is not None else self._cold_start()
        except BaseException:
            self._ends()
            raise
        try:
            yield lease
        finally:
            with self._changed:
                lease.instance.in_flight -= 1
                ended = not lease.instance.alive
                if ended and lease.instance in self._instances:
                    self._instances.remove(lease.instance)
            if ended:
                lease.instance.stop()
            self._ends()
            self._let_go_later()

    def _cold_start(self) -> Lease:
        began = time.perf_counter()
        (instance,) = self._started(1)
        instance.in_flight = 1
        self._join([instance])
        return Lease(instance, time.perf_counter() - began)

    def _ends(self) -> None:
        with self._changed:
            self._count(-1)
            self._changed.notify_all()

    def _let_go_later(self) -> None:
        """See to it that idle containers go; one look at them is under way at most."""
        with self._changed:
            idle = any(not instance.in_flight for instance in self._instances)
            if self._watching or self._closed or not idle or self.size <= self.warm:
                return
            self._watching = True
            served = [(instance, instance.served) for instance in self._instances]
        self._later(IDLE_SECONDS, lambda: self._let_go(served))

    def _let_go(self, seen: list[tuple[Instance, int]]) -> None:
        """Stop what has served nothing since it was seen, and look again at the rest."""
        with self._changed:
            self._watching = False
            leaving = [
                instance
                for instance, served in seen
                if instance in self._instances
                and not instance.in_flight
                and instance.served == served
            ][: max(0, self.size - self.warm)]
            self._instances = [each for each in self._instances if each not in leaving]
        for instance in leaving:
            instance.stop()
        self._let_go_later()
