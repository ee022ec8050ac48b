"""The update of an endpoint: a second fleet is started and takes over the traffic, step by step.

Source: SageMaker developer guide, "Deployment guardrails". The alarms of the deployment are watched
between the steps; when one fires, all traffic goes back to the fleet that was there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.errors import ServiceError
from localcloud.sagemaker import crud, events
from localcloud.sagemaker.fleets import apply_weights, shown_config, start_fleet
from localcloud.sagemaker.routes import Fleet, Route
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

_EVENT = "SageMaker Endpoint Deployment State Change"
_ALARM_POLLS = 10
"""How often the alarms are looked at during one wait of a deployment."""


class _RolledBackError(Exception):
    """An alarm of the deployment fired."""


@dataclass(frozen=True)
class Deployment:
    """One update of an endpoint.

    Args:
        cloud: The service.
        endpoint: The record of the endpoint.
        config: The endpoint configuration that it moves to.
        weights: Weights that the variants keep, where they are not to get those of ``config``.
        settings: The ``DeploymentConfig``; empty to shift all at once.
    """

    cloud: SageMaker
    endpoint: Record
    config: Json
    weights: dict[str, float]
    settings: Json

    def run(self, stop: threading.Event) -> None:
        """Carry the update out; the endpoint is in service afterwards, whatever comes of it."""
        route = self.cloud.routes.get(self.endpoint.arn)
        new: Fleet | None = None
        try:
            new = start_fleet(self.cloud, self.endpoint.data["EndpointName"], self.config)
            if route:
                self._shift(route, new, stop)
        except _RolledBackError as error:
            self._roll_back(route, new, str(error))
        except Exception as error:
            self._roll_back(route, new, reason(error))
        else:
            if stop.is_set():
                new.stop()
            else:
                self._finish(route, new, stop)

    def _finish(self, route: Route | None, new: Fleet, stop: threading.Event) -> None:
        record = self.endpoint
        self.cloud.routes.put(record.arn, Route(new))
        with self.cloud.store.lock:
            record.data.pop("PendingDeploymentSummary", None)
            record.data |= shown_config(self.cloud, self.config, self.weights)
            record.data["EndpointConfigName"] = self.config["EndpointConfigName"]
            record.data["LastDeploymentConfig"] = self.settings or None
        apply_weights(self.cloud, record)
        crud.set_status(self.cloud, record, "InService")
        if route:
            wait = _policy(self.settings).get("TerminationWaitInSeconds", 0)
            self.cloud.clock.sleep(wait, stop)
            route.stable.stop()

    def _shift(self, route: Route, new: Fleet, stop: threading.Event) -> None:
        """Give the new fleet more and more of the traffic, and watch the alarms in between."""
        alarms = _alarms(self.settings)
        polls = _ALARM_POLLS if alarms else 1
        route.candidate = new
        for share, wait in steps(self.settings, self.endpoint.data["ProductionVariants"]):
            route.candidate_share = share
            self._tell("Baking")
            for _ in range(polls):
                if self.cloud.clock.sleep(wait / polls, stop):
                    return
                firing = self._firing(alarms)
                if firing:
                    raise _RolledBackError(
                        "The deployment was rolled back: alarm in state ALARM: " + ", ".join(firing)
                    )

    def _roll_back(self, route: Route | None, new: Fleet | None, why: str) -> None:
        """Give all traffic back. The endpoint stays in service and says what failed."""
        if route:
            route.candidate_share = 0.0
            route.candidate = None
        if new:
            new.stop()
        with self.cloud.store.lock:
            self.endpoint.data.pop("PendingDeploymentSummary", None)
        crud.set_status(self.cloud, self.endpoint, "InService", FailureReason=why)

    def _firing(self, alarms: list[str]) -> list[str]:
        if not alarms:
            return []
        client: Any = self.cloud.clients.client("cloudwatch", self.cloud.scope)
        answer = client.describe_alarms(
            AlarmNames=alarms, AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM"
        )
        found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        return [alarm["AlarmName"] for alarm in found]

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
    rolling = settings.get("RollingUpdatePolicy")
    if rolling:
        size = _share(rolling["MaximumBatchSize"], variants)
        yield from _linear(size, rolling["WaitIntervalInSeconds"])
        return
    routing = _policy(settings).get("TrafficRoutingConfiguration") or {}
    wait = routing.get("WaitIntervalInSeconds", 0)
    if routing.get("Type") == "CANARY":
        yield _share(routing["CanarySize"], variants), wait
        yield 1.0, wait
    elif routing.get("Type") == "LINEAR":
        yield from _linear(_share(routing["LinearStepSize"], variants), wait)
    else:
        yield 1.0, wait


def reason(error: Exception) -> str:
    """What an endpoint says of an error."""
    if isinstance(error, ServiceError):
        return error.message
    return str(error) or type(error).__name__


def _linear(size: float, wait: float) -> Iterator[tuple[float, float]]:
    share = 0.0
    while share < 1.0:
        share = min(1.0, round(share + size, 6))
        yield share, wait


def _share(size: Json, variants: list[Json]) -> float:
    """A capacity size as a share of the fleet."""
    value = float(size["Value"])
    if size["Type"] == "CAPACITY_PERCENT":
        return value / 100
    instances = sum(int(variant.get("CurrentInstanceCount", 1)) for variant in variants)
    return min(1.0, value / max(1, instances))


def _policy(settings: Json) -> Json:
    policy: Json = settings.get("BlueGreenUpdatePolicy") or {}
    return policy


def _alarms(settings: Json) -> list[str]:
    rollback = settings.get("AutoRollbackConfiguration") or {}
    return [alarm["AlarmName"] for alarm in rollback.get("Alarms") or []]
