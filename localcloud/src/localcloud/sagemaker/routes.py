"""Which local processes answer the requests of which endpoint."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localcloud.sagemaker.metrics import Meter, Utilization
from localcloud.serving import Pool, ServerlessPool
from localcloud.serving.instances import DRAIN_SECONDS

if TYPE_CHECKING:
    from localcloud.sagemaker.asynchronous import Queue
    from localcloud.sagemaker.components import Copies

Json = dict[str, Any]


@dataclass
class Variant:
    """A variant that runs.

    Attributes:
        name: Of the variant.
        weight: Its share of the requests, relative to the others.
        pool: Its instances; None where inference components take the requests.
        meter: Writes its metrics.
        utilization: Writes what its instances use.
        hostnames: Of its containers, where a request names the one that it is for (``Direct``).
        multi_model: Whether a request names the model that it is for.
    """

    name: str
    weight: float
    pool: Pool | None
    meter: Meter
    hostnames: tuple[str, ...] = ()
    multi_model: bool = False
    container_meters: dict[str, Meter] = field(default_factory=dict)
    utilization: Utilization | None = None

    def observe(self, peak: int) -> None:
        """Write the concurrency of the last while."""
        if isinstance(self.pool, ServerlessPool):
            self.meter.add("ServerlessConcurrentExecutionsUtilization", peak / self.pool.most)
            if self.pool.warm:
                used = min(peak, self.pool.warm)
                self.meter.add("ServerlessProvisionedConcurrencyExecutions", used)
                self.meter.add("ServerlessProvisionedConcurrencyUtilization", used / self.pool.warm)
        elif self.pool is not None:
            self.meter.add("ConcurrentRequestsPerModel", peak / max(1, self.pool.size))

    def stop(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Stop its instances when they have answered what they took."""
        if self.pool is not None:
            self.pool.stop(seconds=seconds)


@dataclass
class Fleet:
    """The variants of one endpoint configuration, running."""

    config: Json
    variants: dict[str, Variant]
    shadows: dict[str, Variant] = field(default_factory=dict)

    def choose(self, target: str | None) -> Variant | None:
        """The variant that was asked for, or one by weight."""
        if target:
            return self.variants.get(target)
        able = list(self.variants.values())
        weights = [variant.weight for variant in able]
        if not able or not sum(weights):
            return None
        return random.choices(able, weights)[0]  # noqa: S311 - spreads load, guards nothing

    def sampled_shadows(self, production: Variant) -> Iterator[Variant]:
        """The shadow variants that get a copy of a request.

        Each does by its weight as a share of the weight of the production variant (developer
        guide, "Shadow tests").
        """
        for shadow in self.shadows.values():
            share = shadow.weight / production.weight if production.weight else 0.0
            if random.random() < share:  # noqa: S311 - as above
                yield shadow

    @property
    def size(self) -> int:
        """How many instances the production variants have."""
        return sum(v.pool.size for v in self.variants.values() if v.pool is not None)

    def stop(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Stop all instances when they have answered what they took."""
        for variant in (*self.variants.values(), *self.shadows.values()):
            variant.stop(seconds=seconds)


@dataclass
class Route:
    """Which share of an endpoint's requests goes to which fleet."""

    stable: Fleet
    candidate: Fleet | None = None
    candidate_share: float = 0.0

    def choose(self) -> Fleet:
        """The fleet for the next request."""
        candidate = self.candidate
        if candidate and random.random() < self.candidate_share:  # noqa: S311 - as above
            return candidate
        return self.stable

    def stop(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Stop both fleets."""
        candidate = self.candidate
        self.stable.stop(seconds=seconds)
        if candidate:
            candidate.stop(seconds=seconds)


@dataclass
class Routes:
    """The routes of all endpoints, by ARN; beside them their queues and inference components."""

    _routes: dict[str, Route] = field(default_factory=dict)
    _queues: dict[str, Queue] = field(default_factory=dict)
    _components: dict[str, Copies] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, arn: str) -> Route | None:
        """The route of an endpoint."""
        with self._lock:
            return self._routes.get(arn)

    def put(self, arn: str, route: Route) -> None:
        """Open a route."""
        with self._lock:
            self._routes[arn] = route

    def fleets(self) -> list[tuple[str, Fleet]]:
        """All fleets that serve, with the name of their endpoint in lower case."""
        with self._lock:
            routes = list(self._routes.items())
        found = []
        for arn, route in routes:
            name = arn.rsplit("/", 1)[-1]
            found += [(name, each) for each in (route.stable, route.candidate) if each]
        return found

    def queue(self, arn: str) -> Queue | None:
        """The queue of an asynchronous endpoint."""
        return self._queues.get(arn)

    def put_queue(self, arn: str, queue: Queue) -> None:
        """Open a queue."""
        self._queues[arn] = queue

    def all_queues(self) -> list[Queue]:
        """The queues of all asynchronous endpoints."""
        return list(self._queues.values())

    def component(self, arn: str) -> Copies | None:
        """The copies of an inference component."""
        return self._components.get(arn)

    def put_component(self, arn: str, copies: Copies) -> None:
        """Let an inference component take requests."""
        self._components[arn] = copies

    def close_component(self, arn: str, *, seconds: float = DRAIN_SECONDS) -> None:
        """Stop the copies of an inference component."""
        copies = self._components.pop(arn, None)
        if copies:
            copies.pool.stop(seconds=seconds)

    def all_components(self) -> list[Copies]:
        """The copies of all inference components."""
        return list(self._components.values())

    def close(self, arn: str, *, seconds: float = DRAIN_SECONDS) -> None:
        """Close a route and stop what is behind it."""
        with self._lock:
            route = self._routes.pop(arn, None)
            queue = self._queues.pop(arn, None)
        if queue:
            queue.stop()
        if route:
            route.stop(seconds=seconds)

    def close_all(self) -> None:
        """Close all routes at once, whoever waits for an answer."""
        for arn in list(self._components):
            self.close_component(arn, seconds=0.0)
        for arn in list(self._routes):
            self.close(arn, seconds=0.0)
