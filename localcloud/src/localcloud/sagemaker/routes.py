"""Which local processes answer the requests of which endpoint."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any

from localcloud.serving import ModelProcess

Json = dict[str, Any]


@dataclass
class Variant:
    """A production variant that runs."""

    name: str
    weight: float
    processes: list[ModelProcess]


@dataclass
class Fleet:
    """The variants of one endpoint configuration, running."""

    config: Json
    variants: dict[str, Variant]

    def choose(self, target: str | None) -> Variant | None:
        """The variant that was asked for, or one by weight."""
        if target:
            return self.variants.get(target)
        able = [variant for variant in self.variants.values() if variant.processes]
        weights = [variant.weight for variant in able]
        if not able or not sum(weights):
            return None
        return random.choices(able, weights)[0]  # noqa: S311 - spreads load, guards nothing

    def stop(self) -> None:
        """Stop the processes."""
        for variant in self.variants.values():
            for process in variant.processes:
                process.stop()


@dataclass
class Route:
    """Which share of an endpoint's requests goes to which fleet."""

    stable: Fleet
    candidate: Fleet | None = None
    candidate_share: float = 0.0

    def choose(self) -> Fleet:
        """The fleet for the next request."""
        if self.candidate and random.random() < self.candidate_share:  # noqa: S311 - as above
            return self.candidate
        return self.stable

    def stop(self) -> None:
        """Stop both fleets."""
        self.stable.stop()
        if self.candidate:
            self.candidate.stop()


@dataclass
class Routes:
    """The routes of all endpoints, by ARN."""

    _routes: dict[str, Route] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, arn: str) -> Route | None:
        """The route of an endpoint."""
        with self._lock:
            return self._routes.get(arn)

    def put(self, arn: str, route: Route) -> None:
        """Open a route."""
        with self._lock:
            self._routes[arn] = route

    def close(self, arn: str) -> None:
        """Close a route and stop what is behind it."""
        with self._lock:
            route = self._routes.pop(arn, None)
        if route:
            route.stop()

    def close_all(self) -> None:
        """Close all routes."""
        for arn in list(self._routes):
            self.close(arn)
