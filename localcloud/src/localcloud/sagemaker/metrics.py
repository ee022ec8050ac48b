"""The CloudWatch metrics of endpoints: which there are, in which unit, and when they are written.

Source: SageMaker developer guide, "Metrics for monitoring Amazon SageMaker AI with Amazon
CloudWatch", "Alarms and logs for tracking metrics from asynchronous endpoints" and "… from
serverless endpoints". Counts have no unit. Every metric of a variant is also written with the
dimension ``EndpointConfigName``, by which an alarm tells the new fleet of a deployment from the old
one ("Auto-Rollback Configuration and Monitoring").
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any

from localcloud import emulator
from localcloud.compute.process import usage_of
from localcloud.emulator import Tally
from localcloud.sagemaker.lifecycle import Clock

if TYPE_CHECKING:
    from localcloud.sagemaker.service import SageMaker
    from localcloud.serving import Instance

Json = dict[str, Any]

NAMESPACE = "AWS/SageMaker"
INSTANCE_NAMESPACE = "/aws/sagemaker/Endpoints"

_UNITS = {
    "ModelLatency": "Microseconds",
    "OverheadLatency": "Microseconds",
    "Latency": "Microseconds",
    "ModelSetupTime": "Microseconds",
    "ModelLoadingTime": "Microseconds",
    "ModelLoadingWaitTime": "Microseconds",
    "ModelDownloadingTime": "Microseconds",
    "ModelUnloadingTime": "Microseconds",
    "TimeInBacklog": "Milliseconds",
    "TotalProcessingTime": "Milliseconds",
    "ApproximateAgeOfOldestRequest": "Seconds",
    "CPUUtilization": "Percent",
    "MemoryUtilization": "Percent",
}
_NOT_SERVERLESS = frozenset(
    {"InvocationModelErrors", "InvocationsPerInstance", "ConcurrentRequestsPerModel"}
)
_NOT_ASYNCHRONOUS = _NOT_SERVERLESS | {"Invocations", "OverheadLatency"}
"""What the guide's lists of the metrics of such endpoints, exhaustive by its word, do not have."""
_RESOLUTION_SECONDS = 10.0
"""In AWS's time; equal values within it are one datum with a count."""
_USE_SECONDS, _LEAST_USE_SECONDS = 60.0, 0.5
"""How often it is measured what instances use: in AWS's time, but in real time not more often."""
_DIGITS = 3
"""Significant digits of times: neighbours become one datum, and no percentile moves by 1 %."""


