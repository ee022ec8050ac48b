"""The update of an endpoint: a second fleet is started and takes over the traffic, step by step.

Source: SageMaker developer guide, "Deployment guardrails". The alarms of the deployment are watched
before the first step and in all baking periods; when one fires, all traffic goes back to the fleet
that was there. No request is lost: a fleet is stopped when it has answered what it took.

The last baking period, with all traffic on the new fleet and the old one standing by, takes
``TerminationWaitInSeconds``, as in the guide's example of "All at once traffic shifting"; without
it, ``WaitIntervalInSeconds``. The API reference has the former begin after the deployment.

``MaximumExecutionTimeoutInSeconds`` is not counted: models start in real time here, all waits in
scaled time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.errors import ServiceError
from localcloud.sagemaker import crud, events
from localcloud.sagemaker.asynchronous import open_queue
from localcloud.sagemaker.fleets import apply_weights, shown_config, start_fleet
from localcloud.sagemaker.routes import Fleet, Route
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

_EVENT = "SageMaker Endpoint Deployment State Change"
_POLL_SECONDS = 0.1
"""Real seconds between two looks at the alarms."""
_FEWEST_POLLS = 3


class _RolledBackError(Exception):
    """An alarm of the deployment fired."""


class _StoppedError(Exception):
    """The endpoint is deleted."""


@dataclass(frozen=True)
class Deployment:
    """One update of an endpoint.

    Args:
        cloud: The service.
        endpoint: The record of the endpoint.
        config: The endpoint configuration that it moves to.
        kept: Members of variants that are retained: weights and instance counts.
        settings: The ``DeploymentConfig``; empty to shift all at once.
    """

    cloud: SageMaker
    endpoint: Record
    config: Json
    kept: Mapping[str, Json]
    settings: Json

    def run(self, stop: threading.Event) -> None:
        """Carry the update out; the endpoint is in service afterwards, whatever comes of it."""
        route = self.cloud.routes.get(self.endpoint.arn)
        new: Fleet | None = None
        rolling = self.settings.get("RollingUpdatePolicy")
        counts = self._counts()
        try:
            self._tell("Creating")
            first = dict.fromkeys(counts, 0) if rolling and route else counts
            new = start_fleet(self.cloud, self.endpoint.data["EndpointName"], self.config, first)
            if route and rolling:
                self._roll(route, new, counts, rolling, stop)
            elif route:
                self._shift(route, new, stop)
        except _StoppedError:
            self._give_up(route, new)
        except _RolledBackError as error:
            self._roll_back(route, new, str(error), stop)
        except Exception as error:
            self._roll_back(route, new, reason(error), stop)
        else:
            self._finish(route, new, stop)

    def _counts(self) -> dict[str, int]:
        """The instances of each variant of the new fleet."""
        return {
            item["VariantName"]: self.kept.get(item["VariantName"], {}).get(
                "DesiredInstanceCount", item.get("InitialInstanceCount", 1)
            )
            for item in self.config["ProductionVariants"]
        }

    def _finish(self, route: Route | None, new: Fleet, stop: threading.Event) -> None:
        record = self.endpoint
        if stop.is_set():
            self._give_up(route, new)
            return
        self.cloud.routes.put(record.arn, Route(new))
        with self.cloud.store.lock:
            record.data.pop("PendingDeploymentSummary", None)
            record.data |= shown_config(self.cloud, self.config, self.kept)
            record.data["EndpointConfigName"] = self.config["EndpointConfigName"]
            record.data["LastDeploymentConfig"] = self.settings or None
        apply_weights(self.cloud, record)
        open_queue(self.cloud, record)
        crud.set_status(self.cloud, record, "InService")
        if route:
            route.stable.stop()

    # --- traffic ---------------------------------------------------------------------------------

    def _shift(self, route: Route, new: Fleet, stop: threading.Event) -> None:
        """Give the new fleet more and more of the traffic, and watch the alarms in between."""
        self._refuse_firing()
        route.candidate = new
        for share, wait in steps(self.settings, self.endpoint.data["ProductionVariants"]):
            self._tell("ActivatingTraffic")
            route.candidate_share = share
            self._bake(wait, stop)

    def _roll(
        self,
        route: Route,
        new: Fleet,
        counts: Mapping[str, int],
        settings: Json,
        stop: threading.Event,
    ) -> None:
        """Replace instances batch by batch: start some, give them their share, end as many."""
        self._refuse_firing()
        (name,) = counts
        old, young = route.stable.variants[name].pool, new.variants[name].pool
        if old is None or young is None:
            return
        total = max(1, counts[name])
        size = _batch(settings["MaximumBatchSize"], total)
        route.candidate = new
        while young.size < total:
            young.scale(min(total, young.size + size))
            self._tell("ActivatingTraffic")
            route.candidate_share = young.size / total
            self._bake(settings["WaitIntervalInSeconds"], stop)
            self._tell("Deleting")
            old.scale(max(0 if young.size == total else 1, total - young.size))

    def _bake(self, wait: float, stop: threading.Event) -> None:
        alarms = _alarms(self.settings)
        self._tell("Baking")
        seconds = wait * self.cloud.clock.scale
        polls = max(_FEWEST_POLLS, math.ceil(seconds / _POLL_SECONDS)) if alarms else 1
        for _ in range(polls):
            if self.cloud.clock.sleep(wait / polls, stop) or stop.is_set():
                raise _StoppedError
            self._refuse_firing()

    def _roll_back(
        self, route: Route | None, new: Fleet | None, why: str, stop: threading.Event
    ) -> None:
        """Give all traffic back. The endpoint stays in service and says what failed."""
        if stop.is_set():
            self._give_up(route, new)
            return
        crud.set_status(self.cloud, self.endpoint, "RollingBack")
        if route and new:
            self._restore(route, new)
        self._give_up(route, new)
        with self.cloud.store.lock:
            self.endpoint.data.pop("PendingDeploymentSummary", None)
        crud.set_status(self.cloud, self.endpoint, "InService", FailureReason=why)

    def _restore(self, route: Route, new: Fleet) -> None:
        """Start the instances again that a rolling update has ended already."""
        settings = self.settings.get("RollingUpdatePolicy") or {}
        for item in self.endpoint.data["ProductionVariants"]:
            variant = route.stable.variants[item["VariantName"]]
            total = item.get("CurrentInstanceCount") or 0
            if variant.pool is None or not settings:
                continue
            back = settings.get("RollbackMaximumBatchSize")
            size = _batch(back, total) if back else total
            while variant.pool.size < total:
                variant.pool.scale(min(total, variant.pool.size + size))
                route.candidate_share = 1 - variant.pool.size / total

    def _give_up(self, route: Route | None, new: Fleet | None) -> None:
        if route:
            route.candidate_share = 0.0
            route.candidate = None
        if new:
            new.stop()

    # --- alarms and events -----------------------------------------------------------------------

    def _refuse_firing(self) -> None:
        alarms = _alarms(self.settings)
        if not alarms:
            return
        client: Any = self.cloud.clients.client("cloudwatch", self.cloud.scope)
        answer = client.describe_alarms(
            AlarmNames=alarms, AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM"
        )
        found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        if found:
            firing = ", ".join(alarm["AlarmName"] for alarm in found)
            raise _RolledBackError(
                f"The deployment was rolled back: alarm in state ALARM: {firing}"
            )

    def _tell(self, status: str) -> None:
        data, now = self.endpoint.data, time.time()
        states = [{"Status": status, "StartTime": now}]
        summary = {
            "EndpointConfigName": self.config["EndpointConfigName"],
            "ProductionVariants": [
                {"VariantName": variant["VariantName"], "VariantStatus": states}
                for variant in self.config["ProductionVariants"]
            ],
            "StartTime": now,
        }
        data["PendingDeploymentSummary"] = summary
        detail = {
            "EndpointName": data["EndpointName"],
            "EndpointArn": self.endpoint.arn,
            "EndpointConfigName": data["EndpointConfigName"],
            "EndpointStatus": "UPDATING",
            "PendingDeploymentSummary": summary,
        }
        events.put(_EVENT, detail, [self.endpoint.arn])


def steps(settings: Json, variants: list[Json]) -> Iterator[tuple[float, float]]:
    """The share of the new fleet, and the seconds to wait after it, step by step.

    Args:
        settings: The ``DeploymentConfig``.
        variants: As DescribeEndpoint shows them; their instances are what counts are shares of.
    """
    routing = _policy(settings).get("TrafficRoutingConfiguration") or {}
    if any(variant.get("CurrentServerlessConfig") for variant in variants):
        # Guardrails do not apply to serverless variants: all at once, without baking.
        routing = {}
    wait = routing.get("WaitIntervalInSeconds", 0)
    last = (routing and _policy(settings).get("TerminationWaitInSeconds")) or wait
    if routing.get("Type") == "CANARY":
        yield _share(routing["CanarySize"], variants), wait
    elif routing.get("Type") == "LINEAR":
        for share in _linear(_share(routing["LinearStepSize"], variants)):
            yield share, wait
    yield 1.0, last


def reason(error: Exception) -> str:
    """What an endpoint says of an error."""
    if isinstance(error, ServiceError):
        return error.message
    return str(error) or type(error).__name__


def _linear(size: float) -> Iterator[float]:
    """The shares before the whole."""
    share = size
    while share < 1.0:
        yield share
        share = round(share + size, 6)


def _share(size: Json, variants: list[Json]) -> float:
    """A capacity size as a share of the fleet."""
    value = float(size["Value"])
    if size["Type"] == "CAPACITY_PERCENT":
        return value / 100
    instances = sum(int(variant.get("CurrentInstanceCount", 1)) for variant in variants)
    return min(1.0, value / max(1, instances))


def _batch(size: Json, total: int) -> int:
    """A capacity size as instances of a fleet, at least one."""
    value = float(size["Value"])
    return max(1, int(total * value / 100 if size["Type"] == "CAPACITY_PERCENT" else value))


def _policy(settings: Json) -> Json:
    policy: Json = settings.get("BlueGreenUpdatePolicy") or {}
    return policy


def _alarms(settings: Json) -> list[str]:
    rollback = settings.get("AutoRollbackConfiguration") or {}
    return [alarm["AlarmName"] for alarm in rollback.get("Alarms") or []]