class Meter:
    """Writes the metrics of one resource, each with every one of its sets of dimensions.

    Args:
        clock: How fast AWS's time passes.
        dimensions: The sets of dimensions.
        namespace: Of all of its metrics.
        without: Metrics that are not written.
    """

    def __init__(
        self,
        clock: Clock,
        dimensions: Sequence[Mapping[str, str]],
        namespace: str = NAMESPACE,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self._without = without
        self._scope = emulator.current_scope()
        self._seconds = min(1.0, max(0.01, _RESOLUTION_SECONDS * clock.scale))
        self._dimensions = dimensions
        self._namespace = namespace
        self._tallies: dict[str, list[Tally]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: float) -> None:
        """Write a value of a metric."""
        if name in self._without:
            return
        tallies = self._tallies.get(name) or self._made(name)
        rounded = _rounded(value) if name in _UNITS else value
        for tally in tallies:
            tally.add(rounded)

    def invoked(self, status: int, *, overhead: float, latency: float, share: float) -> None:
        """Write what one invocation counts for.

        Args:
            status: What the container answered; 0 if it did not in time.
            overhead: Microseconds that the service took.
            latency: Microseconds that the model took.
            share: Of one invocation for each instance: ``1 / instances``.
        """
        self.add("Invocations", 1.0)
        self.add("InvocationsPerInstance", share)
        self.failed(status)
        self.add("ModelLatency", latency)
        self.add("OverheadLatency", overhead)

    def failed(self, status: int) -> None:
        """Write whether an invocation failed, and how: 1 if it did, otherwise 0."""
        self.add("Invocation4XXErrors", float(400 <= status < 500))
        self.add("Invocation5XXErrors", float(status >= 500 or status == 0))
        self.add("InvocationModelErrors", float(not 200 <= status < 300))

    def _made(self, name: str) -> list[Tally]:
        with self._lock, emulator.within(self._scope):
            return self._tallies.setdefault(
                name,
                [
                    Tally(
                        self._namespace,
                        name,
                        unit=_UNITS.get(name, "None"),
                        dimensions=each,
                        seconds=self._seconds,
                    )
                    for each in self._dimensions
                ],
            )


def of_variant(clock: Clock, endpoint: str, variant: str, config: Json) -> Meter:
    """The metrics of a variant under one configuration of its endpoint."""
    plain = {"EndpointName": endpoint, "VariantName": variant}
    without: frozenset[str] = frozenset()
    if config.get("AsyncInferenceConfig"):
        without = _NOT_ASYNCHRONOUS
    elif any(each.get("ServerlessConfig") for each in config["ProductionVariants"]):
        without = _NOT_SERVERLESS
    named = {**plain, "EndpointConfigName": config["EndpointConfigName"]}
    return Meter(clock, [plain, named], without=without)


class Utilization:
    """Writes what the instances of a variant use of what they have.

    Args:
        meter: Of the variant, in the namespace of instances.
        memory_mib: What an instance has.
    """

    def __init__(self, meter: Meter, memory_mib: float) -> None:
        self._meter = meter
        self._memory_mib = memory_mib
        self._before: dict[int, float] = {}
        self._at = time.monotonic()

    def observe(self, instances: Sequence[Instance]) -> None:
        """Write the use since the last time; 100 % of processors is one core, as in AWS."""
        seconds, self._at = time.monotonic() - self._at, time.monotonic()
        before, self._before = self._before, {}
        for instance in instances:
            used = usage_of(instance.groups)
            spent = 0.0
            for group, each in used.items():
                self._before[group] = each.cpu_seconds
                spent += each.cpu_seconds - before.get(group, each.cpu_seconds)
            held = sum(each.memory_mib for each in used.values())
            self._meter.add("CPUUtilization", 100 * spent / max(seconds, 0.001))
            self._meter.add("MemoryUtilization", 100 * held / self._memory_mib)


class Observer:
    """Writes what is measured of what goes on, not of what ends.

    Args:
        cloud: The service.
    """

    def __init__(self, cloud: SageMaker) -> None:
        self._cloud = cloud
        self._due = 0.0

    def tick(self) -> None:
        """Write concurrency and backlogs; every minute of AWS's, what instances use."""
        observe(self._cloud)
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + max(_LEAST_USE_SECONDS, _USE_SECONDS * self._cloud.clock.scale)
        for _, fleet in self._cloud.routes.fleets():
            for variant in fleet.variants.values():
                if variant.pool is not None and variant.utilization is not None:
                    variant.utilization.observe(variant.pool.instances)


def observe(cloud: SageMaker) -> None:
    """Write what is measured of what goes on, not of what ends: concurrency, backlogs."""
    watched = {target.data["ResourceId"] for _, target in cloud.store.of_kind("ScalableTarget")}
    for endpoint, fleet in cloud.routes.fleets():
        for variant in fleet.variants.values():
            if variant.pool is None:
                continue
            peak = variant.pool.take_peak()
            # Where nothing happens and nobody waits for it, nothing is written.
            if peak or f"endpoint/{endpoint}/variant/{variant.name}" in watched:
                variant.observe(peak)
    for copies in cloud.routes.all_components():
        copies.observe(watched)
    for queue in cloud.routes.all_queues():
        queue.observe(watched)


def _rounded(value: float) -> float:
    if value <= 0:
        return 0.0
    return round(value, _DIGITS - 1 - floor(log10(value)))
